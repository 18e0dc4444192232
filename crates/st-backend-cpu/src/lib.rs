//! Rank selection on the CPU: exact, deterministic, with vectors and threads.
//!
//! [`CpuExecutor`] obeys a plan whose [`Choice`](st_rank::Choice) means what [`st_kernels::cpu`]
//! says. The algorithms (`row`) are written once over a vector trait (`simd`), whose instances
//! for AVX-512, AVX2, NEON and portable code are chosen at run time.

mod call;
mod compact;

mod exec;
mod isa;
mod launch;
mod packed;
mod placement;
mod probe;
mod row;
mod scratch;
mod simd;
mod split;
mod team;
mod workspace;

pub use exec::{CpuExecutor, OnCpu};
pub use isa::Isa;
pub use launch::Launch;
pub use probe::processor;
