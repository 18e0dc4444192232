//! Many ranks of long rows by lists and bins in device memory (`memory.cu`).

use std::ops::Range;

use st_rank::{Choice, DType, MergeKind, Problem};

use super::{bench_bytes, capacity, entry_bytes, vector_elements};
use crate::gpu::sample::tail_rank;

/// Threads of the block that takes a row's sample, and elements of each, in no more vectors than registers hold.
pub const MEMORY_THREADS: u32 = 1024;
const SAMPLED: u32 = 32;
const MOST_VECTORS: u32 = 8;
/// Bytes of a row's state.
pub const MEMORY_STATE_BYTES: u64 = 544;
/// Launches, before those of the other way.
pub(super) const LAUNCHES: u32 = 5;
/// Keys for which those kernels have room before all else.
const KNOTS: u64 = 72;
/// Candidates of a bin, as many as are expected.
const OF_BIN: f64 = 4.0;
/// Bins, by their logarithm: few enough to be counted in the second-level cache.
const LEAST_BINS: u32 = 12;
const MOST_BINS: u32 = 18;
/// -ln of how often a sample may mislead: as for the filter.
const MISLED: f64 = 16.118;

/// Sizes and ranks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Ranks in the sample of the key that the list begins with (0: with the row's first), and of the last.
    pub first_rank: u32,
    /// See `first_rank`.
    pub last_rank: u32,
    /// Candidates of a row's list, as expected, and hardly ever more.
    pub expected: u32,
    /// See `expected`.
    pub room: u32,
    /// Bins of a row, by their logarithm.
    pub bins_log: u32,
}

/// Whether a choice works with lists in device memory.
#[must_use]
pub const fn is_memory(choice: &Choice) -> bool {
    matches!(choice.mk, MergeKind::Filter) && choice.use_2ce
}

/// Vectors of the sample, of each thread.
#[must_use]
pub fn memory_sample(dtype: DType) -> u32 {
    (SAMPLED / vector_elements(dtype)).min(MOST_VECTORS)
}

/// What the lists of a problem are like; none if its rows are too short for a sample.
#[must_use]
pub fn memory(problem: &Problem) -> Option<Memory> {
    let sampled =
        f64::from(memory_sample(problem.dtype) * vector_elements(problem.dtype) * MEMORY_THREADS);
    let n = problem.cols as f64;
    if n < 4.0 * sampled {
        return None;
    }
    let ranks = problem.kind.ranks(problem.cols, problem.k);
    let (first, last) = ranks_around(&ranks, problem.cols, sampled);
    // There ranks are counted from 1, and 0 is none.
    let first = first.map_or(0.0, |rank| rank + 1.0);
    let last = last.map_or(sampled + 1.0, |rank| rank + 1.0);
    let between = (last - first).max(1.0);
    let expected = (between * n / sampled).min(n);
    let room = ((between + 6.0 * between.sqrt()) * n / sampled).min(n);
    let bins = (expected / OF_BIN).max(1.0).log2().ceil() as u32;
    Some(Memory {
        first_rank: first as u32,
        last_rank: last as u32,
        expected: expected as u32,
        room: room as u32,
        bins_log: bins.clamp(LEAST_BINS, MOST_BINS),
    })
}

/// The ranks of a sample, from 0, between which the ranks of a row hardly ever fail to lie: none where that is the
/// row's first or last element.
pub(super) fn ranks_around(
    ranks: &Range<usize>,
    cols: usize,
    sampled: f64,
) -> (Option<f64>, Option<f64>) {
    let n = cols as f64;
    let before = ranks.start as f64 * sampled / n;
    // As many sampled keys fewer as hardly ever matter.
    let first = before - (2.0 * MISLED * before).sqrt() - 1.0;
    let first = (ranks.start > 0 && first >= 1.0).then(|| first.floor() - 1.0);
    let last = tail_rank(ranks.end.max(1) as f64 * sampled / n);
    (first, (last <= sampled).then_some(last - 1.0))
}

/// The greatest shared memory of these kernels.
pub(super) const fn shared_bytes(choice: &Choice, dtype: DType) -> u64 {
    let sample = bench_bytes(capacity(choice), MEMORY_THREADS, dtype);
    let kept = filter_bytes(choice, dtype);
    if sample > kept { sample } else { kept }
}

/// Shared memory of the kernels that read knots.
#[must_use]
pub const fn knots_bytes(dtype: DType) -> u64 {
    KNOTS * entry_bytes(dtype) / 2
}

/// Shared memory of the kernel that fills the lists.
#[must_use]
pub const fn filter_bytes(choice: &Choice, dtype: DType) -> u64 {
    // What each wave keeps: two pieces of one vector of each lane, of two vectors where they have few elements.
    let each = vector_elements(dtype) as u64;
    let kept = 2 * 32 * each * if each <= 4 { 2 } else { 1 };
    knots_bytes(dtype) + choice.wg as u64 / 32 * kept * entry_bytes(dtype)
}
