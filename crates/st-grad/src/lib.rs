//! Ameba Hypergrad: gradients of an outer loss by hyper-parameters, through an inner problem that
//! is a fixed point, `z* = Phi(z*, lambda)`. With `J = dPhi/dz`, `B = dPhi/dlambda` and
//! `g = dE/dz` there,
//!
//! ```text
//! (I - J)^T v = g        dE/dlambda = partial E/partial lambda + B^T v
//! ```
//!
//! - [`Implicit`] solves that system, by Neumann's series, conjugate gradients, CGNR, BiCGSTAB or
//!   GMRES. What it returns has a residual below the tolerance, computed anew at the end; all else
//!   is an error that says what happened.
//! - [`Unrolled`] differentiates a fixed number of steps, backward or forward.
//! - Maps are written once over [`Scalar`] ([`UpdateMap`], [`GradientDescent`]), by hand
//!   ([`FixedPoint`]), or from closures ([`MapFn`]); [`check_vjp`] checks their products.
//! - [`Relaxation`] makes positive numbers, bounded numbers and choices differentiable.
//! - [`Glm`] is ridge and logistic regression with a penalty for each weight, with fused products.
//!
//! The mathematics, how to choose a solver, and examples: `docs/hypergrad.md`.

#![forbid(unsafe_code)]

mod aligned;
mod check;
mod closures;
mod dual;
mod error;
mod glm;
mod implicit;
mod iterate;
mod kernel;
mod link;
mod map;
mod matrix;
mod relax;
mod scalar;
mod solve;
mod tape;
mod unrolled;
mod vector;
mod written;

pub use check::{VjpCheck, check_vjp};
pub use closures::{MapFn, OuterFn};
pub use dual::Dual;
pub use error::{HyperGradError, Result, Site, UserError};
pub use glm::Glm;
pub use implicit::{Ending, HyperGrad, Implicit};
pub use iterate::{Reached, iterate};
pub use link::Link;
pub use map::{FixedPoint, Linearised, Outcome, OuterLoss};
pub use matrix::Matrix;
pub use relax::{Relaxation, Relaxed};
pub use scalar::{Scalar, Unary};
pub use solve::{Asymmetry, Solver, Used, asymmetry};
pub use tape::{Tape, Var};
pub use unrolled::{Checkpoints, Memory, Unrolled, UnrolledGrad};
pub use written::{GradientDescent, Loss, Update, UpdateMap, Written};

/// The examples of the page on hyper-gradients, as tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/hypergrad.md")]
struct Page;
