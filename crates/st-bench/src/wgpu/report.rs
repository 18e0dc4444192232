//! What a run of `st-bench wgpu` found: lines, a table, JSON.

use std::fmt::Write as _;

use serde::Serialize;
use st_core::backend::device_caps::DeviceCaps;
use st_core::ops::rank_entry::{Choice, RankKind, RankPlan};

use crate::by_cpu::WRONG;
use crate::cells::Cell;
use crate::markdown::short;
use crate::numbers::Spread;
use crate::untuned::{of_untuned, swept};
use st_tune::stats::geometric_mean;
use st_tune::tournament::Outcome;

/// Everything a run found.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) date: String,
    pub(super) command: String,
    pub(super) version: &'static str,
    /// Of the sources, if `ST_BENCH_COMMIT` was set when this was built.
    pub(super) commit: Option<&'static str>,
    pub(super) adapter: String,
    pub(super) software: bool,
    pub(super) driver: Option<String>,
    pub(super) caps: DeviceCaps,
    pub(super) kind: RankKind,
    /// Bytes per second, given or measured.
    pub(super) bandwidth: f64,
    pub(super) cells: Vec<CellReport>,
}

/// One cell.
#[derive(Debug, Serialize)]
pub(super) struct CellReport {
    pub(super) cell: Cell,
    /// Why there are no numbers.
    pub(super) not_measured: Option<String>,
    /// Inputs that calls take by turns, and buffers that each lies in.
    pub(super) copies: usize,
    pub(super) windows: usize,
    /// Rows that were compared with the CPU's.
    pub(super) checked_rows: usize,
    /// Input and output once, at the bandwidth.
    pub(super) floor_us: Option<f64>,
    pub(super) contenders: Vec<Contender>,
    /// Every candidate of the planner, but for those that are too few workgroups to be as fast as its choice.
    pub(super) sweep: Option<Outcome>,
    pub(super) out_of_reach: usize,
}

/// A plan and what was found of it.
#[derive(Debug, Serialize)]
pub(super) struct Contender {
    /// `planned`, the choice as it was given, or the merge kind that was forced.
    pub(super) name: String,
    pub(super) choice: Choice,
    pub(super) predicted_us: Option<f64>,
    /// What is wrong with it: then there are no numbers.
    pub(super) fault: Option<String>,
    #[serde(flatten)]
    pub(super) numbers: Option<Numbers>,
}

/// Times in microseconds.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Numbers {
    /// Of a call, when `calls` of them share a pass: the pass's time over the calls.
    pub(super) shared_us: Spread,
    /// The same without what the pass itself costs: (all calls - one call) / (calls - 1).
    pub(super) marginal_us: f64,
    /// Of a pass with one call.
    pub(super) pass_us: Spread,
    /// On the host, from recording one call to its end, everything resident.
    pub(super) submit_us: Option<f64>,
    /// On the host, from slice to slice.
    pub(super) end_to_end_us: Option<f64>,
    pub(super) calls: u32,
    pub(super) samples: u32,
    /// Of the fixed kernel beside these samples, and at best.
    pub(super) reference_us: f64,
    pub(super) best_reference_us: f64,
    /// Command buffers that were not at full clock.
    pub(super) discarded: u32,
    /// False: nor was this one.
    pub(super) steady: bool,
}

impl Contender {
    pub(super) fn timed(name: String, plan: &RankPlan, numbers: Numbers) -> Self {
        let (choice, predicted_us) = (plan.choice, plan.predicted_us);
        Self { name, choice, predicted_us, fault: None, numbers: Some(numbers) }
    }

    fn shared_us(&self) -> Option<f64> {
        self.numbers.as_ref().map(|n| n.shared_us.median)
    }

    fn line(&self, floor_us: Option<f64>) -> String {
        let Some(n) = &self.numbers else {
            let fault = self.fault.as_deref().unwrap_or("not timed");
            return format!("  {}: {fault}\n      {}", self.name, self.choice);
        };
        let mut line = format!(
            "  {}: shared {} ({}..{}, {} calls) marginal {} pass {} submit {}",
            self.name,
            short(Some(n.shared_us.median)),
            short(Some(n.shared_us.min)),
            short(Some(n.shared_us.max)),
            n.calls,
            short(Some(n.marginal_us)),
            short(Some(n.pass_us.median)),
            short(n.submit_us),
        );
        // Writing to a String cannot fail.
        if let Some(us) = n.end_to_end_us {
            let _ = write!(line, " end to end {}", short(Some(us)));
        }
        if let Some(floor) = floor_us {
            let _ = write!(line, "; {:.2} floors", n.shared_us.median / floor);
        }
        if let Some(us) = self.predicted_us {
            let _ = write!(line, "; predicted {}", short(Some(us)));
        }
        if n.discarded > 0 || !n.steady {
            let at = if n.steady { "" } else { ", NOT AT FULL CLOCK" };
            let (now, best) = (n.reference_us, n.best_reference_us);
            let _ = write!(line, "; {} discarded{at}, reference {now:.1}/{best:.1}", n.discarded);
        }
        let _ = write!(line, "\n      {}", self.choice);
        line
    }
}

impl CellReport {
    pub(super) fn new(cell: Cell, copies: usize, windows: usize) -> Self {
        Self {
            cell,
            not_measured: None,
            copies,
            windows,
            checked_rows: 0,
            floor_us: None,
            contenders: Vec::new(),
            sweep: None,
            out_of_reach: 0,
        }
    }

    pub(super) fn not_measured(cell: Cell, why: &str) -> Self {
        Self { not_measured: Some(why.to_owned()), ..Self::new(cell, 0, 0) }
    }

    /// A plan that is not timed, and why.
    pub(super) fn fail(&mut self, name: String, plan: &RankPlan, why: &str) {
        let (choice, predicted_us, fault) = (plan.choice, plan.predicted_us, Some(why.to_owned()));
        self.contenders.push(Contender { name, choice, predicted_us, fault, numbers: None });
    }

    fn planned(&self) -> Option<&Contender> {
        self.contenders.iter().find(|c| c.name == "planned")
    }

    /// For people.
    pub(super) fn lines(&self) -> String {
        if let Some(why) = &self.not_measured {
            return format!("{}: not measured: {why}", self.cell);
        }
        let (copies, windows, rows) = (self.copies, self.windows, self.checked_rows);
        let mut lines = vec![format!(
            "{}: floor {} us; {copies} inputs of {windows} buffers, {rows} rows checked",
            self.cell,
            short(self.floor_us)
        )];
        lines.extend(self.contenders.iter().map(|c| c.line(self.floor_us)));
        lines.extend(self.sweep.as_ref().map(|outcome| swept(outcome, self.out_of_reach)));
        lines.join("\n")
    }
}

impl Report {
    pub(super) fn head(&self) -> String {
        format!(
            "{}, {}, {}: {}, {:.0} GB/s",
            self.date,
            self.adapter,
            self.driver.as_deref().unwrap_or("unknown driver"),
            self.kind,
            self.bandwidth / 1e9
        )
    }

    /// Whether any result was wrong.
    pub(super) fn wrong(&self) -> bool {
        let mut faults = self.cells.iter().flat_map(|c| &c.contenders).map(|c| c.fault.as_deref());
        faults.any(|fault| fault.is_some_and(|f| f.starts_with(WRONG)))
    }

    /// Of all cells.
    pub(super) fn summary(&self) -> String {
        let ratio = |c: &CellReport| Some(c.planned()?.shared_us()? / c.floor_us?);
        let ratios: Vec<f64> = self.cells.iter().filter_map(ratio).collect();
        let left = self.cells.iter().filter(|c| c.planned().is_none_or(|p| p.numbers.is_none()));
        let mean = geometric_mean(&ratios);
        let mut text = format!(
            "{} cells, {} without a number for the planner's choice; planned / floor: geometric mean {}",
            self.cells.len(),
            left.count(),
            short(mean)
        );
        let swept: Vec<f64> =
            self.cells.iter().filter_map(|c| Some(c.sweep.as_ref()?.ratio)).collect();
        if let Some(mean) = geometric_mean(&swept) {
            let worst = swept.iter().copied().fold(0.0, f64::max);
            // Writing to a String cannot fail.
            let _ = write!(text, "; planned / best: geometric mean {mean:.3}, worst {worst:.3}");
            let outcomes: Vec<_> = self.cells.iter().filter_map(|c| c.sweep.as_ref()).collect();
            text.extend(of_untuned(&outcomes).map(|untuned| format!("; {untuned}")));
        }
        text
    }

    /// The planner's choices as Markdown.
    pub(super) fn table(&self) -> String {
        let mut lines = vec![
            "| rows x cols, k | input | type | floor | shared pass | pass | submit | end to end | shared / floor |"
                .to_owned(),
            "|---|---|---|--:|--:|--:|--:|--:|--:|".to_owned(),
        ];
        for c in &self.cells {
            let Cell { rows, cols, k, input, dtype } = c.cell;
            let head = format!("| {rows}x{cols}, {k} | {input} | {dtype} | {}", short(c.floor_us));
            let numbers = c.planned().and_then(|p| p.numbers.as_ref());
            let of = |us: fn(&Numbers) -> Option<f64>| short(numbers.and_then(us));
            let ratio = numbers.zip(c.floor_us).map(|(n, floor)| n.shared_us.median / floor);
            lines.push(format!(
                "{head} | {} | {} | {} | {} | {} |",
                of(|n| Some(n.shared_us.median)),
                of(|n| Some(n.pass_us.median)),
                of(|n| n.submit_us),
                of(|n| n.end_to_end_us),
                short(ratio)
            ));
        }
        lines.join("\n")
    }
}
