//! GMRES with restarts (Saad and Schultz, 1986), by modified Gram-Schmidt done twice and Givens
//! rotations.

use super::{Run, Turn};
use crate::error::Result;
use crate::vector::{axpy, dot, norm, scale};

pub(super) fn turn(run: &mut Run<'_>, restart: usize) -> Result<Turn> {
    let n = run.r.len();
    let beta = norm(&run.r);
    let mut basis: Vec<Vec<f64>> = vec![run.r.clone()];
    scale(1.0 / beta, &mut basis[0]);
    // The triangle's columns, the rotations, and the rotated right-hand side.
    let mut columns: Vec<Vec<f64>> = Vec::new();
    let mut rotations: Vec<(f64, f64)> = Vec::new();
    let mut rhs = vec![beta];
    let end = loop {
        let j = columns.len();
        let mut w = vec![0.0; n];
        run.system.adjoint(&basis[j], &mut w)?;
        let size = norm(&w);
        let mut column = vec![0.0; j + 1];
        for _ in 0..2 {
            for (h, q) in column.iter_mut().zip(&basis) {
                let along = dot(q, &w);
                axpy(-along, q, &mut w);
                *h += along;
            }
        }
        let below = norm(&w);
        for (i, &(c, s)) in rotations.iter().enumerate() {
            (column[i], column[i + 1]) =
                (c * column[i] + s * column[i + 1], c * column[i + 1] - s * column[i]);
        }
        let length = column[j].hypot(below);
        // Nothing new, and nothing left of the old: the space holds no solution.
        if length <= 8.0 * f64::EPSILON * size.max(f64::MIN_POSITIVE) {
            break Turn::Broke("the operator is singular on the space that was searched");
        }
        let (c, s) = (column[j] / length, below / length);
        column[j] = length;
        columns.push(column);
        rotations.push((c, s));
        let last = rhs[j];
        rhs[j] = c * last;
        rhs.push(-s * last);
        if let Some(turn) = run.count((s * last).abs()) {
            break turn;
        }
        if below <= f64::EPSILON * size {
            // The space is invariant: its solution is exact up to rounding.
            break Turn::Claims;
        }
        if columns.len() == restart {
            break Turn::Restart;
        }
        scale(1.0 / below, &mut w);
        basis.push(w);
    };
    // Back substitution.
    let mut y = rhs[..columns.len()].to_vec();
    for j in (0..columns.len()).rev() {
        y[j] /= columns[j][j];
        let yj = y[j];
        axpy(-yj, &columns[j][..j], &mut y[..j]);
    }
    for (y, q) in y.iter().zip(&basis) {
        axpy(*y, q, &mut run.v);
    }
    Ok(end)
}
