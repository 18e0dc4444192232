//! Which shapes are tried with which data, and what is asked of them.

use st_rank::{DType, NanOrder, Problem, RankKind};

use crate::backend::Level;
use crate::pattern::Pattern;
use crate::rng::Rng;

/// One input: what a failure message needs to say to repeat it.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Its place in the test's list.
    pub number: u64,
    /// What all of its random numbers come from.
    pub seed: u64,
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub cols: usize,
    /// What the data looks like.
    pub pattern: Pattern,
}

impl core::fmt::Display for Case {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { number, seed, rows, cols, pattern } = self;
        write!(f, "case {number} (seed {seed:#x}): {rows}x{cols} {pattern:?}")
    }
}

/// Shapes small enough for every pattern: around the sizes of vectors, tiles and blocks, on both
/// sides of every power of two that a kernel may cut at.
const SMALL: [(usize, usize); 25] = [
    (0, 5),
    (2, 0),
    (1, 1),
    (3, 1),
    (1, 2),
    (2, 3),
    (3, 7),
    (17, 16),
    (2, 31),
    (1, 33),
    (2, 63),
    (2, 64),
    (1, 65),
    (2, 100),
    (3, 127),
    (1, 128),
    (1, 129),
    (2, 255),
    (1, 256),
    (3, 257),
    (2, 500),
    (1, 1000),
    (1, 1023),
    (1, 1025),
    (2, 2049),
];

/// Shapes that see a few patterns each: beyond one tile, more rows than threads, more columns
/// than 16 bits count, more rows than a grid has workgroups in one dimension, rows long enough for lists in device memory.
const LARGE: [(usize, usize, usize); 7] = [
    (17, 1000, 5),
    (1, 4097, 8),
    (3, 5000, 5),
    (1, 20_000, 3),
    (1, 65_537, 2),
    (70_000, 3, 1),
    (1, 140_000, 3),
];

/// The inputs for one type, in a fixed order.
#[must_use]
pub fn inputs(dtype: DType, level: Level) -> Vec<Case> {
    let mut all = Vec::new();
    for (rows, cols) in SMALL {
        all.extend(Pattern::ALL.map(|p| (rows, cols, p)));
    }
    for (nth, (rows, cols, patterns)) in LARGE.into_iter().enumerate() {
        let patterns = if level == Level::Full { Pattern::ALL.len() } else { patterns };
        for i in 0..patterns {
            // Types take different ones, so that twelve types see all of them.
            let at = (i + 8 * nth + 5 * dtype as usize) % Pattern::ALL.len();
            all.push((rows, cols, Pattern::ALL[at]));
        }
    }
    let case = |(i, (rows, cols, pattern))| {
        let number = i as u64;
        let seed = Rng::new((dtype as u64) << 32 | number).bits();
        Case { number, seed, rows, cols, pattern }
    };
    let cases = all.into_iter().enumerate().map(case);
    let small = SMALL.len() * Pattern::ALL.len();
    match level {
        // 11 and the patterns' 21 have no common factor: shapes differ in what they see.
        Level::Smoke => cases.take(small).step_by(11).collect(),
        Level::Quick | Level::Full => cases.collect(),
    }
}

/// The interesting k for so many columns: ascending, each once.
#[must_use]
pub fn ks(cols: usize) -> Vec<usize> {
    let mut ks =
        vec![0, 1, 2, 3, 4, 8, 15, 16, 17, 64, 100, cols / 2, cols.saturating_sub(1), cols];
    ks.retain(|&k| k <= cols);
    ks.sort_unstable();
    ks.dedup();
    ks
}

/// What is asked of an input: each kind twice, k rotating with the case so that the patterns of a
/// shape between them see every k. `Full` asks every k, both NaN orders, sorted and not.
#[must_use]
pub fn questions(case: &Case, dtype: DType, level: Level, rng: &mut Rng) -> Vec<Problem> {
    let Case { rows, cols, number, .. } = *case;
    let ks = ks(cols);
    let mut questions = Vec::new();
    let mut ask = |kind: usize, k: usize, nan, sorted, rng: &mut Rng| {
        let kind = match kind {
            0 => RankKind::TopK,
            1 => RankKind::BottomK,
            2 => RankKind::MidK,
            _ => RankKind::Range { start: start(cols, k, rng) },
        };
        let problem = Problem::new(kind, rows, cols, k).with_dtype(dtype);
        questions.push(problem.with_nan(nan).with_sorted(sorted));
    };
    let orders = [NanOrder::Greatest, NanOrder::Last];
    if level == Level::Full && rows * cols < 20_000 {
        for &k in &ks {
            for kind in 0..4 {
                for nan in orders {
                    for sorted in [true, false] {
                        ask(kind, k, nan, sorted, rng);
                    }
                }
            }
        }
        return questions;
    }
    // Each answer on a large input costs as much as all of them on a small one.
    let times = if rows * cols > 4_000 { 1 } else { 2 };
    for kind in 0..4 {
        for i in 0..times {
            let k = ks[(number as usize * times + i + 3 * kind) % ks.len()];
            ask(kind, k, rng.pick(&orders), !rng.one_in(3), rng);
        }
    }
    questions
}

/// Where a range may start: at the ends, near them, in the middle, anywhere.
pub(crate) fn start(cols: usize, k: usize, rng: &mut Rng) -> usize {
    let last = cols - k;
    let anywhere = rng.below(last + 1);
    rng.pick(&[0, 1, last / 3, last / 2, last.saturating_sub(1), last, anywhere]).min(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shapes_patterns_see_every_k_and_every_kind() {
        let mut seen = std::collections::BTreeSet::new();
        for case in inputs(DType::F32, Level::Quick) {
            let mut rng = Rng::new(case.seed);
            for p in questions(&case, DType::F32, Level::Quick, &mut rng) {
                p.check().unwrap();
                if case.cols == 129 {
                    seen.insert((p.kind.name(), p.k));
                }
            }
        }
        for kind in ["topk", "bottomk", "midk", "range"] {
            for k in ks(129) {
                assert!(seen.contains(&(kind, k)), "{kind} k={k}");
            }
        }
    }
}
