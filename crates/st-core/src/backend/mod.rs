//! Devices and executors.

pub mod auto;
mod caps_text;
pub mod cpu_exec;
pub mod cuda_exec;
pub mod device_caps;
pub mod wgpu_exec;
pub mod wgpu_heuristics_generated;
