//! Linear solvers for `(I - J)^T v = g`.
//!
//! A solver is a method that improves a solution until it believes it to be good enough. Whether
//! it is, the driver here finds out: it computes the residual anew, and lets the method go on from
//! it as long as that helps. What comes out is a verdict with that true residual.

mod bicgstab;
mod cg;
mod cgnr;
mod gmres;
mod neumann;
mod probe;
mod system;

use std::fmt;

pub(crate) use probe::probe;
pub use probe::{Asymmetry, asymmetry};
pub(crate) use system::System;

use crate::error::Result;
use crate::vector;

/// How `(I - J)^T v = g` is solved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Solver {
    /// Two products tell whether `I - J` is symmetric. If so, conjugate gradients; otherwise GMRES,
    /// or for more than 256 unknowns BiCGSTAB, and GMRES with restarts should that fail.
    #[default]
    Auto,
    /// Neumann's series `sum of (J^T)^k g`, until its next term is small. Needs a spectral radius
    /// below 1, and on non-normal `J` patience: terms may grow before they shrink.
    Neumann,
    /// So many terms of Neumann's series, however large the next is: a truncation, and the result
    /// says so.
    NeumannTerms(usize),
    /// Conjugate gradients (Hestenes and Stiefel, 1952): symmetric positive definite `I - J`, as
    /// of gradient descent with one step for all coordinates at a minimum.
    Cg,
    /// Conjugate gradients on the normal equations, in the form of CGLS (Paige and Saunders,
    /// 1982): any invertible `I - J`; needs forward products; its speed depends on the condition
    /// number's square.
    Cgnr,
    /// BiCGSTAB (van der Vorst, 1992): any `I - J`, two products an iteration, little memory.
    BiCgStab,
    /// GMRES (Saad and Schultz, 1986): any `I - J`, one product an iteration, `restart` vectors.
    Gmres {
        /// Iterations until what was learnt is thrown away; at least 1.
        restart: usize,
    },
}

/// The method that was used at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Used {
    /// Nothing was to be solved.
    Nothing,
    /// Neumann's series.
    Neumann,
    /// Conjugate gradients.
    Cg,
    /// Conjugate gradients on the normal equations.
    Cgnr,
    /// BiCGSTAB.
    BiCgStab,
    /// GMRES with restarts after so many iterations.
    Gmres(usize),
    /// Newton's method, of [`Glm::fit`](crate::Glm::fit).
    Newton,
}

impl fmt::Display for Used {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("no solver"),
            Self::Neumann => f.write_str("Neumann's series"),
            Self::Cg => f.write_str("CG"),
            Self::Cgnr => f.write_str("CGNR"),
            Self::BiCgStab => f.write_str("BiCGSTAB"),
            Self::Newton => f.write_str("Newton's method"),
            Self::Gmres(restart) => write!(f, "GMRES({restart})"),
        }
    }
}

/// How a method's turn ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Turn {
    /// It believes that the residual is below the tolerance.
    Claims,
    /// It wants another turn from the true residual (GMRES's restarts).
    Restart,
    /// No iterations are left.
    Limit,
    /// It cannot go on.
    Broke(&'static str),
    /// Negative curvature, relative to the direction's square.
    Indefinite(f64),
    /// The residual is beyond all reason.
    Diverged,
}

/// What the driver says of a solution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Verdict {
    Converged,
    NotConverged,
    Broke(&'static str),
    Indefinite(f64),
    Diverged,
}

/// A solution under way. The right-hand side has norm 1.
pub(crate) struct Run<'a> {
    pub(crate) system: &'a System<'a>,
    /// The solution so far and its residual, true at the beginning of each turn.
    pub(crate) v: Vec<f64>,
    pub(crate) r: Vec<f64>,
    pub(crate) iterations: usize,
    pub(crate) limit: usize,
    pub(crate) tolerance: f64,
    /// The greatest residual on the way.
    pub(crate) peak: f64,
}

/// Residuals beyond this many times the right-hand side's norm are not waited for. Neumann's terms
/// may grow by a factor of thousands before they shrink.
const DIVERGED: f64 = 1e8;

impl Run<'_> {
    /// Counts an iteration with its residual; says whether the turn is over.
    pub(crate) fn count(&mut self, residual: f64) -> Option<Turn> {
        self.iterations += 1;
        self.system.set_iteration(self.iterations);
        self.peak = self.peak.max(residual);
        if residual <= self.tolerance {
            Some(Turn::Claims)
        } else if residual > DIVERGED || residual.is_nan() {
            Some(Turn::Diverged)
        } else if self.iterations >= self.limit {
            Some(Turn::Limit)
        } else {
            None
        }
    }
}

/// A solution with what is known of it.
#[derive(Debug)]
pub(crate) struct Solved {
    pub(crate) v: Vec<f64>,
    pub(crate) iterations: usize,
    pub(crate) residual: f64,
    pub(crate) peak: f64,
    pub(crate) used: Used,
    pub(crate) verdict: Verdict,
}

/// Beyond so many unknowns `Auto` does not keep one vector for each iteration.
const AUTO_FULL: usize = 256;
/// The restart of `Auto`'s last resort.
const AUTO_RESTART: usize = 64;

/// Solves for a right-hand side of norm 1.
pub(crate) fn solve(
    system: &System<'_>,
    b: &[f64],
    solver: Solver,
    tolerance: f64,
    limit: usize,
) -> Result<Solved> {
    let (v, r) = (vec![0.0; b.len()], b.to_vec());
    let mut run = Run { system, v, r, iterations: 0, limit, tolerance, peak: 1.0 };
    let used = match solver {
        Solver::Neumann | Solver::NeumannTerms(_) => Used::Neumann,
        Solver::Cg => Used::Cg,
        Solver::Cgnr => Used::Cgnr,
        Solver::BiCgStab => Used::BiCgStab,
        Solver::Gmres { restart } => Used::Gmres(restart),
        Solver::Auto if probe::probe(system, b.len())?.is_symmetric() => Used::Cg,
        Solver::Auto if b.len() <= AUTO_FULL => Used::Gmres(b.len()),
        Solver::Auto => {
            run.limit = limit / 2;
            let first = drive(&mut run, b, Used::BiCgStab)?;
            if first.verdict == Verdict::Converged {
                return Ok(first);
            }
            run.limit = limit;
            // What BiCGSTAB left is thrown away if it is worse than nothing, or if rounding alone
            // keeps it from being good: nothing is left to improve there.
            if first.residual < 1.0 && vector::norm(&run.r) > tolerance {
                run.v = first.v;
            } else {
                run.v.fill(0.0);
                run.r.copy_from_slice(b);
            }
            Used::Gmres(AUTO_RESTART)
        }
    };
    drive(&mut run, b, used)
}

/// Lets a method take turns until the true residual is small enough, or no longer falls.
fn drive(run: &mut Run<'_>, b: &[f64], used: Used) -> Result<Solved> {
    let mut residual = vector::norm(&run.r);
    let verdict = loop {
        let turn = if run.iterations >= run.limit { Turn::Limit } else { turn(run, used)? };
        let before = residual;
        residual = true_residual(run, b)?;
        if residual <= run.tolerance {
            let most = HIDDEN * run.tolerance;
            let hidden = run.system.rounding(&run.v, most)?;
            if hidden <= most {
                break Verdict::Converged;
            }
            residual += hidden;
            break Verdict::NotConverged;
        }
        // A turn that helps little is the last: rounding allows no better.
        let helped = residual < 0.5 * before;
        match turn {
            Turn::Restart => {}
            Turn::Claims if helped => {}
            Turn::Claims | Turn::Limit => break Verdict::NotConverged,
            Turn::Broke(_) if helped && used == Used::BiCgStab => {}
            Turn::Broke(what) => break Verdict::Broke(what),
            Turn::Indefinite(curvature) => break Verdict::Indefinite(curvature),
            Turn::Diverged => break Verdict::Diverged,
        }
    };
    let v = std::mem::take(&mut run.v);
    run.v = vec![0.0; v.len()];
    let Run { iterations, peak, .. } = *run;
    Ok(Solved { v, iterations, residual, peak, used, verdict })
}

fn turn(run: &mut Run<'_>, used: Used) -> Result<Turn> {
    match used {
        Used::Nothing | Used::Newton => Ok(Turn::Claims),
        Used::Neumann => neumann::turn(run),
        Used::Cg => cg::turn(run),
        Used::Cgnr => cgnr::turn(run),
        Used::BiCgStab => bicgstab::turn(run),
        Used::Gmres(restart) => gmres::turn(run, restart.max(1)),
    }
}

/// How much rounding may hide of a solution's residual, as a multiple of the tolerance. Beyond, a
/// small residual is an accident, as with singular operators, whose solutions grow until all their
/// digits are rounding errors. Errors of many components mostly cancel: of sound problems asked for
/// all that rounding leaves, the reference's distillation comes to 3.
const HIDDEN: f64 = 16.0;

/// Computes the residual anew.
fn true_residual(run: &mut Run<'_>, b: &[f64]) -> Result<f64> {
    if !vector::finite(&run.v) {
        run.r.fill(f64::INFINITY);
        return Ok(f64::INFINITY);
    }
    run.system.adjoint(&run.v, &mut run.r)?;
    for (r, b) in run.r.iter_mut().zip(b) {
        *r = b - *r;
    }
    Ok(vector::norm(&run.r))
}
