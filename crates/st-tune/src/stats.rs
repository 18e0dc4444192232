//! Turns, samples and what is said of them.

use std::time::{Duration, Instant};

use serde::Serialize;

/// Timed calls of a turn end after so many, or so long.
pub const TURN_CALLS: usize = 16;
/// See [`TURN_CALLS`].
pub const TURN_TIME: Duration = Duration::from_millis(5);
/// Calls longer than this are not warmed up first: what they read is beyond the caches anyway.
pub const SLOW_CALL_NS: f64 = 2e8;
/// A contender that has used so much time on a cell has no more than [`LEAST_TURNS`] turns.
pub const CELL_NS: f64 = 2.5e9;
/// See [`CELL_NS`].
pub const LEAST_TURNS: usize = 3;

/// Times of one contender on one cell: a sample is the median of a turn's calls.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    ns: Vec<f64>,
    all: Vec<f64>,
}

/// What is reported of the samples.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Timing {
    /// Median of the turns, in microseconds.
    pub median_us: f64,
    /// The fastest call: what other processes disturb least.
    pub min_us: f64,
    /// The slowest call, in microseconds.
    pub max_us: f64,
    /// Turns, the median of each being a sample.
    pub samples: usize,
}

impl Samples {
    /// Adds a turn's times in nanoseconds.
    pub fn push_turn(&mut self, times: Vec<f64>) {
        self.all.extend_from_slice(&times);
        self.ns.extend(median(times));
    }

    /// A sample for each turn, in nanoseconds, in their order.
    #[must_use]
    pub fn turns(&self) -> &[f64] {
        &self.ns
    }

    /// Forgets the turns after the first so many.
    pub fn truncate(&mut self, turns: usize) {
        self.ns.truncate(turns);
    }

    /// Whether another turn is worth its time.
    #[must_use]
    pub fn wants_more(&self, turns: usize) -> bool {
        self.ns.len() < turns
            && (self.all.iter().sum::<f64>() < CELL_NS || self.ns.len() < LEAST_TURNS)
    }

    /// Untimed calls before the timed ones of a turn.
    #[must_use]
    pub fn warm_calls(&self) -> usize {
        usize::from(self.ns.last().is_none_or(|&ns| ns < SLOW_CALL_NS))
    }

    /// What is reported; none before the first turn.
    #[must_use]
    pub fn timing(&self) -> Option<Timing> {
        let us = |ns: f64| ns / 1e3;
        Some(Timing {
            median_us: us(median(self.ns.clone())?),
            min_us: us(self.all.iter().copied().reduce(f64::min)?),
            max_us: us(self.all.iter().copied().reduce(f64::max)?),
            samples: self.ns.len(),
        })
    }
}

/// Turns of a tuner warm up at least so long, if at all, and are timed for at least so long: when another choice ran before,
/// threads sleep, caches hold other things, and the clock's frequency is another's.
pub const WARM_TIME: Duration = Duration::from_micros(200);
/// See [`WARM_TIME`].
pub const LEAST_TURN_TIME: Duration = Duration::from_millis(1);
/// Timed calls of such a turn, at most.
const MOST_TURN_CALLS: usize = 256;

/// Runs a turn of a tuner: as [`turn`], but short calls are warmed up and timed for longer.
///
/// # Errors
/// The first call that fails.
pub fn steady_turn<E>(warm: usize, mut call: impl FnMut() -> Result<(), E>) -> Result<Vec<f64>, E> {
    let begin = Instant::now();
    while warm > 0 && begin.elapsed() < WARM_TIME {
        call()?;
    }
    let mut times = turn(0, &mut call)?;
    let timed = |times: &[f64]| times.iter().sum::<f64>() < LEAST_TURN_TIME.as_nanos() as f64;
    while timed(&times) && times.len() < MOST_TURN_CALLS {
        times.extend(turn(0, &mut call)?);
    }
    Ok(times)
}

/// Runs a turn: `warm` untimed calls, then timed ones. Their times in nanoseconds.
///
/// # Errors
/// The first call that fails.
pub fn turn<E>(warm: usize, mut call: impl FnMut() -> Result<(), E>) -> Result<Vec<f64>, E> {
    for _ in 0..warm {
        call()?;
    }
    let mut times = Vec::with_capacity(TURN_CALLS);
    let begin = Instant::now();
    while times.len() < TURN_CALLS {
        let start = Instant::now();
        call()?;
        times.push(start.elapsed().as_nanos() as f64);
        if begin.elapsed() >= TURN_TIME {
            break;
        }
    }
    Ok(times)
}

/// The median; of an even number, the mean of the middle two.
#[must_use]
pub fn median(mut x: Vec<f64>) -> Option<f64> {
    x.sort_by(f64::total_cmp);
    let last = x.len().checked_sub(1)?;
    Some((x[last / 2] + x[last.div_ceil(2)]) / 2.0)
}

/// The distance between the quartiles, as a share of the median; 0 of fewer than two.
#[must_use]
pub fn spread(x: &[f64]) -> f64 {
    let mut x = x.to_vec();
    x.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let place = share * (x.len() - 1) as f64;
        let (low, high) = (x[place.floor() as usize], x[place.ceil() as usize]);
        low + (high - low) * place.fract()
    };
    if x.len() < 2 { 0.0 } else { (at(0.75) - at(0.25)) / at(0.5) }
}

/// The geometric mean of positive numbers.
#[must_use]
pub fn geometric_mean(x: &[f64]) -> Option<f64> {
    let sum: f64 = x.iter().map(|x| x.ln()).sum();
    (!x.is_empty()).then(|| (sum / x.len() as f64).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_means() {
        assert_eq!((spread(&[]), spread(&[3.0])), (0.0, 0.0));
        assert!((spread(&[4.0, 1.0, 2.0, 3.0, 5.0]) - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert!((geometric_mean(&[1.0, 4.0]).unwrap() - 2.0).abs() < 1e-12);
    }

    #[test]
    fn short_calls_are_warmed_up_and_timed_for_longer() {
        let calls = std::cell::Cell::new(0);
        let count = || -> Result<(), ()> {
            calls.set(calls.get() + 1);
            std::thread::sleep(Duration::from_micros(20));
            Ok(())
        };
        let times = steady_turn(1, count).unwrap();
        let ns: f64 = times.iter().sum();
        assert!(ns >= LEAST_TURN_TIME.as_nanos() as f64 || times.len() == MOST_TURN_CALLS);
        assert!(calls.get() > times.len(), "some are not timed");
        calls.set(0);
        let cold = steady_turn(0, count).unwrap();
        assert_eq!(calls.get(), cold.len(), "all are");
        assert_eq!(steady_turn(1, || Err(7)), Err(7));
    }

    #[test]
    fn a_slow_contender_gets_its_least_turns() {
        let mut s = Samples::default();
        for i in 0..LEAST_TURNS {
            assert!(s.wants_more(9), "turn {i}");
            s.push_turn(vec![3e9]);
        }
        assert!(!s.wants_more(9));
        assert_eq!((s.warm_calls(), s.timing().unwrap().samples), (0, LEAST_TURNS));
    }
}
