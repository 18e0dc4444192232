//! Constant dense matrices, for updates and losses over data.

use std::fmt;

use crate::aligned::{Rows, Scratch, padded};
use crate::kernel::{Fused, Times, Transposed, run};
use crate::{HyperGradError, Result};

/// A constant dense matrix of `rows` x `cols` numbers, row by row. Clones share the numbers.
#[derive(Clone)]
pub struct Matrix {
    data: Rows,
    rows: usize,
    cols: usize,
}

impl Matrix {
    /// A matrix of `rows` rows from its numbers, row by row.
    ///
    /// # Errors
    ///
    /// [`HyperGradError::Shape`] if `data` is not `rows * cols` long, or there are no columns.
    pub fn new(data: impl AsRef<[f64]>, rows: usize, cols: usize) -> Result<Self> {
        let data = data.as_ref();
        if cols == 0 || rows.checked_mul(cols) != Some(data.len()) {
            let expected = rows.saturating_mul(cols);
            return Err(HyperGradError::Shape { what: "matrix data", expected, got: data.len() });
        }
        Ok(Self { data: Rows::of(data, cols), rows, cols })
    }

    /// A matrix from a function of row and column.
    ///
    /// # Errors
    ///
    /// [`HyperGradError::Shape`] if there are no columns.
    pub fn from_fn(rows: usize, cols: usize, f: impl Fn(usize, usize) -> f64) -> Result<Self> {
        let f = &f;
        let data: Vec<f64> = (0..rows).flat_map(|i| (0..cols).map(move |j| f(i, j))).collect();
        Self::new(data, rows, cols)
    }

    /// The number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The number of columns.
    #[must_use]
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Row `i`; an empty slice beyond the last.
    #[must_use]
    pub fn row(&self, i: usize) -> &[f64] {
        let stride = padded(self.cols);
        if i < self.rows { &self.data.get()[i * stride..i * stride + self.cols] } else { &[] }
    }

    /// `out = X p`; both are taken to have the matrix's lengths, and what is beyond them is left.
    pub fn times(&self, p: &[f64], out: &mut [f64]) {
        if p.len() != self.cols {
            // A vector of another length counts as continued by zeros, or cut.
            for (i, out) in out.iter_mut().enumerate().take(self.rows) {
                *out = self.row(i).iter().zip(p).map(|(x, p)| x * p).sum();
            }
            return;
        }
        let rows = self.rows.min(out.len());
        let p = Scratch::of(p);
        let matrix = self.lines(0..rows);
        run(Times { matrix, p: p.get(), out: &mut out[..rows] });
    }

    /// `out = X^T w`
    ///
    /// # Errors
    ///
    /// [`HyperGradError::Shape`] if a length does not fit.
    pub fn transposed_times(&self, weights: &[f64], out: &mut [f64]) -> Result<()> {
        crate::error::shape("weights of the rows", self.rows, weights.len())?;
        crate::error::shape("result of a transposed product", self.cols, out.len())?;
        let mut sum = Scratch::zeros(self.cols);
        run(Transposed { matrix: self.data.get(), weights, out: sum.get_mut() });
        out.copy_from_slice(&sum.get()[..self.cols]);
        Ok(())
    }

    /// Some rows with what pads them.
    fn lines(&self, rows: std::ops::Range<usize>) -> &[f64] {
        let stride = padded(self.cols);
        &self.data.get()[rows.start * stride..rows.end * stride]
    }

    /// Some rows: `t = X p`, then `t` becomes weights, then `out += X^T t`. The rows should fit in a
    /// cache.
    pub(crate) fn rows_there_and_back(
        &self,
        rows: std::ops::Range<usize>,
        p: &Scratch,
        t: &mut [f64],
        weigh: impl FnOnce(&mut [f64]),
        out: &mut Scratch,
    ) {
        let matrix = self.lines(rows);
        run(Times { matrix, p: p.get(), out: t });
        weigh(t);
        run(Transposed { matrix, weights: t, out: out.get_mut() });
    }

    /// `out = X^T w`, where `weigh` turns the inner products `x_i . p` of the rows `i, i + 1, ...`
    /// into their weights `w`, a few at a time and each row once. The matrix is read once.
    ///
    /// # Errors
    ///
    /// [`HyperGradError::Shape`] if a length does not fit.
    pub fn fused(
        &self,
        p: &[f64],
        weigh: impl FnMut(usize, &mut [f64]),
        out: &mut [f64],
    ) -> Result<()> {
        crate::error::shape("vector that a matrix is multiplied with", self.cols, p.len())?;
        crate::error::shape("result of a fused product", self.cols, out.len())?;
        let (p, mut sum) = (Scratch::of(p), Scratch::zeros(self.cols));
        run(Fused { matrix: self.data.get(), p: p.get(), out: sum.get_mut(), weigh });
        out.copy_from_slice(&sum.get()[..self.cols]);
        Ok(())
    }
}

impl fmt::Debug for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Matrix({} x {})", self.rows, self.cols)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_every_length() {
        for rows in 0..11 {
            for cols in 1..40 {
                let x = Matrix::from_fn(rows, cols, |i, j| ((i * 7 + j * 3) % 11) as f64).unwrap();
                let p: Vec<f64> = (0..cols).map(|j| (j % 5) as f64).collect();
                let dot = |i: usize| -> f64 { x.row(i).iter().zip(&p).map(|(x, p)| x * p).sum() };
                let dots: Vec<f64> = (0..rows).map(dot).collect();
                let mut got = vec![-1.0; rows];
                x.times(&p, &mut got);
                assert_eq!(got, dots);
                // Integers: no order of the sums rounds.
                let weights: Vec<f64> =
                    dots.iter().enumerate().map(|(i, t)| t + i as f64).collect();
                let of = |j: usize| (0..rows).map(|i| weights[i] * x.row(i)[j]).sum();
                let want: Vec<f64> = (0..cols).map(of).collect();
                let mut out = vec![9.0; cols];
                x.transposed_times(&weights, &mut out).unwrap();
                assert_eq!(out, want);
                let weigh = |row: usize, dots: &mut [f64]| {
                    for (i, dot) in dots.iter_mut().enumerate() {
                        *dot += (row + i) as f64;
                    }
                };
                x.fused(&p, weigh, &mut out).unwrap();
                assert_eq!(out, want);
            }
        }
    }

    #[test]
    fn wrong_lengths_are_refused() {
        assert!(Matrix::new(vec![0.0; 5], 2, 3).is_err());
        assert!(Matrix::new(vec![], 0, 0).is_err());
        let x = Matrix::from_fn(2, 3, |_, _| 1.0).unwrap();
        assert!(x.fused(&[0.0; 2], |_, _| {}, &mut [0.0; 3]).is_err());
        assert!(x.transposed_times(&[0.0; 3], &mut [0.0; 3]).is_err());
        assert!(x.row(2).is_empty());
    }
}
