//! Many ranks of long rows by lists and bins in device memory (`memory.cuh`).

use std::ops::Range;

use st_rank::{Choice, DType, MergeKind, Problem};

use super::{BINS, bench_bytes, capacity, entry_bytes, parts, small_bytes, vector_elements};
use crate::gpu::sample::tail_rank;

/// Threads of the block that takes a row's sample, and elements of each, in no more vectors than registers hold.
pub const MEMORY_THREADS: u32 = 1024;
const SAMPLED: u32 = 32;
const MOST_VECTORS: u32 = 8;
/// Launches, before the one for rows that are done in another way.
pub(super) const LAUNCHES: u32 = 3;
/// Elements between which bins have equal widths.
const KNOTS: u64 = 128;
/// Bytes of each thread's candidates in a run.
const RUN_BYTES: u64 = 96;
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
    /// See `expected`; and what is lost where runs begin at whole vectors.
    pub room: u32,
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
    Some(Memory {
        first_rank: first as u32,
        last_rank: last as u32,
        expected: expected as u32,
        // Rows begin at whole vectors, too.
        room: (room * 65.0 / 64.0 + 64.0).min(f64::from(u32::MAX - 1)) as u32 / 2 * 2,
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

/// Bytes of a row's state.
#[must_use]
pub const fn memory_state_bytes(dtype: DType) -> u64 {
    32 + (KNOTS + 3) * entry_bytes(dtype)
}

/// Bytes of a run's table of where bins begin.
pub const TABLE_BYTES: u64 = (BINS as u64 + 8) * 2;

/// Candidates of a run.
const fn run(choice: &Choice, dtype: DType) -> u64 {
    choice.wg as u64 * (RUN_BYTES / entry_bytes(dtype))
}

/// Runs of a row: enough for so many candidates, though runs be only a quarter full, and two more for each part.
#[must_use]
pub const fn runs(choice: &Choice, problem: &Problem, own: &Memory) -> u32 {
    let quarter = run(choice, problem.dtype) as u32 / 4;
    2 * parts(choice, problem.cols) as u32 + own.room.div_ceil(quarter)
}

/// Blocks of a row in the last kernel: each has half a list of the ranks wanted.
#[must_use]
pub const fn order_blocks(choice: &Choice, problem: &Problem) -> u64 {
    const MOST: u64 = 1 << 14;
    let share = (capacity(choice) / 2) as u64;
    let blocks = (problem.k as u64).div_ceil(share);
    if blocks < MOST { blocks } else { MOST }
}

/// The greatest shared memory of these kernels.
pub(super) const fn shared_bytes(choice: &Choice, dtype: DType) -> u64 {
    let sample = bench_bytes(capacity(choice), MEMORY_THREADS, dtype);
    let kept = filter_bytes(choice, dtype);
    let order = order_bytes(choice, dtype);
    let most = if sample > kept { sample } else { kept };
    if most > order { most } else { order }
}

/// Shared memory of the kernel that makes runs.
#[must_use]
pub const fn filter_bytes(choice: &Choice, dtype: DType) -> u64 {
    let knots = (KNOTS + 2) * entry_bytes(dtype) + KNOTS * (entry_bytes(dtype) / 2 + 4);
    knots + BINS as u64 * 4 + run(choice, dtype) * entry_bytes(dtype) + small_bytes(choice.wg)
}

/// Shared memory of the kernel that orders what is in them.
#[must_use]
pub const fn order_bytes(choice: &Choice, dtype: DType) -> u64 {
    let starts = 2 * (BINS as u64 + 4) * 4;
    bench_bytes(capacity(choice), choice.wg, dtype) + starts + (2 * choice.wg as u64 + 4) * 4
}
