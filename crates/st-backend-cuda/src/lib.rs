//! Rank selection on NVIDIA GPUs. Builds without CUDA: the driver and the run-time compiler are
//! loaded when an executor is first used.
//!
//! - `driver`, `nvrtc`: the functions that are called, as the libraries have them; [`compiler`]: kernels compiled
//!   without a device.
//! - `device`: a device with its stream and compiled kernels; `cache`: those kept on disk.
//! - `layout`: from a plan to its launches: sizes, workspace; `params`: what kernels are told. They touch
//!   no device.
//! - [`exec`]: the executor; obeys plans and chooses nothing.
//! - `host`: from host memory; `resident`: from addresses on the device, onto the caller's stream;
//!   `compaction`: compactions.
//! - [`timing`]: plans timed by replaying graphs.
//!
//! The kernels are in `st-kernels/cuda`.

#![deny(unsafe_code)]

mod cache;
mod compaction;
pub mod compiler;
mod device;
mod driver;
pub mod exec;
mod host;
mod launch;
mod layout;
mod memory;
mod nvrtc;
mod params;
mod resident;
mod shape;
pub mod timing;

pub use cache::KeptKernels;
pub use compiler::Compiler;
pub use device::DeviceReport;
pub use exec::{CudaExecutor, Launch, Libraries, devices};
pub use host::OnCuda;
pub use memory::DeviceMemory;
pub use resident::{DeviceInput, DeviceOutput, OnDevice, Wanted, Workspace, WorkspaceSize};
