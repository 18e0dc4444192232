//! How much of what is done for a cell: copies, calls, samples, rows to check.

use crate::cells::Cell;

/// Checked whole up to so many elements.
const CHECKED_ELEMENTS: usize = 1 << 28;

/// Of larger inputs so many elements are checked, at least two rows.
const SAMPLED_ELEMENTS: usize = 1 << 26;

/// Copies of an input, so that small ones are not read from a cache: as the peers' script has it.
pub(crate) fn copies(input_bytes: u64, all: u64) -> usize {
    (all / input_bytes.max(1)).clamp(1, 64) as usize
}

/// Rows to be checked, in ascending order: all, or some spread from the first to the last.
pub(crate) fn checked(rows: usize, cols: usize) -> Vec<usize> {
    if rows.saturating_mul(cols) <= CHECKED_ELEMENTS {
        return (0..rows).collect();
    }
    let last = rows.saturating_sub(1);
    let n = (SAMPLED_ELEMENTS / cols.max(1)).clamp(2, 4096).min(rows);
    let mut spread: Vec<usize> =
        (0..n).map(|i| (i as u128 * last as u128 / (n.max(2) - 1) as u128) as usize).collect();
    spread.dedup();
    spread
}

/// Row numbers as ranges of neighbours, of at most `most` rows each.
pub(crate) fn ranges(rows: &[usize], most: usize) -> Vec<std::ops::Range<usize>> {
    let mut ranges: Vec<std::ops::Range<usize>> = Vec::new();
    for &row in rows {
        match ranges.last_mut() {
            Some(last) if last.end == row && last.len() < most => last.end += 1,
            _ => ranges.push(row..row + 1),
        }
    }
    ranges
}

/// Bytes that a cell's call must read and write at least.
pub(crate) fn least_bytes(cell: &Cell) -> f64 {
    let size = cell.dtype.size() as f64;
    let (rows, cols, k) = (cell.rows as f64, cell.cols as f64, cell.k as f64);
    rows * cols * size + rows * k * (size + 4.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_cells_rotate_and_large_ones_do_not() {
        assert_eq!(copies(4 * 4096, 200_000_000), 64);
        assert_eq!(copies(64 * 131_072 * 4, 200_000_000), 5);
        assert_eq!(copies(1 << 30, 200_000_000), 1);
    }

    #[test]
    fn the_first_and_the_last_row_are_always_checked() {
        assert_eq!(checked(1000, 256), (0..1000).collect::<Vec<_>>());
        for (rows, cols) in [(1000, 1_000_000), (2, 1 << 28), (1 << 22, 256), (1, 1 << 30)] {
            let spread = checked(rows, cols);
            assert_eq!((spread[0], spread[spread.len() - 1]), (0, rows - 1), "{rows}x{cols}");
            assert!(spread.windows(2).all(|w| w[0] < w[1]) && spread.len() <= 4096);
        }
        assert_eq!(checked(1000, 1_000_000).len(), 67);
    }

    #[test]
    fn neighbours_are_read_together() {
        assert_eq!(ranges(&[0, 1, 2, 5, 6, 9], 2), [0..2, 2..3, 5..7, 9..10]);
        assert_eq!(ranges(&[], 2), []);
    }
}
