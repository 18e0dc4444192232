//! Ranks in the middle of a row by a list in one block's shared memory (`block.cu`, MODE 4).

use st_rank::{Choice, MergeKind, Problem};

use super::memory::ranks_around;
use super::{capacity, is_held, parts, sample, vector_elements};

/// How many standard deviations more than expected a list has room for.
const SPREAD: f64 = 6.0;

/// The ranks of a sample between which the list lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Between {
    /// Vectors that each thread takes.
    pub vectors: u32,
    /// From 0; none if the list begins with the row's first element.
    pub first: Option<u32>,
    /// From 0; none if the list goes on to the row's last.
    pub last: Option<u32>,
    /// Elements of the list, as expected.
    pub expected: f64,
}

/// How the list is made: none where a threshold does, or nothing does. The least sample of which hardly ever more
/// elements lie between the two keys than a list holds.
#[must_use]
pub fn between(choice: &Choice, problem: &Problem) -> Option<Between> {
    let ranks = problem.kind.ranks(problem.cols, problem.k);
    if choice.mk != MergeKind::Filter
        || choice.use_2ce
        || parts(choice, problem.cols) > 1
        || ranks.start == 0
        || is_held(choice, problem)
        || sample(choice, problem).is_some()
    {
        return None;
    }
    let n = problem.cols as f64;
    let room = f64::from(capacity(choice));
    [1, 2, 4].into_iter().find_map(|vectors| {
        // The sample is ordered where the list will be.
        let sampled = f64::from(choice.wg * vectors * vector_elements(problem.dtype));
        if sampled > room || sampled > n {
            return None;
        }
        let (first, last) = ranks_around(&ranks, problem.cols, sampled);
        let many = last.unwrap_or(sampled) - first.unwrap_or(0.0);
        let found = Between {
            vectors,
            first: first.map(|rank| rank as u32),
            last: last.map(|rank| rank as u32),
            expected: (many * n / sampled).min(n),
        };
        ((many + SPREAD * many.sqrt()) * n / sampled <= room).then_some(found)
    })
}
