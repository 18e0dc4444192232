//! Arithmetic on a tape.

use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub};

use super::{Entry, Tape, Var};
use crate::Matrix;
use crate::scalar::{Scalar, Unary};

/// The tape that some of the numbers are on.
fn tape_of<'t, S>(mut x: impl Iterator<Item = Var<'t, S>>) -> Option<&'t Tape<S>> {
    x.find_map(|x| x.place).map(|(tape, _)| tape)
}

/// A number with its slopes by earlier ones.
fn node<'t, S: Scalar>(
    primal: S,
    slopes: impl Iterator<Item = (Var<'t, S>, S)> + Clone,
) -> Var<'t, S> {
    let Some(tape) = tape_of(slopes.clone().map(|(x, _)| x)) else {
        return Var { place: None, primal };
    };
    let edges = slopes.filter_map(|(x, slope)| Some((x.index()?, slope)));
    Var { place: Some((tape, tape.push(Entry::Edges, edges, 1))), primal }
}

/// Results of an entry with a place for each input. Constants among the inputs get a place too.
fn entry<'t, S: Scalar>(
    x: &[Var<'t, S>],
    results: Vec<S>,
    make: impl FnOnce(&[S]) -> Entry<S>,
) -> Vec<Var<'t, S>> {
    let Some(tape) = tape_of(x.iter().copied()) else {
        return results.into_iter().map(|primal| Var { place: None, primal }).collect();
    };
    let place =
        |x: &Var<'t, S>| x.index().unwrap_or_else(|| tape.push(Entry::Edges, [].into_iter(), 1));
    let edges: Vec<(u32, S)> = x.iter().map(|x| (place(x), x.primal)).collect();
    let first = tape.push(make(&results), edges.into_iter(), results.len());
    let var = |(i, primal)| Var { place: Some((tape, first + i as u32)), primal };
    results.into_iter().enumerate().map(var).collect()
}

fn primals<S: Copy>(x: &[Var<'_, S>]) -> Vec<S> {
    x.iter().map(Var::primal).collect()
}

impl<S: Scalar> Add for Var<'_, S> {
    type Output = Self;
    fn add(self, o: Self) -> Self {
        let one = S::constant(1.0);
        node(self.primal + o.primal, [(self, one), (o, one)].into_iter())
    }
}

impl<S: Scalar> Sub for Var<'_, S> {
    type Output = Self;
    fn sub(self, o: Self) -> Self {
        let slopes = [(self, S::constant(1.0)), (o, S::constant(-1.0))];
        node(self.primal - o.primal, slopes.into_iter())
    }
}

impl<S: Scalar> Mul for Var<'_, S> {
    type Output = Self;
    fn mul(self, o: Self) -> Self {
        node(self.primal * o.primal, [(self, o.primal), (o, self.primal)].into_iter())
    }
}

impl<S: Scalar> Div for Var<'_, S> {
    type Output = Self;
    fn div(self, o: Self) -> Self {
        let (quotient, inverse) = (self.primal / o.primal, o.primal.recip());
        node(quotient, [(self, inverse), (o, -(quotient * inverse))].into_iter())
    }
}

impl<S: Scalar> Neg for Var<'_, S> {
    type Output = Self;
    fn neg(self) -> Self {
        node(-self.primal, [(self, S::constant(-1.0))].into_iter())
    }
}

impl<S: Scalar> Add<f64> for Var<'_, S> {
    type Output = Self;
    fn add(self, c: f64) -> Self {
        // The derivatives are the same ones: no entry.
        Self { primal: self.primal + c, ..self }
    }
}

impl<S: Scalar> Sub<f64> for Var<'_, S> {
    type Output = Self;
    fn sub(self, c: f64) -> Self {
        Self { primal: self.primal - c, ..self }
    }
}

impl<S: Scalar> Mul<f64> for Var<'_, S> {
    type Output = Self;
    fn mul(self, c: f64) -> Self {
        node(self.primal * c, [(self, S::constant(c))].into_iter())
    }
}

impl<S: Scalar> Div<f64> for Var<'_, S> {
    type Output = Self;
    fn div(self, c: f64) -> Self {
        node(self.primal / c, [(self, S::constant(1.0 / c))].into_iter())
    }
}

impl<S: Scalar> AddAssign for Var<'_, S> {
    fn add_assign(&mut self, o: Self) {
        *self = *self + o;
    }
}

impl<'t, S: Scalar> Scalar for Var<'t, S> {
    fn constant(x: f64) -> Self {
        Self { place: None, primal: S::constant(x) }
    }

    fn value(self) -> f64 {
        self.primal.value()
    }

    fn apply(self, f: Unary) -> Self {
        let (value, slope) = f.with_slope(self.primal);
        node(value, [(self, slope)].into_iter())
    }

    fn sum(x: &[Self]) -> Self {
        let one = S::constant(1.0);
        node(S::sum(&primals(x)), x.iter().map(|&x| (x, one)))
    }

    fn dot(x: &[Self], y: &[Self]) -> Self {
        let value = S::dot(&primals(x), &primals(y));
        let pairs = x.iter().zip(y);
        node(value, pairs.flat_map(|(&x, &y)| [(x, y.primal), (y, x.primal)]))
    }

    fn norm(x: &[Self]) -> Self {
        let norm = S::norm(&primals(x));
        let slope = |x: S| if norm.value() == 0.0 { norm } else { x / norm };
        node(norm, x.iter().map(|&x| (x, slope(x.primal))))
    }

    fn logsumexp(x: &[Self]) -> Self {
        let values = primals(x);
        let shares = S::softmax(&values);
        node(S::logsumexp(&values), x.iter().copied().zip(shares.iter().copied()))
    }

    fn softmax(x: &[Self]) -> Vec<Self> {
        entry(x, S::softmax(&primals(x)), |shares| Entry::Softmax(shares.to_vec()))
    }

    fn matvec(matrix: &Matrix, x: &[Self]) -> Vec<Self> {
        let results = S::matvec(matrix, &primals(x));
        entry(x, results, |_| Entry::Matvec(matrix.clone()))
    }
}
