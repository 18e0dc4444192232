//! Where a selection runs: on the device that was named, or on the one that `auto` takes.

use std::cell::RefCell;

use st_core::Result as RankResult;
use st_core::backend::auto::{self, Devices, Taken, Why, choose};
use st_core::backend::device_caps::{Backend, DeviceCaps};
use st_core::ops::rank_entry::{Knowledge, Problem, RankPlan, plan};

use crate::args::{CpuArgs, Device};
use crate::error::Error;
use crate::exec::Exec;
use crate::settings::{self, Known};

/// A device before the problem is known.
pub(crate) struct Target {
    /// Of `auto`, the processor.
    exec: Exec,
    is_auto: bool,
    advice: &'static str,
}

/// A device with the plan for it.
pub(crate) struct Planned {
    pub(crate) exec: Exec,
    pub(crate) caps: DeviceCaps,
    pub(crate) knowledge: Knowledge,
    pub(crate) plan: RankPlan,
    /// Why it is this device, if none was named.
    pub(crate) auto: Option<Why>,
}

impl Target {
    /// Opens the device that was named. Nothing falls back to another.
    pub(crate) fn open(
        device: Device,
        args: &CpuArgs,
        advice: &'static str,
    ) -> Result<Self, Error> {
        let exec = Exec::open(device, args, advice)?;
        Ok(Self { exec, is_auto: device == Device::Auto, advice })
    }

    /// Plans a problem; `auto` decides now.
    pub(crate) fn plan(self, problem: &Problem) -> Planned {
        let cpu = self.exec.caps();
        let known = settings::load(&cpu);
        if !self.is_auto {
            let plan = plan(problem, &cpu, &known.knowledge);
            let Known { knowledge, .. } = known;
            return Planned { exec: self.exec, caps: cpu, knowledge, plan, auto: None };
        }
        let found =
            Found { advice: self.advice, known: RefCell::new(known), opened: RefCell::default() };
        let planned = |caps: &DeviceCaps| plan(problem, caps, &found.known.borrow().knowledge);
        let Taken { plan, why } = choose(problem, &cpu, &planned, &found);
        let mut opened = found.opened.into_inner().into_iter();
        // The processor's, unless another was opened and taken.
        let exec = opened.find(|exec| exec.caps().backend == why.taken).unwrap_or(self.exec);
        let (caps, Known { knowledge, .. }) = (exec.caps(), found.known.into_inner());
        Planned { exec, caps, knowledge, plan, auto: Some(why) }
    }
}

/// Devices as `auto` asks for them, and what is known of them.
struct Found {
    advice: &'static str,
    known: RefCell<Known>,
    opened: RefCell<Vec<Exec>>,
}

impl Devices for Found {
    fn is_open(&self, _backend: Backend) -> bool {
        // A command selects once.
        false
    }

    fn open(&self, backend: Backend) -> RankResult<auto::Device> {
        let exec = Exec::gpu(backend, self.advice)?;
        let device = auto::Device { caps: exec.caps(), software: exec.is_software() };
        if !device.software {
            self.known.borrow_mut().hear(&device.caps);
        }
        self.opened.borrow_mut().push(exec);
        Ok(device)
    }
}
