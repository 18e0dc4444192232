//! The reference problems: closed formulas and the committed values to compare with. The
//! benchmark program shares this file.
#![allow(dead_code, reason = "each test uses some of it")]

pub(crate) mod digits;
pub(crate) mod small;
pub(crate) mod tables;

use serde_json::Value;
use st_grad::{FixedPoint, Implicit, OuterFn};

/// The committed reference values.
pub(crate) fn reference() -> Value {
    serde_json::from_str(include_str!("../data/hypergrad_reference.json"))
        .expect("the reference is JSON")
}

/// A list of numbers.
pub(crate) fn numbers(value: &Value) -> Vec<f64> {
    let list = value.as_array().unwrap_or_else(|| panic!("no list: {value}"));
    list.iter().map(number).collect()
}

/// A number, or one in 25 digits.
pub(crate) fn number(value: &Value) -> f64 {
    let number = value.as_f64().or_else(|| value.as_str()?.parse().ok());
    number.unwrap_or_else(|| panic!("no number: {value}"))
}

pub(crate) fn norm(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// `|got - want| / |want|`
pub(crate) fn relative(got: &[f64], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    let gap: Vec<f64> = got.iter().zip(want).map(|(got, want)| got - want).collect();
    norm(&gap) / norm(want)
}

#[track_caller]
pub(crate) fn close(got: &[f64], want: &[f64], tolerance: f64) {
    let error = relative(got, want);
    assert!(error <= tolerance, "relative error {error:e}, allowed {tolerance:e}");
}

/// The implicit method without a limit on how far `z` is from a fixed point.
pub(crate) fn anywhere() -> Implicit {
    Implicit::new().fixed_point_tolerance(f64::INFINITY)
}

/// The minimum that a map of gradient descent descends to, by Newton's method: the adjoint of the
/// step `z - Phi(z)` is Newton's step.
pub(crate) fn newton(
    map: &impl FixedPoint,
    start: &[f64],
    lambda: &[f64],
    tolerance: f64,
) -> Vec<f64> {
    let mut z = start.to_vec();
    let step = OuterFn::new(|z, lambda, z_bar, _| {
        map.step(z, lambda, z_bar)?;
        for (bar, z) in z_bar.iter_mut().zip(z) {
            *bar = z - *bar;
        }
        Ok(norm(z_bar))
    });
    let solve = anywhere().tolerance(1e-8).solver(st_grad::Solver::Cg);
    for _ in 0..50 {
        let found = solve.gradient(map, &step, &z, lambda).expect("the Hessian is definite");
        for (z, v) in z.iter_mut().zip(&found.adjoint) {
            *z -= v;
        }
        if norm(&found.adjoint) <= tolerance * norm(&z) {
            return z;
        }
    }
    panic!("Newton's method does not converge");
}

/// `x` with `a x = b`, by elimination with row exchanges: the tests' oracle.
pub(crate) fn dense_solve(a: &[Vec<f64>], b: &[f64]) -> Vec<f64> {
    let n = b.len();
    let mut rows: Vec<Vec<f64>> = a.iter().zip(b).map(|(a, &b)| [&a[..], &[b]].concat()).collect();
    for j in 0..n {
        let pivot = (j..n).max_by(|&i, &k| rows[i][j].abs().total_cmp(&rows[k][j].abs()));
        rows.swap(j, pivot.expect("there are rows left"));
        let (above, below) = rows.split_at_mut(j + 1);
        let pivot = &above[j];
        for row in below {
            let factor = row[j] / pivot[j];
            row.iter_mut().zip(pivot).for_each(|(x, p)| *x -= factor * p);
        }
    }
    let mut x = vec![0.0; n];
    for i in (0..n).rev() {
        let known: f64 = (i + 1..n).map(|k| rows[i][k] * x[k]).sum();
        x[i] = (rows[i][n] - known) / rows[i][i];
    }
    x
}
