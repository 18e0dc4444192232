//! Dual numbers: a value and its derivative in one direction.

use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub};

use crate::scalar::{Scalar, Unary};

/// A value and its derivative in one direction.
///
/// ```
/// use st_grad::{Dual, Scalar};
///
/// let x = Dual::variable(0.5, 1.0);
/// let y = x.sin() * x;
/// assert_eq!(y.tangent, 0.5f64.cos() * 0.5 + 0.5f64.sin());
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dual<S = f64> {
    /// The value.
    pub primal: S,
    /// The derivative.
    pub tangent: S,
}

impl<S: Scalar> Dual<S> {
    /// A number that moves with the given speed.
    pub fn variable(primal: S, tangent: S) -> Self {
        Self { primal, tangent }
    }

    fn map(self, primal: S, slope: S) -> Self {
        Self { primal, tangent: self.tangent * slope }
    }
}

/// The pairs of `x` and `dx`.
pub(crate) fn duals(x: &[f64], dx: &[f64]) -> Vec<Dual> {
    x.iter().zip(dx).map(|(&x, &dx)| Dual::variable(x, dx)).collect()
}

impl<S: Scalar> Add for Dual<S> {
    type Output = Self;
    fn add(self, o: Self) -> Self {
        Self { primal: self.primal + o.primal, tangent: self.tangent + o.tangent }
    }
}

impl<S: Scalar> Sub for Dual<S> {
    type Output = Self;
    fn sub(self, o: Self) -> Self {
        Self { primal: self.primal - o.primal, tangent: self.tangent - o.tangent }
    }
}

impl<S: Scalar> Mul for Dual<S> {
    type Output = Self;
    fn mul(self, o: Self) -> Self {
        let tangent = self.tangent * o.primal + self.primal * o.tangent;
        Self { primal: self.primal * o.primal, tangent }
    }
}

impl<S: Scalar> Div for Dual<S> {
    type Output = Self;
    fn div(self, o: Self) -> Self {
        let primal = self.primal / o.primal;
        Self { primal, tangent: (self.tangent - primal * o.tangent) / o.primal }
    }
}

impl<S: Scalar> Neg for Dual<S> {
    type Output = Self;
    fn neg(self) -> Self {
        Self { primal: -self.primal, tangent: -self.tangent }
    }
}

impl<S: Scalar> Add<f64> for Dual<S> {
    type Output = Self;
    fn add(self, c: f64) -> Self {
        Self { primal: self.primal + c, ..self }
    }
}

impl<S: Scalar> Sub<f64> for Dual<S> {
    type Output = Self;
    fn sub(self, c: f64) -> Self {
        Self { primal: self.primal - c, ..self }
    }
}

impl<S: Scalar> Mul<f64> for Dual<S> {
    type Output = Self;
    fn mul(self, c: f64) -> Self {
        Self { primal: self.primal * c, tangent: self.tangent * c }
    }
}

impl<S: Scalar> Div<f64> for Dual<S> {
    type Output = Self;
    fn div(self, c: f64) -> Self {
        Self { primal: self.primal / c, tangent: self.tangent / c }
    }
}

impl<S: Scalar> AddAssign for Dual<S> {
    fn add_assign(&mut self, o: Self) {
        *self = *self + o;
    }
}

impl<S: Scalar> Scalar for Dual<S> {
    fn constant(x: f64) -> Self {
        Self { primal: S::constant(x), tangent: S::constant(0.0) }
    }
    fn value(self) -> f64 {
        self.primal.value()
    }
    fn apply(self, f: Unary) -> Self {
        let (value, slope) = f.with_slope(self.primal);
        self.map(value, slope)
    }
    fn matvec(matrix: &crate::Matrix, x: &[Self]) -> Vec<Self> {
        let parts =
            |part: fn(&Self) -> S| S::matvec(matrix, &x.iter().map(part).collect::<Vec<_>>());
        let pairs = parts(|x| x.primal).into_iter().zip(parts(|x| x.tangent));
        pairs.map(|(primal, tangent)| Self { primal, tangent }).collect()
    }
}
