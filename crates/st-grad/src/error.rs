//! What can go wrong, each with what was found and what to do.

use std::error::Error;
use std::fmt;

use thiserror::Error;

use crate::HyperGrad;
use crate::solve::Used;

/// What a user's function gives up with.
pub type UserError = Box<dyn Error + Send + Sync>;

/// Results of this crate.
pub type Result<T, E = HyperGradError> = std::result::Result<T, E>;

/// A function of the user's, or a vector that it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Site {
    /// The state `z`.
    State,
    /// The hyper-parameters `lambda`.
    Params,
    /// The update `Phi`.
    Step,
    /// `J^T v`, or `(I - J)^T v`.
    VjpState,
    /// `B^T v`.
    VjpParams,
    /// `J u` or `B w`.
    Jvp,
    /// The outer loss.
    OuterValue,
    /// The outer loss's gradient.
    OuterGradient,
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::State => "the state z",
            Self::Params => "the hyper-parameters",
            Self::Step => "the update",
            Self::VjpState => "the transposed product by the state",
            Self::VjpParams => "the transposed product by the hyper-parameters",
            Self::Jvp => "the forward product",
            Self::OuterValue => "the outer loss",
            Self::OuterGradient => "the outer loss's gradient",
        })
    }
}

/// Why there is no hyper-gradient.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HyperGradError {
    /// The solver ended above the tolerance.
    #[error(
        "{solver} ended after {iterations} iterations with a true relative residual of \
         {residual:.3e}, above the tolerance {tolerance:.1e}; allow more iterations, take another \
         solver, or a tolerance above what rounding leaves of this problem"
    )]
    NotConverged {
        /// The solver.
        solver: Used,
        /// Iterations made.
        iterations: usize,
        /// `|g - (I - J)^T v| / |g|`, computed anew at the end.
        residual: f64,
        /// What was asked for.
        tolerance: f64,
        /// The value so far, if [`keep_partial`](crate::Implicit::keep_partial) was asked for.
        partial: Option<Box<HyperGrad>>,
    },
    /// The iteration moves away from a solution.
    #[error(
        "{solver} diverged: the residual grew to {residual:.3e} times the right-hand side by \
         iteration {iteration}; Neumann's series needs a spectral radius below 1, the other \
         solvers do not"
    )]
    Diverged {
        /// The solver.
        solver: Used,
        /// When it was noticed.
        iteration: usize,
        /// The relative residual then.
        residual: f64,
        /// The value so far, if asked for.
        partial: Option<Box<HyperGrad>>,
    },
    /// The solver cannot go on: the operator is singular, or the method met a division by zero.
    #[error(
        "{solver} broke down at iteration {iteration} with relative residual {residual:.3e}: \
         {what}; if I - J is singular there may be no hyper-gradient, else take GMRES"
    )]
    Breakdown {
        /// The solver.
        solver: Used,
        /// When.
        iteration: usize,
        /// The relative residual then.
        residual: f64,
        /// What became zero.
        what: &'static str,
    },
    /// Conjugate gradients met a direction of negative curvature: the point is no minimum.
    #[error(
        "I - J is not positive definite: curvature {curvature:.3e} at iteration {iteration}, so \
         the inner problem's point is no minimum; if that is meant, take GMRES explicitly"
    )]
    IndefiniteOperator {
        /// When.
        iteration: usize,
        /// `p^T (I - J)^T p / |p|^2`
        curvature: f64,
    },
    /// Conjugate gradients failed on an operator that is not symmetric.
    #[error(
        "conjugate gradients ended with relative residual {residual:.3e} because I - J is not \
         symmetric (a probe finds {asymmetry:.3e}); take Solver::Auto, Gmres, BiCgStab or Cgnr"
    )]
    NotSymmetric {
        /// `|<u, M p> - <M u, p>|` over half of `|u| |M p| + |M u| |p|`.
        asymmetry: f64,
        /// Iterations made.
        iterations: usize,
        /// The true relative residual at the end.
        residual: f64,
        /// The value so far, if asked for.
        partial: Option<Box<HyperGrad>>,
    },
    /// The state is no fixed point, and the implicit formula does not hold there.
    #[error(
        "z is no fixed point: |Phi(z) - z| is {residual:.3e}, allowed is {allowed:.1e}; iterate \
         further, or raise Implicit::fixed_point_tolerance and take the error into account"
    )]
    NotAFixedPoint {
        /// `|Phi(z) - z|`
        residual: f64,
        /// The most that was allowed.
        allowed: f64,
    },
    /// A number that is not finite.
    #[error("{site} holds NaN or infinity at iteration {iteration}")]
    NonFinite {
        /// Where it appeared.
        site: Site,
        /// The iteration at which it appeared, of the inner loop or of the solver; from 0.
        iteration: usize,
    },
    /// The map lacks a product that the method needs.
    #[error("{what} needs {needs}, which this map does not offer")]
    Unsupported {
        /// The method.
        what: &'static str,
        /// What it needs.
        needs: &'static str,
    },
    /// Lengths do not fit.
    #[error("{what}: expected {expected}, got {got}")]
    Shape {
        /// What.
        what: &'static str,
        /// The length it needs.
        expected: usize,
        /// The length it has.
        got: usize,
    },
    /// A setting that makes no sense.
    #[error("{what} is {got}; it must be {allowed}")]
    Setting {
        /// The setting.
        what: &'static str,
        /// Its value.
        got: f64,
        /// What it may be.
        allowed: &'static str,
    },
    /// A hand-written product is not the derivative of the update.
    #[error(
        "{site} is wrong: along a probe it gives {got:.6e} where the update itself gives \
         {expected:.6e} (relative difference {error:.1e}, allowed {tolerance:.1e})"
    )]
    WrongProduct {
        /// Which.
        site: Site,
        /// What the product gives.
        got: f64,
        /// What differences of the update give.
        expected: f64,
        /// Their difference, relative to the products' size.
        error: f64,
        /// What was allowed.
        tolerance: f64,
    },
    /// A function of the user's failed.
    #[error("{site} failed at iteration {iteration}: {source}")]
    User {
        /// Which function.
        site: Site,
        /// When.
        iteration: usize,
        /// Its own error.
        source: UserError,
    },
}

impl HyperGradError {
    /// The value as far as it was computed, if it was asked for; its residual says how far.
    #[must_use]
    pub fn partial(&self) -> Option<&HyperGrad> {
        match self {
            Self::NotConverged { partial, .. }
            | Self::Diverged { partial, .. }
            | Self::NotSymmetric { partial, .. } => partial.as_deref(),
            _ => None,
        }
    }
}

/// Refuses a wrong length.
pub(crate) fn shape(what: &'static str, expected: usize, got: usize) -> Result<()> {
    if expected == got { Ok(()) } else { Err(HyperGradError::Shape { what, expected, got }) }
}

/// Names a failed user's function.
pub(crate) fn failed(site: Site, iteration: usize) -> impl FnOnce(UserError) -> HyperGradError {
    move |source| match source.downcast::<HyperGradError>() {
        // An error of this crate's that came through a user's function is said as it is.
        Ok(own) => *own,
        Err(source) => HyperGradError::User { site, iteration, source },
    }
}

/// Refuses numbers that are not finite.
pub(crate) fn finite(site: Site, iteration: usize, x: &[f64]) -> Result<()> {
    if crate::vector::finite(x) {
        Ok(())
    } else {
        Err(HyperGradError::NonFinite { site, iteration })
    }
}
