//! Tuning: cell after cell, every candidate that is worth it, until nothing is left to measure or the time is up.
//!
//! What a cell showed is added to the device's table at once, so that an interrupted session goes on where it was.
//! A candidate that is in the table is not measured again: when there are new ones they are timed beside the best one
//! known, whose old and new time bring the new ones' times to the table's.

use std::time::Duration;

use st_plan::table::{Partial, Record, Versions};
use st_plan::{Knowledge, predict};
use st_rank::{Choice, DeviceCaps, Problem, RankPlan};

use crate::candidates::{candidates, launched_alike};
use crate::grid::Cell;
use crate::store::{StoreError, TableFile};
use crate::tournament::{Arena, Contest, NoChoice, Outcome, Task, Waves};

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

    /// Makes the cell's input and hands it out; `planned` is the choice that others are compared with.
    ///
    /// # Errors
    /// The device fails, or has no room; and what the body fails with.
    fn with_cell(
        &self,
        planned: &RankPlan,
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
    /// There was time left to try more of its candidates, beside the best one so far, or to time the best ones again because
    /// it was in doubt which is best; the table has that.
    Again {
        /// The cell.
        cell: &'a Cell,
        /// Its number, from 0.
        at: usize,
        /// What was found. What stands for the planner's choice may be the best one so far.
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
    /// Of those that were measured, the ones that were timed again because it was in doubt which choice is best.
    pub again: usize,
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
/// Cells have even shares of the time, but for what is kept for those whose winner is in doubt: up to a third, the more the
/// more cells turn out so. What some leave goes to candidates for which others had no time; what was kept goes to where most may be lost: there the best candidates are timed again, on an arena
/// opened anew.
/// Nothing begins that is not expected to end in time, by how long opening cells and making candidates ready took before;
/// of the first cell nothing is known.
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
    let mut session = Session {
        device,
        caps: device.caps(),
        table,
        fresh,
        now,
        budget,
        end: now() + budget,
        summary: Summary::default(),
        waves: Waves::default(),
        openings: Openings::default(),
        doubtful: Vec::new(),
    };
    let mut todo: Vec<(usize, &Cell)> = cells.iter().enumerate().collect();
    for pass in 0.. {
        let mut untried = Vec::new();
        for (i, &(at, cell)) in todo.iter().enumerate() {
            if session.cell((at, todo.len() - i), cell, pass == 0, event)? {
                untried.push((at, cell));
            }
        }
        // What cells leave of their shares goes to candidates for which others had no time.
        if untried.is_empty() {
            break;
        }
        todo = untried;
    }
    session.again(event)?;
    Ok(session.summary)
}

/// The share of the time that is kept for cells in doubt, if all are.
const KEPT: f64 = 1.0 / 3.0;

/// A cell is timed again if this and more is left of the session for it, beside its opening.
const LEAST_AGAIN: Duration = Duration::from_millis(50);

struct Session<'a, D: Device + ?Sized> {
    device: &'a D,
    caps: DeviceCaps,
    table: &'a TableFile,
    fresh: bool,
    now: &'a dyn Fn() -> Duration,
    budget: Duration,
    end: Duration,
    summary: Summary,
    waves: Waves,
    openings: Openings,
    doubtful: Vec<Doubtful<'a>>,
}

/// A cell whose winner is not certain yet.
struct Doubtful<'a> {
    at: usize,
    cell: &'a Cell,
    todo: Todo,
    contest: Contest,
}

impl<'a, D: Device + ?Sized> Session<'a, D> {
    fn left(&self) -> Duration {
        self.end.saturating_sub((self.now)())
    }

    /// Measures a cell, the first of so many that are left, for the first time in this session or not. Whether there are
    /// candidates left that another time may be for.
    fn cell(
        &mut self,
        (at, of): (usize, usize),
        cell: &'a Cell,
        first_time: bool,
        event: &mut dyn FnMut(Event<'_>),
    ) -> Result<bool, SessionError> {
        let fresh = self.fresh && first_time;
        let (kept, _) = self.table.load()?;
        let bucket = cell.bucket(&self.caps);
        let known: Vec<&Record> = match fresh {
            true => Vec::new(),
            false => kept.records().iter().filter(|r| bucket.shares_bucket(r)).collect(),
        };
        let Some(todo) = Todo::new(&cell.problem(), &self.caps, &known) else {
            if first_time {
                self.summary.known += 1;
                event(Event::Known { cell, at });
            }
            return Ok(false);
        };
        let left = self.left();
        let opening = self.openings.expected(cell) + self.waves.expected().unwrap_or_default();
        if left.is_zero() || opening > left {
            self.summary.left += usize::from(first_time);
            return Ok(false);
        }
        let in_doubt = (self.doubtful.len() + 1) as f64 / (self.summary.measured + 1) as f64;
        let reserve = self.budget.mul_f64(KEPT * in_doubt);
        let now = if reserve < left { left - reserve } else { left };
        // At least what its opening takes: shares are even, cells are not.
        let limit = (now / of as u32).max(opening.mul_f64(2.0)).min(left);
        if first_time {
            event(Event::Begun { cell, at, candidates: todo.candidates.len(), limit });
        }
        let mut found = None;
        let mut failed = Vec::new();
        let (begun, now, waves) = ((self.now)(), self.now, &mut self.waves);
        let mut opened = Duration::ZERO;
        let done = self.device.with_cell(&todo.plan, &mut |arena| {
            opened = now().saturating_sub(begun);
            let limit = Some(limit.saturating_sub(opened));
            let task = Task { limit, ..todo.task() };
            let mut wrong = |choice, why: &D::Error| failed.push((choice, why.to_string()));
            found = Some(Contest::begin(arena, &task, waves, &mut wrong)?);
            Ok(())
        });
        self.summary.failed += failed.len();
        for (choice, why) in failed {
            event(Event::Failed { cell, choice, why });
        }
        let done = done.and_then(|()| {
            let contest = found.ok_or(NoChoice)?;
            Ok((contest.outcome::<D::Error>()?, contest))
        });
        match done {
            Ok((outcome, contest)) => {
                self.openings.record(cell, opened + contest.opening());
                self.summary.measured += usize::from(first_time);
                let records = records(&outcome, &bucket, todo.reference_us);
                let tried = records.len() > 1;
                self.summary.records += if fresh {
                    self.table.change(|all| replaced(all, &bucket, &records))?;
                    records.len()
                } else {
                    // The one that the others were compared with is in it already.
                    let all = self.table.add(&records)?;
                    all.records().len().saturating_sub(kept.records().len())
                };
                event(match first_time {
                    true => Event::Done { cell, at, outcome: &outcome },
                    false => Event::Again { cell, at, outcome: &outcome },
                });
                // An earlier contest did not have all that are in the table now.
                self.doubtful.retain(|earlier| earlier.at != at);
                if !contest.is_decided() {
                    self.doubtful.push(Doubtful { at, cell, todo, contest });
                }
                Ok(tried && outcome.untried > 0)
            }
            Err(why) => {
                self.summary.refused += usize::from(first_time);
                event(Event::Refused { cell, at, why: why.to_string() });
                Ok(false)
            }
        }
    }

    /// Times cells again whose winner is in doubt: those first where most may be lost.
    fn again(&mut self, event: &mut dyn FnMut(Event<'_>)) -> Result<(), SessionError> {
        let mut doubtful = std::mem::take(&mut self.doubtful);
        doubtful.sort_by(|a, b| b.contest.doubt().total_cmp(&a.contest.doubt()));
        for i in 0..doubtful.len() {
            let all: f64 = doubtful[i..].iter().map(|d| d.contest.doubt()).sum();
            let Doubtful { at, cell, todo, contest } = &mut doubtful[i];
            let left = self.left();
            let opening = self.openings.expected(cell) + self.waves.expected().unwrap_or_default();
            let limit = left.mul_f64(contest.doubt() / all).max(opening.mul_f64(2.0)).min(left);
            if limit < opening + LEAST_AGAIN {
                continue;
            }
            let (begun, now) = ((self.now)(), self.now);
            let done = self.device.with_cell(&todo.plan, &mut |arena| {
                let opened = now().saturating_sub(begun);
                contest.resume(arena, Some(limit.saturating_sub(opened)))
            });
            match done.and_then(|()| contest.outcome()) {
                Ok(outcome) => {
                    let bucket = cell.bucket(&self.caps);
                    let records = records(&outcome, &bucket, todo.reference_us);
                    self.table.add(&records)?;
                    self.summary.again += 1;
                    event(Event::Again { cell, at: *at, outcome: &outcome });
                }
                // What it showed before stays.
                Err(why) => event(Event::Refused { cell, at: *at, why: why.to_string() }),
            }
        }
        Ok(())
    }
}

/// How long it took to open cells: to make their inputs, and to check the first result by another way.
#[derive(Debug, Default)]
struct Openings {
    /// By elements of the input.
    known: Vec<(f64, Duration)>,
}

impl Openings {
    fn record(&mut self, cell: &Cell, took: Duration) {
        self.known.push((elements(cell), took));
    }

    /// What a cell is expected to take: what the smallest one did that was as large, or as much more than the largest did
    /// as it is larger. Nothing before the first.
    fn expected(&self, cell: &Cell) -> Duration {
        let n = elements(cell);
        let by_size = |a: &&(f64, Duration), b: &&(f64, Duration)| a.0.total_cmp(&b.0);
        match self.known.iter().filter(|(size, _)| *size >= n).min_by(by_size) {
            Some((_, took)) => *took,
            None => self
                .known
                .iter()
                .max_by(by_size)
                .map_or(Duration::ZERO, |(size, took)| took.mul_f64(n / size)),
        }
    }
}

fn elements(cell: &Cell) -> f64 {
    cell.rows as f64 * cell.cols as f64
}

/// What is to be measured for a cell.
struct Todo {
    plan: RankPlan,
    /// The one that others are compared with first.
    candidates: Vec<Choice>,
    /// What the model expects of each, in microseconds.
    predicted_us: Vec<f64>,
    /// What the table says of the first.
    reference_us: Option<f64>,
}

impl Todo {
    fn new(problem: &Problem, caps: &DeviceCaps, known: &[&Record]) -> Option<Self> {
        let plan = st_plan::plan(problem, caps, &Knowledge::default());
        // Candidates can be run, so that there is a prediction.
        let predicted = |choice: &Choice| predict(problem, caps, choice).unwrap_or(f64::INFINITY);
        let mut all = candidates(&plan);
        let best = known
            .iter()
            .filter_map(|r| Some((r.choice.whole()?, r.median_us?)))
            .min_by(|a, b| a.1.total_cmp(&b.1));
        let Some((reference, us)) = best else {
            let predicted_us = all.iter().map(predicted).collect();
            return Some(Self { plan, candidates: all, predicted_us, reference_us: None });
        };
        let measured: Vec<Choice> = known.iter().filter_map(|r| r.choice.whole()).collect();
        all.retain(|new| !measured.iter().any(|old| launched_alike(old, new, caps.backend)));
        if all.is_empty() {
            return None;
        }
        all.insert(0, reference);
        let plan = RankPlan::by_hand(*problem, *caps, reference);
        let predicted_us = all.iter().map(predicted).collect();
        Some(Self { plan, candidates: all, predicted_us, reference_us: Some(us) })
    }

    fn task(&self) -> Task<'_> {
        Task { candidates: &self.candidates, predicted_us: &self.predicted_us, ..Task::default() }
    }
}

/// A table in which a bucket has these records and no other.
fn replaced(table: st_plan::Table, bucket: &Record, records: &[Record]) -> st_plan::Table {
    table.without(|r| bucket.shares_bucket(r)).merged(records)
}

/// Records of what was found: those that are far too slow, on hard inputs or all, or are expected to be, without a time, so
/// that they are neither planned nor tried again.
fn records(outcome: &Outcome, bucket: &Record, reference_us: Option<f64>) -> Vec<Record> {
    // Of a reference whose result is wrong by now nothing is known.
    let scale = reference_us.map(|us| us / outcome.planned_us).filter(|scale| scale.is_finite());
    let scale = scale.unwrap_or(1.0);
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
    let untimed = outcome.hopeless.iter().chain(&outcome.unpromising).map(of);
    // As many samples as it has: what a table had of it before goes.
    let given_way = outcome
        .given_way
        .iter()
        .map(|timed| Record { samples: timed.samples as u32, ..of(&timed.choice) });
    timed.chain(untimed).chain(given_way).collect()
}
