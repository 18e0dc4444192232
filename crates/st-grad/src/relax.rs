//! Continuous relaxations: hyper-parameters with bounds, or choices among variants, as functions
//! of numbers without bounds, with the chain rule back to those.

use crate::error::{Result, shape};
use crate::scalar::{Scalar, Unary};

/// How raw numbers become hyper-parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Relaxation {
    /// As they are.
    Identity,
    /// `e^x`: positive numbers.
    Exp,
    /// `low + (high - low) sigmoid(x)`: numbers between two bounds.
    Sigmoid {
        /// The lower bound.
        low: f64,
        /// The upper bound.
        high: f64,
    },
    /// Shares that add up to 1: a choice among variants, softened.
    Softmax,
}

impl Relaxation {
    /// A number between 0 and 1.
    pub const UNIT: Self = Self::Sigmoid { low: 0.0, high: 1.0 };

    /// The hyper-parameters, inside an update or loss that is generic over [`Scalar`].
    #[must_use]
    pub fn apply<S: Scalar>(self, raw: &[S]) -> Vec<S> {
        let each = |f: &dyn Fn(S) -> S| raw.iter().map(|&x| f(x)).collect();
        match self {
            Self::Identity => raw.to_vec(),
            Self::Exp => each(&|x| x.exp()),
            Self::Sigmoid { low, high } => each(&|x| x.sigmoid() * (high - low) + low),
            Self::Softmax => S::softmax(raw),
        }
    }

    /// The derivatives by the raw numbers, from those by the hyper-parameters.
    ///
    /// # Errors
    ///
    /// [`Shape`](crate::HyperGradError::Shape) if the lengths differ.
    ///
    /// ```
    /// use st_grad::Relaxation;
    ///
    /// assert_eq!(Relaxation::Exp.pull_back(&[0.0, 1.0], &[2.0, 1.0])?, [2.0, 1f64.exp()]);
    /// // Equal weight on all shares moves nothing: they always add up to 1.
    /// assert_eq!(Relaxation::Softmax.pull_back(&[0.0, 0.0], &[1.0, 1.0])?, [0.0, 0.0]);
    /// # Ok::<(), st_grad::HyperGradError>(())
    /// ```
    pub fn pull_back(self, raw: &[f64], gradient: &[f64]) -> Result<Vec<f64>> {
        shape("derivatives by relaxed hyper-parameters", raw.len(), gradient.len())?;
        let pairs = raw.iter().zip(gradient);
        Ok(match self {
            Self::Identity => gradient.to_vec(),
            Self::Exp => pairs.map(|(x, g)| x.exp() * g).collect(),
            Self::Sigmoid { low, high } => {
                let slope = |x: f64| Unary::Sigmoid.with_slope(x).1;
                pairs.map(|(&x, g)| (high - low) * slope(x) * g).collect()
            }
            Self::Softmax => {
                let shares = f64::softmax(raw);
                let mean = f64::dot(&shares, gradient);
                shares.iter().zip(gradient).map(|(share, g)| share * (g - mean)).collect()
            }
        })
    }
}

/// Several groups of hyper-parameters in one vector, each with its relaxation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Relaxed {
    groups: Vec<(Relaxation, usize)>,
}

impl Relaxed {
    /// No groups.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a group of `len` numbers.
    #[must_use]
    pub fn group(mut self, relaxation: Relaxation, len: usize) -> Self {
        self.groups.push((relaxation, len));
        self
    }

    /// Numbers in all groups.
    #[must_use]
    pub fn len(&self) -> usize {
        self.groups.iter().map(|(_, len)| len).sum()
    }

    /// Whether there are no numbers.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The hyper-parameters of all groups; of too few raw numbers, those of the groups that are
    /// whole.
    #[must_use]
    pub fn apply<S: Scalar>(&self, raw: &[S]) -> Vec<S> {
        let mut rest = raw;
        let mut out = Vec::with_capacity(raw.len());
        for &(relaxation, len) in &self.groups {
            let Some((group, more)) = rest.split_at_checked(len) else { break };
            out.extend(relaxation.apply(group));
            rest = more;
        }
        out
    }

    /// The derivatives by the raw numbers of all groups.
    ///
    /// # Errors
    ///
    /// [`Shape`](crate::HyperGradError::Shape) if a length is not that of all groups.
    pub fn pull_back(&self, raw: &[f64], gradient: &[f64]) -> Result<Vec<f64>> {
        shape("raw hyper-parameters", self.len(), raw.len())?;
        shape("derivatives by relaxed hyper-parameters", self.len(), gradient.len())?;
        let mut out = Vec::with_capacity(raw.len());
        for &(relaxation, len) in &self.groups {
            let begin = out.len();
            out.extend(
                relaxation.pull_back(&raw[begin..begin + len], &gradient[begin..begin + len])?,
            );
        }
        Ok(out)
    }
}
