//! `st-bench cpu-sweep`: every feasible choice of a list, to see how far the planner's is from the
//! best one. Candidates are thinned out in rounds; then the winner and the planner's choice are
//! timed afresh, in turns, because the least of many noisy medians is too good to be true.

use std::path::PathBuf;

use serde::Serialize;
use st_core::ops::rank_entry::{Choice, RankOutput, RankPlan};

use crate::candidates::candidates;
use crate::cells::{Cell, cells};
use crate::check;
use crate::cpu::Threads;
use crate::data::Matrix;
use crate::ours::{Ours, plan};
use crate::stats::{Samples, geometric_mean, median};
use crate::{Result, answer, note, system};

/// After each round only candidates within this factor of the best stay.
const ROUNDS: [(usize, f64); 4] = [(1, 2.0), (1, 1.4), (3, 1.15), (5, 1.08)];

/// Turns of the winner and the planner's choice in the end.
const FINAL_TURNS: usize = 15;

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
    failures: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Swept {
    cell: Cell,
    threads: u32,
    planned: Choice,
    planned_us: f64,
    predicted_us: Option<f64>,
    best: Choice,
    best_us: f64,
    /// Planner's / best: 1 at best.
    ratio: f64,
    /// Every candidate, fastest first. Those thinned out early have few samples.
    candidates: Vec<Timed>,
}

#[derive(Clone, Debug, Serialize)]
struct Timed {
    choice: Choice,
    median_us: f64,
    min_us: f64,
    samples: usize,
}

/// Runs the sweep; false if any result was wrong.
pub(crate) fn run(args: &Args) -> Result<bool> {
    let cells = cells(args.cells.as_deref(), args.quick)?;
    let mut sides = Vec::new();
    for (name, threads) in args.threads.settings() {
        sides.push((threads, Ours::new(args.isa.as_deref(), (name == "one").then_some(1))?));
    }
    let mut report = Report {
        date: system::today(),
        command: system::command(),
        processor: system::processor(),
        isa: sides.first().map_or("none", |(_, ours)| ours.isa()),
        cells: Vec::new(),
        geometric_mean: None,
        failures: Vec::new(),
    };
    for cell in &cells {
        let matrix = Matrix::new(cell)?;
        let x = matrix.values();
        let want = check::answer(&check::ranking(x, cell), x, cell);
        for (threads, ours) in &mut sides {
            let caps = if args.probe { ours.probe() } else { ours.caps() };
            let plan = plan(cell, caps);
            let mut sweep = Sweep { ours, x, plan };
            match sweep.run(*cell, *threads, &want, &mut report.failures) {
                Ok(swept) => {
                    note(&line(&swept));
                    report.cells.push(swept);
                }
                Err(error) => report.failures.push(format!("{cell}: {error}")),
            }
        }
    }
    let ratios: Vec<f64> = report.cells.iter().map(|c| c.ratio).collect();
    report.geometric_mean = geometric_mean(&ratios);
    answer(&if args.json { serde_json::to_string(&report)? } else { report.text() });
    for failure in &report.failures {
        note(&format!("WRONG: {failure}"));
    }
    Ok(report.failures.is_empty())
}

/// One cell with one number of threads.
struct Sweep<'a> {
    ours: &'a mut Ours,
    x: &'a [f32],
    /// The planner's.
    plan: RankPlan,
}

impl Sweep<'_> {
    fn plan_of(&self, choice: Choice) -> RankPlan {
        RankPlan::by_hand(self.plan.problem, self.plan.caps, choice)
    }

    fn turn(&mut self, choice: Choice, samples: &mut Samples) -> Result<()> {
        let plan = self.plan_of(choice);
        let times = self.ours.turn(self.x, &plan, samples.warm_calls())?;
        samples.push_turn(times);
        Ok(())
    }

    fn run(
        &mut self,
        cell: Cell,
        threads: u32,
        want: &RankOutput<f32>,
        failures: &mut Vec<String>,
    ) -> Result<Swept> {
        let planned = self.plan.choice;
        let mut running: Vec<(Choice, Samples)> = Vec::new();
        for choice in candidates(&self.plan) {
            match self.ours.check(self.x, &self.plan_of(choice), want) {
                Ok(()) => running.push((choice, Samples::default())),
                Err(error) => failures.push(format!("{cell}, {choice}: {error}")),
            }
        }
        let mut dropped = Vec::new();
        for (turns, factor) in ROUNDS {
            for turn in 0..turns {
                let all = running.len().max(1);
                for i in 0..running.len() {
                    let (choice, samples) = &mut running[(i + turn) % all];
                    self.turn(*choice, samples)?;
                }
            }
            running.sort_by(|a, b| us(&a.1).total_cmp(&us(&b.1)));
            let limit = running.first().map_or(0.0, |best| us(&best.1) * factor);
            let keep = running.iter().take_while(|(_, s)| us(s) <= limit).count();
            dropped.extend(running.drain(keep..));
        }
        let best = running.first().ok_or("no choice gave the right result")?.0;
        let (best_us, planned_us) = self.duel(best, planned)?;
        let mut candidates: Vec<Timed> = running.iter().chain(&dropped).filter_map(timed).collect();
        candidates.sort_by(|a, b| a.median_us.total_cmp(&b.median_us));
        let predicted_us = self.plan.predicted_us;
        let ratio = planned_us / best_us;
        Ok(Swept {
            cell,
            threads,
            planned,
            planned_us,
            predicted_us,
            best,
            best_us,
            ratio,
            candidates,
        })
    }

    /// Medians of two choices, in turns.
    fn duel(&mut self, best: Choice, planned: Choice) -> Result<(f64, f64)> {
        let mut sides = [(best, Samples::default()), (planned, Samples::default())];
        for turn in 0..FINAL_TURNS {
            for i in 0..2 {
                let (choice, samples) = &mut sides[(i + turn) % 2];
                if samples.wants_more(FINAL_TURNS) {
                    self.turn(*choice, samples)?;
                }
            }
        }
        let [(_, best_samples), (_, planned_samples)] = &sides;
        if best == planned {
            let both = median(vec![us(best_samples), us(planned_samples)]).unwrap_or(f64::NAN);
            return Ok((both, both));
        }
        Ok((us(best_samples), us(planned_samples)))
    }
}

fn us(samples: &Samples) -> f64 {
    samples.timing().map_or(f64::INFINITY, |t| t.median_us)
}

fn timed((choice, samples): &(Choice, Samples)) -> Option<Timed> {
    let t = samples.timing()?;
    Some(Timed { choice: *choice, median_us: t.median_us, min_us: t.min_us, samples: t.samples })
}

fn line(s: &Swept) -> String {
    let predicted = s.predicted_us.map_or_else(String::new, |us| format!(" (predicted {us:.1})"));
    format!(
        "{}, {} threads: planner {:.1} us{predicted}, best of {} {:.1} us, ratio {:.3}\n    planner {}\n    best    {}",
        s.cell,
        s.threads,
        s.planned_us,
        s.candidates.len(),
        s.best_us,
        s.ratio,
        s.planned,
        s.best
    )
}

impl Report {
    fn text(&self) -> String {
        let mut lines =
            vec![format!("{}, {}, {}: {}", self.date, self.processor, self.isa, self.command)];
        lines.extend(self.cells.iter().map(line));
        if let Some(mean) = self.geometric_mean {
            let worst = self.cells.iter().map(|c| c.ratio).fold(0.0, f64::max);
            lines.push(format!("planner / best: geometric mean {mean:.3}, worst {worst:.3}"));
        }
        lines.join("\n")
    }
}
