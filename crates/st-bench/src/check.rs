//! Whether results are right: ours by the conformance suite's oracle, bit for bit; the peers' by
//! their values, because among equal values they may choose as they like.

use st_conformance::oracle::Ranking;
use st_conformance::verdict;
use st_core::ops::rank_entry::{Input, Problem, RankKind, RankOutput};

use crate::Result;
use crate::cells::Cell;

/// The order of every row of an input: the oracle's answer to every k.
pub(crate) fn ranking(x: &[f32], cell: &Cell) -> Ranking {
    Ranking::new(Input::new(x), &problem(cell))
}

/// The oracle's answer.
pub(crate) fn answer(ranking: &Ranking, x: &[f32], cell: &Cell) -> RankOutput<f32> {
    ranking.answer(Input::new(x), &problem(cell))
}

fn problem(cell: &Cell) -> Problem {
    Problem::new(RankKind::TopK, cell.rows, cell.cols, cell.k)
}

/// Our result: bit for bit the oracle's.
pub(crate) fn exact(k: usize, want: &RankOutput<f32>, got: &RankOutput<f32>) -> Result<()> {
    Ok(verdict::rank(k, want, got)?)
}

/// A peer's result: the oracle's values in its order, each at a place of the row that has it, no
/// place twice.
pub(crate) fn same_values(
    want: &RankOutput<f32>,
    got: &RankOutput<f32>,
    x: &[f32],
    cell: &Cell,
) -> Result<()> {
    if got.values.len() != want.values.len() || got.indices.len() != want.indices.len() {
        return Err(format!("{} values, {} wanted", got.values.len(), want.values.len()).into());
    }
    let (k, cols) = (cell.k, cell.cols);
    let mut seen = Vec::with_capacity(k);
    for (row, values) in got.values.chunks_exact(k).enumerate() {
        let indices = &got.indices[row * k..][..k];
        let input = &x[row * cols..][..cols];
        for (rank, (&v, &i)) in values.iter().zip(indices).enumerate() {
            let wanted = want.values[row * k + rank];
            if v != wanted {
                return Err(format!("row {row} rank {rank}: {v}, wanted {wanted}").into());
            }
            if input.get(i as usize) != Some(&v) {
                return Err(format!("row {row} rank {rank}: {v} is not at {i}").into());
            }
        }
        seen.clear();
        seen.extend_from_slice(indices);
        seen.sort_unstable();
        if let Some(twice) = seen.windows(2).find(|w| w[0] == w[1]) {
            return Err(format!("row {row}: index {} twice", twice[0]).into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::Pattern;

    const X: [f32; 8] = [1.0, 3.0, -2.0, 3.0, 0.0, -0.0, -1.0, -0.0];
    const CELL: Cell = Cell::new(2, 4, 3, Pattern::Normal);

    #[test]
    fn wrong_results_are_found() {
        let want = answer(&ranking(&X, &CELL), &X, &CELL);
        assert!(exact(3, &want, &want).is_ok());
        let output = |values: [f32; 6], indices: [u32; 6]| RankOutput {
            values: values.to_vec(),
            indices: indices.to_vec(),
        };
        let v = [3.0, 3.0, 1.0, 0.0, 0.0, 0.0];
        let peer = |v, i| same_values(&want, &output(v, i), &X, &CELL);
        assert!(peer(v, [3, 1, 0, 3, 1, 0]).is_ok());
        assert!(exact(3, &want, &output(v, [3, 1, 0, 3, 1, 0])).is_err(), "ties by index");
        assert!(peer(v, [3, 3, 0, 3, 1, 0]).is_err(), "one place twice");
        assert!(peer(v, [3, 1, 2, 3, 1, 0]).is_err(), "not at that place");
        assert!(peer([3.0, 3.0, 2.0, 0.0, 0.0, 0.0], [3, 1, 0, 3, 1, 0]).is_err(), "value");
    }
}
