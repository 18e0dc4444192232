//! The CPU executor.

pub use st_backend_cpu::{CpuExecutor, Isa, processor};
