//! The processor.

use std::io;
use std::time::Instant;

use st_backend_cpu::CpuExecutor;
use st_plan::table::Versions;
use st_rank::{Choice, DeviceCaps, Element, RankOutput, RankPlan, for_dtype};
use st_tune::Pages;
use st_tune::inputs::{Check, Hard};
use st_tune::session::{Body, Device};
use st_tune::stats::steady_turn;
use st_tune::tournament::{Arena, Entrant};

use super::{TuneError, inputs, is_hopeless, versions, with};
use crate::ops::rank_entry::execute_rank_into;

/// A candidate whose first run takes so many times the shortest, and so many microseconds more, is not timed.
const HOPELESS: f64 = 6.0;
const NOTHING_US: f64 = 2000.0;

/// A processor, timed by the host's clock: whole calls.
#[derive(Debug)]
pub struct CpuDevice<'e> {
    exec: &'e CpuExecutor,
}

impl<'e> CpuDevice<'e> {
    /// The one of this executor.
    #[must_use]
    pub const fn new(exec: &'e CpuExecutor) -> Self {
        Self { exec }
    }
}

impl Device for CpuDevice<'_> {
    type Error = TuneError;

    fn caps(&self) -> DeviceCaps {
        self.exec.caps()
    }

    fn versions(&self) -> Versions {
        let caps = self.caps();
        let device = format!("{}, {} threads", self.exec.isa().name(), caps.max_workgroup);
        versions(&caps, device, String::new())
    }

    fn lacks_memory(&self, why: &TuneError) -> bool {
        why.is_memory()
    }

    fn with_cell(
        &self,
        planned: &RankPlan,
        body: &mut Body<'_, TuneError>,
    ) -> Result<(), TuneError> {
        for_dtype!(planned.problem.dtype, T => {
            let mut place = Place::<'_, T> {
                exec: self.exec,
                plan: planned,
                // First what costs nothing to ask for.
                out: room(planned)?,
                spare: room(planned)?,
                check: Check::new(&planned.problem)?,
                inputs: inputs(planned)?,
                next: 0,
                hard: Vec::new(),
                right: None,
                least_us: f64::INFINITY,
            };
            body(&mut place)
        })
    }
}

/// Room for a plan's results.
fn room<T: Element>(plan: &RankPlan) -> io::Result<RankOutput<T>> {
    let mut out = RankOutput::default();
    let results = plan.problem.rows.checked_mul(plan.problem.k);
    let results = results.ok_or(io::ErrorKind::OutOfMemory)?;
    out.values.try_reserve_exact(results)?;
    out.indices.try_reserve_exact(results)?;
    Ok(out)
}

/// A processor with inputs.
struct Place<'a, T> {
    exec: &'a CpuExecutor,
    plan: &'a RankPlan,
    inputs: Vec<Pages<T>>,
    next: usize,
    /// The hard one that was made last, as often as there are inputs: a cache must not hold it where it does not hold them.
    hard: Vec<Pages<T>>,
    out: RankOutput<T>,
    /// Room for other results beside the first one that is right, and what says that it is.
    spare: RankOutput<T>,
    check: Check,
    right: Option<RankOutput<T>>,
    least_us: f64,
}

impl<T: Element> Arena for Place<'_, T> {
    type Error = TuneError;

    fn admit(&mut self, choice: Choice, asked: bool) -> Result<Option<f64>, TuneError> {
        let plan = with(self.plan, choice);
        // What an earlier run left would look like a result.
        self.out.values.clear();
        self.out.indices.clear();
        let begun = Instant::now();
        execute_rank_into(&self.exec.on(&*self.inputs[0]), &plan, &mut self.out)?;
        let us = begun.elapsed().as_secs_f64() * 1e6;
        match &self.right {
            None => {
                let RankOutput { values, indices } = &self.out;
                let fault = self.check.fault(&plan.problem, &self.inputs[0], values, indices);
                if let Some(why) = fault {
                    return Err(TuneError::Wrong(why));
                }
                let other = std::mem::take(&mut self.spare);
                self.right = Some(std::mem::replace(&mut self.out, other));
            }
            Some(right) => {
                let bytes = bytemuck::cast_slice::<T, u8>;
                let same = bytes(&right.values) == bytes(&self.out.values);
                if right.indices != self.out.indices || !same {
                    return Err(TuneError::Wrong("it differs from the first choice's".to_owned()));
                }
            }
        }
        self.least_us = self.least_us.min(us);
        let hopeless = is_hopeless(us, self.least_us, HOPELESS, NOTHING_US);
        Ok((asked || !hopeless).then_some(us))
    }

    fn turns(&mut self, entrants: &mut [Entrant]) -> Result<(), TuneError> {
        for Entrant { choice, samples, .. } in entrants {
            let plan = with(self.plan, *choice);
            let times = steady_turn(samples.warm_calls(), || {
                self.next = (self.next + 1) % self.inputs.len();
                execute_rank_into(&self.exec.on(&*self.inputs[self.next]), &plan, &mut self.out)
            })?;
            samples.push_turn(times);
        }
        Ok(())
    }

    fn hard_inputs(&self) -> usize {
        Hard::ALL.len()
    }

    fn make_hard(&mut self, input: usize) -> Result<Option<String>, TuneError> {
        // Those of another input go before there are new ones.
        self.hard.clear();
        let made = (|| {
            let mut first = Pages::new(self.inputs[0].len())?;
            Hard::ALL[input].fill(&self.plan.problem, &mut first);
            while self.hard.len() + 1 < self.inputs.len() {
                self.hard.push(Pages::of(&first)?);
            }
            self.hard.push(first);
            io::Result::Ok(())
        })();
        Ok(made.err().map(|why| TuneError::Memory(why).to_string()))
    }

    fn hard_turns(&mut self, _input: usize, entrants: &mut [Entrant]) -> Result<(), TuneError> {
        for Entrant { choice, samples, .. } in entrants {
            let plan = with(self.plan, *choice);
            let call = || {
                self.next = (self.next + 1) % self.hard.len();
                let input = self.exec.on(&*self.hard[self.next]);
                execute_rank_into(&input, &plan, &mut self.out).map(drop)
            };
            samples.push_turn(steady_turn(samples.warm_calls(), call)?);
        }
        Ok(())
    }
}
