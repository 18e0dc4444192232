//! A session, and what it found in the words that every front end uses.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;
use st_rank::Choice;
use st_tune::session::{Device, Event, SessionError, Summary, tune};
use st_tune::tournament::Outcome;
use st_tune::{Cell, TableFile};

use super::TuneError;

/// What a session found.
#[derive(Clone, Debug, Serialize)]
pub struct Tuned {
    /// The device's name.
    pub device: String,
    /// Its driver.
    pub driver: String,
    /// The table's file.
    pub table: String,
    /// Why an earlier table was put aside.
    pub put_aside: Option<String>,
    /// Cells that were measured, of which everything was known, that the device could not do, and for which no time was left.
    pub measured: usize,
    /// Of those that were measured, the ones that were timed again because it was in doubt which choice is best.
    pub again: usize,
    #[allow(missing_docs, reason = "said above")]
    pub known: usize,
    #[allow(missing_docs, reason = "said above")]
    pub refused: usize,
    #[allow(missing_docs, reason = "said above")]
    pub left: usize,
    /// Choices whose results were wrong, or that could not be run.
    pub failed: usize,
    /// Records added to the table.
    pub records: usize,
    /// What was measured.
    pub cells: Vec<Found>,
    /// What was not, in words: cells that were refused and choices that failed, with the reason.
    pub faults: Vec<String>,
}

/// What was found of a cell.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    /// The cell.
    pub kind: &'static str,
    #[allow(missing_docs, reason = "the cell's")]
    pub rows: usize,
    #[allow(missing_docs, reason = "the cell's")]
    pub cols: usize,
    #[allow(missing_docs, reason = "the cell's")]
    pub k: usize,
    #[allow(missing_docs, reason = "the cell's")]
    pub dtype: &'static str,
    /// Choices that were tried.
    pub candidates: usize,
    /// Choices not made ready: the model expects them to be far too slow.
    pub unpromising: usize,
    /// Choices for which no time was left.
    pub untried: usize,
    /// What the planner's own choice takes, in microseconds.
    pub planned_us: f64,
    #[serde(skip)]
    planned: Choice,
    /// What the best takes.
    pub best_us: f64,
    /// The best.
    pub best: Choice,
    /// How many times as fast as the best another may be, as far as noise tells: at most 2.
    pub doubt: f64,
}

impl Found {
    fn new(cell: &Cell, outcome: &Outcome) -> Self {
        Self {
            kind: cell.kind.name(),
            rows: cell.rows,
            cols: cell.cols,
            k: cell.k,
            dtype: cell.dtype.name(),
            candidates: outcome.tried(),
            unpromising: outcome.unpromising.len(),
            untried: outcome.untried,
            planned_us: outcome.planned_us,
            planned: outcome.planned,
            best_us: outcome.best_us,
            best: outcome.best,
            doubt: outcome.doubt.exp(),
        }
    }

    /// Takes in what was found later, perhaps beside the best one so far in the place of the planner's.
    fn again(&mut self, outcome: &Outcome) {
        if outcome.planned == self.planned {
            self.planned_us = outcome.planned_us;
        } else {
            self.planned_us *= outcome.planned_us / self.best_us;
            self.candidates += outcome.tried() - 1;
            self.untried = outcome.untried;
        }
        (self.best, self.best_us) = (outcome.best, outcome.best_us);
        self.doubt = outcome.doubt.exp();
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, rows, cols, k, dtype, planned_us, best_us, best, doubt, .. } = self;
        let (faster, doubt) = (100.0 * (planned_us / best_us - 1.0), 100.0 * (doubt - 1.0));
        write!(
            f,
            "{kind} {rows}x{cols} k={k} {dtype}: {best_us:.1} us, in doubt by {doubt:.1} %, the planner's {planned_us:.1} ({faster:+.1} %): {best}"
        )
    }
}

impl Tuned {
    /// Tunes cells on a device, as [`tune`] does, and collects what it tells.
    ///
    /// # Errors
    /// As [`tune`].
    pub fn session(
        device: &dyn Device<Error = TuneError>,
        cells: &[Cell],
        limits: (Duration, bool),
        table: &TableFile,
        now: &dyn Fn() -> Duration,
        event: &mut dyn FnMut(&Event<'_>),
    ) -> Result<Self, SessionError> {
        let (_, put_aside) = table.load()?;
        let (mut found, mut faults) = (BTreeMap::new(), Vec::new());
        let summary = tune(device, cells, limits, table, now, &mut |told| {
            event(&told);
            match told {
                Event::Done { cell, at, outcome } => {
                    found.insert(at, Found::new(cell, outcome));
                }
                Event::Again { at, outcome, .. } => {
                    if let Some(found) = found.get_mut(&at) {
                        found.again(outcome);
                    }
                }
                Event::Refused { cell, why, .. } => {
                    faults.push(format!("{cell}: cannot be measured here: {why}"));
                }
                Event::Failed { cell, choice, why } => {
                    faults.push(format!("{cell}: FAILED, and is not used: {choice}: {why}"));
                }
                _ => {}
            }
        })?;
        let Summary { measured, again, known, refused, left, failed, records } = summary;
        let versions = device.versions();
        Ok(Self {
            device: versions.device,
            driver: versions.driver,
            table: table.path().display().to_string(),
            put_aside,
            measured,
            again,
            known,
            refused,
            left,
            failed,
            records,
            cells: found.into_values().collect(),
            faults,
        })
    }
}

impl fmt::Display for Tuned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for cell in &self.cells {
            writeln!(f, "{cell}")?;
        }
        let Self { measured, known, refused, left, records, table, .. } = self;
        writeln!(
            f,
            "{measured} cells measured ({records} records), {known} known, {refused} that the device cannot do, {left} left"
        )?;
        if *left > 0 {
            writeln!(f, "run it again to go on where this ended")?;
        }
        write!(f, "table {table}")
    }
}
