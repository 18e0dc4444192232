//! The vocabulary every other room of SpiralTorch speaks.
//!
//! - [`problem`]: what is asked ([`Problem`], [`RankKind`]); the only place that refuses shapes.
//! - [`order`]: which of two elements comes first; nothing else compares keys.
//! - [`dtype`]: the element types.
//! - [`caps`]: what a device can do ([`DeviceCaps`]).
//! - [`choice`]: how a kernel is configured ([`Choice`]), one record for every backend.
//! - [`plan`]: a choice with its problem and provenance ([`RankPlan`]).
//! - [`executor`]: the traits a backend implements, host inputs and outputs.
//! - [`error`]: everything that can be refused.
//!
//! This crate touches no device, clock, environment or file, and has no unsafe code.

#![forbid(unsafe_code)]

pub mod caps;
pub mod choice;
pub mod dtype;
pub mod error;
pub mod executor;
pub mod order;
pub mod plan;
pub mod problem;
mod tag;

pub use caps::{Backend, DeviceCaps};
pub use choice::{Choice, Field, Fields, MergeDetail, MergeKind};
pub use dtype::{DType, Element, bf16, f16};
pub use error::Error;
pub use executor::{
    CompactExecutor, CompactOutput, ExecuteInto, HostInput, HostOutput, Input, RankKExecutor,
    RankOutput, RankOutputMut,
};
pub use order::{Direction, NanOrder};
pub use plan::{CompactPlan, RankPlan, Source, Sources};
pub use problem::{CompactProblem, Lengths, Problem, RankKind};

/// The result of everything here that can be refused.
pub type Result<T, E = Error> = core::result::Result<T, E>;
