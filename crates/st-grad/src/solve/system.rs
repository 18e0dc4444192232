//! The operator as the solvers see it: counted, and checked for NaN and infinity.

use std::cell::Cell;

use crate::error::{self, HyperGradError, Result, Site};
use crate::map::Linearised;
use crate::vector::{direction, norm};

/// Of the errors with which rounding is measured.
const DIGITS_SEED: u64 = 2;

/// The operator `(I - J)^T` at a point.
pub(crate) struct System<'a> {
    at: &'a dyn Linearised,
    products: Cell<usize>,
    iteration: Cell<usize>,
    /// The most that the operator has lengthened a vector so far: a lower bound of its norm.
    gain: Cell<f64>,
}

impl<'a> System<'a> {
    pub(crate) fn new(at: &'a dyn Linearised) -> Self {
        Self { at, products: Cell::new(0), iteration: Cell::new(0), gain: Cell::new(0.0) }
    }

    /// Products made so far.
    pub(crate) fn products(&self) -> usize {
        self.products.get()
    }

    /// The rounding errors in `(I - J)^T v`, up to a small factor. A bound if that is `enough`: those
    /// of the largest values that the operator is known to make of such vectors, and where it is a
    /// difference those of `v` (Higham, *Accuracy and Stability of Numerical Algorithms*, 2nd ed.,
    /// 3.5). Otherwise they are measured, by a product with errors in the last digits of `v`: what
    /// the operator lengthens most may be a small part of it.
    pub(crate) fn rounding(&self, v: &[f64], enough: f64) -> Result<f64> {
        let least = if self.at.adjoint_is_difference() { f64::EPSILON * norm(v) } else { 0.0 };
        let bound = least.max(f64::EPSILON * self.gain.get() * norm(v));
        if bound <= enough {
            return Ok(bound);
        }
        let signs = direction(DIGITS_SEED, v.len());
        let errors: Vec<f64> = v.iter().zip(&signs).map(|(v, s)| f64::EPSILON * s * v).collect();
        let mut made = vec![0.0; v.len()];
        self.adjoint(&errors, &mut made)?;
        Ok(least.max(norm(&made)))
    }

    /// For errors.
    pub(crate) fn set_iteration(&self, iteration: usize) {
        self.iteration.set(iteration);
    }

    fn done(&self, site: Site, result: crate::Outcome, out: &[f64]) -> Result<()> {
        self.products.set(self.products.get() + 1);
        result.map_err(error::failed(site, self.iteration.get()))?;
        error::finite(site, self.iteration.get(), out)
    }

    /// `out = (I - J)^T v`
    pub(crate) fn adjoint(&self, v: &[f64], out: &mut [f64]) -> Result<()> {
        let result = self.at.adjoint(v, out);
        self.done(Site::VjpState, result, out)?;
        // NaN, of 0 / 0, changes nothing.
        self.gain.set(self.gain.get().max(norm(out) / norm(v)));
        Ok(())
    }

    /// `out = J^T v`
    pub(crate) fn vjp_state(&self, v: &[f64], out: &mut [f64]) -> Result<()> {
        let result = self.at.vjp_state(v, out);
        self.done(Site::VjpState, result, out)
    }

    /// `out = (I - J) u`
    pub(crate) fn forward(&self, u: &[f64], out: &mut [f64]) -> Result<()> {
        if !self.at.has_jvp() {
            let needs = "forward products (`jvp`)";
            return Err(HyperGradError::Unsupported { what: "CGNR", needs });
        }
        let result = self.at.jvp_state(u, out);
        self.done(Site::Jvp, result, out)?;
        for (out, u) in out.iter_mut().zip(u) {
            *out = u - *out;
        }
        Ok(())
    }

    pub(crate) fn has_preconditioner(&self) -> bool {
        self.at.has_preconditioner()
    }

    /// `out = P r`
    pub(crate) fn precondition(&self, r: &[f64], out: &mut [f64]) -> Result<()> {
        let result = self.at.precondition(r, out);
        result.map_err(error::failed(Site::VjpState, self.iteration.get()))?;
        error::finite(Site::VjpState, self.iteration.get(), out)
    }
}
