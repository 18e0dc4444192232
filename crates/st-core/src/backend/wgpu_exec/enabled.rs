//! With the backend.

pub use st_backend_wgpu::{AdapterReport, OnWgpu, WgpuExecutor, adapters};

/// Whether this build has the backend.
pub const IN_THIS_BUILD: bool = true;
