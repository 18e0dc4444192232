//! Neumann's series: `v = sum of (J^T)^k g`. Its residual is its next term.

use super::{Run, Turn};
use crate::error::Result;
use crate::vector;

pub(super) fn turn(run: &mut Run<'_>) -> Result<Turn> {
    let mut term = run.r.clone();
    let mut next = vec![0.0; term.len()];
    let mut size = vector::norm(&term);
    loop {
        vector::axpy(1.0, &term, &mut run.v);
        run.system.vjp_state(&term, &mut next)?;
        std::mem::swap(&mut term, &mut next);
        let before = std::mem::replace(&mut size, vector::norm(&term));
        match run.count(size) {
            // A series that still grows at the end is not on its way to anywhere.
            Some(Turn::Limit) if size > before * (1.0 + 1e-6) => return Ok(Turn::Diverged),
            Some(turn) => return Ok(turn),
            None => {}
        }
    }
}
