//! Which device a selection from host memory runs on.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyString;
use st_core::Result;
use st_core::backend::auto::{self, Devices, Taken, Why};
use st_core::backend::device_caps::{Backend, DeviceCaps};
use st_core::ops::rank_entry::{Problem, RankPlan};

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

/// Where a selection runs, and how.
pub(crate) struct Chosen {
    pub(crate) device: Device,
    pub(crate) plan: RankPlan,
    /// Why it is this device, if none was named.
    pub(crate) auto: Option<Why>,
}

/// The device and the plan for a problem in host memory. A device that was named is taken or refused; for `auto` see
/// [`auto::choose`].
pub(crate) fn choose(state: &State, problem: &Problem, device: Device) -> Result<Chosen> {
    let caps = device.caps(state)?;
    let plan = |caps: &DeviceCaps| state.planner.plan(problem, caps);
    if device != Device::Auto {
        return Ok(Chosen { device, plan: plan(&caps), auto: None });
    }
    let Taken { plan, why } = auto::choose(problem, &caps, &plan, state);
    Ok(Chosen { device: Device::Backend(why.taken, 0), plan, auto: Some(why) })
}

/// What is opened is kept for the process.
impl Devices for State {
    fn is_open(&self, backend: Backend) -> bool {
        self.was_looked_for(backend)
    }

    fn open(&self, backend: Backend) -> Result<auto::Device> {
        match backend {
            Backend::Cuda => {
                self.cuda(0).map(|gpu| auto::Device { caps: gpu.caps, software: gpu.software })
            }
            _ => self
                .usual_wgpu(backend)
                .map(|gpu| auto::Device { caps: gpu.caps, software: gpu.software }),
        }
    }
}
