//! Every choice of a list against a first one, on any device.
//!
//! Candidates are made ready as long as there is time for it, those that the model expects to be far too slow left out
//! ([`MODEL_ERROR`]). Then they are timed by turns, and thinned out until it is known which is the best, or the time is
//! up; what is left in doubt is told, and the contest can be gone on with later, on an arena opened anew. At last the
//! best, the first and others asked for are timed afresh, in turns, because the least of many noisy medians is too good
//! to be true. On devices that have them hard inputs are weighed, too ([`Arena::hard_inputs`]): the best must not be much
//! slower than the untuned choice on them, and of those about as fast as it the one wins that takes least on all. A candidate's
//! time is reported as its ratio to the best in the turns that both had, times the best's time: what disturbed the device
//! in some turns disturbed both.

mod admission;
mod hold;
mod outcome;
mod race;
#[cfg(test)]
mod tests;

use std::fmt::Display;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use st_rank::Choice;

pub(crate) use self::admission::kernel;
pub use self::admission::{MODEL_ERROR, Waves};
use self::hold::Weighed;
pub use self::outcome::{Outcome, Timed};
use self::outcome::{beside, of_final, own, us};
use self::race::{DECIDED, MOST_DOUBT, log_ratios, surely_faster};
use crate::stats::{LEAST_TURNS, Samples};

/// Turns in the end.
const FINAL_TURNS: usize = 15;

/// The share of the time in which candidates are made ready, and those by which turns and the turns of the end are over: the
/// rest is for the end, and for hard inputs where there are some.
const ADMITTING: f64 = 0.5;
const RACING: (f64, f64) = (0.8, 1.0);
const RACING_BEFORE_HARD_INPUTS: (f64, f64) = (0.6, 0.75);

/// Where choices are tried: a device with an input.
pub trait Arena {
    /// Why a choice cannot be tried, or the device fails.
    type Error: Display + From<NoChoice>;

    /// Choices that are made ready side by side.
    fn together(&self) -> usize {
        1
    }

    /// Compiles what choices need, side by side. One that cannot be compiled says so when it is admitted.
    ///
    /// # Errors
    /// The device fails.
    fn prepare(&mut self, choices: &[Choice]) -> Result<(), Self::Error> {
        let _ = choices;
        Ok(())
    }

    /// Makes a choice ready, and runs it once: about how many microseconds a run takes. None if it is so slow that timing
    /// it is not worth while, which is not said of one that is `asked` for: that has turns whatever it takes.
    ///
    /// # Errors
    /// Its result is wrong, or it cannot be run.
    fn admit(&mut self, choice: Choice, asked: bool) -> Result<Option<f64>, Self::Error>;

    /// A turn of each, in this order, or interleaved: adds each one's times.
    ///
    /// # Errors
    /// The device fails.
    fn turns(&mut self, entrants: &mut [Entrant]) -> Result<(), Self::Error>;

    /// Inputs on which some choices are known to take long, like rows of ties: on each the best are timed beside the untuned
    /// choice. None, if not said otherwise.
    fn hard_inputs(&self) -> usize {
        0
    }

    /// Makes one of those, in the place of another. Why not, if there is no room for it: it is left out then.
    ///
    /// # Errors
    /// The device fails.
    fn make_hard(&mut self, input: usize) -> Result<Option<String>, Self::Error> {
        let _ = input;
        Ok(None)
    }

    /// A turn of each on the one that was made.
    ///
    /// # Errors
    /// The device fails.
    fn hard_turns(&mut self, input: usize, entrants: &mut [Entrant]) -> Result<(), Self::Error> {
        let _ = (input, entrants);
        Ok(())
    }

    /// A clock for the limit; a simulated device has its own.
    fn now(&self) -> Duration {
        static BEGUN: OnceLock<Instant> = OnceLock::new();
        BEGUN.get_or_init(Instant::now).elapsed()
    }
}

/// No candidate gave the right result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no choice gave the right result: this device must not be used; `spiral doctor` says what it is"
)]
pub struct NoChoice;

/// A choice with its times so far.
#[derive(Clone, Debug)]
pub struct Entrant {
    /// The choice.
    pub choice: Choice,
    /// About how many microseconds a run takes, as its admission says.
    pub about_us: f64,
    /// Its times: a sample a turn.
    pub samples: Samples,
}

impl Entrant {
    /// One without times.
    fn untimed(choice: Choice) -> Self {
        Self { choice, about_us: 0.0, samples: Samples::default() }
    }
}

/// What is tried.
#[derive(Clone, Copy, Debug, Default)]
pub struct Task<'a> {
    /// The candidates, of which the first is the planner's.
    pub candidates: &'a [Choice],
    /// What the model expects of each, in microseconds; if empty, none is left out for it.
    pub predicted_us: &'a [f64],
    /// After the first so many are made ready whatever the model expects, if there is time.
    pub chances: usize,
    /// Those among them that are timed in the end, too, however slow.
    pub others: &'a [Choice],
    /// The one among them that the best must not be much slower than on hard inputs, if that is not the first.
    pub untuned: Option<Choice>,
    /// How many are left that nobody tried, if that is not for these to say: candidates that the model took for hopeless
    /// leave nothing in doubt if there is no time for them either.
    pub untried: Option<usize>,
    /// The time there is. In half of it as many are made ready as can be.
    pub limit: Option<Duration>,
}

/// When time is up, if ever.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Option<Duration>);

impl Deadline {
    /// A share of a time that began then.
    fn new(begun: Duration, limit: Option<Duration>, share: f64) -> Self {
        Self(limit.map(|all| begun + all.mul_f64(share)))
    }

    const fn is_none(self) -> bool {
        self.0.is_none()
    }

    /// Whether what takes so long may begin now.
    fn allows(self, now: Duration, taking: Duration) -> bool {
        self.0.is_none_or(|end| now + taking < end)
    }
}

/// A tournament that can be gone on with.
#[derive(Clone, Debug)]
pub struct Contest {
    planned: Choice,
    untuned: Option<Choice>,
    others: Vec<Choice>,
    /// Those that are still in it, the leader first.
    running: Vec<Entrant>,
    dropped: Vec<Entrant>,
    hopeless: Vec<Choice>,
    unpromising: Vec<Choice>,
    untried: usize,
    doubt: f64,
    /// What hard inputs said of candidates, and those that were faster than the one that won by all inputs.
    weighed: Vec<Weighed>,
    given_way: Vec<Entrant>,
    /// Those that might have won if there had been time to weigh them.
    unweighed: Vec<Entrant>,
    /// Why some hard inputs could not be had.
    not_weighed: Option<String>,
    /// The leader, the planner's and others, timed afresh.
    finals: Vec<Entrant>,
    /// What opening the arena took: the first candidate's admission.
    opening: Duration,
}

/// Tries candidates. `wrong` receives those that fail.
///
/// # Errors
/// The device fails, or no candidate is right.
pub fn tournament<A: Arena + ?Sized>(
    arena: &mut A,
    task: &Task<'_>,
    mut wrong: impl FnMut(Choice, &A::Error),
) -> Result<Outcome, A::Error> {
    Contest::begin(arena, task, &mut Waves::default(), &mut wrong)?.outcome()
}

impl Contest {
    /// Tries candidates; `waves` says how long making them ready takes, and learns it. `wrong` receives those that fail.
    ///
    /// # Errors
    /// The device fails, or no candidate is right.
    pub fn begin<A: Arena + ?Sized>(
        arena: &mut A,
        task: &Task<'_>,
        waves: &mut Waves,
        wrong: &mut dyn FnMut(Choice, &A::Error),
    ) -> Result<Self, A::Error> {
        let begun = arena.now();
        let planned = *task.candidates.first().ok_or(NoChoice)?;
        let until = Deadline::new(begun, task.limit, ADMITTING);
        let admission = admission::admit(arena, task, waves, until, wrong)?;
        let mut this = Self {
            planned,
            untuned: task.untuned,
            others: task.others.to_vec(),
            running: admission.running,
            dropped: Vec::new(),
            hopeless: admission.hopeless,
            unpromising: admission.unpromising,
            untried: task.untried.unwrap_or(admission.untried),
            doubt: 0.0,
            weighed: Vec::new(),
            given_way: Vec::new(),
            unweighed: Vec::new(),
            not_weighed: None,
            finals: Vec::new(),
            opening: admission.first,
        };
        this.race(arena, begun, task.limit)?;
        Ok(this)
    }

    /// Goes on with those that are still in it, on an arena that was opened anew.
    ///
    /// # Errors
    /// The device fails, or one of them that was right is not any more.
    pub fn resume<A: Arena + ?Sized>(
        &mut self,
        arena: &mut A,
        limit: Option<Duration>,
    ) -> Result<(), A::Error> {
        let begun = arena.now();
        let until = Deadline::new(begun, limit, ADMITTING);
        // The leader and the planner's are needed; of the others as many as there is time for.
        let mut again: Vec<Choice> = self.finals.iter().map(|e| e.choice).collect();
        again.extend(self.running.iter().map(|e| e.choice));
        let again = once(again);
        let mut ready: Vec<Choice> = Vec::with_capacity(again.len());
        for wave in again.chunks(arena.together().max(1)) {
            if ready.len() >= self.finals.len() && !until.allows(arena.now(), Duration::ZERO) {
                break;
            }
            make_ready(arena, wave)?;
            ready.extend(wave);
        }
        let late = self.running.extract_if(.., |e| !ready.contains(&e.choice));
        self.dropped.extend(late);
        // Turns are compared one by one: all must have as many.
        let turns = self.running.iter().map(|e| e.samples.turns().len()).min().unwrap_or(0);
        self.running.iter_mut().for_each(|e| e.samples.truncate(turns));
        self.race(arena, begun, limit)
    }

    fn race<A: Arena + ?Sized>(
        &mut self,
        arena: &mut A,
        begun: Duration,
        limit: Option<Duration>,
    ) -> Result<(), A::Error> {
        let (racing, ending) = match arena.hard_inputs() {
            0 => RACING,
            _ => RACING_BEFORE_HARD_INPUTS,
        };
        let until = Deadline::new(begun, limit, racing);
        let all = [&self.running, &self.dropped, &self.given_way, &self.unweighed];
        let all = all.into_iter().flatten().map(|e| e.choice);
        let asked: Vec<Choice> = all.filter(|choice| self.asks_for(choice)).collect();
        // Where time is short those have turns that are asked for, and that are most promising.
        self.running.sort_by(|a, b| {
            let order = |e: &Entrant| !asked.contains(&e.choice);
            order(a).cmp(&order(b)).then(a.about_us.total_cmp(&b.about_us))
        });
        let before = self.running.len() + self.dropped.len();
        self.doubt = race::race(arena, &mut self.running, &mut self.dropped, until)?;
        self.untried += before - self.running.len() - self.dropped.len();
        let best = self.running.first().ok_or(NoChoice)?.choice;
        let finalists = once([vec![best], asked].concat());
        self.finals = finish(arena, &finalists, Deadline::new(begun, limit, ending))?;
        self.uphold(best);
        self.hold(arena, Deadline::new(begun, limit, 1.0))
    }

    /// Whether a choice is timed in the end, however slow.
    fn asks_for(&self, choice: &Choice) -> bool {
        *choice == self.planned || self.untuned == Some(*choice) || self.others.contains(choice)
    }

    /// Another wins that is faster by all turns, those of the end as well: where there was little time for turns before, those
    /// say more.
    fn uphold(&mut self, best: Choice) {
        let of = |list: &[Entrant], choice: Choice| list.iter().position(|e| e.choice == choice);
        let Some(last) = of(&self.finals, best) else { return };
        let faster = |other: &Entrant| {
            let mut logs = log_ratios(other, &self.finals[last]);
            let earlier =
                self.running.iter().chain(&self.dropped).find(|e| e.choice == other.choice);
            if let (Some(other), Some(best)) = (earlier, self.running.first()) {
                logs.extend(log_ratios(other, best));
            }
            surely_faster(&logs)
        };
        let out = |other: &&Entrant| {
            [&self.given_way, &self.unweighed].iter().any(|list| of(list, other.choice).is_some())
        };
        let all = self.finals.iter().filter(|other| !out(other));
        let all = all.map(|other| (other.choice, faster(other)));
        let Some((better, _)) =
            all.filter(|(_, faster)| *faster > 0.0).max_by(|a, b| a.1.total_cmp(&b.1))
        else {
            return;
        };
        let found = match (of(&self.running, better), of(&self.dropped, better)) {
            (Some(at), _) => self.running.remove(at),
            (None, Some(at)) => self.dropped.remove(at),
            // It had no turn but those of the end.
            (None, None) => match of(&self.finals, better) {
                Some(at) => {
                    self.untried = self.untried.saturating_sub(1);
                    self.finals[at].clone()
                }
                None => return,
            },
        };
        self.running.insert(0, found);
    }

    /// How much faster than the best another of those that are in it may be, as a natural logarithm.
    #[must_use]
    pub const fn doubt(&self) -> f64 {
        self.doubt
    }

    /// Whether more turns would not tell more that matters.
    #[must_use]
    pub fn is_decided(&self) -> bool {
        self.unweighed.is_empty() && (self.running.len() < 2 || self.doubt <= DECIDED)
    }

    /// What the first candidate's admission took, whose result is checked by another way.
    #[must_use]
    pub const fn opening(&self) -> Duration {
        self.opening
    }

    /// How it stands.
    ///
    /// # Errors
    /// No candidate was right.
    pub fn outcome<E: From<NoChoice>>(&self) -> Result<Outcome, E> {
        let best = self.running.first().ok_or(NoChoice)?;
        let last = |choice| self.finals.iter().find(|e| e.choice == choice);
        let final_us = |choice| last(choice).map_or(f64::NAN, us);
        let best_us = final_us(best.choice);
        let untried = self.untried + self.unweighed.len();
        let planned_us = final_us(self.planned);
        let mut candidates: Vec<Timed> = self
            .running
            .iter()
            .chain(&self.dropped)
            .filter_map(|entrant| {
                let (last, best_last) = (last(entrant.choice), last(best.choice)?);
                match last {
                    Some(last) if entrant.choice == best.choice => of_final(last, entrant),
                    // Dropped early: the end has more turns of it.
                    Some(last) if entrant.samples.turns().len() < last.samples.turns().len() => {
                        beside(last, best_last, best_us)
                    }
                    _ => beside(entrant, best, best_us),
                }
            })
            .collect();
        // The best one stays before those that are as fast.
        candidates.sort_by(|a, b| {
            let order = |t: &Timed| (t.choice != best.choice, t.median_us);
            let (x, y) = (order(a), order(b));
            x.1.total_cmp(&y.1).then(x.0.cmp(&y.0))
        });
        Ok(Outcome {
            planned: self.planned,
            planned_us,
            predicted_us: None,
            others_us: self.others.iter().map(|&choice| final_us(choice)).collect(),
            best: best.choice,
            best_us,
            ratio: planned_us / best_us,
            hopeless: self.hopeless.clone(),
            unpromising: self.unpromising.clone(),
            given_way: self.given_way.iter().filter_map(own).collect(),
            not_weighed: self.not_weighed.clone(),
            untried,
            // Turns say nothing of those that had none.
            doubt: if untried > 0 { MOST_DOUBT } else { self.doubt },
            candidates,
        })
    }
}

/// Each once, in the order in which they first come.
fn once(choices: Vec<Choice>) -> Vec<Choice> {
    let mut known = Vec::with_capacity(choices.len());
    for choice in choices {
        if !known.contains(&choice) {
            known.push(choice);
        }
    }
    known
}

/// Makes choices ready side by side that were right on an arena before.
fn make_ready<A: Arena + ?Sized>(arena: &mut A, wave: &[Choice]) -> Result<(), A::Error> {
    arena.prepare(wave)?;
    for &choice in wave {
        // Its time is known; if it has become slow its turns will say so.
        let _ = arena.admit(choice, true)?;
    }
    Ok(())
}

/// Times choices in turns, until time is up but at least a few.
fn finish<A: Arena + ?Sized>(
    arena: &mut A,
    choices: &[Choice],
    deadline: Deadline,
) -> Result<Vec<Entrant>, A::Error> {
    let mut sides: Vec<Entrant> = choices.iter().copied().map(Entrant::untimed).collect();
    for turn in 0..FINAL_TURNS {
        let late = turn >= LEAST_TURNS && !deadline.allows(arena.now(), Duration::ZERO);
        if !late && sides.iter().all(|e| e.samples.wants_more(FINAL_TURNS)) {
            arena.turns(&mut sides)?;
        }
        sides.reverse();
    }
    // In the order in which they were given.
    sides.sort_by_key(|e| choices.iter().position(|choice| *choice == e.choice));
    Ok(sides)
}
