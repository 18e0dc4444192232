//! Ridge and logistic regression with a penalty for each weight, with products by hand.

use crate::aligned::Scratch;
use crate::error::{self, HyperGradError, Result, Site, shape};
use crate::link::Link;
use crate::map::{FixedPoint, Linearised, Outcome, OuterLoss};
use crate::matrix::Matrix;
use crate::solve::{Solver, System, Used, solve};
use crate::vector::{axpy, distance, dot, norm, scale, xpay};

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
    /// With few weights: `x` transposed, whose rows are long enough for vectors.
    columns: Option<Matrix>,
}

/// Up to so many weights the Hessian is formed: its upper half then costs less than the products
/// that it saves.
const FORMED: usize = 32;

/// Numbers of the data that stay in a second-level cache, with room for others.
const CACHED: usize = 1 << 15;

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
        if x.rows() == 0 {
            return Err(HyperGradError::Shape { what: "rows, at least", expected: 1, got: 0 });
        }
        shape("targets, one for each row", x.rows(), y.len())?;
        if !(step > 0.0 && step.is_finite()) {
            let (what, allowed) = ("the step of descent", "positive and finite");
            return Err(HyperGradError::Setting { what, got: step, allowed });
        }
        let columns = if x.cols() <= FORMED {
            Some(Matrix::from_fn(x.cols(), x.rows(), |j, i| x.row(i)[j])?)
        } else {
            None
        };
        Ok(Self { x, y, link, step, columns })
    }

    fn mean(&self) -> f64 {
        1.0 / self.y.len() as f64
    }

    /// The predictions `X w`.
    #[must_use]
    pub fn predict(&self, w: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; self.y.len()];
        match &self.columns {
            Some(columns) if columns.transposed_times(w, &mut out).is_ok() => {}
            _ => self.x.times(w, &mut out),
        }
        out
    }

    /// The mean loss; `out = X^T slopes / n`, and the rows' curvatures.
    fn costs(&self, w: &[f64], curvatures: &mut [f64], out: &mut [f64]) -> f64 {
        let mean = self.mean();
        let cost = |t: &mut [f64], y: &[f64], curvatures: &mut [f64]| {
            let sum = self.link.costs(t, y, curvatures);
            scale(mean, t);
            sum
        };
        if let Some(columns) = &self.columns {
            let mut t = self.predict(w);
            let sum = cost(&mut t, &self.y, curvatures);
            columns.times(&t, out);
            return sum * mean;
        }
        // As many rows as stay in a cache.
        let cols = self.x.cols();
        let block = (CACHED / cols).clamp(8, 256);
        let mut t = vec![0.0; block];
        let mut sum = 0.0;
        let (w, mut pulled) = (Scratch::of(w), Scratch::zeros(cols));
        for from in (0..self.y.len()).step_by(block) {
            let rows = from..(from + block).min(self.y.len());
            let (y, curvatures) = (&self.y[rows.clone()], &mut curvatures[rows.clone()]);
            let weigh = |t: &mut [f64]| sum += cost(t, y, curvatures);
            self.x.rows_there_and_back(rows.clone(), &w, &mut t[..rows.len()], weigh, &mut pulled);
        }
        out.copy_from_slice(&pulled.get()[..cols]);
        sum * mean
    }

    /// The whole loss, its gradient and the rows' curvatures, in one pass.
    fn whole(&self, w: &[f64], lambda: &[f64], curvatures: &mut [f64], out: &mut [f64]) -> f64 {
        let mut whole = self.costs(w, curvatures, out);
        for ((out, w), lambda) in out.iter_mut().zip(w).zip(lambda) {
            let slope = lambda.exp() * w;
            whole += slope * w / 2.0;
            *out += slope;
        }
        whole
    }

    /// The products at a point whose curvatures are known.
    fn at<'a>(&'a self, w: &'a [f64], lambda: &[f64], curvatures: Vec<f64>) -> GlmAt<'a> {
        let penalties: Vec<f64> = lambda.iter().map(|x| x.exp()).collect();
        let mut weights = curvatures;
        scale(self.mean(), &mut weights);
        let form = |columns| form(columns, &weights, &penalties);
        let formed = self.columns.as_ref().map(form);
        GlmAt { glm: self, w, weights, penalties, formed }
    }

    fn linearised<'a>(&'a self, w: &'a [f64], lambda: &[f64], gradient: &mut [f64]) -> GlmAt<'a> {
        let mut curvatures = vec![0.0; self.y.len()];
        self.whole(w, lambda, &mut curvatures, gradient);
        self.at(w, lambda, curvatures)
    }

    /// The minimum, by Newton's method with halved steps; its systems are solved by conjugate
    /// gradients, no more exactly than the step deserves (Dembo, Eisenstat, Steihaug, 1982).
    /// `tolerance` is of the gradient's norm, relative to that at `w = 0`; it ends, too, where a
    /// step no longer changes `w`.
    ///
    /// # Errors
    ///
    /// A wrong shape, numbers that are not finite, or no convergence within a hundred steps.
    pub fn fit(&self, lambda: &[f64], tolerance: f64) -> Result<Vec<f64>> {
        let (n, d) = (self.y.len(), self.x.cols());
        shape("hyper-parameters", d, lambda.len())?;
        error::finite(Site::Params, 0, lambda)?;
        let point = |w: Vec<f64>| {
            let (mut curvatures, mut gradient) = (vec![0.0; n], vec![0.0; d]);
            let whole = self.whole(&w, lambda, &mut curvatures, &mut gradient);
            (w, whole, gradient, curvatures)
        };
        let mut here = point(vec![0.0; d]);
        let reference = norm(&here.2);
        let mut size = reference;
        for newton in 0..MAX_NEWTON {
            let (w, whole, gradient, curvatures) = here;
            error::finite(Site::Step, newton, &gradient)?;
            if size <= tolerance * reference {
                return Ok(w);
            }
            let unit: Vec<f64> = gradient.iter().map(|g| g / size).collect();
            let at = self.at(&w, lambda, curvatures);
            let exactness = (size / reference).sqrt().clamp(1e-8, 0.1);
            let solved = solve(&System::new(&at), &unit, Solver::Cg, exactness, 10 * d + 1000)?;
            // The operator is the Hessian times the step of descent.
            let newton_step = size * self.step;
            let slope = -newton_step * size * dot(&unit, &solved.v);
            let mut length = 1.0;
            here = loop {
                let mut next = w.clone();
                axpy(-length * newton_step, &solved.v, &mut next);
                let next = point(next);
                // Near the minimum the loss no longer tells; the full step is right there.
                let near = slope.abs() <= 1e-12 * whole.abs();
                if near || next.1 <= whole + 1e-4 * length * slope {
                    break next;
                }
                length /= 2.0;
                if length < 1e-12 {
                    return Err(self.unfitted(newton, size / reference, tolerance));
                }
            };
            let moved = distance(&here.0, &w);
            size = norm(&here.2);
            if moved <= 2.0 * f64::EPSILON * norm(&here.0) {
                return Ok(here.0);
            }
        }
        Err(self.unfitted(MAX_NEWTON, size / reference, tolerance))
    }

    fn unfitted(&self, iterations: usize, residual: f64, tolerance: f64) -> HyperGradError {
        let solver = Used::Newton;
        HyperGradError::NotConverged { solver, iterations, residual, tolerance, partial: None }
    }
}

/// The Hessian, from the transposed data.
fn form(columns: &Matrix, weights: &[f64], penalties: &[f64]) -> Vec<f64> {
    let d = penalties.len();
    let mut hessian = vec![0.0; d * d];
    for (j, row) in hessian.chunks_exact_mut(d).enumerate() {
        let weighted: Vec<f64> = columns.row(j).iter().zip(weights).map(|(x, w)| x * w).collect();
        columns.times(&weighted, row);
        row[j] += penalties[j];
    }
    hessian
}

impl FixedPoint for Glm {
    fn dim(&self) -> usize {
        self.x.cols()
    }
    fn params(&self) -> usize {
        self.x.cols()
    }
    fn step(&self, z: &[f64], lambda: &[f64], out: &mut [f64]) -> Outcome {
        self.whole(z, lambda, &mut vec![0.0; self.y.len()], out);
        xpay(z, -self.step, out);
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
        let at = self.linearised(z, lambda, z_bar);
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
        self.linearised(z, lambda, out).vjp_state(dz, out)?;
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
        let at = self.linearised(z, lambda, next);
        xpay(z, -self.step, next);
        Ok(Box::new(at))
    }
}

/// The regression at one point.
struct GlmAt<'a> {
    glm: &'a Glm,
    w: &'a [f64],
    /// The rows' curvatures over their number.
    weights: Vec<f64>,
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
        let weigh = |row: usize, t: &mut [f64]| {
            for (t, weight) in t.iter_mut().zip(&self.weights[row..]) {
                *t *= weight;
            }
        };
        self.glm.x.fused(v, weigh, out)?;
        for ((out, v), penalty) in out.iter_mut().zip(v).zip(&self.penalties) {
            *out = step * (*out + penalty * v);
        }
        Ok(())
    }
    fn adjoint_is_difference(&self) -> bool {
        false
    }
    fn has_jvp(&self) -> bool {
        true
    }
    fn jvp_state(&self, u: &[f64], out: &mut [f64]) -> Outcome {
        self.vjp_state(u, out)
    }
    fn has_preconditioner(&self) -> bool {
        self.w.len() > self.weights.len()
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
        shape("numbers in the state", self.x.cols(), z.len())?;
        let mut t = self.predict(z);
        let mut unused = vec![0.0; t.len()];
        Ok(self.link.costs(&mut t, &self.y, &mut unused) * self.mean())
    }
    fn gradient(&self, z: &[f64], _: &[f64], z_bar: &mut [f64], _: &mut [f64]) -> Outcome<f64> {
        shape("numbers in the state", self.x.cols(), z.len())?;
        Ok(self.costs(z, &mut vec![0.0; self.y.len()], z_bar))
    }
}
