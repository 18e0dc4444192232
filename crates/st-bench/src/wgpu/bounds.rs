//! How much of what is done for a cell: copies, calls, samples, rows to check.

/// Calls of a pass together take about so long.
const PASS_US: f64 = 1500.0;

/// Passes of a command buffer together take at most about so long.
const BUFFER_US: f64 = 400_000.0;

/// Inputs of all copies together: more than a GPU's last cache holds.
pub(super) const ROTATED_BYTES: u64 = 200_000_000;

/// Checked whole up to so many elements.
const CHECKED_ELEMENTS: usize = 1 << 28;

/// Of larger inputs so many elements are checked, at least two rows.
const SAMPLED_ELEMENTS: usize = 1 << 26;

/// Copies of an input, so that small ones are not read from a cache: as the peers' script has it.
pub(super) fn copies(input_bytes: u64, all: u64) -> usize {
    (all / input_bytes.max(1)).clamp(1, 64) as usize
}

/// Calls of a pass, from the time of one.
pub(super) fn calls(us: f64) -> u32 {
    (PASS_US / us.max(1.0)).clamp(4.0, 64.0) as u32
}

/// Samples of passes that take so long together.
pub(super) fn samples(us: f64, most: u32) -> u32 {
    ((BUFFER_US / us.max(1.0)) as u32).clamp(3, most.max(3))
}

/// Rows to be checked, in ascending order: all, or some spread from the first to the last.
pub(super) fn checked(rows: usize, cols: usize) -> Vec<usize> {
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
pub(super) fn ranges(rows: &[usize], most: usize) -> Vec<std::ops::Range<usize>> {
    let mut ranges: Vec<std::ops::Range<usize>> = Vec::new();
    for &row in rows {
        match ranges.last_mut() {
            Some(last) if last.end == row && last.len() < most => last.end += 1,
            _ => ranges.push(row..row + 1),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_cells_rotate_and_large_ones_do_not() {
        assert_eq!(copies(4 * 4096, ROTATED_BYTES), 64);
        assert_eq!(copies(64 * 131_072 * 4, ROTATED_BYTES), 5);
        assert_eq!(copies(1 << 30, ROTATED_BYTES), 1);
    }

    #[test]
    fn passes_are_neither_short_nor_long() {
        assert_eq!((calls(8.0), calls(100.0), calls(9000.0)), (64, 15, 4));
        assert_eq!((samples(2000.0, 15), samples(30_000.0, 15), samples(1e9, 15)), (15, 13, 3));
        assert_eq!(samples(1.0, 0), 3);
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
