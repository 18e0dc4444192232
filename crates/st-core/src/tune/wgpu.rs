//! Whatever `wgpu` finds.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use st_backend_wgpu::WgpuExecutor;
use st_backend_wgpu::timing::{Clock, Prepared, Resident};
use st_plan::table::Versions;
use st_rank::order::Lane;
use st_rank::{Choice, DeviceCaps, Element, RankPlan, Result, for_dtype};
use st_tune::Pages;
use st_tune::inputs::Check;
use st_tune::session::{Body, Device};
use st_tune::stats::median;
use st_tune::tournament::{Arena, Entrant, NoChoice};

use super::{TuneError, inputs, is_hopeless, processors, versions, with, with_each};

/// Candidates of one command buffer.
const TOGETHER: usize = 16;
/// Passes of a turn; calls of a pass take about so long together, and are at most so many.
const PASSES: u32 = 3;
const PASS_US: f64 = 200.0;
const MOST_CALLS: f64 = 16.0;
/// A candidate whose first run, from the host, takes so many times the shortest, and so many microseconds more, is
/// not timed: some would take minutes.
const HOPELESS: f64 = 10.0;
const NOTHING_US: f64 = 5000.0;

/// A device, timed by its own clock: passes of calls over inputs that lie on it.
#[derive(Debug)]
pub struct WgpuDevice<'e> {
    exec: &'e WgpuExecutor,
    clock: Clock<'e>,
    caps: DeviceCaps,
    software: bool,
    versions: Versions,
}

impl<'e> WgpuDevice<'e> {
    /// The one of this executor.
    ///
    /// # Errors
    /// No device, or one that does not tell the time.
    pub fn new(exec: &'e WgpuExecutor) -> Result<Self> {
        let caps = exec.caps()?;
        let (name, software) = exec.adapter()?;
        let versions = versions(&caps, name.to_owned(), exec.driver()?.to_owned());
        Ok(Self { exec, clock: exec.clock()?, caps, software, versions })
    }
}

impl Device for WgpuDevice<'_> {
    type Error = TuneError;

    fn caps(&self) -> DeviceCaps {
        self.caps
    }

    fn versions(&self) -> Versions {
        self.versions.clone()
    }

    fn is_software(&self) -> bool {
        self.software
    }

    fn lacks_memory(&self, why: &TuneError) -> bool {
        why.is_memory()
    }

    fn with_cell(
        &self,
        planned: &RankPlan,
        body: &mut Body<'_, TuneError>,
    ) -> std::result::Result<(), TuneError> {
        for_dtype!(planned.problem.dtype, T => self.cell::<T>(planned, body))
    }
}

impl WgpuDevice<'_> {
    fn cell<T: Element>(
        &self,
        planned: &RankPlan,
        body: &mut Body<'_, TuneError>,
    ) -> std::result::Result<(), TuneError> {
        let problem = &planned.problem;
        let mut inputs = inputs::<T>(planned)?;
        let check = Check::new(problem)?;
        let resident =
            self.exec.resident::<T>(problem.rows, problem.cols, problem.k, inputs.len())?;
        for (copy, input) in inputs.iter().enumerate() {
            resident.upload(copy, input)?;
        }
        let input = inputs.swap_remove(0);
        drop(inputs);
        body(&mut Place {
            exec: self.exec,
            clock: &self.clock,
            resident: &resident,
            plan: planned,
            input,
            check,
            checked: false,
            ready: HashMap::new(),
            least_us: f64::INFINITY,
        })
    }
}

/// A device with inputs.
struct Place<'a, 'r, T> {
    exec: &'a WgpuExecutor,
    clock: &'a Clock<'a>,
    resident: &'a Resident<'r, T>,
    plan: &'a RankPlan,
    /// The first of them.
    input: Pages<T>,
    /// Says whether a result is right, until one is.
    check: Check,
    /// Whether a right result is kept on the device.
    checked: bool,
    ready: HashMap<Choice, Ready>,
    /// The shortest first run so far.
    least_us: f64,
}

struct Ready {
    prepared: Prepared,
    /// Of a call, once known.
    us: Option<f64>,
}

impl<T: Element> Place<'_, '_, T> {
    /// What is wrong with the result of the plan's run on the first input.
    fn fault(&mut self, plan: &RankPlan, prepared: &Prepared) -> Result<Option<String>> {
        if self.checked {
            self.resident.run(prepared, 0)?;
            return Ok(match self.resident.differences(prepared)? {
                0 => None,
                n => Some(format!("{n} words differ from the first choice's")),
            });
        }
        self.resident.run(prepared, 0)?;
        let (words, indices) = self.resident.results(0..plan.problem.rows)?;
        let value = |&word: &u32| T::from_lane(T::Lane::from_i64(i64::from(word)));
        let values: Vec<T> = words.iter().map(value).collect();
        let fault = self.check.fault(&plan.problem, &self.input, &values, &indices);
        if fault.is_none() {
            self.resident.keep_results()?;
            // Where results go is poisoned from now on.
            self.resident.differences(prepared)?;
            self.checked = true;
        }
        Ok(fault)
    }
}

impl<T: Element> Arena for Place<'_, '_, T> {
    type Error = TuneError;

    fn together(&self) -> usize {
        processors()
    }

    fn prepare(&mut self, choices: &[Choice]) -> std::result::Result<(), TuneError> {
        // All are begun at once: whether there is time for them was asked before.
        self.exec.prepare_ahead(&with_each(self.plan, choices), Duration::MAX);
        Ok(())
    }

    fn admit(
        &mut self,
        choice: Choice,
        asked: bool,
    ) -> std::result::Result<Option<f64>, TuneError> {
        let plan = with(self.plan, choice);
        let prepared = self.resident.prepare(&plan)?;
        if let Some(why) = self.fault(&plan, &prepared)? {
            return Err(TuneError::Wrong(why));
        }
        let begun = Instant::now();
        self.resident.run(&prepared, 0)?;
        let us = begun.elapsed().as_secs_f64() * 1e6;
        self.least_us = self.least_us.min(us);
        if !asked && is_hopeless(us, self.least_us, HOPELESS, NOTHING_US) {
            return Ok(None);
        }
        self.ready.insert(choice, Ready { prepared, us: None });
        Ok(Some(us))
    }

    fn turns(&mut self, entrants: &mut [Entrant]) -> std::result::Result<(), TuneError> {
        for group in entrants.chunks_mut(TOGETHER) {
            let mut entries = Vec::with_capacity(group.len());
            for entrant in group.iter() {
                // Every entrant was admitted. Times belong to entries by their places: none may be left out.
                let ready = self.ready.get(&entrant.choice).ok_or(NoChoice)?;
                let calls = ready.us.map_or(1.0, |us| (PASS_US / us).clamp(1.0, MOST_CALLS));
                entries.push((&ready.prepared, calls as u32));
            }
            let timed = self.clock.time(&entries, PASSES)?;
            let calls: Vec<u32> = entries.iter().map(|&(_, calls)| calls).collect();
            for ((entrant, passes), calls) in group.iter_mut().zip(timed.passes).zip(calls) {
                let Some(us) = median(passes).map(|us| us / f64::from(calls)) else { continue };
                if let Some(ready) = self.ready.get_mut(&entrant.choice) {
                    ready.us = Some(us);
                }
                entrant.samples.push_turn(vec![us * 1e3]);
            }
        }
        Ok(())
    }
}
