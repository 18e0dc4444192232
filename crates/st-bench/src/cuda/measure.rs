//! One cell.

use std::collections::HashMap;
use std::time::Duration;

use st_core::Element;
use st_core::backend::cuda_exec::CudaExecutor;
use st_core::backend::cuda_exec::timing::{Graph, Resident};
use st_core::backend::device_caps::DeviceCaps;
use st_core::ops::rank_entry::{Choice, Problem, RankKind, RankPlan};

use super::{Args, CellReport, Contender};
use crate::by_cpu::{self, WRONG};
use crate::cells::Cell;
use crate::numbers::Spread;
use crate::patterns::constants;
use crate::untuned::{keep_within_reach, known_plan, with_untuned};
use crate::{Result, bounds, choices};
use st_kernels::cuda;
use st_tune::stats::median;
use st_tune::tournament::{Arena, Entrant, Outcome, Task, tournament};

const FILL: &str = include_str!("fill.cu");
/// Calls of a graph at most, as the peers have.
const MOST_CALLS: u32 = 20;
/// A graph's calls together take about so long.
const GRAPH_US: f64 = 2_000.0;
/// Replays before the first that counts: the clock rises under load.
const WARM_US: f64 = 20_000.0;
/// Calls from the host.
const LOOP_CALLS: u32 = 50;
/// A candidate that takes so much longer than the shortest is not timed.
const HOPELESS: f64 = 5.0;

/// What every cell needs.
#[derive(Debug)]
pub(super) struct Bench<'a> {
    pub(super) args: &'a Args,
    pub(super) exec: &'a CudaExecutor,
    pub(super) caps: DeviceCaps,
    pub(super) kind: RankKind,
    pub(super) bandwidth: f64,
}

/// A device with an input, and the result that is right.
struct Place<'a, T> {
    resident: Resident<'a, T>,
    plan: RankPlan,
    right: Option<(Vec<T>, Vec<u32>)>,
    calls: HashMap<Choice, u32>,
    least_us: f64,
}

impl Bench<'_> {
    pub(super) fn cell<T: Element>(&self, cell: &Cell) -> Result<CellReport> {
        let problem = Problem::new(self.kind, cell.rows, cell.cols, cell.k)
            .with_dtype(cell.dtype)
            .with_sorted(!self.args.unsorted);
        problem.check()?;
        let copies = bounds::copies(problem.input_bytes(), self.args.rotate * 1_000_000);
        let resident = self.exec.resident::<T>(cell.rows, cell.cols, cell.k, copies)?;
        let constants = constants(cell.input, cell.dtype).ok_or("no kernel fills this type")?;
        let defines: Vec<String> =
            constants.iter().map(|(name, n)| format!("{name}={n}")).collect();
        resident.fill(FILL, &defines)?;
        let plan = known_plan(&problem, &self.caps, self.args.tables);
        let rows = bounds::checked(cell.rows, cell.cols);
        let mut report = CellReport {
            copies,
            checked_rows: rows.len(),
            floor_us: bounds::least_bytes(cell) / self.bandwidth * 1e6,
            ..CellReport::new(*cell)
        };
        let mut place = Place {
            resident,
            plan: plan.clone(),
            right: None,
            calls: HashMap::new(),
            least_us: f64::INFINITY,
        };
        let mut plans = vec![("planned".to_owned(), plan.clone())];
        for text in &self.args.choice {
            let choice = choices::parse(text, plan.choice)?;
            plans.push((text.clone(), RankPlan::by_hand(problem, self.caps, choice)));
        }
        let mut ready = Vec::new();
        for (name, plan) in plans {
            match place.admitted(&plan, &rows) {
                Ok(us) => ready.push((name, plan, us)),
                Err(error) => {
                    report.contenders.push(Contender::failed(name, &plan, &error.to_string()))
                }
            }
        }
        if self.args.sweep && place.right.is_some() {
            let (outcome, wrong, left_out) = self.sweep(&mut place)?;
            report.out_of_reach = left_out;
            for (choice, why) in wrong {
                let plan = RankPlan::by_hand(problem, self.caps, choice);
                report.contenders.push(Contender::failed("swept".to_owned(), &plan, &why));
            }
            report.sweep = outcome;
        }
        report.contenders.extend(self.timed(&place.resident, ready)?);
        Ok(report)
    }

    /// The times of plans, in turns.
    fn timed<T: Element>(
        &self,
        resident: &Resident<'_, T>,
        ready: Vec<(String, RankPlan, f64)>,
    ) -> Result<Vec<Contender>> {
        let mut graphs: Vec<(Graph<'_>, Graph<'_>)> = Vec::new();
        for (_, plan, us) in &ready {
            graphs.push((resident.graph(plan, calls(*us))?, resident.graph(plan, 1)?));
        }
        let mut samples = vec![(Vec::new(), Vec::new()); ready.len()];
        for sample in 0..=self.args.samples {
            for ((many, one), (many_us, one_us)) in graphs.iter().zip(&mut samples) {
                let (a, b) = (many.replay_us()?, one.replay_us()?);
                // The first warms up.
                if sample > 0 {
                    many_us.push(a);
                    one_us.push(b);
                }
            }
        }
        let mut contenders = Vec::new();
        for (((name, plan, us), (graph, _)), (many, one)) in
            ready.into_iter().zip(&graphs).zip(samples)
        {
            let loops = LOOP_CALLS.min((1e6 / us.max(1.0)) as u32).max(3);
            let times: Result<Vec<f64>> =
                (0..3).map(|_| Ok(resident.loop_us(&plan, loops)?)).collect();
            contenders.push(Contender {
                name,
                choice: plan.choice,
                predicted_us: plan.predicted_us,
                fault: None,
                shared_us: Spread::of(many),
                pass_us: Spread::of(one),
                loop_us: median(times?),
                calls: graph.calls,
            });
        }
        Ok(contenders)
    }

    /// How the planner's choice stands among its candidates, those whose results are wrong, and how many could not be as fast.
    #[allow(clippy::type_complexity, reason = "a pair")]
    fn sweep<T: Element>(
        &self,
        place: &mut Place<'_, T>,
    ) -> Result<(Option<Outcome>, Vec<(Choice, String)>, usize)> {
        let plan = place.plan.clone();
        let (mut all, untuned) = with_untuned(&plan);
        let blocks = |choice: &Choice| cuda::footprint(choice, &plan.problem).blocks;
        let planned_us = place.least_us;
        let left_out = keep_within_reach(&plan.problem, &mut all, &untuned, planned_us, blocks);
        let by_hand = |&choice: &Choice| RankPlan::by_hand(plan.problem, plan.caps, choice);
        self.exec.compile_ahead(&all.iter().map(by_hand).collect::<Vec<_>>())?;
        let mut wrong = Vec::new();
        let limit = Some(Duration::try_from_secs_f64(self.args.seconds)?);
        let task = Task { candidates: &all, others: &untuned, limit, ..Task::default() };
        let outcome = tournament(place, &task, |choice, error| {
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

/// Calls of a graph, from the time of one.
fn calls(us: f64) -> u32 {
    (GRAPH_US / us.max(1.0)).clamp(1.0, f64::from(MOST_CALLS)) as u32
}

impl<T: Element> Place<'_, T> {
    /// Runs a plan and compares its result: the first with the CPU's, others with the first's. About how many
    /// microseconds it takes.
    fn admitted(&mut self, plan: &RankPlan, rows: &[usize]) -> Result<f64> {
        self.resident.prepare(plan)?;
        self.resident.run(plan)?;
        let all = 0..plan.problem.rows;
        match &self.right {
            None => {
                check(&self.resident, plan, rows)?;
                self.right = Some(self.resident.results(all)?);
            }
            Some((values, indices)) => {
                let (own_values, own_indices) = self.resident.results(all)?;
                if own_indices != *indices
                    || bytemuck::cast_slice::<T, u8>(&own_values)
                        != bytemuck::cast_slice::<T, u8>(values)
                {
                    return Err(WRONG.into());
                }
            }
        }
        let graph = self.resident.graph(plan, 1)?;
        let first = graph.replay_us()?;
        let warm = (WARM_US / first.max(1.0)).clamp(1.0, 200.0) as u32;
        let mut times = Vec::new();
        for _ in 0..warm {
            times.push(graph.replay_us()?);
        }
        median(times).ok_or_else(|| "no samples".into())
    }
}

impl<T: Element> Arena for Place<'_, T> {
    type Error = Box<dyn std::error::Error>;

    fn admit(&mut self, choice: Choice, asked: bool) -> Result<Option<f64>> {
        let plan = RankPlan::by_hand(self.plan.problem, self.plan.caps, choice);
        let us = self.admitted(&plan, &[])?;
        self.least_us = self.least_us.min(us);
        if !asked && us > HOPELESS * self.least_us {
            return Ok(None);
        }
        self.calls.insert(choice, calls(us));
        Ok(Some(us))
    }

    fn turns(&mut self, entrants: &mut [Entrant]) -> Result<()> {
        for entrant in entrants {
            let plan = RankPlan::by_hand(self.plan.problem, self.plan.caps, entrant.choice);
            let calls = self.calls.get(&entrant.choice).ok_or("a choice not admitted")?;
            let graph = self.resident.graph(&plan, *calls)?;
            graph.replay_us()?;
            entrant.samples.push_turn(vec![graph.replay_us()? * 1e3]);
        }
        Ok(())
    }
}

/// Compares what a plan wrote for the first input with what the CPU says.
fn check<T: Element>(place: &Resident<'_, T>, plan: &RankPlan, rows: &[usize]) -> Result<()> {
    by_cpu::compare(plan, rows, |range| {
        let x = place.input(0, range.clone())?;
        let (values, indices) = place.results(range)?;
        Ok((x, values.iter().map(|v| v.to_lane()).collect(), indices))
    })
}

impl Contender {
    fn failed(name: String, plan: &RankPlan, why: &str) -> Self {
        Self {
            name,
            choice: plan.choice,
            predicted_us: plan.predicted_us,
            fault: Some(why.to_owned()),
            shared_us: None,
            pass_us: None,
            loop_us: None,
            calls: 0,
        }
    }
}
