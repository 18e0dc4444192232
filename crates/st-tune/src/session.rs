//! Tuning: cell after cell, every candidate that is worth it, until nothing is left to measure or the time is up.
//!
//! What a cell showed is added to the device's table at once, so that an interrupted session goes on where it was.
//! A candidate that is in the table is not measured again: when there are new ones they are timed beside the best one
//! known, whose old and new time bring the new ones' times to the table's.

mod found;
mod openings;
mod todo;

use std::collections::BTreeMap;
use std::time::Duration;

use st_plan::table::{Record, Versions};
use st_rank::{Choice, DeviceCaps, RankPlan};

use self::found::{added, records, replaced};
use self::openings::Openings;
use self::todo::{PutOff, Todo};
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

    /// Whether it failed for want of memory.
    fn lacks_memory(&self, why: &Self::Error) -> bool {
        let _ = why;
        false
    }
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
    /// There was time left to try more of its candidates, also such as the model took for hopeless, beside the best one so far, or to time the best ones again because
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
        /// Whether that is for want of memory.
        no_memory: bool,
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
/// more cells turn out so. What some leave goes to candidates for which others had no time, then to those that the model took
/// for hopeless; what was kept goes to where most may be lost: there the best candidates are timed again, on an arena
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
        put_off: BTreeMap::new(),
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
    // What is kept for cells in doubt and not needed is for those that were put off, too.
    loop {
        while session.chances(event)? {}
        if !session.again(event)? {
            return Ok(session.summary);
        }
    }
}

/// The share of the time that is kept for cells in doubt, if all are.
const KEPT: f64 = 1.0 / 3.0;

/// A cell is timed again if this and more is left of the session for it, beside its opening.
const LEAST_AGAIN: Duration = Duration::from_millis(50);

/// What a cell has for candidates that the model took for hopeless, at least: they may be slow, and the clock is looked at once
/// for several turns.
const LEAST_CHANCE: Duration = Duration::from_secs(1);

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
    /// By the cells' numbers.
    put_off: BTreeMap<usize, (&'a Cell, PutOff)>,
    doubtful: Vec<Doubtful<'a>>,
}

/// What was measured of a cell.
struct Measured {
    outcome: Outcome,
    failed: Vec<Choice>,
    /// How many are new.
    records: usize,
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

    /// What is known of a cell.
    fn known(&self, cell: &Cell) -> Result<Vec<Record>, SessionError> {
        let (kept, _) = self.table.load()?;
        let bucket = cell.bucket(&self.caps);
        Ok(kept.records().iter().filter(|r| bucket.shares_bucket(r)).cloned().collect())
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
        let known = match self.fresh && first_time {
            true => Vec::new(),
            false => self.known(cell)?,
        };
        let Some(todo) = Todo::new(&cell.problem(), &self.caps, &known) else {
            if first_time {
                self.summary.known += 1;
                event(Event::Known { cell, at });
            }
            return Ok(false);
        };
        let Some(limit) = self.limit(cell, of, self.reserve()) else {
            self.summary.left += usize::from(first_time);
            return Ok(false);
        };
        if first_time {
            event(Event::Begun { cell, at, candidates: todo.candidates.len(), limit });
        }
        let is_new = todo.known == 0;
        let Some(Measured { outcome, failed, records }) =
            self.measure((at, cell), todo, limit, first_time, event)?
        else {
            return Ok(false);
        };
        let (_, put_off) = self.put_off.entry(at).or_insert_with(|| (cell, PutOff::default()));
        put_off.learn(&outcome, &failed);
        put_off.put_off(&outcome);
        // The first one known says nothing of others.
        Ok(records > usize::from(is_new) && outcome.untried > 0)
    }

    /// Tries candidates that the model took for hopeless, as long as there is time that is not kept. Whether any was tried.
    fn chances(&mut self, event: &mut dyn FnMut(Event<'_>)) -> Result<bool, SessionError> {
        let all = std::mem::take(&mut self.put_off);
        let of = all.len();
        let mut any = false;
        for (i, (at, (cell, mut put_off))) in all.into_iter().enumerate() {
            let known = self.known(cell)?;
            let todo = Todo::of_put_off(&cell.problem(), &self.caps, &known, &put_off);
            let Some(todo) = todo else { continue };
            // What is kept is not for these.
            let reserve = self.reserve();
            let limit = match self.left() >= reserve + LEAST_CHANCE {
                true => self.limit(cell, of - i, reserve).map(|limit| limit.max(LEAST_CHANCE)),
                false => None,
            };
            let Some(limit) = limit else {
                self.put_off.insert(at, (cell, put_off));
                continue;
            };
            let before = put_off.len();
            let measured = self.measure((at, cell), todo, limit, false, event)?;
            let Some(Measured { outcome, failed, .. }) = measured else { continue };
            put_off.learn(&outcome, &failed);
            if (1..before).contains(&put_off.len()) {
                self.put_off.insert(at, (cell, put_off));
            }
            any = true;
        }
        Ok(any)
    }

    /// What is kept for cells in doubt.
    fn reserve(&self) -> Duration {
        let in_doubt = (self.doubtful.len() + 1) as f64 / (self.summary.measured + 1) as f64;
        self.budget.mul_f64(KEPT * in_doubt)
    }

    /// The time for a cell, the first of so many that are left; none if there is not enough for it.
    fn limit(&self, cell: &Cell, of: usize, reserve: Duration) -> Option<Duration> {
        let left = self.left();
        let opening = self.openings.expected(cell) + self.waves.expected().unwrap_or_default();
        if left.is_zero() || opening > left {
            return None;
        }
        let now = if reserve < left { left - reserve } else { left };
        // At least what its opening takes: shares are even, cells are not.
        Some((now / of as u32).max(opening.mul_f64(2.0)).min(left))
    }

    /// Measures what is to be measured of a cell, for the first time in this session or not; none if it was refused.
    fn measure(
        &mut self,
        (at, cell): (usize, &'a Cell),
        todo: Todo,
        limit: Duration,
        first_time: bool,
        event: &mut dyn FnMut(Event<'_>),
    ) -> Result<Option<Measured>, SessionError> {
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
        let mut wrong = Vec::with_capacity(failed.len());
        for (choice, why) in failed {
            wrong.push(choice);
            event(Event::Failed { cell, choice, why });
        }
        let done = done.and_then(|()| {
            let contest = found.ok_or(NoChoice)?;
            Ok((contest.outcome::<D::Error>()?, contest))
        });
        let (outcome, contest) = match done {
            Ok(done) => done,
            Err(why) => {
                self.summary.refused += usize::from(first_time);
                let no_memory = self.device.lacks_memory(&why);
                event(Event::Refused { cell, at, why: why.to_string(), no_memory });
                return Ok(None);
            }
        };
        self.openings.record(cell, opened + contest.opening());
        self.summary.measured += usize::from(first_time);
        let bucket = cell.bucket(&self.caps);
        let records = records(&outcome, &bucket, todo.reference_us);
        let new = if self.fresh && first_time {
            self.table.change(|all| replaced(all, &bucket, &records))?;
            records.len()
        } else {
            // The one that the others were compared with is in it already.
            let all = self.table.change(|all| added(all, &bucket, &outcome, &records))?;
            let own = all.records().iter().filter(|r| bucket.shares_bucket(r)).count();
            own.saturating_sub(todo.known)
        };
        self.summary.records += new;
        event(match first_time {
            true => Event::Done { cell, at, outcome: &outcome },
            false => Event::Again { cell, at, outcome: &outcome },
        });
        // An earlier contest did not have all that are in the table now.
        self.doubtful.retain(|earlier| earlier.at != at);
        if !contest.is_decided() {
            self.doubtful.push(Doubtful { at, cell, todo, contest });
        }
        Ok(Some(Measured { outcome, failed: wrong, records: new }))
    }

    /// Times cells again whose winner is in doubt: those first where most may be lost. Whether any was.
    fn again(&mut self, event: &mut dyn FnMut(Event<'_>)) -> Result<bool, SessionError> {
        let mut any = false;
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
                    self.table.change(|all| added(all, &bucket, &outcome, &records))?;
                    self.summary.again += 1;
                    any = true;
                    event(Event::Again { cell, at: *at, outcome: &outcome });
                }
                // What it showed before stays.
                Err(why) => {
                    let no_memory = self.device.lacks_memory(&why);
                    event(Event::Refused { cell, at: *at, why: why.to_string(), no_memory });
                }
            }
        }
        Ok(any)
    }
}
