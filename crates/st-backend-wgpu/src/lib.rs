//! Rank selection through wgpu.
//!
//! - [`device`]: finding adapters, and what each can do.
//! - [`exec`]: the executor; obeys plans and chooses nothing.
//! - `on`: what it can be bound to: host memory (`host`), or buffers on the device
//!   (`device_buffers`), from which selections are recorded into the caller's encoder (`record`).
//! - `layout`: from a plan to its dispatches: sizes, parameters, permutations; touches no device.
//! - `windows`: what a binding cannot hold, piece by piece; touches no device.
//! - `gpu`: an opened device with its pipelines; `fault`: what goes wrong there, as errors; `pool`:
//!   buffers used again.
//! - `run`: dispatches with their buffers; `readback`: to the device and back; `batches`: host
//!   memory through the device.
//! - `compaction`: compactions.
//! - `multiprocessors`: how many there are, where a Vulkan driver tells.
//! - `self_test`: a known answer from each kernel before its first use.
//! - `native`: all that blocks; `web` stands in for it in a browser.
//! - [`timing`]: plans timed by the device's own clock, over inputs that stay on it.
//!
//! The kernels are in `st-kernels/wgsl`.

#![deny(unsafe_code)]

#[cfg(not(target_arch = "wasm32"))]
mod ahead;
mod batches;
mod compaction;
pub mod device;
mod device_buffers;
pub mod exec;
mod fault;
mod gpu;
mod host;
mod layout;
// As in Cargo.toml.
#[cfg_attr(
    not(any(windows, target_os = "linux", target_os = "android", target_os = "freebsd")),
    path = "multiprocessors_untold.rs"
)]
mod multiprocessors;
#[cfg(not(target_arch = "wasm32"))]
mod native;
mod on;
mod pool;
mod readback;
mod record;
mod run;
mod self_test;
#[cfg(not(target_arch = "wasm32"))]
pub mod timing;
#[cfg(target_arch = "wasm32")]
mod web;
mod windows;

pub use device::{AdapterReport, adapters_async};
pub use device_buffers::{DeviceInput, DeviceOutput};
pub use exec::{Launch, WgpuExecutor};
pub use host::OnWgpu;
#[cfg(not(target_arch = "wasm32"))]
pub use native::adapters;
#[cfg(not(target_arch = "wasm32"))]
use native::look;
pub use on::WgpuInput;
pub use record::OnDevice;
#[cfg(target_arch = "wasm32")]
use web::look;
