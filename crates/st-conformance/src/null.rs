//! An executor without a device: it obeys plans for WGPU and Metal and keeps a log of what it would
//! have launched, so that planning can be tested where no such GPU is.

use std::sync::{Mutex, PoisonError};

use st_kernels::gpu::{Command, commands};
use st_rank::{Backend, DeviceCaps, Error, HostInput, Input, RankKExecutor, RankPlan, Result};

/// A GPU that is not there.
#[derive(Debug)]
pub struct NullExecutor {
    caps: DeviceCaps,
    log: Mutex<Vec<Command>>,
}

impl NullExecutor {
    /// One with these caps.
    ///
    /// # Panics
    /// For another backend: the processor is there, and CUDA has an emulator.
    #[must_use]
    pub fn new(caps: DeviceCaps) -> Self {
        assert!(matches!(caps.backend, Backend::Wgpu | Backend::Mps), "run it on the CPU");
        Self { caps, log: Mutex::default() }
    }

    /// What it can do.
    #[must_use]
    pub const fn caps(&self) -> DeviceCaps {
        self.caps
    }

    /// Binds the executor to its input.
    #[must_use]
    pub fn on<'a, X: HostInput + ?Sized>(&'a self, x: &'a X) -> OnNull<'a, X::Elem> {
        OnNull { exec: self, input: x.input() }
    }

    /// Takes the log of what was launched since it was last taken.
    #[must_use]
    pub fn launches(&self) -> Vec<Command> {
        std::mem::take(&mut *self.log.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A [`NullExecutor`] bound to its input.
#[derive(Clone, Copy, Debug)]
pub struct OnNull<'a, T> {
    exec: &'a NullExecutor,
    input: Input<'a, T>,
}

impl<T: st_rank::Element> RankKExecutor for OnNull<'_, T> {
    /// It has no results: how many commands were launched.
    type Output = usize;

    fn execute(&self, plan: &RankPlan) -> Result<usize> {
        let NullExecutor { caps, log } = self.exec;
        if plan.caps.backend != caps.backend {
            return Err(Error::WrongBackend { plan: plan.caps.backend, executor: caps.backend });
        }
        plan.problem.check()?;
        plan.problem.check_input(T::DTYPE, self.input.values.len(), self.input.lengths)?;
        st_kernels::check(&plan.choice, &plan.problem, caps)?;
        if plan.problem.output_len() == 0 {
            return Ok(0);
        }
        let commands = commands(&plan.choice, &plan.problem, caps);
        let launched = commands.len();
        log.lock().unwrap_or_else(PoisonError::into_inner).extend(commands);
        Ok(launched)
    }
}
