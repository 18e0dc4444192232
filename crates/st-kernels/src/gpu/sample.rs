//! The filter kernel's sample: how great it is, and at which of its keys the threshold is set.

use st_rank::{Choice, DeviceCaps, Problem};

use super::memory::{merge_entries, merges_in_memory};
use super::{is_aligned, is_resident, parts, step_vectors, vector_elements};

/// The sample by which the filter kernel sets its threshold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Vectors that each thread takes.
    pub vectors: u32,
    /// The sample's key at which the threshold is set, counted from the greatest.
    pub rank: u32,
    /// Elements of a whole row that reach the threshold, as expected.
    pub expected: f64,
    /// The same, hardly ever more.
    pub most: f64,
}

/// -ln of how often too few elements may reach the threshold: once in ten million rows.
const MISLED: f64 = 16.118;

/// How many standard deviations more than expected a list has room for.
const SPREAD: f64 = 6.0;

/// Threads of the greatest workgroup that has 128 registers for each, where a multiprocessor has 65,536.
pub const LARGE_GROUP: u32 = 512;

/// The least r for which more than r of a Poisson variable with this mean are rarer than
/// [`MISLED`], by Chernoff's bound: r ln(r / mean) - r + mean = L, by Newton's method from
/// Bernstein's bound.
pub(crate) fn tail_rank(mean: f64) -> f64 {
    let third = MISLED / 3.0;
    let mut r = mean + third + (third * third + 2.0 * MISLED * mean).sqrt();
    for _ in 0..3 {
        let log = (r / mean).ln();
        r -= (r * log - r + mean - MISLED) / log;
    }
    r.ceil()
}

/// The sample of a filter: as small as the room for what passes allows.
#[must_use]
pub fn sample(choice: &Choice, problem: &Problem, caps: &DeviceCaps) -> Sample {
    let b = problem.kind.ranks(problem.cols, problem.k).end.max(1) as f64;
    let n = problem.cols.max(1) as f64;
    let room = if merges_in_memory(choice, problem, caps) {
        f64::INFINITY
    } else if choice.use_2ce {
        merge_entries(choice, problem, caps) as f64
    } else {
        f64::from(choice.wg) * f64::from(choice.kl)
    };
    let of = |vectors: u32| {
        let size =
            (f64::from(choice.wg) * f64::from(vectors * vector_elements(problem.dtype))).min(n);
        let rank = if size >= n { b } else { tail_rank(b * size / n) };
        let row = |rank: f64| if size >= n { b } else { rank.min(size) * n / size };
        let (expected, most) = (row(rank), row(rank + SPREAD * rank.sqrt()));
        Sample { vectors, rank: rank as u32, expected, most }
    };
    if is_resident(problem.cols, choice.tile, choice.wg, problem.dtype, is_aligned(problem))
        && parts(choice, problem.cols) == 1
    {
        return Sample { vectors: step_vectors(choice.tile, choice.wg, problem.dtype).1, ..of(8) };
    }
    let fits = |s: &Sample| s.most <= room && s.rank <= choice.wg;
    // Greater workgroups have no registers for more, and have as much of the row with half as many.
    let most = if choice.wg > LARGE_GROUP { 4 } else { 8 };
    // Lists in device memory are all read several times: the fewer the better.
    let (sizes, most_vectors): (&[u32], u32) =
        if room.is_finite() { (&[1, 2, 4, 8], most) } else { (&[16, 8, 4], 2 * most) };
    let sizes = sizes.iter().filter(|&&n| n <= most_vectors);
    sizes.map(|&vectors| of(vectors)).find(fits).unwrap_or_else(|| of(most))
}
