//! NaN, infinity, failures and wrong shapes: each is said, with the iteration at which it appeared.

#![allow(clippy::unit_arg, reason = "one-line closures")]

use std::cell::Cell;

use st_grad::{
    Checkpoints, HyperGradError, Implicit, MapFn, Outcome, OuterFn, Relaxation, Relaxed, Site,
    Solver, Unrolled, iterate,
};

/// Two numbers, `z = z / 2 + lambda`, whose functions meet `fault` at a given call.
fn map<'a>(calls: &'a Cell<usize>, site: Site, at: usize, fault: Fault) -> MapFn<'a> {
    let meet = move |here: Site, out: &mut [f64]| -> Outcome {
        if here != site {
            return Ok(());
        }
        calls.set(calls.get() + 1);
        if calls.get().checked_sub(1) != Some(at) {
            return Ok(());
        }
        match fault {
            Fault::Number(x) => out[1] = x,
            Fault::Failure => return Err("the tap ran dry".into()),
        }
        Ok(())
    };
    MapFn::new(
        2,
        2,
        move |z, lambda, out| {
            (0..2).for_each(|i| out[i] = z[i] / 2.0 + lambda[i]);
            meet(Site::Step, out)
        },
        move |_, _, v, z_bar, lambda_bar| {
            // Not a multiple of the identity, so that solvers need more than one iteration.
            (z_bar[0], z_bar[1]) = (v[0] / 2.0, v[1] / 4.0 + v[0] / 8.0);
            lambda_bar.copy_from_slice(v);
            meet(Site::VjpState, z_bar)?;
            meet(Site::VjpParams, lambda_bar)
        },
    )
    .with_jvp(move |_, _, dz, dlambda, out| {
        (out[0], out[1]) = (dz[0] / 2.0 + dz[1] / 8.0 + dlambda[0], dz[1] / 4.0 + dlambda[1]);
        meet(Site::Jvp, out)
    })
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    Number(f64),
    Failure,
}

const FAULTS: [Fault; 3] =
    [Fault::Number(f64::NAN), Fault::Number(f64::NEG_INFINITY), Fault::Failure];

#[track_caller]
fn says<T: std::fmt::Debug>(
    result: Result<T, HyperGradError>,
    fault: Fault,
    want: Site,
    at: usize,
) {
    match (result, fault) {
        (Err(HyperGradError::NonFinite { site, iteration }), Fault::Number(_)) => {
            assert_eq!((site, iteration), (want, at));
        }
        (Err(HyperGradError::User { site, iteration, source }), Fault::Failure) => {
            assert_eq!((site, iteration), (want, at));
            assert_eq!(source.to_string(), "the tap ran dry");
        }
        (other, _) => panic!("{fault:?} at {want}: {other:?}"),
    }
}

fn square() -> OuterFn<'static> {
    OuterFn::new(|z, _, z_bar, _| {
        z_bar.copy_from_slice(z);
        Ok(z.iter().map(|z| z * z).sum::<f64>() / 2.0)
    })
}

#[test]
fn the_inner_loop_names_the_step() {
    for fault in FAULTS {
        for at in [0, 1, 7] {
            let calls = Cell::new(0);
            let map = map(&calls, Site::Step, at, fault);
            says(iterate(&map, &[0.0; 2], &[1.0; 2], 0.0, 20), fault, Site::Step, at);
        }
    }
}

#[test]
fn unrolled_passes_name_the_step() {
    let calls = Cell::new(0);
    for fault in FAULTS {
        for at in [0, 3, 9] {
            let run = Unrolled::new(10);
            for run in [run, run.checkpoints(Checkpoints::Sqrt)] {
                calls.set(0);
                let forward = map(&calls, Site::Step, at, fault);
                let result = run.reverse(&forward, &square(), &[1.0; 2], &[1.0; 2]);
                says(result, fault, Site::Step, at);
                // The backward pass comes from the end. A failure is the product's, whichever of
                // its results it was about.
                for site in [Site::VjpState, Site::VjpParams] {
                    calls.set(0);
                    let backward = map(&calls, site, at, fault);
                    let result = run.reverse(&backward, &square(), &[1.0; 2], &[1.0; 2]);
                    let site = if matches!(fault, Fault::Failure) { Site::VjpState } else { site };
                    says(result, fault, site, 9 - at);
                }
            }
            calls.set(0);
            let forward = map(&calls, Site::Jvp, 2 * at, fault);
            let result = run.forward(&forward, &square(), &[1.0; 2], &[1.0; 2]);
            says(result, fault, Site::Jvp, at);
        }
    }
}

#[test]
fn solvers_name_the_iteration() {
    let calls = Cell::new(0);
    let z = [2.0, 2.0];
    for fault in FAULTS {
        for solver in [Solver::Neumann, Solver::Gmres { restart: 5 }] {
            for at in [0, 1] {
                calls.set(0);
                let map = map(&calls, Site::VjpState, at, fault);
                let result =
                    Implicit::new().solver(solver).gradient(&map, &square(), &z, &[1.0; 2]);
                says(result, fault, Site::VjpState, at);
            }
        }
        for solver in [Solver::Auto, Solver::Cg, Solver::BiCgStab, Solver::Cgnr] {
            for site in [Site::VjpState, Site::Step] {
                calls.set(0);
                let map = map(&calls, site, 0, fault);
                let result =
                    Implicit::new().solver(solver).gradient(&map, &square(), &z, &[1.0; 2]);
                says(result, fault, site, 0);
            }
        }
        calls.set(0);
        let map = map(&calls, Site::Jvp, 0, fault);
        let result = Implicit::new().solver(Solver::Cgnr).gradient(&map, &square(), &z, &[1.0; 2]);
        says(result, fault, Site::Jvp, 0);
    }
}

#[test]
fn the_outer_loss_is_looked_at() {
    let calls = Cell::new(0);
    let map = map(&calls, Site::Step, usize::MAX, Fault::Failure);
    let outer = |value: f64, z: f64, lambda: f64| {
        OuterFn::new(move |_, _, z_bar, lambda_bar| {
            (z_bar[1], lambda_bar[1]) = (z, lambda);
            Ok(value)
        })
    };
    let nan = f64::NAN;
    for (outer, site) in [
        (outer(nan, 1.0, 1.0), Site::OuterValue),
        (outer(1.0, nan, 1.0), Site::OuterGradient),
        (outer(1.0, 1.0, f64::INFINITY), Site::OuterGradient),
    ] {
        let implicit = Implicit::new().gradient(&map, &outer, &[2.0; 2], &[1.0; 2]);
        says(implicit, Fault::Number(0.0), site, 0);
        let unrolled = Unrolled::new(4);
        says(unrolled.reverse(&map, &outer, &[0.0; 2], &[1.0; 2]), Fault::Number(0.0), site, 4);
        says(unrolled.forward(&map, &outer, &[0.0; 2], &[1.0; 2]), Fault::Number(0.0), site, 4);
    }
    // What comes in is looked at, too.
    let result = Implicit::new().gradient(&map, &square(), &[nan, 0.0], &[1.0; 2]);
    says(result, Fault::Number(0.0), Site::State, 0);
    let result = Unrolled::new(1).reverse(&map, &square(), &[0.0; 2], &[1.0, nan]);
    says(result, Fault::Number(0.0), Site::Params, 0);
}

#[test]
fn shapes_and_settings_are_refused() {
    let calls = Cell::new(0);
    let map = map(&calls, Site::Step, usize::MAX, Fault::Failure);
    let z = [2.0; 2];
    let implicit = Implicit::new();
    let error = implicit.gradient(&map, &square(), &[2.0; 3], &[1.0; 2]).unwrap_err();
    assert!(matches!(error, HyperGradError::Shape { expected: 2, got: 3, .. }), "{error}");
    let error = Unrolled::new(2).reverse(&map, &square(), &z, &[1.0]).unwrap_err();
    assert!(matches!(error, HyperGradError::Shape { expected: 2, got: 1, .. }), "{error}");
    for wrong in [
        implicit.tolerance(0.0),
        implicit.tolerance(1.0),
        implicit.tolerance(f64::NAN),
        implicit.fixed_point_tolerance(f64::NAN),
        implicit.fixed_point_tolerance(-1.0),
        implicit.max_iterations(0),
        implicit.solver(Solver::NeumannTerms(0)),
        implicit.solver(Solver::Gmres { restart: 0 }),
    ] {
        let error = wrong.gradient(&map, &square(), &z, &[1.0; 2]).unwrap_err();
        assert!(matches!(error, HyperGradError::Setting { .. }), "{error}");
    }
    let run = Unrolled::new(3).checkpoints(Checkpoints::Every(0));
    let error = run.reverse(&map, &square(), &z, &[1.0; 2]).unwrap_err();
    assert!(matches!(error, HyperGradError::Setting { .. }), "{error}");
    assert!(Relaxation::Exp.pull_back(&[1.0], &[]).is_err());
    assert!(Relaxed::new().group(Relaxation::Exp, 2).pull_back(&[1.0], &[1.0]).is_err());
}

#[test]
fn what_a_map_lacks_is_said() {
    let bare = MapFn::new(
        1,
        1,
        |z, lambda, out| Ok(out[0] = z[0] / 2.0 + lambda[0]),
        |_, _, v, z_bar, lambda_bar| Ok((z_bar[0], lambda_bar[0]) = (v[0] / 2.0, v[0])),
    );
    let cgnr = Implicit::new().solver(Solver::Cgnr).gradient(&bare, &square(), &[2.0], &[1.0]);
    assert!(matches!(cgnr, Err(HyperGradError::Unsupported { what: "CGNR", .. })), "{cgnr:?}");
    let forward = Unrolled::new(2).forward(&bare, &square(), &[2.0], &[1.0]);
    assert!(matches!(forward, Err(HyperGradError::Unsupported { .. })), "{forward:?}");
    let cut = Unrolled::new(2).truncate(1).forward(&bare, &square(), &[2.0], &[1.0]);
    assert!(matches!(cut, Err(HyperGradError::Unsupported { .. })), "{cut:?}");
}

/// One unknown, by every solver.
#[test]
fn one_unknown() {
    let map = MapFn::new(
        1,
        1,
        |z, lambda, out| Ok(out[0] = z[0] / 2.0 + lambda[0]),
        |_, _, v, z_bar, lambda_bar| Ok((z_bar[0], lambda_bar[0]) = (v[0] / 2.0, v[0])),
    )
    .with_jvp(|_, _, dz, dlambda, out| Ok(out[0] = dz[0] / 2.0 + dlambda[0]));
    for solver in [
        Solver::Auto,
        Solver::Neumann,
        Solver::Cg,
        Solver::Cgnr,
        Solver::BiCgStab,
        Solver::Gmres { restart: 1 },
    ] {
        let found = Implicit::new().solver(solver).gradient(&map, &square(), &[2.0], &[1.0]);
        let found = found.unwrap_or_else(|error| panic!("{solver:?}: {error}"));
        assert!((found.value[0] - 4.0).abs() < 1e-9, "{solver:?}");
    }
}
