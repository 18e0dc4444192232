//! Hyper-gradients by the implicit function theorem: one linear solve at the fixed point.

use crate::error::{self, HyperGradError, Result, Site};
use crate::iterate::check;
use crate::map::{FixedPoint, OuterLoss};
use crate::solve::{Solved, Solver, System, Used, Verdict, probe, solve};
use crate::vector;

/// How far a value can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// The true residual is at most the tolerance.
    Converged,
    /// So many terms of Neumann's series were asked for, and the rest was left out on purpose.
    Truncated {
        /// The terms.
        terms: usize,
    },
    /// From an error, because [`Implicit::keep_partial`] was set: the residual is above the
    /// tolerance.
    Partial,
}

/// A hyper-gradient, with what is known of its error.
#[derive(Clone, Debug, PartialEq)]
pub struct HyperGrad {
    /// `dE/dlambda`, total.
    pub value: Vec<f64>,
    /// `v`, the solution of `(I - J)^T v = dE/dz`.
    pub adjoint: Vec<f64>,
    /// `E(z, lambda)`.
    pub outer: f64,
    /// Iterations of the solver.
    pub iterations: usize,
    /// `|g - (I - J)^T v| / |g|`, computed anew from the solution; 0 for `g = 0`. Rounding may hide
    /// up to 16 times the tolerance of it; a solution so large that more is hidden is an error.
    pub residual: f64,
    /// The greatest residual on the way, relative like `residual`. Far above 1, it tells of a
    /// non-normal or nonsymmetric operator.
    pub peak_residual: f64,
    /// `|Phi(z) - z|`. The error that comes from it is at most of the order of this over
    /// `1 - q`, where `q` is how much the map contracts.
    pub fixed_point_residual: f64,
    /// Products with `J` that the solve took, probe and check included.
    pub products: usize,
    /// The method.
    pub solver: Used,
    /// How far the value can be trusted.
    pub ending: Ending,
}

/// The implicit method and its settings.
///
/// ```
/// use st_grad::{GradientDescent, Implicit, Loss, Scalar, Written, iterate};
///
/// /// Ridge regression of one weight on two points: `(w - 1)^2 + (2 w - 3)^2 + e^lambda w^2`.
/// struct Ridge;
/// impl Loss for Ridge {
///     fn loss<S: Scalar>(&self, w: &[S], lambda: &[S]) -> S {
///         let residuals = [w[0] - 1.0, w[0] * 2.0 - 3.0];
///         S::dot(&residuals, &residuals) + lambda[0].exp() * w[0] * w[0]
///     }
/// }
/// /// A third point, held out.
/// struct HeldOut;
/// impl Loss for HeldOut {
///     fn loss<S: Scalar>(&self, w: &[S], _: &[S]) -> S {
///         (w[0] * 3.0 - 4.0).powi(2)
///     }
/// }
///
/// let map = GradientDescent::new(Ridge, 1, 1, 0.05);
/// let lambda = [0.0];
/// let w = iterate(&map, &[0.0], &lambda, 1e-15, 1000)?.state;
/// let found = Implicit::new().gradient(&map, &Written(HeldOut), &w, &lambda)?;
/// // w = 7 / (5 + e^lambda), so dw/dlambda = -7 e^lambda / (5 + e^lambda)^2.
/// let (w, dw) = (7.0 / 6.0, -7.0 / 36.0);
/// assert!((found.value[0] - 6.0 * (3.0 * w - 4.0) * dw).abs() < 1e-12);
/// assert!(found.residual <= 1e-10 && found.fixed_point_residual < 1e-14);
/// # Ok::<(), st_grad::HyperGradError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Implicit {
    solver: Solver,
    tolerance: f64,
    max_iterations: Option<usize>,
    fixed_point_tolerance: f64,
    keep_partial: bool,
}

impl Default for Implicit {
    fn default() -> Self {
        Self::new()
    }
}

impl Implicit {
    /// [`Solver::Auto`] to a true relative residual of `1e-10`.
    #[must_use]
    pub fn new() -> Self {
        Self {
            solver: Solver::Auto,
            tolerance: 1e-10,
            max_iterations: None,
            fixed_point_tolerance: 1e-8,
            keep_partial: false,
        }
    }

    /// Chooses the solver.
    #[must_use]
    pub fn solver(mut self, solver: Solver) -> Self {
        self.solver = solver;
        self
    }

    /// The greatest true relative residual that is no error; above 0 and below 1.
    #[must_use]
    pub fn tolerance(mut self, tolerance: f64) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// The most iterations of the solver. Without it, ten for each unknown and a thousand more.
    #[must_use]
    pub fn max_iterations(mut self, iterations: usize) -> Self {
        self.max_iterations = Some(iterations);
        self
    }

    /// The greatest `|Phi(z) - z|`, relative to `|z|` where that is above 1, at which `z` counts as
    /// a fixed point (`1e-8` without it). Infinity allows any: the residual is in the result.
    #[must_use]
    pub fn fixed_point_tolerance(mut self, tolerance: f64) -> Self {
        self.fixed_point_tolerance = tolerance;
        self
    }

    /// Whether errors carry the value as far as it was computed; see
    /// [`HyperGradError::partial`].
    #[must_use]
    pub fn keep_partial(mut self, keep: bool) -> Self {
        self.keep_partial = keep;
        self
    }

    fn check_settings(&self) -> Result<()> {
        let refuse = |what, got, allowed| Err(HyperGradError::Setting { what, got, allowed });
        if !(self.tolerance > 0.0 && self.tolerance < 1.0) {
            return refuse("the tolerance", self.tolerance, "above 0 and below 1");
        }
        if self.fixed_point_tolerance.is_nan() || self.fixed_point_tolerance <= 0.0 {
            let got = self.fixed_point_tolerance;
            return refuse("the fixed-point tolerance", got, "above 0");
        }
        match self.solver {
            Solver::NeumannTerms(0) => refuse("the number of Neumann terms", 0.0, "at least 1"),
            Solver::Gmres { restart: 0 } => refuse("the restart of GMRES", 0.0, "at least 1"),
            _ if self.max_iterations == Some(0) => {
                refuse("the number of iterations", 0.0, "at least 1")
            }
            _ => Ok(()),
        }
    }

    /// The hyper-gradient at a fixed point `z` of the map at `lambda`.
    ///
    /// # Errors
    ///
    /// Any of [`HyperGradError`]. In particular, a value whose true residual is above the
    /// tolerance is never returned, except by [`Solver::NeumannTerms`], whose result says so.
    pub fn gradient(
        &self,
        map: &(impl FixedPoint + ?Sized),
        outer: &(impl OuterLoss + ?Sized),
        z: &[f64],
        lambda: &[f64],
    ) -> Result<HyperGrad> {
        self.check_settings()?;
        check(map, z, lambda)?;
        let mut next = vec![0.0; z.len()];
        let at = map.linearise(z, lambda, &mut next).map_err(error::failed(Site::Step, 0))?;
        error::finite(Site::Step, 0, &next)?;
        let fixed_point_residual = vector::distance(&next, z);
        let allowed = self.fixed_point_tolerance * vector::norm(z).clamp(1.0, f64::MAX);
        if fixed_point_residual > allowed {
            return Err(HyperGradError::NotAFixedPoint { residual: fixed_point_residual, allowed });
        }

        let (mut g, mut direct) = (vec![0.0; z.len()], vec![0.0; lambda.len()]);
        let value = outer
            .gradient(z, lambda, &mut g, &mut direct)
            .map_err(error::failed(Site::OuterGradient, 0))?;
        error::finite(Site::OuterValue, 0, &[value])?;
        error::finite(Site::OuterGradient, 0, &g)?;
        error::finite(Site::OuterGradient, 0, &direct)?;

        let mut found = HyperGrad {
            value: direct,
            adjoint: g,
            outer: value,
            iterations: 0,
            residual: 0.0,
            peak_residual: 0.0,
            fixed_point_residual,
            products: 0,
            solver: Used::Nothing,
            ending: Ending::Converged,
        };
        // The right-hand side of norm 1: its square neither overflows nor vanishes.
        let scale = vector::norm(&found.adjoint);
        if scale == 0.0 {
            return Ok(found);
        }
        let unit = unit(&found.adjoint, scale);
        let system = System::new(&*at);
        let (tolerance, limit) = match self.solver {
            Solver::NeumannTerms(terms) => (f64::MIN_POSITIVE, terms),
            _ => (self.tolerance, self.max_iterations.unwrap_or(10 * z.len() + 1000)),
        };
        let mut solved = solve(&system, &unit, self.solver, tolerance, limit)?;

        let truncated = matches!(self.solver, Solver::NeumannTerms(_));
        let good = truncated || solved.verdict == Verdict::Converged;
        found.iterations = solved.iterations;
        found.residual = solved.residual;
        found.peak_residual = solved.peak;
        found.products = system.products();
        found.solver = solved.used;
        found.ending = match self.solver {
            Solver::NeumannTerms(terms) => Ending::Truncated { terms },
            _ if good => Ending::Converged,
            _ => Ending::Partial,
        };
        if good || (self.keep_partial && vector::finite(&solved.v)) {
            let mut through = vec![0.0; lambda.len()];
            at.vjp_params(&solved.v, &mut through)
                .map_err(error::failed(Site::VjpParams, solved.iterations))?;
            error::finite(Site::VjpParams, solved.iterations, &through)?;
            vector::axpy(scale, &through, &mut found.value);
            vector::scale(scale, &mut solved.v);
            error::finite(Site::VjpParams, solved.iterations, &found.value)?;
            found.adjoint = std::mem::take(&mut solved.v);
            if good {
                return Ok(found);
            }
            return Err(self.failure(&system, &solved, z.len(), Some(Box::new(found))));
        }
        Err(self.failure(&system, &solved, z.len(), None))
    }

    /// The error that a verdict is.
    fn failure(
        &self,
        system: &System<'_>,
        solved: &Solved,
        dim: usize,
        partial: Option<Box<HyperGrad>>,
    ) -> HyperGradError {
        let &Solved { iterations, residual, used: solver, .. } = solved;
        // Why conjugate gradients failed may be that they were the wrong method.
        if solver == Used::Cg {
            match probe(system, dim) {
                Ok(found) if !found.is_symmetric() => {
                    let asymmetry = found.relative;
                    return HyperGradError::NotSymmetric {
                        asymmetry,
                        iterations,
                        residual,
                        partial,
                    };
                }
                Ok(_) => {}
                Err(error) => return error,
            }
        }
        match solved.verdict {
            Verdict::Broke(what) => {
                HyperGradError::Breakdown { solver, iteration: iterations, residual, what }
            }
            Verdict::Indefinite(curvature) => {
                HyperGradError::IndefiniteOperator { iteration: iterations, curvature }
            }
            Verdict::Diverged => {
                HyperGradError::Diverged { solver, iteration: iterations, residual, partial }
            }
            Verdict::Converged | Verdict::NotConverged => {
                let tolerance = self.tolerance;
                HyperGradError::NotConverged { solver, iterations, residual, tolerance, partial }
            }
        }
    }
}

/// `x / norm`, also where the quotient's parts are denormal or huge.
fn unit(x: &[f64], norm: f64) -> Vec<f64> {
    let mut unit: Vec<f64> = x.iter().map(|x| x / norm).collect();
    // Denormal numbers lose digits on the way; the second division restores the length.
    let again = vector::norm(&unit);
    if again.is_normal() {
        vector::scale(1.0 / again, &mut unit);
    }
    unit
}
