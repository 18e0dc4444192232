//! Whether hand-written products are the derivatives of their update.

use crate::error::{self, HyperGradError, Result, Site};
use crate::iterate::{check, step};
use crate::map::FixedPoint;
use crate::vector::{axpy, direction, dot, norm};

/// What [`check_vjp`] found: the greatest differences, relative to the products' size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VjpCheck {
    /// Of `<J^T v, u>` from differences of the update.
    pub state: f64,
    /// Of `<B^T v, w>` from differences of the update.
    pub params: f64,
    /// Of forward products from transposed ones, where the map has forward products.
    pub forward: Option<f64>,
}

/// Differences of fourth order leave about `eps^(4/5)` of rounding and truncation.
const TOLERANCE: f64 = 1e-7;
/// Forward and transposed products differ by rounding alone.
const FORWARD_TOLERANCE: f64 = 1e-11;
const STEP: f64 = 1e-3;
const PROBES: u64 = 3;

/// Checks a map's products at a point: along fixed directions without structure, transposed
/// products against central differences of the update (fourth order), and forward products against
/// transposed ones. The update should be smooth within about 0.2 % of the point.
///
/// # Errors
///
/// [`HyperGradError::WrongProduct`] with both numbers for a product that is wrong, and whatever the
/// map fails with.
///
/// ```
/// use st_grad::{HyperGradError, MapFn, check_vjp};
///
/// // z = tanh(lambda z), and a product that forgot a factor.
/// let step = |z: &[f64], lambda: &[f64], out: &mut [f64]| Ok(out[0] = (lambda[0] * z[0]).tanh());
/// let wrong = MapFn::new(1, 1, step, |z, lambda, v, z_bar, lambda_bar| {
///     let slope = 1.0 - (lambda[0] * z[0]).tanh().powi(2);
///     (z_bar[0], lambda_bar[0]) = (slope * v[0], slope * z[0] * v[0]);
///     Ok(())
/// });
/// assert!(matches!(
///     check_vjp(&wrong, &[0.5], &[2.0]),
///     Err(HyperGradError::WrongProduct { site: st_grad::Site::VjpState, .. })
/// ));
/// ```
pub fn check_vjp(map: &(impl FixedPoint + ?Sized), z: &[f64], lambda: &[f64]) -> Result<VjpCheck> {
    check(map, z, lambda)?;
    let forward = if map.has_jvp() { Some(0.0) } else { None };
    let mut found = VjpCheck { state: 0.0, params: 0.0, forward };
    let (mut z_bar, mut lambda_bar) = (vec![0.0; z.len()], vec![0.0; lambda.len()]);
    let (no_z, no_lambda) = (vec![0.0; z.len()], vec![0.0; lambda.len()]);
    for probe in 0..PROBES {
        let v = direction(3 * probe, z.len());
        let (u, w) = (direction(3 * probe + 1, z.len()), direction(3 * probe + 2, lambda.len()));
        map.vjp(z, lambda, &v, &mut z_bar, &mut lambda_bar)
            .map_err(error::failed(Site::VjpState, 0))?;
        error::finite(Site::VjpState, 0, &z_bar)?;
        error::finite(Site::VjpParams, 0, &lambda_bar)?;
        let jvp = |dz: &[f64], dlambda: &[f64]| -> Result<Option<Vec<f64>>> {
            if forward.is_none() {
                return Ok(None);
            }
            let mut out = vec![0.0; z.len()];
            map.jvp(z, lambda, dz, dlambda, &mut out).map_err(error::failed(Site::Jvp, 0))?;
            error::finite(Site::Jvp, 0, &out)?;
            Ok(Some(out))
        };
        for (site, got, difference, forward) in [
            (
                Site::VjpState,
                dot(&z_bar, &u),
                differences(map, (z, &u), (lambda, &no_lambda))?,
                jvp(&u, &no_lambda)?,
            ),
            (
                Site::VjpParams,
                dot(&lambda_bar, &w),
                differences(map, (z, &no_z), (lambda, &w))?,
                jvp(&no_z, &w)?,
            ),
        ] {
            // The products' size, not the sum's, in which much may cancel.
            let size = norm(&v) * norm(&difference) + f64::MIN_POSITIVE;
            let expected = dot(&v, &difference);
            let error = compare(site, got, expected, size, TOLERANCE)?;
            let worst = if site == Site::VjpState { &mut found.state } else { &mut found.params };
            *worst = worst.max(error);
            if let Some(forward) = forward {
                let size = norm(&v) * norm(&forward) + f64::MIN_POSITIVE;
                let error = compare(Site::Jvp, dot(&v, &forward), got, size, FORWARD_TOLERANCE)?;
                found.forward = found.forward.map(|worst| worst.max(error));
            }
        }
    }
    Ok(found)
}

/// The update's derivative along a direction, by four values.
fn differences(
    map: &(impl FixedPoint + ?Sized),
    (z, dz): (&[f64], &[f64]),
    (lambda, dlambda): (&[f64], &[f64]),
) -> Result<Vec<f64>> {
    let size = |x: &[f64]| norm(x) / (x.len().max(1) as f64).sqrt();
    let h = STEP * if norm(dz) > 0.0 { size(z) } else { size(lambda) }.max(1e-2);
    let mut sum = vec![0.0; z.len()];
    let mut out = vec![0.0; z.len()];
    for (steps, weight) in [(1.0, 8.0), (-1.0, -8.0), (2.0, -1.0), (-2.0, 1.0)] {
        let (mut z, mut lambda) = (z.to_vec(), lambda.to_vec());
        axpy(steps * h, dz, &mut z);
        axpy(steps * h, dlambda, &mut lambda);
        step(map, &z, &lambda, &mut out, 0)?;
        axpy(weight / (12.0 * h), &out, &mut sum);
    }
    Ok(sum)
}

fn compare(site: Site, got: f64, expected: f64, size: f64, tolerance: f64) -> Result<f64> {
    let error = (got - expected).abs() / size;
    // A product of zero is compared with the rounding of the differences.
    if error <= tolerance || (got - expected).abs() <= 1e-11 {
        Ok(error.min(tolerance))
    } else {
        Err(HyperGradError::WrongProduct { site, got, expected, error, tolerance })
    }
}
