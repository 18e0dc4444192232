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
#[derive(Clone, Debug, Default, Serialize)]
pub struct Tuned {
    /// The device's name.
    pub device: String,
    /// Its driver.
    pub driver: String,
    /// The table's file, which is there if anything was ever measured.
    pub table: String,
    #[serde(skip)]
    has_table: bool,
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
    /// What was not, in words: cells that were refused and choices that failed, with the reason. Front ends add what else
    /// went wrong.
    pub faults: Vec<String>,
    /// Those of cells that were refused for want of memory.
    #[serde(skip)]
    pub no_memory: Vec<String>,
}

/// More doubt than this, as a ratio, is worth measuring a cell anew.
const IN_DOUBT: f64 = 1.05;

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
    /// How many times as fast as the best another may be, from 1, as far as noise tells, to 2: if there was next to no time,
    /// or none for some candidates.
    pub doubt: f64,
    /// Choices that were faster on random rows, but lose more where elements are equal, of few values, or in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gave_way: Vec<Choice>,
    /// Why some of those say nothing, if the device could not have them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_weighed: Option<String>,
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
            gave_way: outcome.given_way.iter().map(|timed| timed.choice).collect(),
            not_weighed: outcome.not_weighed.clone(),
        }
    }

    /// Takes in what was found later, perhaps beside the best one so far in the place of the planner's.
    fn again(&mut self, outcome: &Outcome) {
        if outcome.planned == self.planned {
            self.planned_us = outcome.planned_us;
        } else {
            self.planned_us *= outcome.planned_us / self.best_us;
            self.candidates += outcome.tried() - 1;
        }
        self.untried = outcome.untried;
        (self.best, self.best_us) = (outcome.best, outcome.best_us);
        self.doubt = outcome.doubt.exp();
        self.not_weighed.clone_from(&outcome.not_weighed);
        // With more turns one that gave way may be the best after all.
        self.gave_way.retain(|choice| *choice != outcome.best);
        for timed in &outcome.given_way {
            if !self.gave_way.contains(&timed.choice) {
                self.gave_way.push(timed.choice);
            }
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, rows, cols, k, dtype, planned_us, best_us, best, doubt, .. } = self;
        let (faster, doubt) = (100.0 * (planned_us / best_us - 1.0), 100.0 * (doubt - 1.0));
        write!(f, "{kind} {rows}x{cols} k={k} {dtype}: {best_us:.1} us, in doubt by {doubt:.1} %")?;
        match self.untried {
            0 => {}
            n => write!(f, " (for {n} more choices there was no time)")?,
        }
        write!(f, ", the planner's {planned_us:.1} ({faster:+.1} %): {best}")?;
        match self.gave_way.len() {
            0 => {}
            n => write!(f, "; {n} faster on random rows gave way: they lose more on others")?,
        }
        match &self.not_weighed {
            None => Ok(()),
            Some(why) => write!(f, "; not timed on all hard inputs: {why}"),
        }
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
        let (mut found, mut faults, mut lacking) = (BTreeMap::new(), Vec::new(), Vec::new());
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
                Event::Refused { cell, why, no_memory, .. } => {
                    let fault = format!("{cell}: cannot be measured here: {why}");
                    if no_memory {
                        lacking.push(fault.clone());
                    }
                    faults.push(fault);
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
            has_table: table.path().exists(),
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
            no_memory: lacking,
        })
    }
}

impl fmt::Display for Tuned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for cell in &self.cells {
            writeln!(f, "{cell}")?;
        }
        let Self { measured, known, refused, left, records, table, cells, .. } = self;
        writeln!(
            f,
            "{measured} cells measured ({records} records), {known} known, {refused} that the device cannot do, {left} left"
        )?;
        if *left > 0 || cells.iter().any(|cell| cell.untried > 0) {
            writeln!(f, "run it again to go on where this ended")?;
        }
        // Of what was timed tables do not say how much is in doubt.
        match cells.iter().filter(|cell| cell.untried == 0 && cell.doubt > IN_DOUBT).count() {
            0 => {}
            n => writeln!(
                f,
                "{n} cells stay in doubt with all their choices timed: later sessions take these as known, but with --fresh"
            )?,
        }
        match self.has_table {
            true => write!(f, "table {table}"),
            false => write!(f, "no table: nothing was measured"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::LN_2;

    use super::*;
    use st_rank::{DType, MergeDetail, MergeKind, RankKind};
    use st_tune::tournament::Timed;

    const fn choice(kl: u32) -> Choice {
        let (mk, mkd) = (MergeKind::Filter, MergeDetail::Auto);
        Choice { mk, mkd, tile: 256, ctile: 256, use_2ce: false, wg: 1, kl, ch: 0 }
    }

    fn outcome(given_way: &[u32]) -> Outcome {
        let timed = |&kl: &u32| Timed {
            choice: choice(kl),
            median_us: 1.0,
            min_us: 1.0,
            spread: 0.0,
            samples: 7,
        };
        Outcome {
            planned: choice(1),
            planned_us: 3.0,
            predicted_us: None,
            others_us: Vec::new(),
            best: choice(2),
            best_us: 2.0,
            ratio: 1.5,
            hopeless: Vec::new(),
            unpromising: Vec::new(),
            given_way: given_way.iter().map(timed).collect(),
            not_weighed: None,
            untried: 0,
            doubt: 0.0,
            candidates: Vec::new(),
        }
    }

    #[test]
    fn choices_that_nobody_tried_are_told_until_there_is_time() {
        let cell = Cell { rows: 8, cols: 256, k: 4, kind: RankKind::TopK, dtype: DType::F32 };
        let mut found = Found::new(&cell, &Outcome { untried: 7, doubt: LN_2, ..outcome(&[]) });
        let part = ": 2.0 us, in doubt by 100.0 % (for 7 more choices there was no time), the planner's 3.0";
        assert!(found.to_string().contains(part), "{found}");
        assert!((found.doubt - 2.0).abs() < 1e-12);
        // The planner's is the best so far, beside which the others are tried.
        found.again(&outcome(&[]));
        assert!(
            found.to_string().contains(": 2.0 us, in doubt by 0.0 %, the planner's"),
            "{found}"
        );
        assert_eq!(found.untried, 0);
    }

    #[test]
    fn what_the_next_session_does_about_doubt_is_told() {
        let cell = Cell { rows: 8, cols: 256, k: 4, kind: RankKind::TopK, dtype: DType::F32 };
        let told = |untried: usize, doubt: f64| {
            let found = Found::new(&cell, &Outcome { untried, doubt, ..outcome(&[]) });
            let text = Tuned { cells: vec![found], ..Tuned::default() }.to_string();
            (text.contains("run it again"), text.contains("1 cells stay in doubt"))
        };
        assert_eq!(told(7, LN_2), (true, false), "it tries the others");
        assert_eq!(told(0, LN_2), (false, true), "all have times, of few turns");
        assert_eq!(told(0, 0.01), (false, false));
    }

    #[test]
    fn choices_that_gave_way_are_told_once() {
        let cell = Cell { rows: 8, cols: 256, k: 4, kind: RankKind::TopK, dtype: DType::F32 };
        let mut found = Found::new(&cell, &outcome(&[3, 5]));
        assert!(
            found
                .to_string()
                .ends_with("; 2 faster on random rows gave way: they lose more on others")
        );
        found.again(&outcome(&[5, 7]));
        let json = serde_json::to_value(&found).expect("it is plain data");
        let told: Vec<_> =
            json["gave_way"].as_array().expect("a list").iter().map(|c| c["kl"].clone()).collect();
        assert_eq!(told, [3, 5, 7]);
        // One comes back, and hard inputs cannot be had any more.
        let back = Outcome { best: choice(5), not_weighed: Some("no room".into()), ..outcome(&[]) };
        found.again(&back);
        assert!(found.to_string().ends_with(
            "; 2 faster on random rows gave way: they lose more on others; not timed on all hard inputs: no room"
        ));
        let none = Found::new(&cell, &outcome(&[]));
        assert!(none.to_string().ends_with(&none.best.to_string()));
        assert!(serde_json::to_value(&none).expect("it is plain data").get("gave_way").is_none());
    }
}
