//! The inner loop: iterating a map to its fixed point.

use crate::error::{self, Result, Site};
use crate::map::FixedPoint;
use crate::vector;

/// Where an inner loop ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Reached {
    /// The state.
    pub state: Vec<f64>,
    /// Steps made.
    pub steps: usize,
    /// The length of the last step, `|Phi(z) - z|` one step before `state`.
    pub last_step: f64,
    /// Whether the last step was short enough. If not, `state` is no fixed point, and
    /// [`Implicit`](crate::Implicit) will say so.
    pub converged: bool,
}

/// Iterates `z <- Phi(z, lambda)` until a step is at most `tolerance` times the state's norm (or
/// than `tolerance`, for states shorter than 1), but at most `max_steps` times.
///
/// # Errors
///
/// A wrong shape, a failure of the map, or NaN or infinity in a state, with the step at which it
/// appeared. Ending at `max_steps` is no error; [`Reached::converged`] tells.
pub fn iterate(
    map: &impl FixedPoint,
    z0: &[f64],
    lambda: &[f64],
    tolerance: f64,
    max_steps: usize,
) -> Result<Reached> {
    check(map, z0, lambda)?;
    let mut state = z0.to_vec();
    let mut next = vec![0.0; state.len()];
    let mut last_step = f64::INFINITY;
    for steps in 0..max_steps {
        step(map, &state, lambda, &mut next, steps)?;
        last_step = vector::distance(&state, &next);
        std::mem::swap(&mut state, &mut next);
        // Beyond the greatest number any step would be short enough.
        if last_step <= tolerance * vector::norm(&state).clamp(1.0, f64::MAX) {
            return Ok(Reached { state, steps: steps + 1, last_step, converged: true });
        }
    }
    Ok(Reached { state, steps: max_steps, last_step, converged: false })
}

/// Checks lengths and numbers of a point.
pub(crate) fn check(map: &(impl FixedPoint + ?Sized), z: &[f64], lambda: &[f64]) -> Result<()> {
    error::shape("numbers in the state", map.dim(), z.len())?;
    error::shape("hyper-parameters", map.params(), lambda.len())?;
    error::finite(Site::State, 0, z)?;
    error::finite(Site::Params, 0, lambda)
}

/// One checked step.
pub(crate) fn step(
    map: &(impl FixedPoint + ?Sized),
    z: &[f64],
    lambda: &[f64],
    next: &mut [f64],
    iteration: usize,
) -> Result<()> {
    map.step(z, lambda, next).map_err(error::failed(Site::Step, iteration))?;
    error::finite(Site::Step, iteration, next)
}
