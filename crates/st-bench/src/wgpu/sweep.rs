//! Every candidate of the planner, on the device.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use st_core::Element;
use st_core::backend::wgpu_exec::timing::{Clock, Prepared, Resident};
use st_core::ops::rank_entry::{Choice, RankPlan};

use super::measure::{Bench, middle, same};
use super::passes;
use crate::Result;
use crate::untuned::{keep_within_reach, with_untuned};
use st_kernels::gpu::footprint;
use st_tune::tournament::{Arena, Entrant, Outcome, Task, tournament};

/// The share of a sweep's time beside it in which kernels are compiled.
const COMPILING: f64 = 0.5;

/// Candidates of one command buffer.
const TOGETHER: usize = 16;

/// Passes of a turn, and calls of a pass at most: less than for a number that is reported.
const PASSES: u32 = 3;
const MOST_CALLS: u32 = 16;

/// Candidates whose first run, from the host, took so much longer than the shortest, and more than
/// what says nothing, are not timed: some would take minutes.
const HOPELESS: u32 = 10;
const NOTHING: Duration = Duration::from_millis(5);

/// A device with an input.
struct Place<'a, T> {
    clock: &'a Clock<'a>,
    resident: &'a Resident<'a, T>,
    plan: &'a RankPlan,
    ready: HashMap<Choice, Ready>,
    /// The shortest first run so far.
    least: Duration,
}

struct Ready {
    prepared: Prepared,
    /// Of a call, once known.
    us: Option<f64>,
}

impl Bench<'_> {
    /// How the planner's choice, which took so many microseconds, stands among its candidates, those whose results are wrong, and
    /// how many could not be as fast.
    #[allow(clippy::type_complexity, reason = "a pair")]
    pub(super) fn sweep<T: Element>(
        &self,
        resident: &Resident<'_, T>,
        plan: &RankPlan,
        planned_us: f64,
    ) -> Result<(Option<Outcome>, Vec<(Choice, String)>, usize)> {
        let (mut all, untuned) = with_untuned(plan);
        let (problem, caps) = (&plan.problem, &plan.caps);
        let blocks = |choice: &Choice| footprint(choice, problem, caps).workgroups;
        let left_out = keep_within_reach(problem, &mut all, &untuned, planned_us, blocks);
        let (ready, least) = (HashMap::new(), Duration::MAX);
        let mut place = Place { clock: self.clock, resident, plan, ready, least };
        let limit = Duration::try_from_secs_f64(self.args.seconds)?;
        let by_hand = |choice| RankPlan::by_hand(plan.problem, plan.caps, choice);
        let plans: Vec<RankPlan> = all.iter().map(|&choice| by_hand(choice)).collect();
        self.exec.prepare_ahead(&plans, limit.mul_f64(COMPILING));
        let task =
            Task { candidates: &all, others: &untuned, limit: Some(limit), ..Task::default() };
        let mut wrong = Vec::new();
        let outcome = tournament(&mut place, &task, |choice, error| {
            wrong.push((choice, error.to_string()));
        });
        match outcome {
            Ok(outcome) => {
                Ok((Some(Outcome { predicted_us: plan.predicted_us, ..outcome }), wrong, left_out))
            }
            Err(_) if !wrong.is_empty() => Ok((None, wrong, left_out)),
            Err(error) => Err(error),
        }
    }
}

impl<T: Element> Arena for Place<'_, T> {
    type Error = Box<dyn std::error::Error>;

    fn admit(&mut self, choice: Choice, asked: bool) -> Result<Option<f64>> {
        let plan = RankPlan::by_hand(self.plan.problem, self.plan.caps, choice);
        let prepared = self.resident.prepare(&plan)?;
        let begun = Instant::now();
        same(self.resident, &prepared)?;
        let took = begun.elapsed();
        self.least = self.least.min(took);
        if !asked && took > self.least * HOPELESS + NOTHING {
            return Ok(None);
        }
        self.ready.insert(choice, Ready { prepared, us: None });
        Ok(Some(took.as_secs_f64() * 1e6))
    }

    fn turns(&mut self, entrants: &mut [Entrant]) -> Result<()> {
        for group in entrants.chunks_mut(TOGETHER) {
            let mut entries = Vec::with_capacity(group.len());
            for entrant in group.iter() {
                let ready = self.ready.get(&entrant.choice).ok_or("a choice not admitted")?;
                let calls = ready.us.map_or(1, |us| passes::calls(us).min(MOST_CALLS));
                entries.push((&ready.prepared, calls));
            }
            let timed = self.clock.time(&entries, PASSES)?;
            let calls: Vec<u32> = entries.iter().map(|&(_, calls)| calls).collect();
            for ((at, entrant), calls) in group.iter_mut().enumerate().zip(calls) {
                let us = middle(&timed.passes, at).ok_or("no samples")? / f64::from(calls);
                let ready = self.ready.get_mut(&entrant.choice).ok_or("a choice not admitted")?;
                ready.us = Some(us);
                entrant.samples.push_turn(vec![us * 1e3]);
            }
        }
        Ok(())
    }
}
