//! The executor of NVIDIA devices. With the feature `cuda` it runs, where there are the driver and NVRTC; without,
//! binding works, and running is refused with a typed error. Nothing falls back to another device.
//!
//! `CudaExecutor::on_stream` takes a context and a stream of the caller's, `DeviceInput`, `DeviceOutput` and
//! `Workspace` addresses on the device: `launch` then neither allocates nor waits, and can be captured in a graph.

#[cfg(feature = "cuda")]
mod enabled;
#[cfg(feature = "cuda")]
pub use enabled::*;
/// Plans timed by replaying graphs: for benches, which are not built without the backend.
#[cfg(feature = "cuda")]
pub use st_backend_cuda::timing;

#[cfg(not(feature = "cuda"))]
mod disabled;
#[cfg(not(feature = "cuda"))]
pub use disabled::*;
