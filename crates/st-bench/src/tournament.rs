//! Every feasible choice against the planner's, on any device. Candidates are thinned out in
//! rounds; then the winner and the planner's choice are timed afresh, in turns, because the least
//! of many noisy medians is too good to be true.

use std::time::{Duration, Instant};

use serde::Serialize;
use st_core::ops::rank_entry::Choice;

use crate::Result;
use crate::stats::{Samples, median};

/// Turns of a round; after it only candidates within this factor of the best stay.
const ROUNDS: [(usize, f64); 4] = [(1, 2.0), (1, 1.4), (3, 1.15), (5, 1.08)];

/// Turns of the winner and the planner's choice in the end.
const FINAL_TURNS: usize = 15;

/// Where choices are tried: a device with an input.
pub(crate) trait Arena {
    /// Makes a choice ready, and runs it once; false if it is so slow that timing it is not worth
    /// while, an error if its result is wrong.
    fn admit(&mut self, choice: Choice) -> Result<bool>;

    /// A turn of each, in this order, or interleaved: adds each one's times.
    fn turns(&mut self, entrants: &mut [Entrant]) -> Result<()>;
}

/// A choice with its times so far.
#[derive(Clone, Debug)]
pub(crate) struct Entrant {
    pub(crate) choice: Choice,
    pub(crate) samples: Samples,
}

/// How it went.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Outcome {
    pub(crate) planned: Choice,
    pub(crate) planned_us: f64,
    pub(crate) predicted_us: Option<f64>,
    pub(crate) best: Choice,
    pub(crate) best_us: f64,
    /// Planner's / best: 1 at best.
    pub(crate) ratio: f64,
    /// Candidates that were far too slow to be timed.
    pub(crate) hopeless: usize,
    /// Candidates for which no time was left.
    pub(crate) untried: usize,
    /// Every candidate, fastest first. Those thinned out early have few samples.
    pub(crate) candidates: Vec<Timed>,
}

/// A candidate's times.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Timed {
    choice: Choice,
    median_us: f64,
    min_us: f64,
    samples: usize,
}

/// Tries candidates, of which the first is the planner's. In half the time, if there is a limit,
/// as many are admitted as can be. `wrong` receives those that fail.
pub(crate) fn tournament(
    arena: &mut impl Arena,
    candidates: &[Choice],
    limit: Option<Duration>,
    mut wrong: impl FnMut(Choice, &dyn std::fmt::Display),
) -> Result<Outcome> {
    let begun = Instant::now();
    let late = |share: f64| limit.is_some_and(|all| begun.elapsed() > all.mul_f64(share));
    let planned = *candidates.first().ok_or("no candidates")?;
    let (mut running, mut hopeless, mut untried) = (Vec::new(), 0, 0);
    for &choice in candidates {
        if choice != planned && late(0.5) {
            untried += 1;
            continue;
        }
        match arena.admit(choice) {
            Ok(true) => running.push(Entrant { choice, samples: Samples::default() }),
            Ok(false) => hopeless += 1,
            Err(error) => wrong(choice, &error),
        }
    }
    let mut dropped = Vec::new();
    for (turns, factor) in ROUNDS {
        for turn in 0..turns {
            // The first turn is everyone's.
            if running.iter().any(|e| us(e).is_infinite()) || !late(1.0) {
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
    let best = running.first().ok_or("no choice gave the right result")?.choice;
    let (best_us, planned_us) = duel(arena, best, planned)?;
    let mut candidates: Vec<Timed> = running.iter().chain(&dropped).filter_map(timed).collect();
    candidates.sort_by(|a, b| a.median_us.total_cmp(&b.median_us));
    Ok(Outcome {
        planned,
        planned_us,
        predicted_us: None,
        best,
        best_us,
        ratio: planned_us / best_us,
        hopeless,
        untried,
        candidates,
    })
}

/// Medians of two choices, in turns.
fn duel(arena: &mut impl Arena, best: Choice, planned: Choice) -> Result<(f64, f64)> {
    let mut sides = [best, planned].map(|choice| Entrant { choice, samples: Samples::default() });
    for _ in 0..FINAL_TURNS {
        if sides.iter().all(|e| e.samples.wants_more(FINAL_TURNS)) {
            arena.turns(&mut sides)?;
        }
        sides.reverse();
    }
    if best == planned {
        let both = median(sides.iter().map(us).collect()).unwrap_or(f64::NAN);
        return Ok((both, both));
    }
    let of = |choice| sides.iter().find(|e| e.choice == choice).map_or(f64::NAN, us);
    Ok((of(best), of(planned)))
}

fn us(entrant: &Entrant) -> f64 {
    entrant.samples.timing().map_or(f64::INFINITY, |t| t.median_us)
}

fn timed(entrant: &Entrant) -> Option<Timed> {
    let t = entrant.samples.timing()?;
    Some(Timed {
        choice: entrant.choice,
        median_us: t.median_us,
        min_us: t.min_us,
        samples: t.samples,
    })
}

impl Outcome {
    /// In three lines.
    pub(crate) fn lines(&self) -> String {
        let predicted =
            self.predicted_us.map_or_else(String::new, |us| format!(" (predicted {us:.1})"));
        let untried = match (self.hopeless, self.untried) {
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
    use st_core::ops::rank_entry::{MergeDetail, MergeKind};

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
        fn admit(&mut self, choice: Choice) -> Result<bool> {
            if choice.tile == 13 { Err("wrong".into()) } else { Ok(choice.tile < 9999) }
        }

        fn turns(&mut self, entrants: &mut [Entrant]) -> Result<()> {
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
        let got = tournament(&mut arena, &all, None, |choice, _| wrong.push(choice.tile)).unwrap();
        assert_eq!((got.best.tile, got.best_us, got.planned_us), (100, 100.0, 120.0));
        assert!((got.ratio - 1.2).abs() < 1e-9 && wrong == [13]);
        assert_eq!((got.hopeless, got.untried), (1, 0));
        let tiles: Vec<u32> = got.candidates.iter().map(|t| t.choice.tile).collect();
        assert_eq!(tiles, [100, 101, 120, 500]);
        assert_eq!(got.candidates[3].samples, 1, "far behind after the first turn");
        assert!(got.candidates[1].samples > got.candidates[2].samples);
    }

    #[test]
    fn luck_in_the_rounds_is_not_reported() {
        let mut arena = Made { lucky: 10, turns: 0 };
        let mut all = choices(&[100, 120]);
        all[1].kl = 2;
        let got = tournament(&mut arena, &all, None, |_, _| ()).unwrap();
        assert_eq!((got.best.tile, got.best_us, got.planned_us), (120, 120.0, 100.0));
        assert!(got.ratio < 1.0);
    }

    #[test]
    fn without_time_only_the_planners_is_tried() {
        let mut arena = Made { lucky: 0, turns: 0 };
        let all = choices(&[120, 100, 110]);
        let got = tournament(&mut arena, &all, Some(Duration::ZERO), |_, _| ()).unwrap();
        assert_eq!((got.best.tile, got.untried, got.ratio), (120, 2, 1.0));
        assert_eq!(arena.turns, 1 + FINAL_TURNS);
        assert!(tournament(&mut arena, &choices(&[13]), None, |_, _| ()).is_err());
    }
}
