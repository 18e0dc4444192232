//! One test's run through the executors and kernels of a backend.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use st_rank::{
    CompactOutput, CompactPlan, CompactProblem, DType, Error, Input, Problem, RankOutput, RankPlan,
    Result,
};

use crate::backend::{Backend, Executor, Level};
use crate::cases::Case;
use crate::report::Report;
use crate::rng::Rng;
use crate::trace;
use crate::value::Value;
use crate::verdict;

/// The name under which the planner's own choice is counted.
pub(crate) const PLANNED: &str = "planned";

/// Where little is asked of slow devices the planner's choice is run for one question in so many: most are kernels of
/// their own, and compiling them takes most of the time.
const PLANNED_ONE_IN: usize = 4;

/// Settings of each kernel that `Full` tries for a question.
const FULL_SETTINGS: usize = 2;

/// A kernel, a plan with it, and whether its results go into a place that holds another answer.
type Planned = (&'static str, RankPlan, bool);

/// How long a run took, and whether it ran (or was refused, as it had to be) or what is wrong.
type Answer = (Duration, Result<bool, String>);

pub(crate) struct Session<'b, B: Backend> {
    pub(crate) backend: &'b B,
    pub(crate) level: Level,
    test: String,
    dtype: DType,
    only: Option<u64>,
    report: Report,
    asked: usize,
    compacts: bool,
}

impl<'b, B: Backend> Session<'b, B> {
    pub(crate) fn new<T: Value>(backend: &'b B, test: &str) -> Self {
        let only = std::env::var("SPIRAL_CONFORMANCE_CASE").ok().and_then(|n| n.parse().ok());
        let test = format!("{} {test}", T::DTYPE);
        let level = backend.level();
        let (dtype, report) = (T::DTYPE, Report::default());
        Self { backend, level, test, dtype, only, report, asked: 0, compacts: false }
    }

    /// Whether this case is to be run.
    pub(crate) fn wants(&self, case: &Case) -> bool {
        self.only.is_none_or(|n| n == case.number)
    }

    /// The executors for the next question: one of each group, in turn.
    pub(crate) fn executors(&mut self) -> Vec<&'b Executor<B::Exec>> {
        self.asked += 1;
        let mut groups: Vec<Vec<&Executor<B::Exec>>> = Vec::new();
        for e in self.backend.executors() {
            match groups.iter_mut().find(|g| g[0].group == e.group) {
                Some(group) => group.push(e),
                None => groups.push(vec![e]),
            }
        }
        groups.into_iter().map(|group| group[self.asked % group.len()]).collect()
    }

    /// The plans to run a problem with: the planner's, and each kernel's forced settings. A planner
    /// never fails, whatever it is asked; if it does, that is a failure like a wrong answer.
    pub(crate) fn plans(
        &mut self,
        e: &Executor<B::Exec>,
        problem: &Problem,
        rng: &mut Rng,
    ) -> Vec<(&'static str, RankPlan)> {
        let mut plans = Vec::new();
        let planned = self.level != Level::Smoke || self.asked.is_multiple_of(PLANNED_ONE_IN);
        match guarded(|| self.backend.plan(&e.exec, problem)) {
            Ok(plan) if planned => plans.push((PLANNED, plan)),
            Ok(_) => {}
            Err(panic) => self.report.failed(&e.group, PLANNED, || {
                format!("planning panicked: {panic}\n  {problem:?} on {} {}", e.group, e.name)
            }),
        }
        let settings = if self.level == Level::Full { FULL_SETTINGS } else { 1 };
        for &mk in self.backend.merge_kinds(&e.exec, self.dtype) {
            for _ in 0..settings {
                let choice = self.backend.choice(&e.exec, mk, problem, rng);
                let caps = self.backend.caps(&e.exec);
                plans.push((mk.name(), RankPlan::by_hand(*problem, caps, choice)));
            }
        }
        plans
    }

    /// Asks one question of the executors, with every kernel, and judges the answers.
    pub(crate) fn ask<T: Value>(
        &mut self,
        case: &Case,
        input: Input<'_, T>,
        problem: &Problem,
        want: &RankOutput<T>,
        rng: &mut Rng,
    ) {
        let mut runs = Vec::new();
        for e in self.executors() {
            let plans = self.plans(e, problem, rng).into_iter();
            // Now and then into a place that holds another answer.
            let plans = plans.map(|(kernel, plan)| (kernel, plan, rng.one_in(4)));
            runs.push((e, plans.collect::<Vec<_>>()));
        }
        let answers = |(e, plans): &(&Executor<B::Exec>, Vec<Planned>)| {
            let one = |(kernel, plan, dirty): &Planned| {
                let _trace = trace::begun(|| {
                    let (test, group, choice) = (&self.test, &e.group, &plan.choice);
                    format!("{test} {case}, {problem}: {group} {kernel} {choice}")
                });
                self.answer(e, kernel, plan, input, want, *dirty)
            };
            plans.iter().map(one).collect::<Vec<_>>()
        };
        let answered: Vec<Vec<Answer>> = if self.backend.side_by_side() {
            std::thread::scope(|scope| {
                let begun: Vec<_> = runs.iter().map(|run| scope.spawn(|| answers(run))).collect();
                begun.into_iter().map(|thread| thread.join().expect("it is guarded")).collect()
            })
        } else {
            runs.iter().map(answers).collect()
        };
        for ((e, plans), answers) in runs.iter().zip(answered) {
            for ((kernel, plan, _), (took, verdict)) in plans.iter().zip(answers) {
                self.report.took(&e.group, kernel, took);
                match verdict {
                    Ok(true) => self.report.ran(&e.group, kernel),
                    Ok(false) => self.report.refused(&e.group, kernel),
                    Err(what) => {
                        let nan = problem.nan;
                        let lengths = first(input.lengths);
                        self.report.failed(&e.group, kernel, || {
                            format!(
                                "{what}\n  {case}, {problem}, NaN {nan:?}, lengths {lengths:?}\n  \
                                 executor {} {}, {}",
                                e.group, e.name, plan.choice
                            )
                        });
                    }
                }
            }
        }
    }

    /// Runs one plan: how long it took, and whether it ran or was refused as it must be.
    fn answer<T: Value>(
        &self,
        e: &Executor<B::Exec>,
        kernel: &str,
        plan: &RankPlan,
        input: Input<'_, T>,
        want: &RankOutput<T>,
        dirty: bool,
    ) -> Answer {
        let feasible = self.backend.check(&e.exec, &plan.choice, &plan.problem);
        let began = Instant::now();
        let got = guarded(|| self.run(e, input, plan, dirty));
        let took = began.elapsed();
        let verdict = match got {
            Err(panic) => Err(format!("it panicked: {panic}")),
            Ok(got) => match (feasible, got) {
                (Ok(()), Ok(got)) => verdict::rank(plan.problem.k, want, &got).map(|()| true),
                (Err(_), Err(Error::Infeasible { .. })) if kernel != PLANNED => Ok(false),
                (Err(_), Ok(_)) => Err("it ran a choice that is infeasible".to_owned()),
                (_, Err(error)) => Err(format!("it was refused: {error}")),
            },
        };
        (took, verdict)
    }

    fn run<T: Value>(
        &self,
        e: &Executor<B::Exec>,
        input: Input<'_, T>,
        plan: &RankPlan,
        dirty: bool,
    ) -> Result<RankOutput<T>> {
        if !dirty {
            return self.backend.rank(&e.exec, input, plan);
        }
        let mut out = dirty_output::<T>(plan.problem.output_len() + 3);
        let before = out.clone();
        let result = self.backend.rank_into(&e.exec, input, plan, &mut out);
        if result.is_err() {
            verdict::rank(1, &before, &out).expect("a refusal leaves the output as it was");
        }
        result.map(|()| out)
    }

    /// Asks one compaction of the executors and judges the answers.
    pub(crate) fn ask_compact<T: Value>(
        &mut self,
        case: &Case,
        input: Input<'_, T>,
        problem: &CompactProblem,
        bounds: (T, T),
        want: &CompactOutput<T>,
        rng: &mut Rng,
    ) {
        self.compacts = true;
        let (lo, hi) = bounds;
        for e in self.executors() {
            let planned = self.backend.compact_plan(&e.exec, problem);
            let forced = self.backend.compact_choices(rng);
            let forced = forced.into_iter().map(|choice| {
                let caps = self.backend.caps(&e.exec);
                (commands(choice.use_2ce), CompactPlan { problem: *problem, caps, choice })
            });
            for (kernel, plan) in core::iter::once((PLANNED, planned)).chain(forced) {
                let _trace = trace::begun(|| {
                    let (test, group, choice) = (&self.test, &e.group, &plan.choice);
                    format!("{test} {case}: {group} {kernel} {choice}")
                });
                let began = Instant::now();
                let got = guarded(|| self.backend.compact(&e.exec, input, &plan, lo, hi));
                self.report.took(&e.group, kernel, began.elapsed());
                let verdict = match got {
                    Err(panic) => Err(format!("it panicked: {panic}")),
                    Ok(Err(error)) => Err(format!("it was refused: {error}")),
                    Ok(Ok(got)) => verdict::compact(want, &got),
                };
                self.report.ran(&e.group, kernel);
                if let Err(what) = verdict {
                    self.report.failed(&e.group, kernel, || {
                        let (group, name) = (&e.group, &e.name);
                        let (choice, lengths) = (plan.choice, first(input.lengths));
                        format!(
                            "{what}\n  {case}, keep {lo:?} ({:#x}) to {hi:?} ({:#x}), stride {}, \
                             lengths {lengths:?}\n  executor {group} {name}, {choice}",
                            lo.bits(),
                            hi.bits(),
                            problem.row_stride,
                        )
                    });
                }
            }
        }
    }

    /// Counts one check that is not a question.
    pub(crate) fn note(&mut self, group: &str, kernel: &str, verdict: Result<(), String>) {
        self.report.ran(group, kernel);
        if let Err(what) = verdict {
            self.report.failed(group, kernel, || what);
        }
    }

    /// Panics if anything went wrong, or if a kernel that the backend claims never ran.
    pub(crate) fn finish(self) {
        let mut required = Vec::new();
        for e in self.backend.executors() {
            let mut must = vec![PLANNED];
            if !self.compacts {
                let kinds = self.backend.merge_kinds(&e.exec, self.dtype);
                must.extend(kinds.iter().map(|mk| mk.name()));
            } else if !self.backend.compact_choices(&mut Rng::new(0)).is_empty() {
                must.extend([false, true].map(commands));
            }
            required.extend(must.into_iter().map(|kernel| (e.group.clone(), kernel.to_owned())));
        }
        if self.only.is_some() {
            required.clear();
        }
        self.report.finish(&self.test, &required);
    }
}

/// As many row lengths as a message has room for.
fn first(lengths: Option<&[u32]>) -> Option<&[u32]> {
    lengths.map(|lengths| &lengths[..lengths.len().min(8)])
}

fn commands(use_2ce: bool) -> &'static str {
    if use_2ce { "2-CE" } else { "1-CE" }
}

/// An output that holds something else already.
pub(crate) fn dirty_output<T: Value>(len: usize) -> RankOutput<T> {
    RankOutput { values: vec![T::from_bits(0x55); len], indices: vec![0xDEAD_BEEF; len] }
}

/// Runs `f`, giving the message of a panic, so that the report can say what was being run.
pub(crate) fn guarded<R>(f: impl FnOnce() -> R) -> Result<R, String> {
    catch_unwind(AssertUnwindSafe(f)).map_err(|payload| {
        let text = payload.downcast_ref::<String>().cloned();
        let text = text.or_else(|| payload.downcast_ref::<&str>().map(|s| (*s).to_owned()));
        text.unwrap_or_else(|| "with something that is no text".to_owned())
    })
}
