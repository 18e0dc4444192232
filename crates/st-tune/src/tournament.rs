//! Every choice of a list against a first one, on any device.
//!
//! Candidates are thinned out in rounds; then the best, the first and others asked for are timed afresh, in turns,
//! because the least of many noisy medians is too good to be true. A candidate's time is reported as its ratio to the
//! best in the turns that both had, times the best's time: what disturbed the device in some turns disturbed both.

use std::fmt::Display;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde::Serialize;
use st_rank::Choice;

use crate::stats::{Samples, median, spread};

/// Turns of a round; after it only candidates within this factor of the best stay.
const ROUNDS: [(usize, f64); 4] = [(2, 2.0), (1, 1.4), (3, 1.15), (5, 1.08)];

/// With fewer turns a candidate stands by its best one: another process disturbs a turn in a hundred, and would drive
/// out a good candidate by the median of two. With more it is the median.
const FEW_TURNS: usize = 5;

/// Turns in the end.
const FINAL_TURNS: usize = 15;

/// Where choices are tried: a device with an input.
pub trait Arena {
    /// Why a choice cannot be tried, or the device fails.
    type Error: Display + From<NoChoice>;

    /// Makes a choice ready, and runs it once; false if it is so slow that timing it is not worth
    /// while.
    ///
    /// # Errors
    /// Its result is wrong, or it cannot be run.
    fn admit(&mut self, choice: Choice) -> Result<bool, Self::Error>;

    /// A turn of each, in this order, or interleaved: adds each one's times.
    ///
    /// # Errors
    /// The device fails.
    fn turns(&mut self, entrants: &mut [Entrant]) -> Result<(), Self::Error>;

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
    /// Its times: a sample a turn.
    pub samples: Samples,
}

/// How it went.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The first candidate, which is the planner's.
    pub planned: Choice,
    /// Its time, in microseconds.
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
    /// Candidates for which no time was left.
    pub untried: usize,
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

/// Tries candidates, of which the first is the planner's. In half the time, if there is a limit,
/// as many are admitted as can be; in the end `others` of them are timed too, however slow. `wrong` receives those
/// that fail.
///
/// # Errors
/// The device fails, or no candidate is right.
pub fn tournament<A: Arena + ?Sized>(
    arena: &mut A,
    candidates: &[Choice],
    others: &[Choice],
    limit: Option<Duration>,
    mut wrong: impl FnMut(Choice, &A::Error),
) -> Result<Outcome, A::Error> {
    let begun = arena.now();
    let late =
        |arena: &A, share: f64| limit.is_some_and(|all| arena.now() - begun > all.mul_f64(share));
    let planned = *candidates.first().ok_or(NoChoice)?;
    let (mut running, mut hopeless, mut untried) = (Vec::new(), Vec::new(), 0);
    for &choice in candidates {
        if choice != planned && !others.contains(&choice) && late(arena, 0.5) {
            untried += 1;
            continue;
        }
        match arena.admit(choice) {
            Ok(true) => running.push(Entrant { choice, samples: Samples::default() }),
            Ok(false) => hopeless.push(choice),
            Err(error) => wrong(choice, &error),
        }
    }
    let mut dropped = Vec::new();
    for (turns, factor) in ROUNDS {
        for turn in 0..turns {
            // The first turn is everyone's.
            if running.iter().any(|e| us(e).is_infinite()) || !late(arena, 1.0) {
                arena.turns(&mut running)?;
            }
            let step = (turn + 1).min(running.len());
            running.rotate_left(step);
        }
        running.sort_by(|a, b| us(a).total_cmp(&us(b)));
        let least = running.first().map_or(0.0, |best| us(best) * factor);
        let keep = running.iter().take_while(|e| us(e) <= least).count();
        dropped.extend(running.drain(keep..));
    }
    let best = running.first().ok_or(NoChoice)?.clone();
    let mut finalists = vec![best.choice, planned];
    finalists.extend(others);
    let finals = finish(arena, &finalists)?;
    let final_us = |choice| {
        let entrant = finals.iter().find(|e| e.choice == choice);
        entrant.map_or(f64::NAN, us)
    };
    let best_us = final_us(best.choice);
    let mut timed: Vec<Timed> = running
        .iter()
        .chain(&dropped)
        .filter_map(|entrant| match finals.iter().find(|e| e.choice == entrant.choice) {
            Some(last) => of_final(last, entrant),
            None => beside(entrant, &best, best_us),
        })
        .collect();
    timed.sort_by(|a, b| a.median_us.total_cmp(&b.median_us));
    let planned_us = final_us(planned);
    Ok(Outcome {
        planned,
        planned_us,
        predicted_us: None,
        others_us: others.iter().map(|&choice| final_us(choice)).collect(),
        best: best.choice,
        best_us,
        ratio: planned_us / best_us,
        hopeless,
        untried,
        candidates: timed,
    })
}

/// Times choices in turns.
fn finish<A: Arena + ?Sized>(arena: &mut A, choices: &[Choice]) -> Result<Vec<Entrant>, A::Error> {
    let mut sides: Vec<Entrant> = Vec::new();
    for &choice in choices {
        if !sides.iter().any(|e| e.choice == choice) {
            sides.push(Entrant { choice, samples: Samples::default() });
        }
    }
    for _ in 0..FINAL_TURNS {
        if sides.iter().all(|e| e.samples.wants_more(FINAL_TURNS)) {
            arena.turns(&mut sides)?;
        }
        sides.reverse();
    }
    Ok(sides)
}

fn us(entrant: &Entrant) -> f64 {
    standing(entrant.samples.turns()).unwrap_or(f64::INFINITY) / 1e3
}

/// What turns say of a candidate, in nanoseconds.
fn standing(turns: &[f64]) -> Option<f64> {
    if turns.len() < FEW_TURNS {
        return turns.iter().copied().reduce(f64::min);
    }
    median(turns.to_vec())
}

/// What a candidate that came to the end is said to take: its time there.
fn of_final(last: &Entrant, earlier: &Entrant) -> Option<Timed> {
    let (t, before) = (last.samples.timing()?, earlier.samples.timing()?);
    Some(Timed {
        choice: last.choice,
        median_us: t.median_us,
        min_us: t.min_us.min(before.min_us),
        spread: spread(last.samples.turns()),
        samples: t.samples + before.samples,
    })
}

/// What another is said to take: never less than the best, which outlasted it.
fn beside(entrant: &Entrant, best: &Entrant, best_us: f64) -> Option<Timed> {
    let t = entrant.samples.timing()?;
    let common = t.samples.min(best.samples.turns().len());
    let of = |e: &Entrant| standing(&e.samples.turns()[..common]);
    let ratio = of(entrant)? / of(best)?;
    Some(Timed {
        choice: entrant.choice,
        median_us: best_us * ratio.max(1.0),
        min_us: t.min_us,
        spread: spread(entrant.samples.turns()),
        samples: t.samples,
    })
}

impl Outcome {
    /// In three lines.
    #[must_use]
    pub fn lines(&self) -> String {
        let predicted =
            self.predicted_us.map_or_else(String::new, |us| format!(" (predicted {us:.1})"));
        let untried = match (self.hopeless.len(), self.untried) {
            (0, 0) => String::new(),
            (h, n) => format!(" ({h} more far too slow, {n} not tried)"),
        };
        format!(
            "planner {:.1} us{predicted}, best of {}{untried} {:.1} us, ratio {:.3}\n    planner {}\n    best    {}",
            self.planned_us,
            self.candidates.len(),
            self.best_us,
            self.ratio,
            self.planned,
            self.best
        )
    }
}

#[cfg(test)]
mod tests {
    use st_rank::{MergeDetail, MergeKind};

    use super::*;

    const PLANNED: Choice = Choice {
        mk: MergeKind::Filter,
        mkd: MergeDetail::Auto,
        tile: 0,
        ctile: 0,
        use_2ce: false,
        wg: 1,
        kl: 1,
        ch: 0,
    };

    /// A choice takes as many microseconds as its tile has columns, and its `kl` is how often it
    /// was lucky with half of that.
    struct Made {
        lucky: u32,
        turns: usize,
    }

    impl Arena for Made {
        type Error = Box<dyn std::error::Error>;

        fn admit(&mut self, choice: Choice) -> Result<bool, Self::Error> {
            if choice.tile == 13 { Err("wrong".into()) } else { Ok(choice.tile < 9999) }
        }

        fn turns(&mut self, entrants: &mut [Entrant]) -> Result<(), Self::Error> {
            self.turns += 1;
            for entrant in entrants {
                let ns = f64::from(entrant.choice.tile) * 1e3;
                let lucky = entrant.choice.kl > 1 && self.lucky > 0;
                self.lucky -= u32::from(lucky);
                entrant.samples.push_turn(vec![if lucky { ns / 2.0 } else { ns }]);
            }
            Ok(())
        }
    }

    fn choices(tiles: &[u32]) -> Vec<Choice> {
        tiles.iter().map(|&tile| Choice { tile, ..PLANNED }).collect()
    }

    #[test]
    fn the_fastest_right_one_wins() {
        let mut arena = Made { lucky: 0, turns: 0 };
        let mut wrong = Vec::new();
        let all = choices(&[120, 100, 13, 101, 9999, 500]);
        let got =
            tournament(&mut arena, &all, &[], None, |choice, _| wrong.push(choice.tile)).unwrap();
        assert_eq!((got.best.tile, got.best_us, got.planned_us), (100, 100.0, 120.0));
        assert!((got.ratio - 1.2).abs() < 1e-9 && wrong == [13]);
        assert_eq!((got.hopeless.len(), got.untried), (1, 0));
        let tiles: Vec<u32> = got.candidates.iter().map(|t| t.choice.tile).collect();
        assert_eq!(tiles, [100, 101, 120, 500]);
        assert_eq!(got.candidates[3].samples, 2, "far behind after the first turns");
        assert!(got.candidates[1].samples > got.candidates[3].samples);
        assert!(got.candidates[2].samples > FINAL_TURNS, "the planner's comes to the end");
    }

    #[test]
    fn luck_in_the_rounds_is_not_reported() {
        let mut arena = Made { lucky: 10, turns: 0 };
        let mut all = choices(&[100, 120]);
        all[1].kl = 2;
        let got = tournament(&mut arena, &all, &[], None, |_, _| ()).unwrap();
        assert_eq!((got.best.tile, got.best_us, got.planned_us), (120, 120.0, 100.0));
        assert!(got.ratio < 1.0);
    }

    #[test]
    fn without_time_only_the_planners_is_tried() {
        let mut arena = Made { lucky: 0, turns: 0 };
        let all = choices(&[120, 100, 110]);
        let got = tournament(&mut arena, &all, &[], Some(Duration::ZERO), |_, _| ()).unwrap();
        assert_eq!((got.best.tile, got.untried, got.ratio), (120, 2, 1.0));
        assert_eq!(arena.turns, 1 + FINAL_TURNS);
        assert!(tournament(&mut arena, &choices(&[13]), &[], None, |_, _| ()).is_err());
    }
}
