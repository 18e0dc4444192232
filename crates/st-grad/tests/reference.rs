//! The reference values of the problems with closed formulas: P1, P1b, P2a, P5, P5b, P5c, P5d.

mod problems;

use problems::small::{
    EquilibriumWeights, p1, p1_with_step, p1_written, p1b, p2a, p5, p5_outer, p5_weights, p5b, p5c,
    p5d,
};
use problems::{close, norm, number, numbers, reference};
use st_grad::{
    Checkpoints, FixedPoint, GradientDescent, HyperGradError, Implicit, Solver, Unrolled,
    UpdateMap, Written, check_vjp, iterate,
};

const EVERY: [Solver; 5] =
    [Solver::Auto, Solver::Cg, Solver::Cgnr, Solver::BiCgStab, Solver::Gmres { restart: 30 }];

fn tight() -> Implicit {
    Implicit::new().tolerance(1e-13)
}

/// A fixed point to rounding.
fn settle(map: &impl FixedPoint, lambda: &[f64]) -> Vec<f64> {
    iterate(map, &vec![0.0; map.dim()], lambda, 1e-17, 2000).unwrap().state
}

#[test]
fn p1_by_every_solver_and_both_ways_of_writing_it() {
    let want = &reference()["P1_ridge_per_feature"];
    let exact = numbers(&want["hypergrad_25_digits"]);
    let p1 = p1();
    close(&p1.lambda, &numbers(&want["lambda"]), 1e-15);
    let w = p1.minimum();
    close(&w, &numbers(&want["w_star"]), 1e-12);

    let (loss, held_out) = p1_written();
    let written = (GradientDescent::new(loss, 12, 12, 0.5), Written(held_out));
    for solver in EVERY.into_iter().chain([Solver::Neumann]) {
        let by_hand = tight().solver(solver).gradient(&p1.train, &p1.held_out, &w, &p1.lambda);
        let by_tape = tight().solver(solver).gradient(&written.0, &written.1, &w, &p1.lambda);
        for found in [by_hand, by_tape] {
            let found = found.unwrap_or_else(|error| panic!("{solver:?}: {error}"));
            close(&found.value, &exact, 1e-12);
            assert!(found.residual <= 1e-13 && found.fixed_point_residual < 1e-15, "{found:?}");
            close(&[found.outer], &[number(&want["outer_value_25_digits"])], 1e-13);
            // The adjoint of the reference is that of the gradient, not of the step.
            let v: Vec<f64> = found.adjoint.iter().map(|v| v * p1.step).collect();
            close(&v, &numbers(&want["adjoint_v"]), 1e-12);
        }
    }
}

#[test]
fn p1_unrolled_both_ways_with_all_checkpoints() {
    let want = &reference()["P1_ridge_per_feature"];
    let p1 = p1();
    let (loss, held_out) = p1_written();
    let map = GradientDescent::new(loss, 12, 12, 0.5);
    let start = [0.0; 12];
    for (steps, want) in want["unrolled_T"].as_object().unwrap() {
        let steps: usize = steps.parse().unwrap();
        let exact = numbers(&want["hypergrad"]);
        let mut found = vec![
            Unrolled::new(steps).forward(&p1.train, &p1.held_out, &start, &p1.lambda).unwrap(),
            Unrolled::new(steps).forward(&map, &Written(&held_out), &start, &p1.lambda).unwrap(),
        ];
        for kept in [Checkpoints::All, Checkpoints::Sqrt, Checkpoints::Every(7)] {
            let steps = Unrolled::new(steps).checkpoints(kept);
            found.push(steps.reverse(&p1.train, &p1.held_out, &start, &p1.lambda).unwrap());
            found.push(steps.reverse(&map, &Written(&held_out), &start, &p1.lambda).unwrap());
        }
        for found in found {
            assert!((found.outer - number(&want["outer"])).abs() < 1e-14);
            if steps == 1 {
                assert_eq!(found.value, exact, "exactly zero");
            } else {
                close(&found.value, &exact, 1e-12);
            }
        }
    }
    for (kept, want) in want["truncated_backprop_T100_K"].as_object().unwrap() {
        let kept: usize = kept.parse().unwrap();
        let settings = Unrolled::new(100).truncate(kept);
        let found = settings.reverse(&p1.train, &p1.held_out, &start, &p1.lambda).unwrap();
        close(&found.value, &numbers(&want["hypergrad"]), 1e-12);
        assert_eq!((found.truncated_to, found.initial), (Some(kept), None));
    }
}

#[test]
fn p1b_with_a_hundred_weights() {
    let want = &reference()["P1b_ridge_d100"];
    let p1b = p1b(number(&want["step"]));
    let w = p1b.minimum();
    assert!((norm(&w) / number(&want["w_star_norm2"]) - 1.0).abs() < 1e-10);
    for solver in EVERY {
        let found =
            tight().tolerance(if solver == Solver::Cgnr { 8e-12 } else { 3e-12 }).solver(solver);
        let found = found.gradient(&p1b.train, &p1b.held_out, &w, &p1b.lambda);
        let found = found.unwrap_or_else(|error| panic!("{solver:?}: {error}"));
        close(&found.value, &numbers(&want["hypergrad"]), 1e-10);
        close(&[found.outer], &[number(&want["outer_value"])], 1e-11);
    }
}

#[test]
fn p2a_logistic() {
    let want = &reference()["P2a_logistic_synthetic"];
    let p2a = p2a();
    close(&p2a.lambda, &numbers(&want["lambda"]), 1e-15);
    let w = p2a.minimum();
    close(&w, &numbers(&want["w_star"]), 1e-13);
    for solver in EVERY {
        let found = tight().solver(solver);
        let found = found.gradient(&p2a.train, &p2a.held_out, &w, &p2a.lambda).unwrap();
        close(&found.value, &numbers(&want["hypergrad_25_digits"]), 1e-12);
        close(&[found.outer], &[number(&want["outer_value_25_digits"])], 1e-13);
        close(&found.adjoint, &numbers(&want["adjoint_v"]), 1e-12);
    }
}

#[test]
fn p5_equilibrium() {
    let want = &reference()["P5_equilibrium_tanh_nonsymmetric"];
    let (map, lambda) = p5();
    let z = settle(&map, &lambda);
    close(&z, &numbers(&want["z_star"]), 1e-14);
    let outer = Written(p5_outer());
    for solver in [
        Solver::Auto,
        Solver::Neumann,
        Solver::Cgnr,
        Solver::BiCgStab,
        Solver::Gmres { restart: 16 },
    ] {
        let found = tight().solver(solver).gradient(&map, &outer, &z, &lambda);
        let found = found.unwrap_or_else(|error| panic!("{solver:?}: {error}"));
        close(&found.value, &numbers(&want["hypergrad_25_digits"]), 1e-12);
        close(&found.adjoint, &numbers(&want["adjoint_v"]), 1e-12);
        close(&[found.outer], &[number(&want["outer_value"])], 1e-14);
    }

    // With the weights as hyper-parameters, too.
    let map = UpdateMap::new(EquilibriumWeights, 16, 16 + 256);
    let weights: Vec<f64> = (0..16).flat_map(|i| p5_weights().row(i).to_vec()).collect();
    let lambda = [lambda, weights].concat();
    let found = tight().gradient(&map, &outer, &z, &lambda).unwrap();
    let (bias, weights) = found.value.split_at(16);
    close(bias, &numbers(&want["hypergrad"]), 1e-12);
    close(&[norm(weights)], &[number(&want["dE_dW_fro"])], 1e-12);
    let trace = (0..16).map(|i| weights[17 * i]).sum();
    close(&[trace], &[number(&want["dE_dW_trace"])], 1e-12);
    check_vjp(&map, &z, &lambda).unwrap();
}

/// What the seed wrote, `(I - J) v = g`, is as wrong as the reference says: the transposed map of
/// P5 gives that error.
#[test]
fn p5_without_the_transpose_is_wrong() {
    let want = &reference()["P5_equilibrium_tanh_nonsymmetric"];
    let (map, lambda) = p5();
    let z = settle(&map, &lambda);
    let forgotten = st_grad::MapFn::new(
        16,
        16,
        |z, lambda, out| map.step(z, lambda, out),
        |z, lambda, v, z_bar, lambda_bar| {
            let mut unused = [0.0; 16];
            map.vjp(z, lambda, v, &mut unused, lambda_bar)?;
            map.jvp(z, lambda, v, &[0.0; 16], z_bar)
        },
    );
    let found = tight().gradient(&forgotten, &Written(p5_outer()), &z, &lambda).unwrap();
    let error = problems::relative(&found.value, &numbers(&want["hypergrad"]));
    close(&[error], &[number(&want["rel_err_if_transpose_forgotten_(I-J)v=g"])], 1e-9);
    // The check of products finds it.
    assert!(check_vjp(&forgotten, &z, &lambda).is_err());
}

#[test]
fn p5b_non_normal() {
    let want = &reference()["P5b_nonnormal_linear"];
    let (map, lambda, outer) = p5b();
    let z = settle(&map, &lambda);
    // The solution is 3e4 times as long as the right-hand side, so that rounding alone leaves a
    // residual of about 2e-12, of the normal equations 6e-12.
    for (solver, tolerance) in [
        (Solver::Auto, 3e-12),
        (Solver::Neumann, 3e-12),
        (Solver::Cgnr, 8e-12),
        (Solver::BiCgStab, 3e-12),
        (Solver::Gmres { restart: 8 }, 3e-12),
    ] {
        let found = Implicit::new().tolerance(tolerance).solver(solver);
        let found = found.gradient(&map, &Written(&outer), &z, &lambda);
        let found = found.unwrap_or_else(|error| panic!("{solver:?}: {error}"));
        close(&found.value, &numbers(&want["hypergrad"]), 1e-12);
        // What rounding does not allow is an error, not a value.
        let greedy = Implicit::new().tolerance(1e-14).solver(solver);
        let error = greedy.gradient(&map, &Written(&outer), &z, &lambda).unwrap_err();
        assert!(matches!(error, HyperGradError::NotConverged { .. }), "{error}");
    }
}

#[test]
fn p5c_heavy_ball_equals_p1() {
    let exact = numbers(&reference()["P1_ridge_per_feature"]["hypergrad_25_digits"]);
    let (map, p1, held_out) = (p5c(), p1(), p1_written().1);
    let z = [p1.minimum(), vec![0.0; 12]].concat();
    for solver in [
        Solver::Auto,
        Solver::Neumann,
        Solver::Cgnr,
        Solver::BiCgStab,
        Solver::Gmres { restart: 24 },
    ] {
        let found = tight().solver(solver).gradient(&map, &Written(&held_out), &z, &p1.lambda);
        let found = found.unwrap_or_else(|error| panic!("{solver:?}: {error}"));
        close(&found.value, &exact, 1e-12);
    }
}

#[test]
fn p5d_steps_for_each_coordinate_equal_p1() {
    let exact = numbers(&reference()["P1_ridge_per_feature"]["hypergrad_25_digits"]);
    let p1 = p1();
    let (map, w) = (p5d(&p1), p1.minimum());
    for solver in [Solver::Auto, Solver::Cg, Solver::BiCgStab, Solver::Gmres { restart: 12 }] {
        let found = tight().solver(solver).gradient(&map, &p1.held_out, &w, &p1.lambda);
        let found = found.unwrap_or_else(|error| panic!("{solver:?}: {error}"));
        close(&found.value, &exact, 1e-12);
        // CG happens to converge on it; Auto does not rely on that.
        assert!(solver != Solver::Auto || found.solver == st_grad::Used::Gmres(12));
    }
}

/// Implicit gradients do not depend on the step of descent.
#[test]
fn p1_with_any_step() {
    let exact = numbers(&reference()["P1_ridge_per_feature"]["hypergrad_25_digits"]);
    for step in [1e-6, 0.01, 1.7, 100.0] {
        let p1 = p1_with_step(step);
        let found = tight().gradient(&p1.train, &p1.held_out, &p1.minimum(), &p1.lambda).unwrap();
        close(&found.value, &exact, 1e-12);
    }
}

/// The committed values are those of the reference, unchanged.
#[test]
fn the_reference_is_the_one_that_was_given() {
    use sha2::Digest;
    let hash = sha2::Sha256::digest(include_bytes!("data/hypergrad_reference.json"));
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hash, "af41847108b64a9f6bc8a0b0b1f2487c24d66033b2ea35623ddfcf7c8328d90a");
}

#[test]
fn every_map_of_the_reference_has_the_right_products() {
    let (p1, p2a) = (p1(), p2a());
    check_vjp(&p1.train, &p1.minimum(), &p1.lambda).unwrap();
    check_vjp(&p2a.train, &p2a.minimum(), &p2a.lambda).unwrap();
    check_vjp(&p5c(), &[0.3; 24], &p1.lambda).unwrap();
    check_vjp(&GradientDescent::new(p1_written().0, 12, 12, 0.5), &[0.3; 12], &p1.lambda).unwrap();
    let (map, lambda) = p5();
    check_vjp(&map, &[0.2; 16], &lambda).unwrap();
    // P5d holds its steps constant, which is right at the minimum alone.
    check_vjp(&p5d(&p1), &p1.minimum(), &p1.lambda).unwrap();
}
