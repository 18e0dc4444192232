//! With the backend.

#[cfg(not(target_arch = "wasm32"))]
pub use st_backend_wgpu::adapters;
pub use st_backend_wgpu::{
    AdapterReport, DeviceInput, DeviceOutput, Launch, OnDevice, OnWgpu, WgpuExecutor, WgpuInput,
    adapters_async,
};

/// Whether this build has the backend.
pub const IN_THIS_BUILD: bool = true;
