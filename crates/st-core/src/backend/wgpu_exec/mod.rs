//! The executor of the default GPU path: whatever wgpu finds (Vulkan, Metal, DX12, GL), or Metal
//! alone. With the feature `wgpu` (or `mps`) it runs; without, binding works, and running is refused
//! with a typed error. Nothing falls back to another device.

#[cfg(feature = "wgpu")]
mod enabled;
#[cfg(feature = "wgpu")]
pub use enabled::{AdapterReport, IN_THIS_BUILD, OnWgpu, WgpuExecutor, adapters};
/// Plans timed by the device's own clock: for benches, which are not built without the backend.
#[cfg(feature = "wgpu")]
pub use st_backend_wgpu::timing;

#[cfg(not(feature = "wgpu"))]
mod disabled;
#[cfg(not(feature = "wgpu"))]
pub use disabled::{AdapterReport, IN_THIS_BUILD, OnWgpu, WgpuExecutor, adapters};
