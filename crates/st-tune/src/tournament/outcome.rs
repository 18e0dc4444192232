//! What a tournament found.

use serde::Serialize;
use st_rank::Choice;

use super::Entrant;
use super::race::log_ratios;
use crate::stats::{median, spread};

/// With fewer turns a candidate is said to stand where its best one does.
const FEW_TURNS: usize = 5;

/// How it went.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The first candidate, which is the planner's.
    pub planned: Choice,
    /// Its time, in microseconds; not a number if its result was wrong.
    pub planned_us: f64,
    /// What the planner expected.
    pub predicted_us: Option<f64>,
    /// Times of the other choices that were asked for in the end, in microseconds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub others_us: Vec<f64>,
    /// The best candidate.
    pub best: Choice,
    /// Its time, in microseconds.
    pub best_us: f64,
    /// Planner's / best: 1 at best.
    pub ratio: f64,
    /// Candidates that were far too slow to be timed.
    pub hopeless: Vec<Choice>,
    /// Candidates that the model expects to be far too slow: they were not made ready.
    pub unpromising: Vec<Choice>,
    /// Candidates that were faster than the best on random rows, but not on all inputs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub given_way: Vec<Timed>,
    /// Why some hard inputs say nothing, if the device could not have them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_weighed: Option<String>,
    /// Candidates for which no time was left, or none to time them on hard inputs before they won.
    pub untried: usize,
    /// How much faster than the best another may be, as a natural logarithm: what noise leaves in doubt. At most ln 2, which
    /// says that there was next to no time, or none for some candidates: nothing is known of those.
    pub doubt: f64,
    /// Every candidate, fastest first. Those thinned out early have few samples.
    pub candidates: Vec<Timed>,
}

/// A candidate's times.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Timed {
    /// The choice.
    pub choice: Choice,
    /// Median, in microseconds: its ratio to the best in common turns, times the best's time.
    pub median_us: f64,
    /// The shortest call, in microseconds.
    pub min_us: f64,
    /// Distance between the quartiles of the turns, as a share of the median.
    pub spread: f64,
    /// Turns.
    pub samples: usize,
}

pub(super) fn us(entrant: &Entrant) -> f64 {
    median(entrant.samples.turns().to_vec()).unwrap_or(f64::INFINITY) / 1e3
}

/// What its own turns say.
pub(super) fn own(entrant: &Entrant) -> Option<Timed> {
    let t = entrant.samples.timing()?;
    Some(Timed {
        choice: entrant.choice,
        median_us: t.median_us,
        min_us: t.min_us,
        spread: spread(entrant.samples.turns()),
        samples: t.samples,
    })
}

/// What the best is said to take: its time in the end, where it was timed afresh.
pub(super) fn of_final(last: &Entrant, earlier: &Entrant) -> Option<Timed> {
    let (last, before) = (own(last)?, earlier.samples.timing()?);
    Some(Timed {
        min_us: last.min_us.min(before.min_us),
        samples: last.samples + before.samples,
        ..last
    })
}

/// What another is said to take, at least, for each microsecond of the best, which outlasted it: the planner takes the least
/// of a table, and must not find a tie there.
const BEHIND: f64 = 1.001;

/// What another is said to take.
pub(super) fn beside(entrant: &Entrant, best: &Entrant, best_us: f64) -> Option<Timed> {
    let log = behind(entrant, best)?;
    Some(Timed { median_us: best_us * log.exp().max(BEHIND), ..own(entrant)? })
}

/// How far a candidate is behind another, as a natural logarithm; none if they had no turn in common.
pub(super) fn behind(entrant: &Entrant, best: &Entrant) -> Option<f64> {
    let logs = log_ratios(entrant, best);
    if logs.len() >= FEW_TURNS {
        return median(logs);
    }
    // Of few turns the median says little, and one that was disturbed would say too much.
    let turns = |e: &Entrant| e.samples.turns()[..logs.len()].iter().copied().reduce(f64::min);
    Some((turns(entrant)? / turns(best)?).ln())
}

impl Outcome {
    /// Candidates that were made ready, and right.
    #[must_use]
    pub const fn tried(&self) -> usize {
        self.candidates.len() + self.hopeless.len() + self.given_way.len()
    }

    /// In three lines, and one more if hard inputs could not be had.
    #[must_use]
    pub fn lines(&self) -> String {
        let predicted =
            self.predicted_us.map_or_else(String::new, |us| format!(" (predicted {us:.1})"));
        let untried = match (self.hopeless.len() + self.unpromising.len(), self.untried) {
            (0, 0) => String::new(),
            (h, n) => format!(" ({h} more far too slow, {n} not tried)"),
        };
        let not_weighed = self
            .not_weighed
            .as_ref()
            .map_or_else(String::new, |why| format!("\n    not timed on all hard inputs: {why}"));
        let slower = match self.given_way.len() {
            0 => String::new(),
            n => format!(" ({n} faster ones gave way: they lose more on hard inputs)"),
        };
        format!(
            "planner {:.1} us{predicted}, best of {}{untried}{slower} {:.1} us, ratio {:.3}\n    planner {}\n    best    {}{not_weighed}",
            self.planned_us,
            self.candidates.len(),
            self.best_us,
            self.ratio,
            self.planned,
            self.best
        )
    }
}
