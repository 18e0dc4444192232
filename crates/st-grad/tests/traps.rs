//! The traps of the reference, T1 to T10, and our own: where a value without a warning would be wrong.

mod problems;

use problems::small::{p1, p1_with_step, p1b, p2a, p5, p5_outer};
use problems::{anywhere, close, norm, number, numbers, reference, relative};
use serde_json::Value;
use st_grad::{
    Ending, FixedPoint, Glm, HyperGrad, HyperGradError, Implicit, Link, MapFn, Matrix, OuterFn,
    OuterLoss, Solver, Unrolled, Used, Written, asymmetry, iterate,
};

fn rows<'a>(reference: &'a Value, trap: &str) -> &'a [Value] {
    reference["traps"][trap]["rows"].as_array().unwrap()
}

fn count(row: &Value, name: &str) -> usize {
    row[name].as_u64().unwrap() as usize
}

fn partial(error: &HyperGradError) -> &HyperGrad {
    let found = error.partial().unwrap_or_else(|| panic!("{error}"));
    assert_eq!(found.ending, Ending::Partial);
    found
}

#[test]
fn t1_cg_that_is_stopped_early_says_so() {
    let reference = reference();
    let want = &reference["P1b_ridge_d100"];
    let exact = numbers(&want["hypergrad"]);
    let p1b = p1b(number(&want["step"]));
    let w = p1b.minimum();
    for row in rows(&reference, "T1_P1b_cg_truncated") {
        let settings = anywhere().solver(Solver::Cg).max_iterations(count(row, "iters"));
        let silent = settings.gradient(&p1b.train, &p1b.held_out, &w, &p1b.lambda).unwrap_err();
        assert!(silent.partial().is_none(), "only on request");
        let error = settings.keep_partial(true);
        let error = error.gradient(&p1b.train, &p1b.held_out, &w, &p1b.lambda).unwrap_err();
        let HyperGradError::NotConverged { residual, iterations, .. } = error else {
            panic!("{error}")
        };
        assert_eq!(iterations, count(row, "iters"));
        // From the 70th iteration on rounding has a say, and with it the instruction set.
        let digits = if iterations < 70 { 1e-6 } else { 0.5 };
        close(&[residual], &[number(&row["true_relative_residual"])], digits);
        let found = partial(&error);
        let wrong = relative(&found.value, &exact);
        close(&[wrong], &[number(&row["hypergrad_rel_err"])], digits);

        // The bound that the residual gives.
        let steepest = w.iter().zip(&p1b.lambda).map(|(w, l)| l.exp() * w.abs());
        let (mut g, mut unused) = (vec![0.0; 100], vec![0.0; 100]);
        p1b.held_out.gradient(&w, &p1b.lambda, &mut g, &mut unused).unwrap();
        let smallest = number(&want["H_eig_min"]);
        let bound = steepest.fold(0.0, f64::max) * residual * norm(&g) / smallest / norm(&exact);
        close(&[bound], &[number(&row["a_posteriori_bound"])], digits);
        assert!(wrong <= bound);
    }
}

#[test]
fn t2_cg_on_a_nonsymmetric_map_is_refused() {
    let reference = reference();
    let exact = numbers(&reference["P5_equilibrium_tanh_nonsymmetric"]["hypergrad"]);
    let (map, lambda) = p5();
    let z = iterate(&map, &[0.0; 16], &lambda, 1e-17, 1000).unwrap().state;
    let outer = Written(p5_outer());
    for row in rows(&reference, "T2_P5_cg_on_nonsymmetric") {
        let settings = Implicit::new().solver(Solver::Cg).keep_partial(true);
        let settings = settings.max_iterations(count(row, "iters"));
        let error = settings.gradient(&map, &outer, &z, &lambda).unwrap_err();
        let HyperGradError::NotSymmetric { residual, asymmetry, .. } = error else {
            panic!("{error}")
        };
        assert!(asymmetry > 0.01);
        close(&[residual], &[number(&row["true_relative_residual"])], 1e-6);
        let wrong = relative(&partial(&error).value, &exact);
        close(&[wrong], &[number(&row["hypergrad_rel_err"])], 1e-6);
    }
    // Left to itself, it ends, and no value comes out.
    let error = Implicit::new().solver(Solver::Cg).gradient(&map, &outer, &z, &lambda);
    assert!(matches!(error, Err(HyperGradError::NotSymmetric { .. })), "{error:?}");

    // The probe of the reference, by its own vectors.
    let mut next = [0.0; 16];
    let at = map.linearise(&z, &lambda, &mut next).unwrap();
    let cosines: Vec<f64> = (1..=16).map(|i| f64::from(i).cos()).collect();
    let found = asymmetry(&*at, &[1.0; 16], &cosines).unwrap();
    let want = &reference["traps"]["T2_P5_cg_on_nonsymmetric"];
    close(&[found.difference], &[number(&want["symmetry_probe_|<u,Mp>-<Mu,p>|/(|u||p|)"])], 1e-12);
    assert!(!found.is_symmetric());
    // Auto takes another method.
    let found = Implicit::new().gradient(&map, &outer, &z, &lambda).unwrap();
    assert_eq!(found.solver, Used::Gmres(16));
    close(&found.value, &exact, 1e-9);
}

#[test]
fn t3_neumann_outside_its_radius_is_refused() {
    let reference = reference();
    let want = &reference["P1_ridge_per_feature"];
    let exact = numbers(&want["hypergrad"]);
    let p1 = p1_with_step(2.2 / number(&want["H_eig_max"]));
    let w = p1.minimum();
    let (mut g, mut unused) = (vec![0.0; 12], vec![0.0; 12]);
    p1.held_out.gradient(&w, &p1.lambda, &mut g, &mut unused).unwrap();
    for row in rows(&reference, "T3_neumann_divergence_step_2.2_over_L") {
        let terms = count(row, "terms");
        let truncated = Implicit::new().solver(Solver::NeumannTerms(terms));
        let found = truncated.gradient(&p1.train, &p1.held_out, &w, &p1.lambda).unwrap();
        assert_eq!(found.ending, Ending::Truncated { terms });
        // The reference's series is that of the Hessian's inverse: the step times ours.
        let next = found.residual * norm(&g) * p1.step;
        close(&[next], &[number(&row["next_term_norm"])], 1e-6);
        close(&[relative(&found.value, &exact)], &[number(&row["hypergrad_rel_err"])], 1e-6);
        let asked = Implicit::new().solver(Solver::Neumann).max_iterations(terms);
        assert!(asked.gradient(&p1.train, &p1.held_out, &w, &p1.lambda).is_err());
    }
    let error = Implicit::new().solver(Solver::Neumann);
    let error = error.gradient(&p1.train, &p1.held_out, &w, &p1.lambda);
    assert!(matches!(error, Err(HyperGradError::Diverged { .. })), "{error:?}");
    // The other solvers need no radius.
    for solver in [Solver::Cg, Solver::Gmres { restart: 12 }, Solver::Auto] {
        let found = Implicit::new().solver(solver).tolerance(1e-13);
        let found = found.gradient(&p1.train, &p1.held_out, &w, &p1.lambda).unwrap();
        close(&found.value, &exact, 1e-12);
    }
}

#[test]
fn t4_a_point_that_is_not_fixed_says_so() {
    let reference = reference();
    let want = &reference["P1_ridge_per_feature"];
    let exact = numbers(&want["hypergrad"]);
    let (p1, q) = (p1(), number(&want["contraction_q"]));
    for row in rows(&reference, "T4_unconverged_inner_P1") {
        let steps = count(row, "T");
        let reached = iterate(&p1.train, &[0.0; 12], &p1.lambda, 0.0, steps).unwrap();
        assert!(!reached.converged);
        let w = reached.state;
        let found = anywhere().tolerance(1e-13);
        let found = found.gradient(&p1.train, &p1.held_out, &w, &p1.lambda).unwrap();
        // The adjoint is exact; the value is not; the result tells.
        assert!(found.residual <= 1e-13);
        let residual = number(&row["fixed_point_residual_|Phi(w)-w|"]);
        close(&[found.fixed_point_residual], &[residual], 1e-6);
        close(
            &[found.fixed_point_residual / (1.0 - q)],
            &[number(&row["bound_residual/(1-q)"])],
            1e-6,
        );
        let wrong = number(&row["hypergrad_rel_err_with_exact_adjoint"]);
        close(&[relative(&found.value, &exact)], &[wrong], 1e-4);

        let strict = Implicit::new().gradient(&p1.train, &p1.held_out, &w, &p1.lambda);
        if residual > 1e-8 {
            let Err(HyperGradError::NotAFixedPoint { residual, .. }) = strict else {
                panic!("{strict:?}")
            };
            assert_eq!(residual, found.fixed_point_residual);
        } else {
            strict.unwrap();
        }
    }
}

#[test]
fn t5_the_outer_losss_scale_is_the_gradients() {
    let p1 = p1();
    let w = p1.minimum();
    let scaled = |c: f64| {
        OuterFn::new({
            let held_out = &p1.held_out;
            move |z, lambda, z_bar, lambda_bar| {
                let value = held_out.gradient(z, lambda, z_bar, lambda_bar)?;
                z_bar.iter_mut().for_each(|g| *g *= c);
                Ok(value * c)
            }
        })
    };
    for solver in [
        Solver::Auto,
        Solver::Neumann,
        Solver::Cg,
        Solver::Cgnr,
        Solver::BiCgStab,
        Solver::Gmres { restart: 12 },
    ] {
        let settings = Implicit::new().tolerance(1e-12).solver(solver);
        let one = settings.gradient(&p1.train, &scaled(1.0), &w, &p1.lambda).unwrap();
        for c in [1e-200, 1e150, 1e-300, -1.0] {
            let found = settings.gradient(&p1.train, &scaled(c), &w, &p1.lambda).unwrap();
            let back: Vec<f64> = found.value.iter().map(|x| x / c).collect();
            close(&back, &one.value, 1e-12);
            assert!(found.iterations > 0);
        }
    }
    // Beyond the largest number the value is no number, and that is said.
    let error = Implicit::new().gradient(&p1.train, &scaled(f64::INFINITY), &w, &p1.lambda);
    assert!(matches!(error, Err(HyperGradError::NonFinite { .. })), "{error:?}");
}

#[test]
fn t6_no_cotangent_no_iteration() {
    let p1 = p1();
    let w = p1.minimum();
    let direct = OuterFn::new(|_, lambda, _, lambda_bar| {
        lambda_bar.copy_from_slice(lambda);
        Ok(7.0)
    });
    for solver in [
        Solver::Auto,
        Solver::Neumann,
        Solver::Cg,
        Solver::Cgnr,
        Solver::BiCgStab,
        Solver::Gmres { restart: 1 },
    ] {
        let found = Implicit::new().solver(solver);
        let found = found.gradient(&p1.train, &direct, &w, &p1.lambda).unwrap();
        assert_eq!((found.iterations, found.residual, found.outer), (0, 0.0, 7.0));
        assert_eq!((found.value, found.adjoint), (p1.lambda.clone(), vec![0.0; 12]));
    }
}

/// `f = w^T H w / 2 + lambda . w` by gradient descent with step 0.5.
fn quadratic(h: &[[f64; 3]]) -> MapFn<'_> {
    let n = h.len();
    let times = move |v: &[f64], out: &mut [f64]| {
        for i in 0..n {
            out[i] = v[i] - 0.5 * (0..n).map(|j| h[i][j] * v[j]).sum::<f64>();
        }
    };
    MapFn::new(
        n,
        n,
        move |z, lambda, out| {
            times(z, out);
            out.iter_mut().zip(lambda).for_each(|(out, l)| *out -= 0.5 * l);
            Ok(())
        },
        move |_, _, v, z_bar, lambda_bar| {
            times(v, z_bar);
            lambda_bar.iter_mut().zip(v).for_each(|(out, v)| *out = -0.5 * v);
            Ok(())
        },
    )
    .with_jvp(move |_, _, dz, dlambda, out| {
        times(dz, out);
        out.iter_mut().zip(dlambda).for_each(|(out, l)| *out -= 0.5 * l);
        Ok(())
    })
}

/// An outer loss `g . z`.
fn along(g: &[f64]) -> OuterFn<'_> {
    OuterFn::new(move |z, _, z_bar, _| {
        z_bar.copy_from_slice(g);
        Ok(z.iter().zip(g).map(|(z, g)| z * g).sum())
    })
}

#[test]
fn t7_a_saddle_is_no_minimum() {
    let h = [[1.0, 0.0, 0.0], [0.0, -1.0, 0.0]];
    let map = quadratic(&h);
    for solver in [Solver::Cg, Solver::Auto] {
        let error = Implicit::new().solver(solver).gradient(
            &map,
            &along(&[1.0, 2.0]),
            &[0.0; 2],
            &[0.0; 2],
        );
        let Err(HyperGradError::IndefiniteOperator { curvature, .. }) = error else {
            panic!("{error:?}")
        };
        // g^T H g = -3, over |g|^2 = 5, with the step 0.5.
        assert!((curvature - -3.0 * 0.5 / 5.0).abs() < 1e-15);
    }
    // Opting in.
    let found = Implicit::new().solver(Solver::Gmres { restart: 2 });
    let found = found.gradient(&map, &along(&[1.0, 2.0]), &[0.0; 2], &[0.0; 2]).unwrap();
    close(&found.adjoint, &[2.0, -4.0], 1e-14);
}

#[test]
fn t8_a_singular_operator_has_no_adjoint_for_most() {
    let h = [[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    let map = quadratic(&h);
    let every = [
        Solver::Auto,
        Solver::Cg,
        Solver::Cgnr,
        Solver::BiCgStab,
        Solver::Gmres { restart: 3 },
        Solver::Neumann,
    ];
    for solver in every {
        let settings = Implicit::new().solver(solver).keep_partial(true);
        let error = settings.gradient(&map, &along(&[1.0, 0.0, 0.0]), &[0.0; 3], &[0.0; 3]);
        let residual = match error {
            Err(
                HyperGradError::Breakdown { residual, .. }
                | HyperGradError::NotConverged { residual, .. },
            ) => residual,
            other => panic!("{solver:?}: {other:?}"),
        };
        // No v does better than sqrt(1/2).
        assert!(residual >= 0.5f64.sqrt() - 1e-12, "{solver:?}: {residual}");
        // In range, the shortest solution: of H v = g it is (1/2, 1/2, 0), with the step twice that.
        let found = settings.gradient(&map, &along(&[1.0, 1.0, 0.0]), &[0.0; 3], &[0.0; 3]);
        let found = found.unwrap_or_else(|error| panic!("{solver:?}: {error}"));
        close(&found.adjoint, &[1.0, 1.0, 0.0], 1e-9);
    }
    let least = Implicit::new().solver(Solver::Cgnr);
    let error = least.gradient(&map, &along(&[1.0, 0.0, 0.0]), &[0.0; 3], &[0.0; 3]);
    let Err(HyperGradError::Breakdown { residual, .. }) = error else { panic!("{error:?}") };
    close(&[residual], &[0.5f64.sqrt()], 1e-12);
}

#[test]
fn t9_one_step_from_zero_does_not_depend_on_the_penalty() {
    for problem in [p1(), p1b(0.5), p2a()] {
        let start = vec![0.0; problem.d()];
        let found =
            Unrolled::new(1).reverse(&problem.train, &problem.held_out, &start, &problem.lambda);
        assert_eq!(found.unwrap().value, start);
        let w = problem.minimum();
        let found =
            Implicit::new().gradient(&problem.train, &problem.held_out, &w, &problem.lambda);
        assert!(norm(&found.unwrap().value) > 1e-4);
    }
}

#[test]
fn t10_the_start_matters_to_the_loop_alone() {
    let reference = reference();
    let want = &reference["traps"]["T10_init_gradient"]["unrolled_dE_dw0_norm"];
    let p1 = p1();
    for (steps, want) in want.as_object().unwrap() {
        let found = Unrolled::new(steps.parse().unwrap());
        let found = found.reverse(&p1.train, &p1.held_out, &[0.0; 12], &p1.lambda).unwrap();
        let initial = found.initial.unwrap();
        // It is the derivative of what was run ...
        let moved = |t: f64| {
            let mut start = [0.0; 12];
            start[3] = t;
            let found = Unrolled::new(found.steps);
            found.reverse(&p1.train, &p1.held_out, &start, &p1.lambda).unwrap().outer
        };
        // (the loss is quadratic: central differences are exact up to rounding)
        let difference = (moved(1.0) - moved(-1.0)) / 2.0;
        assert!((initial[3] - difference).abs() < 1e-14, "{} {difference}", initial[3]);
        // ... and with the outer gradient of the minimum, as the reference takes it, its norm is
        // the reference's.
        let (mut g, mut unused) = ([0.0; 12], [0.0; 12]);
        p1.held_out.gradient(&p1.minimum(), &p1.lambda, &mut g, &mut unused).unwrap();
        let held = Unrolled::new(found.steps);
        let held = held.reverse(&p1.train, &along(&g), &[0.0; 12], &p1.lambda).unwrap();
        close(&[norm(&held.initial.unwrap())], &[number(want)], 1e-10);
    }
}

/// On a singular operator a solution may grow until its residual is all rounding, and that can
/// happen to be 0: here BiCGSTAB's has parts of 3e15, and is off by 0.6 of the right-hand side.
#[test]
fn t11_a_residual_that_rounding_hides_is_no_solution() {
    let u = [1.0, -0.13224935537633206];
    let map = MapFn::new(
        2,
        2,
        |z, lambda, out| {
            (0..2).for_each(|i| out[i] = z[i] - u[i] * (u[0] * z[0] + u[1] * z[1]) + lambda[i]);
            Ok(())
        },
        move |_, _, v, z_bar, lambda_bar| {
            let j = |i: usize, k: usize| f64::from(u8::from(i == k)) - u[i] * u[k];
            (0..2).for_each(|k| z_bar[k] = j(0, k) * v[0] + j(1, k) * v[1]);
            lambda_bar.copy_from_slice(v);
            Ok(())
        },
    );
    for solver in [Solver::BiCgStab, Solver::Gmres { restart: 2 }] {
        let settings = Implicit::new().tolerance(1e-8).solver(solver).max_iterations(300);
        let found =
            settings.gradient(&map, &along(&[0.0, 0.44807222445401734]), &[0.0; 2], &[0.0; 2]);
        match found {
            Err(
                HyperGradError::Breakdown { residual, .. }
                | HyperGradError::NotConverged { residual, .. },
            ) => assert!(residual > 0.1, "{solver:?}: {residual}"),
            other => panic!("{solver:?}: {other:?}"),
        }
    }
}

/// What is lengthened most may be a small part of the solution: its digits are not lost.
#[test]
fn t12_great_and_small_curvatures_are_no_singular_operator() {
    let x = Matrix::new(vec![2f64.sqrt(), 0.0, 0.0, 2f64.sqrt()], 2, 2).unwrap();
    let train = Glm::new(x.clone(), vec![0.0; 2], Link::Squared, 1.0).unwrap();
    let held_out = Glm::new(x, vec![-1.0; 2], Link::Squared, 1.0).unwrap();
    for solver in [Solver::Auto, Solver::Cg, Solver::BiCgStab, Solver::Gmres { restart: 2 }] {
        let settings = Implicit::new().solver(solver);
        let found = settings.gradient(&train, &held_out, &[0.0; 2], &[-3.0, 20.0]);
        let found = found.unwrap_or_else(|error| panic!("{solver:?}: {error}"));
        assert!(found.residual <= 1e-10, "{solver:?}");
    }
}

#[test]
fn t13_numbers_without_end_are_no_fixed_point() {
    let map = MapFn::new(
        2,
        1,
        |z, _, out| {
            (0..2).for_each(|i| out[i] = 1.1 * z[i]);
            Ok(())
        },
        |_, _, _, _, _| Ok(()),
    );
    // The norm of two such numbers is infinite, though they are not.
    let end = iterate(&map, &[1e308; 2], &[0.0], 1e-10, 5);
    assert!(end.is_ok_and(|reached| !reached.converged));
    let far = Implicit::new().gradient(&map, &along(&[1.0; 2]), &[1.4e308; 2], &[0.0]);
    assert!(matches!(far, Err(HyperGradError::NotAFixedPoint { .. })), "{far:?}");
}

#[test]
fn t14_an_outer_loss_of_another_size_is_refused() {
    let glm = |rows: usize, cols: usize| {
        let x = Matrix::from_fn(rows, cols, |i, j| ((i * cols + j) as f64).sin()).unwrap();
        Glm::new(x, vec![0.5; rows], Link::Squared, 0.1).unwrap()
    };
    for (cols, others) in [(4, 3), (3, 4), (36, 40), (40, 36)] {
        let train = glm(50, cols);
        let settings = Implicit::new().fixed_point_tolerance(f64::INFINITY);
        let error = settings.gradient(&train, &glm(9, others), &vec![0.1; cols], &vec![0.0; cols]);
        assert!(
            matches!(error, Err(HyperGradError::Shape { expected, got, .. }) if (expected, got) == (others, cols)),
            "{error:?}"
        );
    }
    let empty = Matrix::new(vec![], 0, 40).and_then(|x| Glm::new(x, vec![1.0], Link::Squared, 1.0));
    assert!(matches!(empty, Err(HyperGradError::Shape { .. })));
}

/// Where BiCGSTAB runs away, `Auto` takes GMRES: rotations, as of descent for one player and ascent for the other.
#[test]
fn t15_auto_does_not_end_with_bicgstab() {
    let (pairs, small) = (129, 1e-9);
    let map = MapFn::new(
        2 * pairs,
        1,
        |_, _, out| {
            out.fill(0.0);
            Ok(())
        },
        move |_, _, v, z_bar, lambda_bar| {
            // I - J is [small, 1; -1, small] for each pair.
            for (z, v) in z_bar.chunks_exact_mut(2).zip(v.chunks_exact(2)) {
                (z[0], z[1]) = (v[0] - (small * v[0] - v[1]), v[1] - (v[0] + small * v[1]));
            }
            lambda_bar.fill(0.0);
            Ok(())
        },
    );
    let g: Vec<f64> = (0..2 * pairs).map(|i| (i as f64).sin()).collect();
    let zeros = vec![0.0; 2 * pairs];
    let found = Implicit::new().gradient(&map, &along(&g), &zeros, &[0.0]).unwrap();
    assert_eq!(found.solver, Used::Gmres(64));
}
