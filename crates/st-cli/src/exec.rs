//! The executors of devices.

use st_core::backend::cpu_exec::CpuExecutor;
use st_core::backend::cuda_exec::{self, CudaExecutor};
use st_core::backend::device_caps::{Backend, DeviceCaps};
use st_core::backend::wgpu_exec::{self, WgpuExecutor};
use st_core::ops::rank_entry::{RankOutput, RankPlan, execute_rank};
use st_core::settings::Settings;
use st_core::{Element, Error as RankError};

use crate::args::{CpuArgs, Device};
use crate::cpu;
use crate::error::Error;

/// An executor that was found, and what it can do.
pub(crate) enum Exec {
    Cpu(CpuExecutor),
    Wgpu { exec: WgpuExecutor, caps: DeviceCaps, adapter: String, software: bool },
    Cuda { exec: CudaExecutor, caps: DeviceCaps, name: String },
}

impl Exec {
    /// Opens the device that was named, for `auto` the processor; `advice` says what to do if this build has no backend
    /// for it. Nothing falls back to another.
    pub(crate) fn open(
        device: Device,
        args: &CpuArgs,
        advice: &'static str,
    ) -> Result<Self, Error> {
        match device.backend() {
            None | Some(Backend::Cpu) => Ok(Self::Cpu(cpu::executor(args)?)),
            Some(backend) => {
                cpu::without(args, &format!("--device {backend}"))?;
                Ok(Self::gpu(backend, advice)?)
            }
        }
    }

    /// Opens the device of a backend that is not the processor's: the first, or the one that the environment names.
    pub(crate) fn gpu(backend: Backend, advice: &'static str) -> Result<Self, RankError> {
        let exec = match backend {
            Backend::Wgpu | Backend::Mps if wgpu_exec::IN_THIS_BUILD => {
                Settings::from_env().wgpu(backend)
            }
            Backend::Cuda if cuda_exec::IN_THIS_BUILD => {
                let exec = CudaExecutor::new(0).with_libraries(Settings::from_env().cuda());
                let caps = exec.caps()?;
                let name = exec.report()?.name;
                return Ok(Self::Cuda { exec, caps, name });
            }
            backend => {
                let why = format!("this build has no {backend} backend");
                return Err(RankError::Unavailable { backend, why, advice });
            }
        };
        let caps = exec.caps()?;
        let (name, software) = exec.adapter()?;
        let adapter = if software { format!("{name}, software") } else { name.to_owned() };
        Ok(Self::Wgpu { exec, caps, adapter, software })
    }

    /// Whether its driver is a program for the processor.
    pub(crate) fn is_software(&self) -> bool {
        matches!(self, Self::Wgpu { software: true, .. })
    }

    pub(crate) fn caps(&self) -> DeviceCaps {
        match self {
            Self::Cpu(exec) => exec.caps(),
            Self::Wgpu { caps, .. } | Self::Cuda { caps, .. } => *caps,
        }
    }

    /// The instruction set, the adapter, or the device.
    pub(crate) fn unit(&self) -> &str {
        match self {
            Self::Cpu(exec) => exec.isa().name(),
            Self::Wgpu { adapter, .. } => adapter,
            Self::Cuda { name, .. } => name,
        }
    }

    pub(crate) fn run<T: Element>(
        &self,
        rows: &[T],
        plan: &RankPlan,
    ) -> Result<RankOutput<T>, RankError> {
        match self {
            Self::Cpu(exec) => execute_rank(&exec.on(rows), plan),
            Self::Wgpu { exec, .. } => execute_rank(&exec.on(rows), plan),
            Self::Cuda { exec, .. } => execute_rank(&exec.on(rows), plan),
        }
    }
}
