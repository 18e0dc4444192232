//! Conjugate gradients on the normal equations, in the form of CGLS, which does not square the
//! condition number of what is stored (Paige and Saunders, *LSQR*, 1982).

use super::{Run, Turn};
use crate::error::Result;
use crate::vector::{axpy, dot, norm, xpay};

pub(super) fn turn(run: &mut Run<'_>) -> Result<Turn> {
    let n = run.r.len();
    let mut s = vec![0.0; n];
    run.system.forward(&run.r, &mut s)?;
    let mut p = s.clone();
    let mut gamma = dot(&s, &s);
    let mut q = vec![0.0; n];
    let mut size = 0.0f64;
    loop {
        // The gradient of |b - M v|^2 is as good as zero: the residual stays what it is.
        if gamma.sqrt() <= 4.0 * f64::EPSILON * size.max(f64::MIN_POSITIVE) * norm(&run.r) {
            return Ok(Turn::Broke("no v makes the residual smaller"));
        }
        run.system.adjoint(&p, &mut q)?;
        let square = dot(&q, &q);
        if square == 0.0 {
            return Ok(Turn::Broke("a direction is mapped to zero"));
        }
        size = size.max(square.sqrt() / norm(&p));
        let alpha = gamma / square;
        axpy(alpha, &p, &mut run.v);
        axpy(-alpha, &q, &mut run.r);
        if let Some(turn) = run.count(norm(&run.r)) {
            return Ok(turn);
        }
        run.system.forward(&run.r, &mut s)?;
        let before = std::mem::replace(&mut gamma, dot(&s, &s));
        xpay(&s, gamma / before, &mut p);
    }
}
