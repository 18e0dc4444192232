//! Compiling kernels without a device.

use st_kernels::cuda::{Unit, check};
use st_rank::{RankPlan, Result};

use crate::exec::Libraries;
use crate::layout::Layout;
use crate::nvrtc::Nvrtc;
use crate::shape::Device;

/// NVRTC alone, which wants neither driver nor GPU: it shows that kernels compile for devices that are not here.
#[derive(Debug)]
pub struct Compiler {
    nvrtc: Nvrtc,
}

impl Compiler {
    /// Loads NVRTC from where `libraries` says, or from where the system has it.
    ///
    /// # Errors
    /// [`st_rank::Error::Unavailable`] if it cannot be loaded.
    pub fn load(libraries: &Libraries) -> Result<Self> {
        Ok(Self { nvrtc: Nvrtc::load(libraries.nvrtc.as_deref(), None)? })
    }

    /// NVRTC's version: major and minor.
    #[must_use]
    pub const fn version(&self) -> (i32, i32) {
        self.nvrtc.version
    }

    /// The compute capabilities it knows, in ascending order.
    ///
    /// # Errors
    /// [`st_rank::Error::Refused`] if it does not say.
    pub fn capabilities(&self) -> Result<Vec<(i32, i32)>> {
        self.nvrtc.capabilities()
    }

    /// Machine code of a unit for a compute capability that it knows.
    ///
    /// # Errors
    /// [`st_rank::Error::Refused`] with the compiler's log.
    pub fn compile(&self, unit: &Unit, capability: (i32, i32)) -> Result<Vec<u8>> {
        self.nvrtc.compile_for(unit, capability)
    }

    /// What an executor loads on a device of that compute capability: machine code, or for a device newer than NVRTC
    /// the PTX (a text that ends with a zero byte) of the newest it knows, of which the driver makes machine code.
    ///
    /// # Errors
    /// [`st_rank::Error::Refused`] with the compiler's log, [`st_rank::Error::Unavailable`] for a device older than all
    /// that NVRTC knows.
    pub fn compile_for_device(&self, unit: &Unit, capability: (i32, i32)) -> Result<Vec<u8>> {
        let device = format!("compute capability {}.{}", capability.0, capability.1);
        self.nvrtc.compile(unit, capability, &device)
    }
}

/// What is compiled to run a plan on a device of that compute capability, each once: for results with indices of 32 bits,
/// or of 64 if `wide`.
///
/// # Errors
/// [`st_rank::Error::Infeasible`] as for the plan's execution.
pub fn units(plan: &RankPlan, capability: (i32, i32), wide: bool) -> Result<Vec<Unit>> {
    check(&plan.choice, &plan.problem, &plan.caps)?;
    let device = Device::new(plan.caps.cores_or_assumed(), plan.caps.shared_mem.into(), capability);
    let mut units = Layout::new(&plan.problem, &plan.choice, device).units();
    units.iter_mut().for_each(|unit| unit.wide = wide);
    Ok(units)
}
