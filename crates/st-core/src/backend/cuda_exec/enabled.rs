//! With the backend.

pub use st_backend_cuda::{
    CudaExecutor, DeviceInput, DeviceMemory, DeviceOutput, DeviceReport, KeptKernels, Launch,
    Libraries, OnCuda, OnDevice, Wanted, Workspace, WorkspaceSize, devices,
};

/// Whether this build has the backend.
pub const IN_THIS_BUILD: bool = true;
