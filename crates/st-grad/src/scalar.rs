//! The number that updates and losses are written over.
//!
//! The same code runs with plain numbers (`f64`), with dual numbers ([`Dual`](crate::Dual), for
//! products `J u`), on a tape ([`Var`](crate::Var), for products `J^T v`), and on a tape over dual
//! numbers (for products with second derivatives).

use std::fmt::Debug;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub};

use crate::Matrix;

/// A function of one number, with a derivative that can be said in the same functions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Unary {
    /// `e^x`
    Exp,
    /// The natural logarithm.
    Ln,
    /// The square root.
    Sqrt,
    /// The sine.
    Sin,
    /// The cosine.
    Cos,
    /// The hyperbolic tangent.
    Tanh,
    /// `1 / (1 + e^-x)`, without overflow.
    Sigmoid,
    /// `ln(1 + e^x)`, without overflow.
    Softplus,
    /// `1 / x`
    Recip,
    /// `|x|`, with slope 0 at 0.
    Abs,
    /// `x^n`
    Powi(i32),
}

impl Unary {
    /// The value at `x`.
    #[must_use]
    pub fn at(self, x: f64) -> f64 {
        match self {
            Self::Exp => x.exp(),
            Self::Ln => x.ln(),
            Self::Sqrt => x.sqrt(),
            Self::Sin => x.sin(),
            Self::Cos => x.cos(),
            Self::Tanh => x.tanh(),
            Self::Sigmoid => {
                // Of the two forms, the one whose exponential does not overflow.
                let e = (-x.abs()).exp();
                if x >= 0.0 { 1.0 / (1.0 + e) } else { e / (1.0 + e) }
            }
            Self::Softplus => x.max(0.0) + (-x.abs()).exp().ln_1p(),
            Self::Recip => 1.0 / x,
            Self::Abs => x.abs(),
            Self::Powi(n) => x.powi(n),
        }
    }

    /// The value and the slope at `x`.
    #[must_use]
    pub fn with_slope<S: Scalar>(self, x: S) -> (S, S) {
        let y = x.apply(self);
        let slope = match self {
            Self::Exp => y,
            Self::Ln => x.recip(),
            Self::Sqrt => (y + y).recip(),
            Self::Sin => x.cos(),
            Self::Cos => -x.sin(),
            Self::Tanh => -(y * y) + 1.0,
            // Not y (1 - y), which loses every digit for large x.
            Self::Sigmoid => y * (-x).apply(Self::Sigmoid),
            Self::Softplus => x.apply(Self::Sigmoid),
            Self::Recip => -(y * y),
            Self::Abs => S::constant(match x.value() {
                v if v > 0.0 => 1.0,
                v if v < 0.0 => -1.0,
                v => v,
            }),
            Self::Powi(0) => S::constant(0.0),
            Self::Powi(n) => x.powi(n - 1) * f64::from(n),
        };
        (y, slope)
    }
}

/// A number with derivatives, or without.
///
/// The functions of whole vectors have one node each on a tape; use them where they fit.
pub trait Scalar:
    Copy
    + Debug
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + Add<f64, Output = Self>
    + Sub<f64, Output = Self>
    + Mul<f64, Output = Self>
    + Div<f64, Output = Self>
    + AddAssign
{
    /// A number whose derivatives are 0.
    fn constant(x: f64) -> Self;

    /// The number itself, to branch on. What it decides is taken as constant nearby.
    fn value(self) -> f64;

    /// A function of it.
    #[must_use]
    fn apply(self, f: Unary) -> Self;

    /// `e^x`
    #[must_use]
    fn exp(self) -> Self {
        self.apply(Unary::Exp)
    }
    /// The natural logarithm.
    #[must_use]
    fn ln(self) -> Self {
        self.apply(Unary::Ln)
    }
    /// The square root.
    #[must_use]
    fn sqrt(self) -> Self {
        self.apply(Unary::Sqrt)
    }
    /// The sine.
    #[must_use]
    fn sin(self) -> Self {
        self.apply(Unary::Sin)
    }
    /// The cosine.
    #[must_use]
    fn cos(self) -> Self {
        self.apply(Unary::Cos)
    }
    /// The hyperbolic tangent.
    #[must_use]
    fn tanh(self) -> Self {
        self.apply(Unary::Tanh)
    }
    /// `1 / (1 + e^-x)`
    #[must_use]
    fn sigmoid(self) -> Self {
        self.apply(Unary::Sigmoid)
    }
    /// `ln(1 + e^x)`
    #[must_use]
    fn softplus(self) -> Self {
        self.apply(Unary::Softplus)
    }
    /// `1 / x`
    #[must_use]
    fn recip(self) -> Self {
        self.apply(Unary::Recip)
    }
    /// `|x|`
    #[must_use]
    fn abs(self) -> Self {
        self.apply(Unary::Abs)
    }
    /// `x^n`
    #[must_use]
    fn powi(self, n: i32) -> Self {
        self.apply(Unary::Powi(n))
    }

    /// The sum of `x`; 0 of none.
    #[must_use]
    fn sum(x: &[Self]) -> Self {
        x.iter().fold(Self::constant(0.0), |sum, &x| sum + x)
    }

    /// The inner product of two vectors; of the longer one, the beginning.
    #[must_use]
    fn dot(x: &[Self], y: &[Self]) -> Self {
        x.iter().zip(y).fold(Self::constant(0.0), |sum, (&x, &y)| sum + x * y)
    }

    /// The Euclidean norm, without a derivative at 0 (its slope there is taken as 0).
    #[must_use]
    fn norm(x: &[Self]) -> Self {
        let square = Self::dot(x, x);
        if square.value() == 0.0 { Self::constant(0.0) } else { square.sqrt() }
    }

    /// `ln(sum of e^x)`, without overflow; minus infinity of none.
    #[must_use]
    fn logsumexp(x: &[Self]) -> Self {
        let Some(top) = greatest(x) else { return Self::constant(f64::NEG_INFINITY) };
        let shifted = x.iter().map(|&x| (x - top).exp());
        shifted.fold(Self::constant(0.0), |sum, x| sum + x).ln() + top
    }

    /// `e^x_i / (sum of e^x)` of each, without overflow.
    #[must_use]
    fn softmax(x: &[Self]) -> Vec<Self> {
        let Some(top) = greatest(x) else { return Vec::new() };
        let shares: Vec<Self> = x.iter().map(|&x| (x - top).exp()).collect();
        let whole = Self::sum(&shares).recip();
        shares.into_iter().map(|share| share * whole).collect()
    }

    /// `M x` of a constant matrix; columns beyond the vector's length count as 0.
    #[must_use]
    fn matvec(matrix: &Matrix, x: &[Self]) -> Vec<Self> {
        let row = |i| {
            let row: &[f64] = matrix.row(i);
            row.iter().zip(x).fold(Self::constant(0.0), |sum, (&m, &x)| sum + x * m)
        };
        (0..matrix.rows()).map(row).collect()
    }
}

/// The greatest value of `x`, as a constant.
fn greatest<S: Scalar>(x: &[S]) -> Option<f64> {
    // A NaN among them reaches the result through its own exponential.
    x.iter().map(|x| x.value()).reduce(f64::max).map(|top| if top.is_finite() { top } else { 0.0 })
}

impl Scalar for f64 {
    fn constant(x: f64) -> Self {
        x
    }
    fn value(self) -> f64 {
        self
    }
    fn apply(self, f: Unary) -> Self {
        f.at(self)
    }
    fn dot(x: &[Self], y: &[Self]) -> Self {
        crate::vector::dot(x, y)
    }
    fn matvec(matrix: &Matrix, x: &[Self]) -> Vec<Self> {
        let mut out = vec![0.0; matrix.rows()];
        matrix.times(x, &mut out);
        out
    }
}
