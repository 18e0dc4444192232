//! The convergence tables of P1 and P1b, computed anew and set beside the reference.

use serde::Serialize;
use st_core::autograd::hypergrad::{HyperGradError, Implicit, Used, Written, iterate};

use super::problems::small::{Regression, p1, p1b, p5, p5_outer};
use super::problems::tables::{COLUMNS, row};
use super::problems::{number, numbers, reference, relative};
use crate::Result;

/// A table: errors by steps and method, ours and the reference's.
#[derive(Debug, Serialize)]
pub(super) struct Table {
    pub(super) problem: &'static str,
    pub(super) columns: [&'static str; 6],
    pub(super) rows: Vec<Row>,
}

#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) steps: usize,
    pub(super) errors: [f64; 6],
    pub(super) reference: [f64; 6],
}

/// The tables, and what becomes of conjugate gradients on the nonsymmetric map.
#[derive(Debug, Serialize)]
pub(super) struct Convergence {
    pub(super) tables: Vec<Table>,
    pub(super) nonsymmetric: Nonsymmetric,
}

/// P5, where jaxopt's CG is silently wrong.
#[derive(Debug, Serialize)]
pub(super) struct Nonsymmetric {
    pub(super) jaxopt_cg_error: f64,
    pub(super) our_cg: String,
    pub(super) our_auto: String,
    pub(super) our_auto_error: f64,
}

pub(super) fn all() -> Result<Convergence> {
    let reference = reference();
    let p1b_reference = &reference["P1b_ridge_d100"];
    let tables = vec![
        table("P1", &p1(), &reference["P1_ridge_per_feature"]),
        table("P1b", &p1b(number(&p1b_reference["step"])), p1b_reference),
    ];
    Ok(Convergence { tables, nonsymmetric: nonsymmetric(&reference)? })
}

fn table(name: &'static str, problem: &Regression, want: &serde_json::Value) -> Table {
    let exact = numbers(&want["hypergrad"]);
    let minimum = problem.minimum();
    let lines = want["convergence"].as_array().map_or(&[][..], Vec::as_slice);
    let rows = lines.iter().map(|line| {
        let steps = line["T"].as_u64().unwrap_or(0) as usize;
        Row {
            steps,
            errors: row(problem, &minimum, &exact, steps),
            reference: COLUMNS.map(|column| number(&line[column])),
        }
    });
    Table { problem: name, columns: COLUMNS, rows: rows.collect() }
}

fn nonsymmetric(reference: &serde_json::Value) -> Result<Nonsymmetric> {
    let want = &reference["P5_equilibrium_tanh_nonsymmetric"];
    let (map, lambda) = p5();
    let z = iterate(&map, &[0.0; 16], &lambda, 1e-16, 1000)?.state;
    let outer = Written(p5_outer());
    let cg = Implicit::new().solver(st_core::autograd::hypergrad::Solver::Cg);
    let our_cg = match cg.gradient(&map, &outer, &z, &lambda) {
        Err(error @ HyperGradError::NotSymmetric { .. }) => format!("error: {error}"),
        other => return Err(format!("CG on P5 should be refused, and gave {other:?}").into()),
    };
    let found = Implicit::new().gradient(&map, &outer, &z, &lambda)?;
    let Used::Gmres(_) = found.solver else {
        return Err(format!("Auto took {} for P5", found.solver).into());
    };
    Ok(Nonsymmetric {
        jaxopt_cg_error: number(&want["jaxopt_rel_err_and_signals"]["solve_cg"]["rel_err"]),
        our_cg,
        our_auto: found.solver.to_string(),
        our_auto_error: relative(&found.value, &numbers(&want["hypergrad"])),
    })
}
