//! With the backend.

#[cfg(not(target_arch = "wasm32"))]
pub use st_backend_wgpu::adapters;
pub use st_backend_wgpu::{
    AdapterReport, DeviceInput, DeviceOutput, Launch, OnDevice, OnWgpu, WgpuExecutor, WgpuInput,
    adapters_async,
};

/// A browser does not list its adapters: `WgpuExecutor::open_async` asks for one.
#[cfg(target_arch = "wasm32")]
#[must_use]
pub const fn adapters(_backend: st_rank::Backend) -> Vec<AdapterReport> {
    Vec::new()
}

/// Whether this build has the backend.
pub const IN_THIS_BUILD: bool = true;
