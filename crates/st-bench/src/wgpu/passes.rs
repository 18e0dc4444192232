//! How many calls share a pass, and how many samples there are.

/// Calls of a pass together take about so long.
const PASS_US: f64 = 1500.0;

/// Passes of a command buffer together take at most about so long.
const BUFFER_US: f64 = 400_000.0;

/// Inputs of all copies together: more than a GPU's last cache holds.
pub(super) const ROTATED_BYTES: u64 = 200_000_000;

/// Calls of a pass, from the time of one.
pub(super) fn calls(us: f64) -> u32 {
    (PASS_US / us.max(1.0)).clamp(4.0, 64.0) as u32
}

/// Samples of passes that take so long together.
pub(super) fn samples(us: f64, most: u32) -> u32 {
    ((BUFFER_US / us.max(1.0)) as u32).clamp(3, most.max(3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_are_neither_short_nor_long() {
        assert_eq!((calls(8.0), calls(100.0), calls(9000.0)), (64, 15, 4));
        assert_eq!((samples(2000.0, 15), samples(30_000.0, 15), samples(1e9, 15)), (15, 13, 3));
        assert_eq!(samples(1.0, 0), 3);
    }
}
