//! Ridge and logistic regression with a penalty for each weight, with products by hand.

use crate::error::{HyperGradError, Result, shape};
use crate::map::{FixedPoint, Linearised, Outcome, OuterLoss};
use crate::matrix::Matrix;
use crate::scalar::Unary;
use crate::vector::{dot, xpay};

/// What a prediction `t = x . w` costs against its target `y`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// `(t - y)^2 / 2`
    Squared,
    /// `ln(1 + e^(-y t))`, of targets 1 and -1.
    Logistic,
}

impl Link {
    fn value(self, t: f64, y: f64) -> f64 {
        match self {
            Self::Squared => (t - y) * (t - y) / 2.0,
            Self::Logistic => Unary::Softplus.at(-y * t),
        }
    }

    fn slope(self, t: f64, y: f64) -> f64 {
        match self {
            Self::Squared => t - y,
            Self::Logistic => -y * Unary::Sigmoid.at(-y * t),
        }
    }

    /// Slope and curvature.
    fn slopes(self, t: f64, y: f64) -> (f64, f64) {
        match self {
            Self::Squared => (t - y, 1.0),
            Self::Logistic => {
                let share = Unary::Sigmoid.at(-y * t);
                (-y * share, share * (1.0 - share) * y * y)
            }
        }
    }
}

/// A regression `mean of link(x_i . w, y_i) + sum of e^lambda_j w_j^2 / 2`.
///
/// As a [`FixedPoint`] it is gradient descent on the whole (state `w`, hyper-parameters `lambda`);
/// as an [`OuterLoss`] it is the mean alone, for held-out data.
///
/// Products with the Hessian read the data once ([`Matrix::fused`]). With few weights the Hessian is
/// formed instead. Conjugate gradients are preconditioned by the penalty alone where there are more
/// weights than rows, of which most then see nothing else.
///
/// ```
/// use st_grad::{Glm, Implicit, Link, Matrix};
///
/// let x = Matrix::from_fn(40, 3, |i, j| ((i * (j + 2)) as f64).sin())?;
/// let y: Vec<f64> = (0..40).map(|i| if i % 3 == 0 { 1.0 } else { -1.0 }).collect();
/// let train = Glm::new(x, y, Link::Logistic, 1.0)?;
/// let x = Matrix::from_fn(20, 3, |i, j| ((i * (j + 2)) as f64).cos())?;
/// let y: Vec<f64> = (0..20).map(|i| if i % 3 == 0 { 1.0 } else { -1.0 }).collect();
/// let held_out = Glm::new(x, y, Link::Logistic, 1.0)?;
///
/// let lambda = [-3.0; 3];
/// let w = train.fit(&lambda, 1e-12)?;
/// let found = Implicit::new().gradient(&train, &held_out, &w, &lambda)?;
/// assert!(found.residual <= 1e-10);
/// # Ok::<(), st_grad::HyperGradError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Glm {
    x: Matrix,
    y: Vec<f64>,
    link: Link,
    step: f64,
    /// With few weights: the columns of `x`, one after the other.
    columns: Option<Vec<f64>>,
}

/// Up to so many weights the Hessian is formed: its upper half then costs less than the products
/// that it saves.
const FORMED: usize = 32;

/// Newton's steps in [`Glm::fit`].
const MAX_NEWTON: usize = 100;

impl Glm {
    /// A regression on the rows of `x` with targets `y`. `step` is that of gradient descent;
    /// implicit gradients do not depend on it.
    ///
    /// # Errors
    ///
    /// [`HyperGradError::Shape`] if there is not one target for each row, or there are no rows;
    /// [`HyperGradError::Setting`] if the step is not positive and finite.
    pub fn new(x: Matrix, y: Vec<f64>, link: Link, step: f64) -> Result<Self> {
        shape("targets, one for each row", x.rows().max(1), y.len())?;
        if !(step > 0.0 && step.is_finite()) {
            let (what, allowed) = ("the step of descent", "positive and finite");
            return Err(HyperGradError::Setting { what, got: step, allowed });
        }
        let columns = (x.cols() <= FORMED).then(|| {
            let (rows, cols) = (x.rows(), x.cols());
            (0..rows * cols).map(|at| x.data()[at % rows * cols + at / rows]).collect()
        });
        Ok(Self { x, y, link, step, columns })
    }

    fn mean(&self) -> f64 {
        1.0 / self.y.len() as f64
    }

    /// The predictions `X w`.
    #[must_use]
    pub fn predict(&self, w: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; self.y.len()];
        if let (Some(columns), true) = (&self.columns, w.len() == self.x.cols()) {
            for (column, w) in columns.chunks_exact(self.y.len()).zip(w) {
                crate::vector::axpy(*w, column, &mut out);
            }
        } else {
            self.x.times(w, &mut out);
        }
        out
    }

    /// `out = X^T weigh(X w) / n`
    fn pull(
        &self,
        w: &[f64],
        mut weigh: impl FnMut(usize, f64) -> f64,
        out: &mut [f64],
    ) -> Result<()> {
        let mean = self.mean();
        if let Some(columns) = &self.columns {
            let mut t = self.predict(w);
            for (i, t) in t.iter_mut().enumerate() {
                *t = weigh(i, *t) * mean;
            }
            for (column, out) in columns.chunks_exact(t.len()).zip(out) {
                *out = dot(column, &t);
            }
            return Ok(());
        }
        let each = |row: usize, dots: &mut [f64]| {
            for (i, t) in dots.iter_mut().enumerate() {
                *t = weigh(row + i, *t) * mean;
            }
        };
        self.x.fused(w, each, out)
    }

    /// Gradient of the whole and the rows' curvatures, in one pass.
    fn gradient_and_curvatures(
        &self,
        w: &[f64],
        lambda: &[f64],
        out: &mut [f64],
    ) -> Result<Vec<f64>> {
        let mut curvatures = vec![0.0; self.y.len()];
        let weigh = |i: usize, t: f64| {
            let (slope, curvature) = self.link.slopes(t, self.y[i]);
            curvatures[i] = curvature;
            slope
        };
        self.pull(w, weigh, out)?;
        for ((out, w), lambda) in out.iter_mut().zip(w).zip(lambda) {
            *out += lambda.exp() * w;
        }
        Ok(curvatures)
    }

    fn at<'a>(&'a self, w: &'a [f64], lambda: &[f64], gradient: &mut [f64]) -> Result<GlmAt<'a>> {
        let curvatures = self.gradient_and_curvatures(w, lambda, gradient)?;
        let penalties: Vec<f64> = lambda.iter().map(|x| x.exp()).collect();
        let formed =
            self.columns.as_ref().map(|columns| self.form(columns, &curvatures, &penalties));
        Ok(GlmAt { glm: self, w, curvatures, penalties, formed })
    }

    /// The Hessian.
    fn form(&self, columns: &[f64], curvatures: &[f64], penalties: &[f64]) -> Vec<f64> {
        let (n, d) = (self.y.len(), penalties.len());
        let mean = self.mean();
        let mut hessian = vec![0.0; d * d];
        let mut weighted = vec![0.0; n];
        for j in 0..d {
            let column = &columns[j * n..(j + 1) * n];
            for ((out, x), c) in weighted.iter_mut().zip(column).zip(curvatures) {
                *out = x * c * mean;
            }
            for k in j..d {
                let entry = dot(&weighted, &columns[k * n..(k + 1) * n]);
                hessian[j * d + k] = entry;
                hessian[k * d + j] = entry;
            }
            hessian[j * d + j] += penalties[j];
        }
        hessian
    }

    /// The minimum, by Newton's method with halved steps; its systems are solved by conjugate
    /// gradients. `tolerance` is of the gradient's norm, relative to that at `w = 0` and at least
    /// to rounding.
    ///
    /// # Errors
    ///
    /// A wrong shape, numbers that are not finite, or no convergence within a hundred steps.
    pub fn fit(&self, lambda: &[f64], tolerance: f64) -> Result<Vec<f64>> {
        use crate::solve::{Solver, System, Used, solve};
        use crate::vector::{axpy, norm};

        let d = self.x.cols();
        shape("hyper-parameters", d, lambda.len())?;
        crate::error::finite(crate::Site::Params, 0, lambda)?;
        let whole = |w: &[f64]| {
            let t = self.predict(w);
            let loss: f64 = t.iter().zip(&self.y).map(|(&t, &y)| self.link.value(t, y)).sum();
            let penalty: f64 = w.iter().zip(lambda).map(|(w, l)| l.exp() * w * w / 2.0).sum();
            loss * self.mean() + penalty
        };
        let mut w = vec![0.0; d];
        let mut gradient = vec![0.0; d];
        let mut first = None;
        for newton in 0..MAX_NEWTON {
            let at = self.at(&w, lambda, &mut gradient)?;
            crate::error::finite(crate::Site::Step, newton, &gradient)?;
            let size = norm(&gradient);
            let reference = *first.get_or_insert(size);
            if size <= tolerance * reference {
                return Ok(w);
            }
            let unit: Vec<f64> = gradient.iter().map(|g| g / size).collect();
            let system = System::new(&at);
            // Solved to a fixed accuracy: a step that is only a little wrong is mended by the next.
            let solved = solve(&system, &unit, Solver::Cg, 1e-8, 10 * d + 1000)?;
            let step = -size * self.step;
            let before = whole(&w);
            let slope = -size * size * self.step * dot(&unit, &solved.v);
            let mut length = 1.0;
            let next = loop {
                let mut next = w.clone();
                axpy(length * step, &solved.v, &mut next);
                // Near the minimum the loss no longer tells; the full step is right there.
                let small = slope.abs() <= 1e-12 * before.abs();
                if small || whole(&next) <= before + 1e-4 * length * slope {
                    break next;
                }
                length /= 2.0;
                if length < 1e-12 {
                    let (iterations, residual) = (newton, size / reference);
                    let solver = Used::Cg;
                    return Err(HyperGradError::NotConverged {
                        solver,
                        iterations,
                        residual,
                        tolerance,
                        partial: None,
                    });
                }
            };
            let moved = crate::vector::distance(&next, &w);
            drop(at);
            w = next;
            if moved <= 2.0 * f64::EPSILON * norm(&w) {
                return Ok(w);
            }
        }
        let residual = f64::NAN;
        Err(HyperGradError::NotConverged {
            solver: Used::Cg,
            iterations: MAX_NEWTON,
            residual,
            tolerance,
            partial: None,
        })
    }
}

impl FixedPoint for Glm {
    fn dim(&self) -> usize {
        self.x.cols()
    }
    fn params(&self) -> usize {
        self.x.cols()
    }
    fn step(&self, z: &[f64], lambda: &[f64], out: &mut [f64]) -> Outcome {
        self.pull(z, |i, t| self.link.slope(t, self.y[i]), out)?;
        for ((out, w), lambda) in out.iter_mut().zip(z).zip(lambda) {
            *out = w - self.step * (*out + lambda.exp() * w);
        }
        Ok(())
    }
    fn vjp(
        &self,
        z: &[f64],
        lambda: &[f64],
        v: &[f64],
        z_bar: &mut [f64],
        lambda_bar: &mut [f64],
    ) -> Outcome {
        let at = self.at(z, lambda, z_bar)?;
        at.vjp_state(v, z_bar)?;
        at.vjp_params(v, lambda_bar)
    }
    fn has_jvp(&self) -> bool {
        true
    }
    fn jvp(
        &self,
        z: &[f64],
        lambda: &[f64],
        dz: &[f64],
        dlambda: &[f64],
        out: &mut [f64],
    ) -> Outcome {
        self.at(z, lambda, out)?.vjp_state(dz, out)?;
        for (j, out) in out.iter_mut().enumerate() {
            *out -= self.step * lambda[j].exp() * z[j] * dlambda[j];
        }
        Ok(())
    }
    fn linearise<'a>(
        &'a self,
        z: &'a [f64],
        lambda: &'a [f64],
        next: &mut [f64],
    ) -> Outcome<Box<dyn Linearised + 'a>> {
        let at = self.at(z, lambda, next)?;
        xpay(z, -self.step, next);
        Ok(Box::new(at))
    }
}

/// The regression at one point.
struct GlmAt<'a> {
    glm: &'a Glm,
    w: &'a [f64],
    curvatures: Vec<f64>,
    penalties: Vec<f64>,
    formed: Option<Vec<f64>>,
}

impl Linearised for GlmAt<'_> {
    fn vjp_state(&self, v: &[f64], out: &mut [f64]) -> Outcome {
        self.adjoint(v, out)?;
        for (out, v) in out.iter_mut().zip(v) {
            *out = v - *out;
        }
        Ok(())
    }
    fn vjp_params(&self, v: &[f64], out: &mut [f64]) -> Outcome {
        for (j, out) in out.iter_mut().enumerate() {
            *out = -self.glm.step * self.penalties[j] * self.w[j] * v[j];
        }
        Ok(())
    }
    // I - J is the step times the Hessian.
    fn adjoint(&self, v: &[f64], out: &mut [f64]) -> Outcome {
        let step = self.glm.step;
        if let Some(hessian) = &self.formed {
            for (out, row) in out.iter_mut().zip(hessian.chunks_exact(v.len())) {
                *out = step * dot(row, v);
            }
            return Ok(());
        }
        self.glm.pull(v, |i, t| t * self.curvatures[i], out)?;
        for ((out, v), penalty) in out.iter_mut().zip(v).zip(&self.penalties) {
            *out = step * (*out + penalty * v);
        }
        Ok(())
    }
    fn has_jvp(&self) -> bool {
        true
    }
    fn jvp_state(&self, u: &[f64], out: &mut [f64]) -> Outcome {
        self.vjp_state(u, out)
    }
    fn has_preconditioner(&self) -> bool {
        self.w.len() > self.curvatures.len()
    }
    fn precondition(&self, r: &[f64], out: &mut [f64]) -> Outcome {
        for ((out, r), penalty) in out.iter_mut().zip(r).zip(&self.penalties) {
            *out = r / penalty;
        }
        Ok(())
    }
}

impl OuterLoss for Glm {
    fn value(&self, z: &[f64], _: &[f64]) -> Outcome<f64> {
        let t = self.predict(z);
        let sum: f64 = t.iter().zip(&self.y).map(|(&t, &y)| self.link.value(t, y)).sum();
        Ok(sum * self.mean())
    }
    fn gradient(&self, z: &[f64], _: &[f64], z_bar: &mut [f64], _: &mut [f64]) -> Outcome<f64> {
        let mut sum = 0.0;
        let weigh = |i: usize, t: f64| {
            sum += self.link.value(t, self.y[i]);
            self.link.slope(t, self.y[i])
        };
        self.pull(z, weigh, z_bar)?;
        Ok(sum * self.mean())
    }
}
