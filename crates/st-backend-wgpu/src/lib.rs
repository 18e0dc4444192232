//! Rank selection through wgpu.
//!
//! - [`device`]: finding adapters, and what each can do.
//! - [`exec`]: the executor; obeys plans and chooses nothing.
//! - `layout`: from a plan to its dispatches: sizes, parameters, permutations; touches no device.
//! - `gpu`: an opened device with its pipelines.
//! - `run`: upload, record, read back.
//! - `compaction`: the same for compactions.
//! - [`timing`]: plans timed by the device's own clock, over inputs that stay on it.
//!
//! The kernels are in `st-kernels/wgsl`.

#![deny(unsafe_code)]

mod compaction;
pub mod device;
pub mod exec;
mod gpu;
mod layout;
mod run;
pub mod timing;

pub use device::{AdapterReport, adapters};
pub use exec::{OnWgpu, WgpuExecutor};
