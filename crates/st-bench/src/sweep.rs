//! `st-bench cpu-sweep`: every feasible choice of a list, to see how far the planner's is from the
//! best one. Calls go through several inputs by turns, as the tuner's do: processors learn the branches that one takes.

use std::path::PathBuf;
use std::time::Instant;

use serde::Serialize;
use st_core::ops::rank_entry::{Choice, RankOutput, RankPlan};

use crate::cells::{Cell, cells};
use crate::check;
use crate::cpu::Threads;
use crate::data::Matrix;
use crate::ours::{Ours, plan};
use crate::untuned::{of_untuned, untuned_ratio, with_untuned};
use crate::{Result, answer, note, system};
use st_tune::stats::{geometric_mean, steady_turn};
use st_tune::tournament::{Arena, Entrant, Outcome, Task, tournament};

/// Options of `st-bench cpu-sweep`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A JSON list of cells, `[rows, cols, k]` or `[rows, cols, k, "normal|equal|ties|sorted"]`.
    #[arg(long, value_name = "FILE")]
    cells: Option<PathBuf>,
    /// The small shapes, two inputs.
    #[arg(long)]
    quick: bool,
    /// Print one JSON document, with every candidate's times, instead of a table.
    #[arg(long)]
    json: bool,
    /// All cores, one thread, or both, one after the other.
    #[arg(long, value_enum, default_value_t = Threads::All)]
    threads: Threads,
    /// Our instruction set; without it, the best there is.
    #[arg(long)]
    isa: Option<String>,
    /// Plan with the bandwidth measured (`probe`), not with the caps alone.
    #[arg(long)]
    probe: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    date: String,
    command: String,
    processor: String,
    isa: &'static str,
    cells: Vec<Swept>,
    /// Geometric mean of planner's / best.
    geometric_mean: Option<f64>,
    /// The same without rules and tables.
    untuned: Option<f64>,
    failures: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Swept {
    cell: Cell,
    threads: u32,
    #[serde(flatten)]
    outcome: Outcome,
}

/// Runs the sweep; false if any result was wrong.
pub(crate) fn run(args: &Args) -> Result<bool> {
    let cells = cells(args.cells.as_deref(), args.quick)?;
    let mut sides = Vec::new();
    for (name, threads) in args.threads.settings() {
        sides.push((threads, Ours::new(args.isa.as_deref(), (name == "one").then_some(1))?));
    }
    let mut report = Report {
        date: st_core::tune::today(),
        command: system::command(),
        processor: system::processor(),
        isa: sides.first().map_or("none", |(_, ours)| ours.isa()),
        cells: Vec::new(),
        geometric_mean: None,
        untuned: None,
        failures: Vec::new(),
    };
    for cell in &cells {
        let inputs = inputs(cell)?;
        for (threads, ours) in &mut sides {
            let caps = if args.probe { ours.probe() } else { ours.caps() };
            let plan = plan(cell, caps);
            let (all, untuned) = with_untuned(&plan);
            let mut failures = Vec::new();
            let task = Task { candidates: &all, others: &untuned, ..Task::default() };
            let mut place = Place { ours, inputs: &inputs, next: 0, plan: &plan };
            let outcome = tournament(&mut place, &task, |choice, error| {
                failures.push(format!("{cell}, {choice}: {error}"));
            });
            report.failures.append(&mut failures);
            match outcome {
                Ok(outcome) => {
                    let outcome = Outcome { predicted_us: plan.predicted_us, ..outcome };
                    let swept = Swept { cell: *cell, threads: *threads, outcome };
                    note(&swept.lines());
                    report.cells.push(swept);
                }
                Err(error) => report.failures.push(format!("{cell}: {error}")),
            }
        }
    }
    let ratios: Vec<f64> = report.cells.iter().map(|c| c.outcome.ratio).collect();
    report.geometric_mean = geometric_mean(&ratios);
    let untuned: Vec<f64> = report.cells.iter().filter_map(Swept::untuned).collect();
    report.untuned = geometric_mean(&untuned);
    answer(&if args.json { serde_json::to_string(&report)? } else { report.text() });
    for failure in &report.failures {
        note(&format!("WRONG: {failure}"));
    }
    Ok(report.failures.is_empty())
}

/// An input, and what is right for it.
struct Asked {
    matrix: Matrix,
    want: RankOutput<f32>,
}

fn inputs(cell: &Cell) -> Result<Vec<Asked>> {
    // As the tuner has: choices that are best from a cache need not be where there is none.
    let n = st_tune::inputs::copies((cell.rows * cell.cols * size_of::<f32>()) as u64);
    let input = |copy| {
        let matrix = Matrix::copy(cell, copy)?;
        let x = matrix.values();
        let want = check::answer(&check::ranking(x, cell), x, cell);
        Ok(Asked { matrix, want })
    };
    (0..n).map(input).collect()
}

/// One cell with one number of threads.
struct Place<'a> {
    ours: &'a mut Ours,
    inputs: &'a [Asked],
    next: usize,
    plan: &'a RankPlan,
}

impl Place<'_> {
    fn plan_of(&self, choice: Choice) -> RankPlan {
        RankPlan::by_hand(self.plan.problem, self.plan.caps, choice)
    }
}

impl Arena for Place<'_> {
    type Error = Box<dyn std::error::Error>;

    fn admit(&mut self, choice: Choice, _: bool) -> Result<Option<f64>> {
        let plan = self.plan_of(choice);
        let begun = Instant::now();
        for Asked { matrix, want } in self.inputs {
            self.ours.check(matrix.values(), &plan, want)?;
        }
        Ok(Some(begun.elapsed().as_secs_f64() * 1e6 / self.inputs.len() as f64))
    }

    fn turns(&mut self, entrants: &mut [Entrant]) -> Result<()> {
        for Entrant { choice, samples, .. } in entrants {
            let plan = self.plan_of(*choice);
            let times = steady_turn(samples.warm_calls(), || {
                self.next = (self.next + 1) % self.inputs.len();
                self.ours.run(self.inputs[self.next].matrix.values(), &plan)
            })?;
            samples.push_turn(times);
        }
        Ok(())
    }
}

impl Swept {
    /// What would be planned without rules and tables / best.
    fn untuned(&self) -> Option<f64> {
        untuned_ratio(&self.outcome)
    }

    fn lines(&self) -> String {
        let untuned = self.untuned().map_or_else(String::new, |x| format!(", untuned {x:.3}"));
        format!("{}, {} threads{untuned}: {}", self.cell, self.threads, self.outcome.lines())
    }
}

impl Report {
    fn text(&self) -> String {
        let mut lines =
            vec![format!("{}, {}, {}: {}", self.date, self.processor, self.isa, self.command)];
        lines.extend(self.cells.iter().map(Swept::lines));
        if let Some(mean) = self.geometric_mean {
            let worst = self.cells.iter().map(|c| c.outcome.ratio).fold(0.0, f64::max);
            lines.push(format!("planner / best: geometric mean {mean:.3}, worst {worst:.3}"));
        }
        let outcomes: Vec<&Outcome> = self.cells.iter().map(|c| &c.outcome).collect();
        lines.extend(of_untuned(&outcomes));
        lines.join("\n")
    }
}
