//! How long cells take to be opened.

use std::time::Duration;

use crate::grid::Cell;

/// How long it took to open cells: to make their inputs, and to check the first result by another way.
#[derive(Debug, Default)]
pub(super) struct Openings {
    /// By elements of the input.
    known: Vec<(f64, Duration)>,
}

impl Openings {
    pub(super) fn record(&mut self, cell: &Cell, took: Duration) {
        self.known.push((elements(cell), took));
    }

    /// What a cell is expected to take: what the smallest one did that was as large, or as much more than the largest did
    /// as it is larger. Nothing before the first.
    pub(super) fn expected(&self, cell: &Cell) -> Duration {
        let n = elements(cell);
        let by_size = |a: &&(f64, Duration), b: &&(f64, Duration)| a.0.total_cmp(&b.0);
        match self.known.iter().filter(|(size, _)| *size >= n).min_by(by_size) {
            Some((_, took)) => *took,
            None => self
                .known
                .iter()
                .max_by(by_size)
                .map_or(Duration::ZERO, |(size, took)| took.mul_f64(n / size)),
        }
    }
}

fn elements(cell: &Cell) -> f64 {
    cell.rows as f64 * cell.cols as f64
}
