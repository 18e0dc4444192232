//! BiCGSTAB (van der Vorst, 1992; Saad, *Iterative Methods for Sparse Linear Systems*, 2nd ed.,
//! algorithm 7.7). A breakdown begins anew with another shadow residual, by the driver.

use super::{Run, Turn};
use crate::error::Result;
use crate::vector::{axpy, dot, norm};

/// Inner products so much smaller than their factors are rounding errors.
const TINY: f64 = 1e-15;

pub(super) fn turn(run: &mut Run<'_>) -> Result<Turn> {
    let n = run.r.len();
    let shadow = run.r.clone();
    let shadow_norm = norm(&shadow);
    let mut p = run.r.clone();
    let (mut ap, mut at) = (vec![0.0; n], vec![0.0; n]);
    let mut rho = dot(&shadow, &run.r);
    loop {
        run.system.adjoint(&p, &mut ap)?;
        let below = dot(&shadow, &ap);
        if below.abs() <= TINY * shadow_norm * norm(&ap) {
            return Ok(Turn::Broke("a direction is orthogonal to the shadow residual"));
        }
        let alpha = rho / below;
        // The half step: s takes r's place.
        axpy(alpha, &p, &mut run.v);
        axpy(-alpha, &ap, &mut run.r);
        let half = norm(&run.r);
        if half <= run.tolerance {
            return Ok(run.count(half).unwrap_or(Turn::Claims));
        }
        run.system.adjoint(&run.r, &mut at)?;
        let square = dot(&at, &at);
        let along = dot(&at, &run.r);
        if along.abs() <= TINY * square.sqrt() * half {
            return Ok(Turn::Broke("the stabilising step is zero"));
        }
        let omega = along / square;
        axpy(omega, &run.r, &mut run.v);
        axpy(-omega, &at, &mut run.r);
        let size = norm(&run.r);
        if let Some(turn) = run.count(size) {
            return Ok(turn);
        }
        let before = std::mem::replace(&mut rho, dot(&shadow, &run.r));
        if rho.abs() <= TINY * shadow_norm * size {
            return Ok(Turn::Broke("the residual is orthogonal to its shadow"));
        }
        let beta = rho / before * (alpha / omega);
        for ((p, r), ap) in p.iter_mut().zip(&run.r).zip(&ap) {
            *p = r + beta * (*p - omega * ap);
        }
    }
}
