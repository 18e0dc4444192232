//! The convergence tables: how the error falls with steps and iterations.

use st_grad::{FixedPoint, HyperGradError, Implicit, OuterLoss, Solver, Unrolled, iterate};

use super::small::Regression;
use super::{anywhere, relative};

/// The columns of P1's and P1b's tables, as the reference calls them.
pub(crate) const COLUMNS: [&str; 6] =
    ["unrolled", "neumann_at_wstar", "cg_at_wstar", "neumann_at_wT", "cg_at_wT", "inner_rel_err"];

/// A row: relative errors after `steps` steps or iterations.
pub(crate) fn row(problem: &Regression, minimum: &[f64], exact: &[f64], steps: usize) -> [f64; 6] {
    let Regression { train, held_out, lambda, .. } = problem;
    let start = vec![0.0; problem.d()];
    let unrolled = Unrolled::new(steps).reverse(train, held_out, &start, lambda);
    let reached = iterate(train, &start, lambda, 0.0, steps).expect("steps are finite").state;
    let after =
        |solver, z: &[f64]| relative(&value(train, held_out, z, lambda, solver, steps), exact);
    [
        relative(&unrolled.expect("steps are finite").value, exact),
        after(Solver::NeumannTerms(steps), minimum),
        after(Solver::Cg, minimum),
        after(Solver::NeumannTerms(steps), &reached),
        after(Solver::Cg, &reached),
        relative(&reached, minimum),
    ]
}

/// The value after so many iterations, whether or not it is good.
pub(crate) fn value(
    map: &impl FixedPoint,
    outer: &impl OuterLoss,
    z: &[f64],
    lambda: &[f64],
    solver: Solver,
    iterations: usize,
) -> Vec<f64> {
    let settings = anywhere().solver(solver).max_iterations(iterations);
    settled(&settings, map, outer, z, lambda)
}

/// The value, or the partial one of an error.
pub(crate) fn settled(
    settings: &Implicit,
    map: &impl FixedPoint,
    outer: &impl OuterLoss,
    z: &[f64],
    lambda: &[f64],
) -> Vec<f64> {
    let result = settings.tolerance(1e-14).keep_partial(true).gradient(map, outer, z, lambda);
    let partial = |error: HyperGradError| match error.partial() {
        Some(found) => found.value.clone(),
        None => panic!("{error}"),
    };
    result.map_or_else(partial, |found| found.value)
}
