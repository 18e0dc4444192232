//! Conjugate gradients, with the map's preconditioner where it has one (Saad, *Iterative Methods
//! for Sparse Linear Systems*, 2nd ed., algorithm 9.1).

use super::{Run, Turn};
use crate::error::Result;
use crate::vector::{axpy, dot, norm, xpay};

pub(super) fn turn(run: &mut Run<'_>) -> Result<Turn> {
    let n = run.r.len();
    let preconditioned = run.system.has_preconditioner();
    let mut z = vec![0.0; if preconditioned { n } else { 0 }];
    let mut p = run.r.clone();
    if preconditioned {
        run.system.precondition(&run.r, &mut p)?;
    }
    let mut rz = dot(&run.r, &p);
    let mut ap = vec![0.0; n];
    loop {
        run.system.adjoint(&p, &mut ap)?;
        let curvature = dot(&p, &ap);
        if curvature.abs() <= f64::EPSILON * norm(&p) * norm(&ap) {
            return Ok(Turn::Broke("a direction has no curvature"));
        }
        if curvature < 0.0 {
            return Ok(Turn::Indefinite(curvature / dot(&p, &p)));
        }
        let alpha = rz / curvature;
        axpy(alpha, &p, &mut run.v);
        axpy(-alpha, &ap, &mut run.r);
        if let Some(turn) = run.count(norm(&run.r)) {
            return Ok(turn);
        }
        let direction = if preconditioned {
            run.system.precondition(&run.r, &mut z)?;
            &z
        } else {
            &run.r
        };
        let before = std::mem::replace(&mut rz, dot(&run.r, direction));
        if rz <= 0.0 {
            return Ok(Turn::Broke("the preconditioner is not positive definite"));
        }
        xpay(direction, rz / before, &mut p);
    }
}
