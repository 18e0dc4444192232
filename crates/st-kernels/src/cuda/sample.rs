//! The sample by which a filter in one command sets its threshold (`block.cu`, MODE 1 and 3).

use st_rank::{Choice, MergeKind, Problem};

use super::{capacity, flight, is_aligned, parts, vector_elements, wanted};
use crate::gpu::sample::tail_rank;

/// The sample by which a filter sets its threshold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Vectors that each thread takes.
    pub vectors: u32,
    /// The sample's key at which the threshold is set, counted from the greatest.
    pub rank: u32,
    /// Elements of a row that reach the threshold, as expected.
    pub expected: f64,
}

/// Whether a block holds a row in registers, which then is its own sample: no part of it, and no more ranks than it
/// has threads.
#[must_use]
pub fn is_held(choice: &Choice, problem: &Problem) -> bool {
    let each = vector_elements(problem.dtype);
    let before = if is_aligned(problem) { 0 } else { each as usize - 1 };
    let held = choice.wg * flight(choice, problem.dtype) * each;
    choice.mk == MergeKind::Filter
        && !choice.use_2ce
        && parts(choice, problem.cols) == 1
        && problem.cols + before <= held as usize
        && wanted(problem) <= u64::from(choice.wg)
}

/// Elements that reach a held row's threshold, of those wanted; and how many more there may well be.
const HELD_MORE: f64 = 1.8;
const HELD_SPREAD: f64 = 1.4;

/// The least sample of which hardly ever more elements reach the threshold than a list holds: none if there is
/// none. Rows that fit a list need no sample.
#[must_use]
pub fn sample(choice: &Choice, problem: &Problem) -> Option<Sample> {
    /// How many standard deviations more than expected a list has room for.
    const SPREAD: f64 = 6.0;
    let (n, b) = (problem.cols as f64, wanted(problem).max(1) as f64);
    if is_held(choice, problem) {
        // Each wave finds its share of what is wanted among its lanes' best: so many more reach its threshold.
        let expected = (HELD_MORE * b).min(n);
        let fits = (HELD_SPREAD * expected).min(n) <= f64::from(capacity(choice));
        return fits.then_some(Sample { vectors: 1, rank: 1, expected });
    }
    if problem.cols <= capacity(choice) as usize {
        return Some(Sample { vectors: 1, rank: 1, expected: n });
    }
    let parts = parts(choice, problem.cols) as f64;
    let room = f64::from(capacity(choice));
    let of = |vectors: u32| {
        let size = f64::from(choice.wg * vectors * vector_elements(problem.dtype));
        let rank = tail_rank(b * size / n);
        let sample = Sample { vectors, rank: rank as u32, expected: rank * n / size };
        let most = (rank + SPREAD * rank.sqrt()) * n / size;
        (size <= n && rank <= f64::from(choice.wg)).then_some((sample, most))
    };
    // One list should hold all, wherever they are; of a long row that are too many, and its parts hold their shares:
    // there rows in order take longer.
    let whole = [1, 2, 4].into_iter().filter_map(of).find(|(_, most)| *most <= room);
    let shared = || {
        let (sample, most) = of(8).filter(|_| parts > 1.0)?;
        let share = sample.expected / parts;
        (share + SPREAD * share.sqrt() + b.min(most / parts) <= room).then_some((sample, most))
    };
    whole.or_else(shared).map(|(sample, _)| sample)
}
