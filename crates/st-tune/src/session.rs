//! Tuning: cell after cell, every candidate, until nothing is left to measure or the time is up.
//!
//! What a cell showed is added to the device's table at once, so that an interrupted session goes on where it was.
//! A candidate that is in the table is not measured again: when there are new ones they are timed beside the best one
//! known, whose old and new time bring the new ones' times to the table's.

use std::time::Duration;

use st_plan::Knowledge;
use st_plan::table::{Partial, Record, Versions};
use st_rank::{Choice, DeviceCaps, Problem, RankPlan};

use crate::candidates::{candidates, launched_alike};
use crate::grid::Cell;
use crate::store::{StoreError, TableFile};
use crate::tournament::{Arena, NoChoice, Outcome, tournament};

/// An [`Arena`] of any kind.
pub type DynArena<'a, E> = dyn Arena<Error = E> + 'a;

/// What is done with an arena.
pub type Body<'a, E> = dyn FnMut(&mut DynArena<'_, E>) -> Result<(), E> + 'a;

/// A device to be tuned.
pub trait Device {
    /// Why it does not do what it should.
    type Error: std::fmt::Display + From<NoChoice>;

    /// What plans are made for.
    fn caps(&self) -> DeviceCaps;

    /// What is measured: the device, its driver, the kernels.
    fn versions(&self) -> Versions;

    /// Whether it is a processor that plays a GPU.
    fn is_software(&self) -> bool {
        false
    }

    /// Makes the cell's input and hands it out; `planned` is the choice that others are compared with, and all
    /// candidates are given so that they can be compiled ahead.
    ///
    /// # Errors
    /// The device fails, or has no room; and what the body fails with.
    fn with_cell(
        &self,
        planned: &RankPlan,
        candidates: &[Choice],
        body: &mut Body<'_, Self::Error>,
    ) -> Result<(), Self::Error>;
}

/// What became of a cell.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// Its candidates are being timed.
    Begun {
        /// The cell.
        cell: &'a Cell,
        /// Its number, from 0.
        at: usize,
        /// How many candidates are timed.
        candidates: usize,
        /// The time that it may take.
        limit: Duration,
    },
    /// A candidate's result was wrong, or it could not be run: it is not recorded.
    Failed {
        /// The cell.
        cell: &'a Cell,
        /// The candidate.
        choice: Choice,
        /// What is wrong.
        why: String,
    },
    /// It was measured, and the table has it.
    Done {
        /// The cell.
        cell: &'a Cell,
        /// Its number, from 0.
        at: usize,
        /// What was found.
        outcome: &'a Outcome,
    },
    /// The table has all its candidates already.
    Known {
        /// The cell.
        cell: &'a Cell,
        /// Its number, from 0.
        at: usize,
    },
    /// The device could not do it, as for want of memory.
    Refused {
        /// The cell.
        cell: &'a Cell,
        /// Its number, from 0.
        at: usize,
        /// Why.
        why: String,
    },
}

/// How a session went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Cells that were measured.
    pub measured: usize,
    /// Cells of which everything was known.
    pub known: usize,
    /// Cells that the device could not do.
    pub refused: usize,
    /// Cells for which no time was left.
    pub left: usize,
    /// Candidates whose results were wrong, or that could not be run.
    pub failed: usize,
    /// Records added.
    pub records: usize,
}

/// Why a session ended early.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The table cannot be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Tunes cells on a device within `budget`, by the clock `now`, and keeps what is found in `table`. Afresh, what the
/// table has of a cell is measured again.
///
/// A cell has its share of the time that is left. One that was begun is finished: a session may take that much longer.
///
/// # Errors
/// The table cannot be read or written. What a device cannot do is told as events.
pub fn tune<D: Device + ?Sized>(
    device: &D,
    cells: &[Cell],
    (budget, fresh): (Duration, bool),
    table: &TableFile,
    now: &dyn Fn() -> Duration,
    event: &mut dyn FnMut(Event<'_>),
) -> Result<Summary, SessionError> {
    let begun = now();
    let mut summary = Summary::default();
    for (at, cell) in cells.iter().enumerate() {
        let spent = now() - begun;
        if spent >= budget {
            summary.left = cells.len() - at;
            break;
        }
        let (kept, _) = table.load()?;
        let caps = device.caps();
        let bucket = cell.bucket(&caps);
        let known: Vec<&Record> = if fresh {
            Vec::new()
        } else {
            kept.records().iter().filter(|r| bucket.shares_bucket(r)).collect()
        };
        let Some(todo) = Todo::new(&cell.problem(), &caps, &known) else {
            summary.known += 1;
            event(Event::Known { cell, at });
            continue;
        };
        let limit = (budget - spent) / (cells.len() - at) as u32;
        event(Event::Begun { cell, at, candidates: todo.candidates.len(), limit });
        let mut found = None;
        let mut failed = Vec::new();
        let done = device.with_cell(&todo.plan, &todo.candidates, &mut |arena| {
            let wrong = |choice, why: &D::Error| failed.push((choice, why.to_string()));
            found = Some(tournament(arena, &todo.candidates, &[], Some(limit), wrong)?);
            Ok(())
        });
        summary.failed += failed.len();
        for (choice, why) in failed {
            event(Event::Failed { cell, choice, why });
        }
        match done.and_then(|()| found.ok_or_else(|| NoChoice.into())) {
            Ok(outcome) => {
                let records = records(&outcome, &bucket, todo.reference_us);
                summary.measured += 1;
                summary.records += if fresh {
                    table.change(|all| replaced(all, &bucket, &records))?;
                    records.len()
                } else {
                    // The one that the others were compared with is in it already.
                    table.add(&records)?.records().len().saturating_sub(kept.records().len())
                };
                event(Event::Done { cell, at, outcome: &outcome });
            }
            Err(why) => {
                summary.refused += 1;
                event(Event::Refused { cell, at, why: why.to_string() });
            }
        }
    }
    Ok(summary)
}

/// What is to be measured for a cell.
struct Todo {
    plan: RankPlan,
    /// The one that others are compared with first.
    candidates: Vec<Choice>,
    /// What the table says of the first.
    reference_us: Option<f64>,
}

impl Todo {
    fn new(problem: &Problem, caps: &DeviceCaps, known: &[&Record]) -> Option<Self> {
        let plan = st_plan::plan(problem, caps, &Knowledge::default());
        let mut all = candidates(&plan);
        let best = known
            .iter()
            .filter_map(|r| Some((r.choice.whole()?, r.median_us?)))
            .min_by(|a, b| a.1.total_cmp(&b.1));
        let Some((reference, us)) = best else {
            return Some(Self { plan, candidates: all, reference_us: None });
        };
        let measured: Vec<Choice> = known.iter().filter_map(|r| r.choice.whole()).collect();
        all.retain(|new| !measured.iter().any(|old| launched_alike(old, new, caps.backend)));
        if all.is_empty() {
            return None;
        }
        all.insert(0, reference);
        let plan = RankPlan::by_hand(*problem, *caps, reference);
        Some(Self { plan, candidates: all, reference_us: Some(us) })
    }
}

/// A table in which a bucket has these records and no other.
fn replaced(table: st_plan::Table, bucket: &Record, records: &[Record]) -> st_plan::Table {
    table.without(|r| bucket.shares_bucket(r)).merged(records)
}

/// Records of what was found: those that are far too slow without a time, so that they are not tried again.
fn records(outcome: &Outcome, bucket: &Record, reference_us: Option<f64>) -> Vec<Record> {
    let scale = reference_us.map_or(1.0, |us| us / outcome.planned_us);
    let of = |choice: &Choice| bucket.with_choice(Partial::from(*choice));
    let timed = outcome.candidates.iter().map(|timed| {
        let record = of(&timed.choice);
        Record {
            median_us: Some(timed.median_us * scale),
            spread: Some(timed.spread),
            samples: timed.samples as u32,
            ..record
        }
    });
    timed.chain(outcome.hopeless.iter().map(of)).collect()
}
