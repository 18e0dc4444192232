//! P1 to P2a and P5: problems of closed formulas. Indices of the formulas begin with 1.

use st_grad::{FixedPoint, Glm, Link, Loss, MapFn, Matrix, Scalar, Update, UpdateMap};

/// `X[i, j]` of P1, P1b and P2a.
pub(crate) fn x(i: usize, j: usize) -> f64 {
    let (i, j) = (i as f64, j as f64);
    (0.37 * i * j + 0.11 * j * j).sin()
}

fn signal(i: usize) -> f64 {
    let i = i as f64;
    (0.9 * i).cos() + 0.5 * (0.23 * i).sin()
}

fn rows(from: usize, to: usize, d: usize) -> Matrix {
    Matrix::from_fn(to - from + 1, d, |i, j| x(i + from, j + 1)).expect("there are columns")
}

fn regression(from: usize, to: usize, d: usize, link: Link, step: f64) -> Glm {
    let target = |i| match link {
        Link::Squared => signal(i),
        Link::Logistic => signal(i).signum(),
    };
    let y = (from..=to).map(target).collect();
    Glm::new(rows(from, to, d), y, link, step).expect("lengths fit")
}

/// A problem: inner and outer regression, and hyper-parameters.
pub(crate) struct Regression {
    pub(crate) train: Glm,
    pub(crate) held_out: Glm,
    pub(crate) lambda: Vec<f64>,
    pub(crate) step: f64,
}

impl Regression {
    fn new(split: (usize, usize), d: usize, base: f64, link: Link, step: f64) -> Self {
        Self {
            train: regression(1, split.0, d, link, step),
            held_out: regression(split.0 + 1, split.1, d, link, step),
            lambda: (1..=d).map(|j| base + 0.5 * (j as f64).cos()).collect(),
            step,
        }
    }

    pub(crate) fn d(&self) -> usize {
        self.lambda.len()
    }

    /// The minimum, to rounding.
    pub(crate) fn minimum(&self) -> Vec<f64> {
        let fitted = self.train.fit(&self.lambda, 1e-15).expect("it has a minimum");
        super::newton(&self.train, &fitted, &self.lambda, 1e-13)
    }
}

pub(crate) fn p1() -> Regression {
    p1_with_step(0.5)
}

pub(crate) fn p1_with_step(step: f64) -> Regression {
    Regression::new((40, 64), 12, -2.0, Link::Squared, step)
}

pub(crate) fn p1b(step: f64) -> Regression {
    Regression::new((200, 300), 100, -5.0, Link::Squared, step)
}

pub(crate) fn p2a() -> Regression {
    Regression::new((60, 100), 10, -4.0, Link::Logistic, 1.0)
}

/// P1's inner problem written once, for the tape.
pub(crate) struct RidgeLoss {
    x: Matrix,
    y: Vec<f64>,
}

/// P1's outer problem written once.
pub(crate) struct RidgeHeldOut(RidgeLoss);

pub(crate) fn p1_written() -> (RidgeLoss, RidgeHeldOut) {
    let loss = |from, to| RidgeLoss { x: rows(from, to, 12), y: (from..=to).map(signal).collect() };
    (loss(1, 40), RidgeHeldOut(loss(41, 64)))
}

impl RidgeLoss {
    fn mean<S: Scalar>(&self, w: &[S]) -> S {
        let t = S::matvec(&self.x, w);
        let residuals: Vec<S> = t.into_iter().zip(&self.y).map(|(t, &y)| t - y).collect();
        S::dot(&residuals, &residuals) / (2.0 * self.y.len() as f64)
    }

    /// `X^T (X w - y) / n`
    fn gradient<S: Scalar>(&self, w: &[S]) -> Vec<S> {
        let t = S::matvec(&self.x, w);
        let residuals: Vec<S> = t.into_iter().zip(&self.y).map(|(t, &y)| t - y).collect();
        let (n, d) = (self.x.rows(), self.x.cols());
        let transposed = Matrix::from_fn(d, n, |j, i| self.x.row(i)[j]).expect("there are rows");
        S::matvec(&transposed, &residuals).into_iter().map(|g| g / n as f64).collect()
    }
}

impl Loss for RidgeLoss {
    fn loss<S: Scalar>(&self, w: &[S], lambda: &[S]) -> S {
        let penalties: Vec<S> = w.iter().zip(lambda).map(|(&w, &l)| l.exp() * w * w).collect();
        self.mean(w) + S::sum(&penalties) * 0.5
    }
}

impl Loss for RidgeHeldOut {
    fn loss<S: Scalar>(&self, w: &[S], _: &[S]) -> S {
        // The heavy ball's state has the velocity behind the weights.
        self.0.mean(&w[..self.0.x.cols()])
    }
}

/// P5c: P1 by heavy ball, a state of weights and velocity.
pub(crate) struct HeavyBall(pub(crate) RidgeLoss);

impl Update for HeavyBall {
    fn update<S: Scalar>(&self, z: &[S], lambda: &[S]) -> Vec<S> {
        let (w, m) = z.split_at(lambda.len());
        let gradient = self.0.gradient(w);
        let step = |j: usize| m[j] * 0.8 - (gradient[j] + lambda[j].exp() * w[j]) * 0.5;
        let m: Vec<S> = (0..w.len()).map(step).collect();
        w.iter().zip(&m).map(|(&w, &m)| w + m).chain(m.iter().copied()).collect()
    }
}

pub(crate) fn p5c() -> UpdateMap<HeavyBall> {
    UpdateMap::new(HeavyBall(p1_written().0), 24, 12)
}

/// P5d: P1 with a step for each coordinate, held constant.
pub(crate) fn p5d(p1: &Regression) -> MapFn<'_> {
    let d = p1.d();
    let scaled = Glm::clone(&p1.train);
    let hessian_diagonal = |j: usize| {
        let square = (1..=40).map(|i| x(i, j + 1).powi(2)).sum::<f64>();
        square / 40.0 + p1.lambda[j].exp()
    };
    let scale: Vec<f64> = (0..d).map(|j| 1.0 / hessian_diagonal(j)).collect();
    let vjp_scale = scale.clone();
    let (step, vjp) = (scaled.clone(), scaled);
    MapFn::new(
        d,
        d,
        move |z, lambda, out| {
            step.step(z, lambda, out)?;
            for j in 0..d {
                out[j] = z[j] + scale[j] * (out[j] - z[j]);
            }
            Ok(())
        },
        move |z, lambda, v, z_bar, lambda_bar| {
            let dv: Vec<f64> = v.iter().zip(&vjp_scale).map(|(v, s)| v * s).collect();
            vjp.vjp(z, lambda, &dv, z_bar, lambda_bar)?;
            for j in 0..d {
                z_bar[j] = v[j] + z_bar[j] - dv[j];
            }
            Ok(())
        },
    )
}

/// P5: `z = tanh(W z + lambda)`.
pub(crate) struct Equilibrium(pub(crate) Matrix);

pub(crate) fn p5_weights() -> Matrix {
    let entry = |i: usize, j: usize| {
        let (i, j) = ((i + 1) as f64, (j + 1) as f64);
        0.225 * (1.3 * i * j + 0.7 * i).sin()
    };
    Matrix::from_fn(16, 16, entry).expect("there are columns")
}

pub(crate) fn p5() -> (UpdateMap<Equilibrium>, Vec<f64>) {
    let lambda = (1..=16).map(|i| 0.5 * (0.8 * i as f64).cos()).collect();
    (UpdateMap::new(Equilibrium(p5_weights()), 16, 16), lambda)
}

impl Update for Equilibrium {
    fn update<S: Scalar>(&self, z: &[S], lambda: &[S]) -> Vec<S> {
        let wz = S::matvec(&self.0, z);
        wz.into_iter().zip(lambda).map(|(wz, &l)| (wz + l).tanh()).collect()
    }
}

/// P5 with the weights, too, as hyper-parameters.
pub(crate) struct EquilibriumWeights;

impl Update for EquilibriumWeights {
    fn update<S: Scalar>(&self, z: &[S], lambda: &[S]) -> Vec<S> {
        let (bias, weights) = lambda.split_at(z.len());
        let rows = weights.chunks_exact(z.len());
        rows.zip(bias).map(|(row, &l)| (S::dot(row, z) + l).tanh()).collect()
    }
}

/// `|z - t|^2 / 2`
pub(crate) struct Distance(pub(crate) Vec<f64>);

impl Loss for Distance {
    fn loss<S: Scalar>(&self, z: &[S], _: &[S]) -> S {
        let gaps: Vec<S> = z.iter().zip(&self.0).map(|(&z, &t)| z - t).collect();
        S::dot(&gaps, &gaps) * 0.5
    }
}

pub(crate) fn p5_outer() -> Distance {
    Distance((1..=16).map(|i| 0.3 * f64::from(i).cos()).collect())
}

/// P5b: `z = J z + lambda`, 0.5 on the diagonal of J and 2 above it.
pub(crate) struct NonNormal;

impl Update for NonNormal {
    fn update<S: Scalar>(&self, z: &[S], lambda: &[S]) -> Vec<S> {
        let next = |i: usize| {
            let own = z[i] * 0.5 + lambda[i];
            z.get(i + 1).map_or(own, |&above| own + above * 2.0)
        };
        (0..z.len()).map(next).collect()
    }
}

pub(crate) fn p5b() -> (UpdateMap<NonNormal>, Vec<f64>, Distance) {
    let lambda = (1..=8).map(|i| f64::from(i).cos()).collect();
    (UpdateMap::new(NonNormal, 8, 8), lambda, Distance(vec![1.0; 8]))
}
