//! Thinning candidates out by turns, until it is known which is the best.
//!
//! Who is behind is judged by the logarithms of the ratios of two candidates' times in the turns that both had: what
//! disturbs a turn, and drifts, disturbs both. Their median has a standard error of 1.25 standard deviations over the
//! square root of their number; the deviation is told by the median distance from the median (1.48 of it), which an
//! outlier in three does not move far. Of few turns that is hardly known, so that at least the usual deviation of the
//! others is taken, too.

use std::f64::consts::LN_2;

use super::{Arena, Deadline, Entrant};
use crate::stats::median;

/// After so many turns candidates stay that are within this factor of the best, by their best turn: another process
/// disturbs a turn in a hundred, and would drive out a good candidate otherwise.
const FIRST: [(usize, f64); 2] = [(2, 2.0), (3, 1.5)];

/// The turns after which the rest is first judged by their errors.
const FIRST_JUDGED: usize = 5;

/// Turns before which nothing is decided, however alike they were.
const LEAST_DECIDED: usize = 8;

/// Standard errors by which a candidate must be behind to be dropped. They are many and looked at often, and the one that
/// leads does so by luck in part.
const BEHIND: f64 = 3.5;

/// Standard errors of what is said of the difference that is left.
const DOUBT: f64 = 2.0;

/// The most that is left in doubt: next to nothing is known.
pub(super) const MOST_DOUBT: f64 = LN_2;

/// It is decided when no other is faster by more than this, in natural logarithms.
pub(super) const DECIDED: f64 = 0.01;

/// Turns after which it ends, decided or not.
pub(super) const MOST_TURNS: usize = 200;

/// Turns after which it ends where there is no limit.
const USUAL_TURNS: usize = 40;

/// Candidates of a turn between two looks at the clock, at most, and the microseconds of calls that they may take.
const TOGETHER: usize = 16;
const SLICE_US: f64 = 2.5e5;

/// What is at least taken for the deviation, as a natural logarithm, of candidates with fewer turns than are judged.
const UNKNOWN: f64 = 0.2;

/// Runs turns until it is decided, or time or turns are up. Those that come first in `running` have their first turn before
/// others. In the end the leader is the first of it, those that fell behind are in `dropped`, and those that had no turn
/// are gone. What is left in doubt: how much faster another may be, as a natural logarithm.
pub(super) fn race<A: Arena + ?Sized>(
    arena: &mut A,
    running: &mut Vec<Entrant>,
    dropped: &mut Vec<Entrant>,
    deadline: Deadline,
) -> Result<f64, A::Error> {
    // The same order of turns each time: a session can be told again.
    let mut rng = fastrand::Rng::with_seed(running.len() as u64);
    let mut turns = running.iter().map(|e| e.samples.turns().len()).min().unwrap_or(0);
    let last = turns + MOST_TURNS;
    let mut judged_at = FIRST_JUDGED;
    loop {
        let slow = deadline.is_none()
            && running.first().is_some_and(|e| !e.samples.wants_more(USUAL_TURNS));
        if running.len() < 2 && turns > 0 || turns >= last || slow {
            break;
        }
        // Whoever stands beside whom leaves other things in the caches, and threads awake or asleep.
        if turns > 0 {
            rng.shuffle(running);
        }
        if !turn(arena, running, deadline)? {
            break;
        }
        turns += 1;
        if let Some((_, factor)) = FIRST.iter().find(|(after, _)| *after == turns) {
            let least = running.iter().map(best).fold(f64::INFINITY, f64::min);
            dropped.extend(running.extract_if(.., |e| best(e) > least * factor));
        }
        if turns < judged_at {
            continue;
        }
        judged_at = turns + (turns / 5).max(1);
        lead(running);
        let gaps = gaps(running, dropped);
        let mut behind = gaps.iter().map(|gap| gap.middle > BEHIND * gap.error);
        dropped.extend(running.extract_if(.., |_| behind.next().unwrap_or(false)));
        if turns >= LEAST_DECIDED && doubt(&gaps) <= DECIDED {
            break;
        }
    }
    running.retain(|e| !e.samples.turns().is_empty());
    lead(running);
    Ok(doubt(&gaps(running, dropped)))
}

/// A candidate's best turn, in nanoseconds.
fn best(entrant: &Entrant) -> f64 {
    entrant.samples.turns().iter().copied().fold(f64::INFINITY, f64::min)
}

/// A turn of each; false if time was up before all had theirs.
fn turn<A: Arena + ?Sized>(
    arena: &mut A,
    running: &mut [Entrant],
    deadline: Deadline,
) -> Result<bool, A::Error> {
    let slowest = running.iter().map(|e| e.about_us).fold(1.0, f64::max);
    let slice = (SLICE_US / slowest).clamp(1.0, TOGETHER as f64) as usize;
    for (at, entrants) in running.chunks_mut(slice).enumerate() {
        // One is always told: without any time there would be no winner.
        let needed = at == 0 && entrants.iter().all(|e| e.samples.turns().is_empty());
        if !needed && !deadline.allows(arena.now(), std::time::Duration::ZERO) {
            return Ok(false);
        }
        arena.turns(entrants)?;
    }
    Ok(true)
}

/// How far a candidate is behind the leader, in natural logarithms.
#[derive(Clone, Copy, Debug)]
struct Gap {
    middle: f64,
    /// Its standard error.
    error: f64,
}

/// Logarithms of how many times as long `a` took as `b`, in the turns that both had.
pub(super) fn log_ratios(a: &Entrant, b: &Entrant) -> Vec<f64> {
    a.samples.turns().iter().zip(b.samples.turns()).map(|(a, b)| (a / b).ln()).collect()
}

/// The median of logarithms; 0 of none.
pub(super) fn median_of(logs: &[f64]) -> f64 {
    median(logs.to_vec()).unwrap_or(0.0)
}

/// The median of so many logarithms, and its standard error, if the deviation is at least that; the deviation of few is
/// uncertain itself.
fn middle(logs: &[f64], least: f64) -> Gap {
    let n = logs.len().max(1) as f64;
    let (middle, deviation) = scatter(logs);
    Gap { middle, error: 1.2533 * deviation.max(least) / n.sqrt() * (1.0 + 3.0 / n) }
}

/// The median and the deviation.
fn scatter(logs: &[f64]) -> (f64, f64) {
    let middle = median_of(logs);
    let apart = logs.iter().map(|log| (log - middle).abs()).collect();
    let n = logs.len().max(1) as f64;
    // Of few the median distance is too small, by this about.
    (middle, 1.4826 * n / (n - 0.9) * median(apart).unwrap_or(0.0))
}

/// By how much another was faster at least, as far as a standard error tells; not positive if it was not.
pub(super) fn surely_faster(logs: &[f64]) -> f64 {
    let gap = middle(logs, 0.0);
    -gap.middle - gap.error
}

/// Brings the leader to the front: each candidate stands by the median of its distances from what the turns took all, and
/// where there were few turns by its best one.
fn lead(running: &mut [Entrant]) {
    let turns = running.iter().map(|e| e.samples.turns().len()).min().unwrap_or(0);
    // Of a turn the mean, because each time in it is a median already: of three the median would be one of them.
    let usual: Vec<f64> = (0..turns)
        .map(|turn| running.iter().map(|e| e.samples.turns()[turn].ln()).sum::<f64>())
        .map(|sum| sum / running.len() as f64)
        .collect();
    let stands = |e: &Entrant| {
        let apart = e.samples.turns().iter().zip(&usual).map(|(ns, usual)| ns.ln() - usual);
        median(apart.collect()).unwrap_or(f64::INFINITY)
    };
    let few = turns < FIRST_JUDGED;
    let places = running.iter().map(|e| if few { best(e) } else { stands(e) }).enumerate();
    if let Some((leader, _)) = places.min_by(|a, b| a.1.total_cmp(&b.1)) {
        running.swap(0, leader);
    }
}

/// The gaps of all to the first. What is usual is told by those that were dropped, too.
fn gaps(running: &[Entrant], dropped: &[Entrant]) -> Vec<Gap> {
    let Some(leader) = running.first() else { return Vec::new() };
    let logs: Vec<Vec<f64>> = running.iter().map(|entrant| log_ratios(entrant, leader)).collect();
    let dropped = dropped.iter().map(|entrant| log_ratios(entrant, leader));
    let others = logs.iter().skip(1).cloned().chain(dropped).filter(|logs| logs.len() > 2);
    let usual = median(others.map(|logs| scatter(&logs).1).collect()).unwrap_or(0.0);
    let gap = |(at, logs): (usize, &Vec<f64>)| match at {
        // The leader is not behind itself.
        0 => Gap { middle: 0.0, error: 0.0 },
        _ if logs.len() < FIRST_JUDGED => {
            Gap { middle: (best(&running[at]) / best(leader)).ln(), ..middle(logs, UNKNOWN) }
        }
        _ => middle(logs, usual),
    };
    logs.iter().enumerate().map(gap).collect()
}

/// How much faster than the first another may be; twice as fast where next to nothing is known.
fn doubt(gaps: &[Gap]) -> f64 {
    let others = gaps.iter().skip(1);
    others.map(|gap| DOUBT * gap.error - gap.middle).fold(0.0, f64::max).min(MOST_DOUBT)
}

#[cfg(test)]
mod tests {
    use st_rank::{Choice, MergeDetail, MergeKind};

    use super::*;
    use crate::stats::Samples;

    fn entrant(times: &[f64]) -> Entrant {
        let choice = Choice {
            mk: MergeKind::Filter,
            mkd: MergeDetail::Auto,
            tile: 1,
            ctile: 0,
            use_2ce: false,
            wg: 1,
            kl: 1,
            ch: 0,
        };
        let mut samples = Samples::default();
        times.iter().for_each(|&ns| samples.push_turn(vec![ns]));
        Entrant { choice, about_us: 1.0, samples }
    }

    #[test]
    fn what_drifts_disturbs_both() {
        // The machine gets three times as slow meanwhile; the second takes a tenth longer in each turn.
        let drift: Vec<f64> = (0..20).map(|turn| 100.0 * (1.0 + 0.1 * f64::from(turn))).collect();
        let slower: Vec<f64> = drift.iter().map(|ns| ns * 1.1).collect();
        let mut running = vec![entrant(&slower), entrant(&drift)];
        lead(&mut running);
        assert_eq!(running[0].samples.turns()[0], 100.0);
        let gaps = gaps(&running, &[]);
        assert!((gaps[1].middle - 1.1f64.ln()).abs() < 1e-9 && gaps[1].error < 1e-9);
        assert_eq!(doubt(&gaps), 0.0);
    }

    #[test]
    fn the_doubt_is_what_the_errors_leave() {
        let steady = entrant(&[100.0; 16]);
        let alternating: Vec<f64> =
            (0..16).map(|i| if i % 2 == 0 { 90.0 } else { 112.0 }).collect();
        let running = [steady, entrant(&alternating)];
        let gaps = gaps(&running, &[]);
        let deviation = 1.4826 * (112.0f64 / 90.0).ln() / 2.0;
        assert!(
            (gaps[1].error - 1.2533 * deviation * (16.0 / 15.1) / 4.0 * (1.0 + 3.0 / 16.0)).abs()
                < 1e-9
        );
        let expected = DOUBT * gaps[1].error - (90.0f64 * 112.0 / 1e4).ln() / 2.0;
        assert!((doubt(&gaps) - expected).abs() < 1e-9);
    }
}
