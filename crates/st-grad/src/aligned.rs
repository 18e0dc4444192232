//! Numbers that begin at a cache line, as vector loads like them: one that lies across two lines
//! costs twice.

use std::sync::Arc;

/// A line's length in bytes and in numbers.
const BYTES: usize = 64;
pub(crate) const LINE: usize = 8;

/// As many numbers as fill whole lines.
pub(crate) fn padded(len: usize) -> usize {
    len.next_multiple_of(LINE)
}

/// A buffer to compute in.
pub(crate) struct Scratch {
    data: Vec<f64>,
    begin: usize,
    len: usize,
}

/// Where the first whole line of `data` begins; 0 if that cannot be known.
fn begin(data: &[f64]) -> usize {
    let begin = data.as_ptr().align_offset(BYTES);
    if begin < LINE { begin } else { 0 }
}

impl Scratch {
    /// `x`, and zeros up to a whole line.
    pub(crate) fn of(x: &[f64]) -> Self {
        let mut scratch = Self::zeros(x.len());
        scratch.get_mut()[..x.len()].copy_from_slice(x);
        scratch
    }

    /// So many zeros, and more up to a whole line.
    pub(crate) fn zeros(len: usize) -> Self {
        let len = padded(len);
        let data = vec![0.0; len + LINE - 1];
        let begin = begin(&data);
        Self { data, begin, len }
    }

    pub(crate) fn get(&self) -> &[f64] {
        &self.data[self.begin..self.begin + self.len]
    }

    pub(crate) fn get_mut(&mut self) -> &mut [f64] {
        &mut self.data[self.begin..self.begin + self.len]
    }
}

/// Rows that each begin at a line, shared by clones.
#[derive(Clone)]
pub(crate) struct Rows {
    data: Arc<[f64]>,
    begin: usize,
    len: usize,
}

impl Rows {
    /// From numbers of rows of `cols` columns.
    pub(crate) fn of(x: &[f64], cols: usize) -> Self {
        let stride = padded(cols);
        let len = x.len() / cols * stride;
        let mut data: Arc<[f64]> = vec![0.0; len + LINE - 1].into();
        let begin = begin(&data);
        // Nobody else has it yet.
        if let Some(data) = Arc::get_mut(&mut data) {
            let rows = data[begin..].chunks_exact_mut(stride);
            for (to, from) in rows.zip(x.chunks_exact(cols)) {
                to[..cols].copy_from_slice(from);
            }
        }
        Self { data, begin, len }
    }

    pub(crate) fn get(&self) -> &[f64] {
        &self.data[self.begin..self.begin + self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_begins_at_a_line() {
        for len in 1..40 {
            let x: Vec<f64> = (0..3 * len).map(|i| i as f64).collect();
            let (scratch, rows) = (Scratch::of(&x), Rows::of(&x, len));
            assert_eq!(scratch.get().as_ptr().align_offset(BYTES), 0);
            assert_eq!(rows.get().as_ptr().align_offset(BYTES), 0);
            assert_eq!(scratch.get()[..x.len()], x);
            assert!(scratch.get()[x.len()..].iter().all(|&x| x == 0.0));
            for (row, want) in rows.get().chunks_exact(padded(len)).zip(x.chunks_exact(len)) {
                assert_eq!(row[..len], *want);
                assert!(row[len..].iter().all(|&x| x == 0.0));
            }
        }
    }
}
