//! The executor of the default GPU path: whatever wgpu finds (Vulkan, Metal, DX12, GL, a browser),
//! or Metal alone. With the feature `wgpu` (or `mps`) it runs; without, binding works, and running is
//! refused with a typed error. Nothing falls back to another device.
//!
//! # In an app's own wgpu device
//!
//! `WgpuExecutor::on_device` takes the app's device and queue, `DeviceInput` and `DeviceOutput` its
//! buffers, and `WgpuExecutor::record` puts a selection into its encoder as one compute pass: it does
//! not submit, wait or read back. `crates/st-backend-wgpu/examples/own_device.rs` is such an app.
//!
//! # Without blocking
//!
//! `open_async`, `prepare_async`, `execute_async` and `compact_async` never block; a browser has
//! nothing else.

#[cfg(feature = "wgpu")]
mod enabled;
#[cfg(feature = "wgpu")]
pub use enabled::*;
/// Plans timed by the device's own clock: for benches, which are not built without the backend.
#[cfg(all(feature = "wgpu", not(target_arch = "wasm32")))]
pub use st_backend_wgpu::timing;

#[cfg(not(feature = "wgpu"))]
mod disabled;
#[cfg(not(feature = "wgpu"))]
pub use disabled::*;
