//! SpiralTorch: rank selection (Top-K, Mid-K, Bottom-K and any range of ranks, with indices),
//! planned once and run anywhere.
//!
//! ```
//! use st_core::backend::cpu_exec::CpuExecutor;
//! use st_core::ops::rank_entry::{RankKind, execute_rank, plan_rank};
//!
//! let x = [0.5f32, -1.0, 2.0, 0.25, /* second row */ 7.0, f32::NAN, 7.0, 1.0];
//! let exec = CpuExecutor::default();
//! let plan = plan_rank(RankKind::TopK, 2, 4, 2, exec.caps());
//! let out = execute_rank(&exec.on(&x), &plan)?;
//! assert_eq!(out.indices, [2, 0, /* second row: NaN is greatest, ties by lower index */ 1, 0]);
//! # Ok::<(), st_core::Error>(())
//! ```

#![forbid(unsafe_code)]

pub mod autograd;
pub mod backend;
pub mod doctor;
pub mod hints;
pub mod ops;
pub mod process;
pub mod rewrite;
#[cfg(feature = "kdsl")]
pub mod rules;
pub mod settings;
#[cfg(feature = "tune")]
pub mod tune;

pub use st_rank::for_dtype;
pub use st_rank::{DType, Element, Error, NanOrder, Result, bf16, f16};
