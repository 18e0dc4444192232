//! The convergence tables of the reference, to two digits in each cell above 1e-10.

mod problems;

use problems::small::{Regression, p1, p1_written, p1b, p5, p5_outer, p5b, p5c, p5d};
use problems::tables::{COLUMNS, row, value};
use problems::{number, numbers, reference, relative};
use serde_json::Value;
use st_grad::{FixedPoint, OuterLoss, Solver, Written, iterate};

/// Two digits (a difference of at most half a unit of the second), where there is more than
/// rounding.
#[track_caller]
fn same(got: f64, want: f64, what: &str) {
    if want > 1e-10 {
        let half_unit = 0.05 * 10f64.powf(want.log10().floor());
        assert!((got - want).abs() <= half_unit, "{what}: {got:e}, the reference has {want:e}");
    } else {
        assert!(got < 2e-10, "{what}: {got:e}, the reference has {want:e}");
    }
}

fn table(problem: &Regression, want: &Value) {
    let exact = numbers(&want["hypergrad"]);
    let minimum = problem.minimum();
    for line in want["convergence"].as_array().unwrap() {
        let steps = line["T"].as_u64().unwrap() as usize;
        let got = row(problem, &minimum, &exact, steps);
        for (column, got) in COLUMNS.iter().zip(got) {
            same(got, number(&line[*column]), &format!("{column} at {steps}"));
        }
    }
}

#[test]
fn p1_table() {
    table(&p1(), &reference()["P1_ridge_per_feature"]);
}

#[test]
fn p1b_table() {
    let want = &reference()["P1b_ridge_d100"];
    table(&p1b(number(&want["step"])), want);
}

/// Each count of iterations in `want` with its error.
fn errors(
    (map, outer): (&impl FixedPoint, &impl OuterLoss),
    (z, lambda): (&[f64], &[f64]),
    exact: &[f64],
    solver: impl Fn(usize) -> Solver,
    want: &Value,
) {
    for (count, want) in want.as_object().unwrap() {
        let iterations = count.parse().unwrap();
        let got = relative(&value(map, outer, z, lambda, solver(iterations), iterations), exact);
        let (what, want) = (format!("{:?} after {count}", solver(iterations)), number(want));
        // In exact arithmetic these methods are done after `dim` iterations. What they leave then
        // is rounding, and its size depends on the order of every sum.
        let finite = !matches!(solver(iterations), Solver::NeumannTerms(_));
        if finite && iterations >= map.dim() && want < 1e-6 {
            assert!(got < (5.0 * want).max(2e-10), "{what}: {got:e}, the reference has {want:e}");
        } else {
            same(got, want, &what);
        }
    }
}

#[test]
fn p5b_non_normal() {
    let want = &reference()["P5b_nonnormal_linear"];
    let (map, lambda, outer) = p5b();
    let z = iterate(&map, &[0.0; 8], &lambda, 1e-17, 1000).unwrap().state;
    let (problem, exact) = ((&map, &Written(outer)), numbers(&want["hypergrad"]));
    errors(problem, (&z, &lambda), &exact, Solver::NeumannTerms, &want["neumann_rel_err"]);
    errors(problem, (&z, &lambda), &exact, |_| Solver::Cgnr, &want["cgnr_rel_err"]);
    errors(problem, (&z, &lambda), &exact, |_| Solver::BiCgStab, &want["bicgstab_rel_err"]);
    let gmres = serde_json::json!({ "8": want["gmres_rel_err_8"] });
    errors(problem, (&z, &lambda), &exact, |_| Solver::Gmres { restart: 8 }, &gmres);
}

#[test]
fn p5b_terms_grow_before_they_shrink() {
    let want = &reference()["P5b_nonnormal_linear"];
    let (map, lambda, outer) = p5b();
    let z = iterate(&map, &[0.0; 8], &lambda, 1e-17, 1000).unwrap().state;
    let settings = problems::anywhere();
    let scale: f64 = z.iter().map(|z| (z - 1.0).powi(2)).sum::<f64>().sqrt();
    for (term, want) in want["neumann_term_norm"].as_object().unwrap() {
        // The residual of so many terms is the next one; the first is `g` itself.
        let before = term.parse::<usize>().unwrap() - 1;
        let size = if before == 0 {
            1.0
        } else {
            let settings = settings.solver(Solver::NeumannTerms(before));
            let found = settings.gradient(&map, &Written(&outer), &z, &lambda).unwrap();
            assert!(found.peak_residual >= found.residual);
            found.residual
        };
        // Of the last terms, the residual that is computed anew shows rounding.
        let gap = (size * scale - number(want)).abs();
        assert!(gap < 1e-4 * number(want) + 3e-11 * scale, "term {term}: {} {want}", size * scale);
    }
}

#[test]
fn p5c_heavy_ball() {
    let want = &reference()["P5c_heavy_ball"];
    let exact = numbers(&reference()["P1_ridge_per_feature"]["hypergrad"]);
    let (map, p1, outer) = (p5c(), p1(), Written(p1_written().1));
    let z = [p1.minimum(), vec![0.0; 12]].concat();
    let (problem, at) = ((&map, &outer), (&z[..], &p1.lambda[..]));
    errors(problem, at, &exact, |n| Solver::Gmres { restart: n }, &want["gmres"]);
    errors(problem, at, &exact, |_| Solver::BiCgStab, &want["bicgstab"]);
    errors(problem, at, &exact, |_| Solver::Cgnr, &want["cgnr"]);
    errors(problem, at, &exact, |_| Solver::Cg, &want["cg_WRONG"]);
    errors(problem, at, &exact, Solver::NeumannTerms, &want["neumann"]);
}

#[test]
fn p5d_steps_for_each_coordinate() {
    let want = &reference()["P5d_diag_preconditioned"];
    let exact = numbers(&reference()["P1_ridge_per_feature"]["hypergrad"]);
    let p1 = p1();
    let map = p5d(&p1);
    let w = p1.minimum();
    errors((&map, &p1.held_out), (&w, &p1.lambda), &exact, |_| Solver::Cg, &want["cg_WRONG"]);
}

#[test]
fn p5_what_jaxopt_gives_without_a_word() {
    let want = &reference()["P5_equilibrium_tanh_nonsymmetric"];
    let (map, lambda) = p5();
    let z = iterate(&map, &[0.0; 16], &lambda, 1e-17, 1000).unwrap().state;
    let exact = numbers(&want["hypergrad"]);
    let restarted = &want["jaxopt_rel_err_and_signals"]["solve_gmres(restart=3,maxiter=1)"];
    let gmres = serde_json::json!({ "3": restarted["rel_err"] });
    let problem = (&map, &Written(p5_outer()));
    errors(problem, (&z, &lambda), &exact, |_| Solver::Gmres { restart: 3 }, &gmres);
}
