//! Whether an operator is symmetric, from two products.

use super::System;
use crate::error::Result;
use crate::map::Linearised;
use crate::vector::{direction, dot, norm};

/// How far from symmetric an operator is, seen by two vectors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Asymmetry {
    /// `|<u, M p> - <M u, p>| / (|u| |p|)`
    pub difference: f64,
    /// The same over the mean of `|u| |M p|` and `|M u| |p|`, so that it does not depend on the
    /// operator's size.
    pub relative: f64,
}

/// Asymmetries below this are rounding.
const ROUNDING: f64 = 1e-9;

/// Probes `M = (I - J)^T` with two vectors.
///
/// # Errors
///
/// A failed or non-finite product.
pub fn asymmetry(at: &dyn Linearised, u: &[f64], p: &[f64]) -> Result<Asymmetry> {
    of(&System::new(at), u, p)
}

fn of(system: &System<'_>, u: &[f64], p: &[f64]) -> Result<Asymmetry> {
    let (mut mu, mut mp) = (vec![0.0; u.len()], vec![0.0; p.len()]);
    system.adjoint(u, &mut mu)?;
    system.adjoint(p, &mut mp)?;
    let gap = (dot(u, &mp) - dot(&mu, p)).abs();
    let (u, p, mu, mp) = (norm(u), norm(p), norm(&mu), norm(&mp));
    let over = |size: f64| if gap == 0.0 { 0.0 } else { gap / size };
    Ok(Asymmetry { difference: over(u * p), relative: over((u * mp + mu * p) / 2.0) })
}

/// Probes with two fixed directions.
pub(crate) fn probe(system: &System<'_>, dim: usize) -> Result<Asymmetry> {
    of(system, &direction(1, dim), &direction(2, dim))
}

impl Asymmetry {
    /// Whether it is more than rounding.
    #[must_use]
    pub fn is_symmetric(&self) -> bool {
        self.relative <= ROUNDING
    }
}
