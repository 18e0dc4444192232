//! The inner and the outer loss.
//!
//! State: the logarithm of each coefficient over the one set by hand, then a rule weight for each
//! merge kind, as a soft rule `soft(mk, KIND, weight)` gives it: a natural-log speed ratio.
//! Hyper-parameters: the logarithm of each of these numbers' penalty, then the logarithm of how
//! sharply measurements far from their cell's best are discounted.

use st_core::autograd::hypergrad::{Loss, Matrix, Relaxation, Scalar};
use st_core::ops::rank_entry::MergeKind;
use st_plan::CpuCosts;

use super::data::Cell;
use crate::Result;

pub(super) const KINDS: usize = MergeKind::ALL.len();
/// Numbers in the state.
pub(super) const DIM: usize = CpuCosts::LEN + KINDS;
/// Hyper-parameters.
pub(super) const PARAMS: usize = DIM + 1;

/// Measurements of some cells.
#[derive(Debug)]
pub(super) struct Measurements {
    parts: Matrix,
    base: Vec<f64>,
    kinds: Vec<usize>,
    times: Vec<f64>,
    /// Logarithms of each time over its cell's best.
    gaps: Vec<f64>,
    /// Where each cell ends.
    ends: Vec<usize>,
}

impl Measurements {
    pub(super) fn new<'a>(cells: impl Iterator<Item = &'a Cell>) -> Result<Self> {
        let mut ends = Vec::new();
        let mut rows = Vec::new();
        for cell in cells {
            rows.extend(&cell.rows);
            ends.push(rows.len());
        }
        let parts: Vec<f64> = rows.iter().flat_map(|row| row.parts).collect();
        Ok(Self {
            parts: Matrix::new(parts, rows.len(), CpuCosts::LEN)?,
            base: rows.iter().map(|row| row.base).collect(),
            kinds: rows.iter().map(|row| row.kind).collect(),
            times: rows.iter().map(|row| row.time).collect(),
            gaps: rows.iter().map(|row| row.time - row.best).collect(),
            ends,
        })
    }

    /// The logarithm of each predicted time, rule weights included.
    fn predict<S: Scalar>(&self, z: &[S]) -> Vec<S> {
        let (costs, weights) = z.split_at(CpuCosts::LEN);
        let factors = Relaxation::Exp.apply(costs);
        let times = S::matvec(&self.parts, &factors).into_iter().zip(&self.base);
        times.zip(&self.kinds).map(|((t, &base), &kind)| (t + base).ln() - weights[kind]).collect()
    }

    /// Each cell's choice: measured over best. The mean logarithm, and the worst ratio.
    pub(super) fn regret(&self, z: &[f64]) -> Regret {
        let predicted = self.predict(z);
        let mut begin = 0;
        let (mut sum, mut worst) = (0.0, 0.0f64);
        for &end in &self.ends {
            let chosen = (begin..end).min_by(|&a, &b| predicted[a].total_cmp(&predicted[b]));
            let gap = chosen.map_or(0.0, |chosen| self.gaps[chosen]);
            sum += gap;
            worst = worst.max(gap);
            begin = end;
        }
        let mean = sum / self.ends.len() as f64;
        Regret { mean: mean.exp(), worst: worst.exp(), cells: self.ends.len() }
    }
}

/// How far choices are from the best ones.
#[derive(Clone, Copy, Debug)]
pub(super) struct Regret {
    /// The geometric mean of the chosen's time over the best's.
    pub(super) mean: f64,
    pub(super) worst: f64,
    pub(super) cells: usize,
}

/// Inner: squares of the logarithms' errors, near the best choices above all, and penalties.
#[derive(Debug)]
pub(super) struct Inner(pub(super) Measurements);

impl Loss for Inner {
    fn loss<S: Scalar>(&self, z: &[S], lambda: &[S]) -> S {
        let data = &self.0;
        let sharpness = lambda[DIM].exp();
        let weights: Vec<S> = data.gaps.iter().map(|&gap| (sharpness * -gap).exp()).collect();
        let square = |(t, &time): (S, &f64)| (t - time) * (t - time);
        let squares: Vec<S> = data.predict(z).into_iter().zip(&data.times).map(square).collect();
        let error = S::dot(&weights, &squares) / S::sum(&weights);
        let penalties: Vec<S> = z.iter().zip(lambda).map(|(&z, &l)| l.exp() * z * z).collect();
        (error + S::sum(&penalties)) * 0.5
    }
}

/// Outer: what a planner loses on shapes that the inner loss does not see, if it takes each choice
/// with a probability that falls with its predicted time. Its limit is the regret.
#[derive(Debug)]
pub(super) struct Outer(pub(super) Measurements);

/// How soft that choice is: differences of this logarithm count.
const SOFTNESS: f64 = 0.05;

impl Loss for Outer {
    fn loss<S: Scalar>(&self, z: &[S], _: &[S]) -> S {
        let predicted = self.0.predict(z);
        let mut begin = 0;
        let mut sum = S::constant(0.0);
        for &end in &self.0.ends {
            let scores: Vec<S> = predicted[begin..end].iter().map(|&t| t / -SOFTNESS).collect();
            let gaps = self.0.gaps[begin..end].iter();
            let gaps: Vec<S> = gaps.map(|&gap| S::constant(gap)).collect();
            sum += S::dot(&S::softmax(&scores), &gaps);
            begin = end;
        }
        sum / self.0.ends.len() as f64
    }
}
