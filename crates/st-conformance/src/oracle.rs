//! The answers, by the plainest means: every row is sorted whole by (value, index).
//!
//! Written from sections 1 and 2 of the contract. Slow on purpose, and shared with nothing that it
//! is to judge.

use core::cmp::Ordering;

use st_rank::{
    CompactOutput, CompactProblem, Direction, Input, NanOrder, Problem, RankKind, RankOutput,
};

use crate::value::{Value, in_search};

/// Every row's columns in the order of one search: the answer to any k at once.
#[derive(Clone, Debug)]
pub struct Ranking {
    offsets: Vec<usize>,
    columns: Vec<u32>,
}

impl Ranking {
    /// Sorts the rows. Of the problem, only the shape, kind and NaN order matter.
    #[must_use]
    pub fn new<T: Value>(input: Input<'_, T>, problem: &Problem) -> Self {
        let direction = match problem.kind {
            RankKind::TopK => Direction::Descending,
            RankKind::BottomK | RankKind::MidK | RankKind::Range { .. } => Direction::Ascending,
        };
        let mut ranking = Self { offsets: vec![0], columns: Vec::new() };
        for row in 0..problem.rows {
            let row = row_of(input, problem.row_stride, problem.cols, row);
            let start = ranking.columns.len();
            ranking.columns.extend(0..row.len() as u32);
            ranking.columns[start..].sort_unstable_by(|&a, &b| {
                let by_value = in_search(row[a as usize], row[b as usize], direction, problem.nan);
                by_value.then(a.cmp(&b))
            });
            ranking.offsets.push(ranking.columns.len());
        }
        ranking
    }

    /// The answer to a problem of this shape, direction and NaN order.
    #[must_use]
    pub fn answer<T: Value>(&self, input: Input<'_, T>, problem: &Problem) -> RankOutput<T> {
        let k = problem.k;
        let mut out = RankOutput {
            values: vec![T::default(); problem.rows * k],
            indices: vec![u32::MAX; problem.rows * k],
        };
        for r in 0..problem.rows {
            let row = row_of(input, problem.row_stride, problem.cols, r);
            let columns = &self.columns[self.offsets[r]..self.offsets[r + 1]];
            let start = match problem.kind {
                RankKind::TopK | RankKind::BottomK => 0,
                RankKind::MidK => row.len().saturating_sub(k) / 2,
                RankKind::Range { start } => start,
            };
            let mut wanted: Vec<u32> = columns.iter().copied().skip(start).take(k).collect();
            if !problem.sorted {
                wanted.sort_unstable();
            }
            for (rank, &column) in wanted.iter().enumerate() {
                out.values[r * k + rank] = row[column as usize];
                out.indices[r * k + rank] = column;
            }
        }
        out
    }
}

/// The answer to one problem.
#[must_use]
pub fn rank<T: Value>(input: Input<'_, T>, problem: &Problem) -> RankOutput<T> {
    Ranking::new(input, problem).answer(input, problem)
}

/// Of each row the elements `lo <= x <= hi`, in column order. NaN is greater than every number.
#[must_use]
pub fn compact<T: Value>(
    input: Input<'_, T>,
    problem: &CompactProblem,
    lo: T,
    hi: T,
) -> CompactOutput<T> {
    let above = |a, b| in_search(a, b, Direction::Ascending, NanOrder::Greatest);
    let mut out = CompactOutput { offsets: vec![0], values: Vec::new(), indices: Vec::new() };
    for r in 0..problem.rows {
        let row = row_of(input, problem.row_stride, problem.cols, r);
        // `Last` and `Greatest` are one order when searching upwards, NaN after all numbers.
        for (column, &x) in row.iter().enumerate() {
            if above(x, lo) != Ordering::Less && above(x, hi) != Ordering::Greater {
                out.values.push(x);
                out.indices.push(column as u32);
            }
        }
        out.offsets.push(out.values.len());
    }
    out
}

fn row_of<T: Copy>(input: Input<'_, T>, row_stride: usize, cols: usize, row: usize) -> &[T] {
    let len = input.lengths.map_or(cols, |lengths| lengths[row] as usize);
    &input.values[row * row_stride..][..len]
}

#[cfg(test)]
mod tests {
    use super::*;
    use st_rank::{Lengths, NanOrder};

    // Answers worked out by hand, since nothing else judges the judge.

    const NAN: f32 = f32::NAN;
    const ROW: [f32; 8] = [1.0, NAN, -0.0, 3.0, 0.0, 1.0, f32::NEG_INFINITY, -NAN];

    fn columns(kind: RankKind, k: usize, nan: NanOrder, sorted: bool) -> Vec<u32> {
        let p = Problem::new(kind, 1, 8, k).with_nan(nan).with_sorted(sorted);
        rank(Input::new(&ROW), &p).indices
    }

    #[test]
    fn kinds_orders_ties_and_nan() {
        use NanOrder::{Greatest, Last};
        use RankKind::{BottomK, MidK, Range, TopK};
        assert_eq!(columns(TopK, 8, Greatest, true), [1, 7, 3, 0, 5, 2, 4, 6]);
        assert_eq!(columns(TopK, 8, Last, true), [3, 0, 5, 2, 4, 6, 1, 7]);
        assert_eq!(columns(BottomK, 8, Greatest, true), [6, 2, 4, 0, 5, 3, 1, 7]);
        assert_eq!(columns(BottomK, 8, Last, true), [6, 2, 4, 0, 5, 3, 1, 7]);
        assert_eq!(columns(MidK, 1, Greatest, true), [0], "(8 - 1) / 2 = 3");
        assert_eq!(columns(MidK, 4, Greatest, true), [4, 0, 5, 3]);
        assert_eq!(columns(MidK, 4, Greatest, false), [0, 3, 4, 5]);
        assert_eq!(columns(Range { start: 5 }, 2, Greatest, true), [3, 1]);
        assert_eq!(columns(TopK, 3, Greatest, false), [1, 3, 7]);
    }

    #[test]
    fn strides_lengths_and_padding() {
        let x = [1u8, 2, 99, 4, 3, 99, 5, 6];
        let p = Problem::new(RankKind::TopK, 3, 2, 2).with_row_stride(3);
        assert_eq!(rank(Input::new(&x), &p).values, [2, 1, 4, 3, 6, 5]);
        let p = p.with_lengths(Lengths::Padded);
        let out = rank(Input::ragged(&x, &[1, 0, 2]), &p);
        assert_eq!(out.values, [1, 0, 0, 0, 6, 5]);
        assert_eq!(out.indices, [0, u32::MAX, u32::MAX, u32::MAX, 1, 0]);
    }

    #[test]
    fn compaction_takes_bounds_as_values() {
        let p = CompactProblem::new(1, 8);
        let kept = |lo, hi| compact(Input::new(&ROW), &p, lo, hi).indices;
        assert_eq!(kept(0.0, 1.0), [0, 2, 4, 5], "-0.0 is no less than 0.0");
        assert_eq!(kept(1.0, NAN), [0, 1, 3, 5, 7]);
        assert_eq!(kept(NAN, NAN), [1, 7]);
        assert_eq!(kept(2.0, 1.0), [0u32; 0]);
        let out = compact(Input::new(&ROW), &CompactProblem::new(2, 4), 1.0, 1.0);
        assert_eq!((out.offsets, out.indices), (vec![0, 1, 2], vec![0, 1]));
    }
}
