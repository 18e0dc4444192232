//! One cell.

use std::time::Duration;

use st_core::Element;
use st_core::backend::device_caps::DeviceCaps;
use st_core::backend::wgpu_exec::WgpuExecutor;
use st_core::backend::wgpu_exec::timing::{Clock, Prepared, Resident};
use st_core::ops::rank_entry::{
    Knowledge, MergeKind, Problem, RankOutput, RankPlan, execute_rank_into, plan as planner,
};
use st_rank::order::Lane;

use super::report::{CellReport, Contender, Numbers};
use super::{Args, fill, passes};
use crate::bounds::least_bytes;
use crate::by_cpu::{self, WRONG};
use crate::cells::Cell;
use crate::numbers::Spread;
use crate::untuned::known_plan;
use crate::{Result, bounds, choices};
use st_tune::stats::median;

/// Contenders that are timed in one command buffer, in turns.
const TOGETHER: usize = 8;

/// Inputs up to so many bytes are also timed from the host and back.
const END_TO_END_BYTES: u64 = 64_000_000;

/// Calls of the times that the host takes.
const HOST_CALLS: usize = 21;

/// What every cell needs.
#[derive(Debug)]
pub(super) struct Bench<'a> {
    pub(super) args: &'a Args,
    pub(super) exec: &'a WgpuExecutor,
    pub(super) clock: &'a Clock<'a>,
    pub(super) caps: DeviceCaps,
    pub(super) bandwidth: f64,
    pub(super) software: bool,
}

/// A plan that may be timed.
struct Candidate {
    name: String,
    plan: RankPlan,
    prepared: Prepared,
    /// About how long a call takes.
    us: f64,
}

impl Bench<'_> {
    pub(super) fn cell<T: Element>(&self, cell: &Cell) -> Result<CellReport> {
        let problem = Problem::new(self.args.kind.rank(), cell.rows, cell.cols, cell.k)
            .with_dtype(cell.dtype);
        problem.check()?;
        let bytes = problem.input_bytes();
        let rotated = match self.args.rotate {
            Some(mb) => mb.saturating_mul(1_000_000),
            None if self.software => 1_000_000,
            None => passes::ROTATED_BYTES,
        };
        let copies = bounds::copies(bytes, rotated);
        let place = self.exec.resident::<T>(cell.rows, cell.cols, cell.k, copies)?;
        let kernel = fill::kernel(cell.input, cell.dtype).ok_or("no kernel fills this type")?;
        place.fill(&kernel)?;
        let planned = known_plan(&problem, &self.caps, self.args.tables);
        let mut report = CellReport::new(*cell, copies, place.windows());
        report.floor_us = Some(least_bytes(cell) / self.bandwidth * 1e6);
        let mut candidates = Vec::new();
        let rows = bounds::checked(cell.rows, cell.cols);
        report.checked_rows = rows.len();
        // The first that is right by the CPU is what the others are compared with.
        let plans = self.plans(&planned)?;
        self.exec.prepare_ahead(plans.iter().map(|(_, plan)| plan), Duration::MAX);
        for (name, plan) in plans {
            let kept = !candidates.is_empty();
            match self.candidate(&place, name.clone(), &plan, &rows, kept) {
                Ok(candidate) => candidates.push(candidate),
                Err(error) => report.fail(name, &plan, &error.to_string()),
            }
        }
        if self.args.sweep
            && let Some(first) = candidates.first()
        {
            let (outcome, wrong, left_out) = self.sweep(&place, &planned, first.us)?;
            report.out_of_reach = left_out;
            for (choice, why) in wrong {
                let plan = RankPlan::by_hand(problem, self.caps, choice);
                report.fail("swept".to_owned(), &plan, &why);
            }
            if let Some(best) = outcome.as_ref().map(|o| o.best).filter(|b| *b != planned.choice) {
                let plan = RankPlan::by_hand(problem, self.caps, best);
                candidates.push(self.candidate(&place, "best".to_owned(), &plan, &rows, true)?);
            }
            report.sweep = outcome;
        }
        for group in candidates.chunks(TOGETHER) {
            for (candidate, numbers) in group.iter().zip(self.numbers(group)?) {
                report.contenders.push(self.finish(&place, candidate, numbers, bytes)?);
            }
        }
        Ok(report)
    }

    /// What is to be timed beside the planner's plan.
    fn plans(&self, planned: &RankPlan) -> Result<Vec<(String, RankPlan)>> {
        let mut plans = vec![("planned".to_owned(), planned.clone())];
        for text in &self.args.choice {
            let choice = choices::parse(text, planned.choice)?;
            plans.push((text.clone(), RankPlan::by_hand(planned.problem, planned.caps, choice)));
        }
        if self.args.all_kinds {
            plans.extend(Self::kinds(planned)?);
        }
        Ok(plans)
    }

    /// What the planner makes of each merge kind, in one command and in two, with subgroups and
    /// without.
    fn kinds(planned: &RankPlan) -> Result<Vec<(String, RankPlan)>> {
        let caps = planned.caps;
        let twins: &[bool] = if caps.subgroups { &[true, false] } else { &[false] };
        let mut plans = Vec::new();
        for &subgroups in twins {
            let own = caps.with_subgroup(caps.lane, subgroups);
            let lanes = if subgroups == caps.subgroups { "" } else { ", no subgroups" };
            for (mk, two) in MergeKind::ALL.iter().flat_map(|mk| [(mk, false), (mk, true)]) {
                let mut knowledge = Knowledge::default();
                let rule = format!("mk: {}; use_2ce: {two}", mk.code());
                knowledge.add_rules("forced", rule.as_bytes())?;
                let forced = planner(&planned.problem, &own, &knowledge);
                // A kind that cannot be run so becomes another.
                if (forced.choice.mk, forced.choice.use_2ce) == (*mk, two) {
                    let commands = if two { "two commands" } else { "one command" };
                    plans.push((format!("{}, {commands}{lanes}", mk.name()), forced));
                }
            }
        }
        Ok(plans)
    }

    /// A plan that gives the right result: the CPU's, or if `kept` the one kept.
    fn candidate<T: Element>(
        &self,
        place: &Resident<'_, T>,
        name: String,
        plan: &RankPlan,
        rows: &[usize],
        kept: bool,
    ) -> Result<Candidate> {
        let prepared = place.prepare(plan)?;
        if !kept {
            place.run(&prepared, 0)?;
            check(place, plan, rows)?;
            place.keep_results()?;
            place.differences(&prepared)?;
        }
        // Now where results go is poisoned.
        same(place, &prepared)?;
        let timed = self.clock.time(&[(&prepared, 1)], 3)?;
        let us = middle(&timed.passes, 0).ok_or("no samples")?;
        Ok(Candidate { name, plan: plan.clone(), prepared, us })
    }

    /// The times of some candidates, taken in turns.
    fn numbers(&self, group: &[Candidate]) -> Result<Vec<Numbers>> {
        let calls: Vec<u32> = group.iter().map(|c| passes::calls(c.us)).collect();
        let mut entries = Vec::with_capacity(2 * group.len());
        for (candidate, &calls) in group.iter().zip(&calls) {
            entries.push((&candidate.prepared, 1));
            entries.push((&candidate.prepared, calls));
        }
        let all: f64 = group.iter().zip(&calls).map(|(c, &n)| c.us * f64::from(n + 1)).sum();
        let samples = passes::samples(all, self.args.samples);
        let timed = self.clock.time(&entries, samples)?;
        let of = |(i, &calls): (usize, &u32)| {
            let each = |entry: usize, calls: u32| {
                let passes = timed.passes.get(entry).into_iter().flatten();
                Spread::of(passes.map(|us| us / f64::from(calls)).collect())
            };
            let pass_us = each(2 * i, 1)?;
            let shared_us = each(2 * i + 1, calls)?;
            let more = shared_us.median * f64::from(calls) - pass_us.median;
            Some(Numbers {
                shared_us,
                marginal_us: more / f64::from(calls - 1),
                pass_us,
                submit_us: None,
                end_to_end_us: None,
                calls,
                samples,
                reference_us: timed.reference_us,
                best_reference_us: timed.best_reference_us,
                discarded: timed.discarded,
                steady: timed.steady,
            })
        };
        let numbers: Option<Vec<Numbers>> = calls.iter().enumerate().map(of).collect();
        numbers.ok_or_else(|| "no samples".into())
    }

    /// Adds what the host sees.
    fn finish<T: Element>(
        &self,
        place: &Resident<'_, T>,
        candidate: &Candidate,
        mut numbers: Numbers,
        bytes: u64,
    ) -> Result<Contender> {
        let calls = if self.software { 3 } else { HOST_CALLS };
        let calls = calls.min((2e6 / candidate.us.max(1.0)) as usize).max(1);
        numbers.submit_us = median(self.clock.latency(&candidate.prepared, calls)?);
        if bytes <= END_TO_END_BYTES {
            let x = place.input(0, 0..candidate.plan.problem.rows)?;
            let mut out = RankOutput::default();
            let bound = self.exec.on(&x);
            let mut call = || -> Result<f64> {
                let begun = std::time::Instant::now();
                execute_rank_into(&bound, &candidate.plan, &mut out)?;
                Ok(begun.elapsed().as_secs_f64() * 1e6)
            };
            call()?;
            let times: Result<Vec<f64>> = (0..calls.min(7)).map(|_| call()).collect();
            numbers.end_to_end_us = median(times?);
        }
        Ok(Contender::timed(candidate.name.clone(), &candidate.plan, numbers))
    }
}

/// Runs a plan for the first input, and compares its result with the one kept.
pub(super) fn same<T: Element>(place: &Resident<'_, T>, prepared: &Prepared) -> Result<()> {
    place.run(prepared, 0)?;
    match place.differences(prepared)? {
        0 => Ok(()),
        n => Err(format!("{WRONG}: {n} words differ").into()),
    }
}

/// Compares what a plan wrote for the first input with what the CPU says.
fn check<T: Element>(place: &Resident<'_, T>, plan: &RankPlan, rows: &[usize]) -> Result<()> {
    by_cpu::compare(plan, rows, |range| {
        let x = place.input(0, range.clone())?;
        let (words, indices) = place.results(range)?;
        let lanes = words.iter().map(|&w| T::Lane::from_i64(i64::from(w)));
        Ok((x, lanes.collect(), indices))
    })
}

/// The median of an entry's passes.
pub(super) fn middle(passes: &[Vec<f64>], entry: usize) -> Option<f64> {
    median(passes.get(entry)?.clone())
}
