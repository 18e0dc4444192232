//! Which device a selection from host memory runs on.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyString;
use st_core::backend::cuda_exec;
use st_core::backend::device_caps::{Backend, DeviceCaps};
use st_core::backend::wgpu_exec;
use st_core::ops::rank_entry::{Problem, RankPlan};
use st_core::{DType, Result};

use crate::state::{State, not_in_this_build};

/// A device that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Device {
    /// Whichever is expected to be done first.
    Auto,
    /// That one. The number counts NVIDIA devices.
    Backend(Backend, u32),
}

impl Device {
    /// Reads `auto`, `cpu`, `wgpu`, `cuda`, `cuda:N`, `hip` or `mps`.
    pub(crate) fn parse(device: &Bound<'_, PyAny>) -> PyResult<Self> {
        let name = device
            .cast::<PyString>()
            .map_err(|_| PyTypeError::new_err("device must be a string: \"auto\", say"))?;
        let backend = match &*name.to_cow()? {
            "auto" => return Ok(Self::Auto),
            "cpu" => Backend::Cpu,
            "wgpu" => Backend::Wgpu,
            "cuda" => Backend::Cuda,
            "hip" => Backend::Hip,
            "mps" => Backend::Mps,
            other => {
                if let Some(n) = other.strip_prefix("cuda:").and_then(|n| n.parse().ok()) {
                    return Ok(Self::Backend(Backend::Cuda, n));
                }
                return Err(PyValueError::new_err(format!(
                    "device = {other:?}: use \"auto\", \"cpu\", \"wgpu\", \"cuda\" (or \"cuda:1\"), \"mps\" or \"hip\""
                )));
            }
        };
        Ok(Self::Backend(backend, 0))
    }

    /// What it can do; of `auto`, the processor.
    pub(crate) fn caps(self, state: &State) -> Result<DeviceCaps> {
        match self {
            Self::Auto | Self::Backend(Backend::Cpu, _) => Ok(state.cpu()?.1),
            Self::Backend(Backend::Cuda, n) => Ok(state.cuda(n)?.caps),
            Self::Backend(backend @ Backend::Hip, _) => Err(not_in_this_build(backend)),
            Self::Backend(backend, _) => Ok(state.wgpu(backend)?.caps),
        }
    }
}

/// Bytes in a microsecond from ordinary memory over a bus: what PCIe 4.0 gives where memory is not pinned.
const BUS: f64 = 8e3;
/// What a copy to a device and back takes beyond its bytes, in microseconds.
const LATENCY: f64 = 30.0;
/// What a device that is not open yet must promise to save, in microseconds: opening it takes a hundred times as long, once
/// in a process, and where there is none a driver may be loaded in vain.
const OPENING: f64 = 1e3;

/// The device and the plan for a problem in host memory. A device that was named is taken or refused; `auto` takes the
/// one that is expected to be done first, copies counted, and never a driver that is a program for the processor.
pub(crate) fn choose(
    state: &State,
    problem: &Problem,
    device: Device,
) -> Result<(Device, RankPlan)> {
    let own = state.planner.plan(problem, &device.caps(state)?);
    if device != Device::Auto {
        return Ok((device, own));
    }
    let cpu = Device::Backend(Backend::Cpu, 0);
    let moved = moved_bytes(problem);
    // A device is thought of only where the copies alone would not take longer.
    let copies = LATENCY + moved / BUS;
    let Some(host_us) = own.predicted_us.filter(|us| *us > copies) else {
        return Ok((cpu, own));
    };
    let open = host_us > copies + OPENING;
    let mut best = (host_us, cpu, own);
    // In the order that breaks ties: a later one must be faster.
    for backend in [Backend::Mps, Backend::Cuda, Backend::Wgpu] {
        let Some(caps) = usable(state, backend, problem.dtype, open) else { continue };
        let plan = state.planner.plan(problem, &caps);
        let Some(us) = plan.predicted_us.map(|us| us + copies) else { continue };
        if us <= best.0 {
            best = (us, Device::Backend(backend, 0), plan);
        }
    }
    Ok((best.1, best.2))
}

/// What goes to a device and comes back.
fn moved_bytes(problem: &Problem) -> f64 {
    let back = problem.output_len() as u64 * (problem.dtype.size() as u64 + 4);
    (problem.input_bytes() + back) as f64
}

/// The device of a backend, if `auto` may take it and it has that type; opened if that is wanted.
fn usable(state: &State, backend: Backend, dtype: DType, open: bool) -> Option<DeviceCaps> {
    if !open && !state.is_open(backend) {
        return None;
    }
    match backend {
        Backend::Cuda if cuda_exec::IN_THIS_BUILD => state.cuda(0).ok().map(|gpu| gpu.caps),
        Backend::Wgpu | Backend::Mps if wgpu_exec::IN_THIS_BUILD && in_wgsl(dtype) => {
            state.wgpu(backend).ok().filter(|gpu| !gpu.software).map(|gpu| gpu.caps)
        }
        _ => None,
    }
}

/// The types that WGPU's kernels read.
const fn in_wgsl(dtype: DType) -> bool {
    matches!(dtype, DType::F32 | DType::F16 | DType::Bf16 | DType::I32 | DType::U32)
}
