//! Properties over random maps.

mod problems;

use problems::{dense_solve, norm, relative};
use proptest::prelude::*;
use st_grad::{
    Checkpoints, Dual, FixedPoint, GradientDescent, Implicit, Loss, MapFn, Matrix, OuterFn, Scalar,
    Solver, Tape, Unary, Unrolled, Update, UpdateMap, Written, check_vjp, iterate,
};

const SOLVERS: [Solver; 6] = [
    Solver::Auto,
    Solver::Neumann,
    Solver::Cg,
    Solver::Cgnr,
    Solver::BiCgStab,
    Solver::Gmres { restart: 10 },
];

/// Every operation that a tape has an entry for.
#[derive(Clone, Copy, Debug)]
enum Primitive {
    Unary(Unary),
    Arithmetic,
    WithConstants,
    Sum,
    Dot,
    Norm,
    LogSumExp,
    Softmax,
    Matvec,
    SoftmaxOfConstants,
}

const PRIMITIVES: [Primitive; 21] = [
    Primitive::Unary(Unary::Exp),
    Primitive::Unary(Unary::Ln),
    Primitive::Unary(Unary::Sqrt),
    Primitive::Unary(Unary::Sin),
    Primitive::Unary(Unary::Cos),
    Primitive::Unary(Unary::Tanh),
    Primitive::Unary(Unary::Sigmoid),
    Primitive::Unary(Unary::Softplus),
    Primitive::Unary(Unary::Recip),
    Primitive::Unary(Unary::Abs),
    Primitive::Unary(Unary::Powi(3)),
    Primitive::Unary(Unary::Powi(-2)),
    Primitive::Arithmetic,
    Primitive::WithConstants,
    Primitive::Sum,
    Primitive::Dot,
    Primitive::Norm,
    Primitive::LogSumExp,
    Primitive::Softmax,
    Primitive::Matvec,
    Primitive::SoftmaxOfConstants,
];

/// A map of four numbers and four hyper-parameters that applies one primitive.
struct One(Primitive);

impl Update for One {
    fn update<S: Scalar>(&self, z: &[S], lambda: &[S]) -> Vec<S> {
        let each = |f: &dyn Fn(S, S) -> S| z.iter().zip(lambda).map(|(&z, &l)| f(z, l)).collect();
        let all = |x: S| z.iter().map(|&z| z * x).collect();
        let mixed: Vec<S> = each(&|z, l| z + l);
        match self.0 {
            Primitive::Unary(f) => each(&|z, l| z.apply(f) + l.apply(f)),
            Primitive::Arithmetic => each(&|z, l| {
                let mut sum = z * l - z / l;
                sum += -z;
                sum + z * z
            }),
            Primitive::WithConstants => each(&|z, l| (z * 2.0 - 1.0) / 3.0 + 0.5 + l * 1.5),
            Primitive::Sum => all(S::sum(&mixed)),
            Primitive::Dot => all(S::dot(z, lambda) + S::dot(&mixed, &mixed)),
            Primitive::Norm => all(S::norm(&mixed)),
            Primitive::LogSumExp => all(S::logsumexp(&mixed)),
            Primitive::Softmax => S::softmax(&mixed),
            Primitive::Matvec => {
                let entry = |i, j| ((3 * i + j) as f64).sin();
                S::matvec(&Matrix::from_fn(4, 4, entry).unwrap(), &mixed)
            }
            Primitive::SoftmaxOfConstants => {
                S::softmax(&[mixed[0], S::constant(1.0), mixed[1] * mixed[2], mixed[3]])
            }
        }
    }
}

/// A contraction that is neither linear nor symmetric: `z = tanh(W z + lambda)` with `|W| < 0.8`.
#[derive(Debug)]
struct Contraction {
    weights: Matrix,
}

impl Update for Contraction {
    fn update<S: Scalar>(&self, z: &[S], lambda: &[S]) -> Vec<S> {
        let wz = S::matvec(&self.weights, z);
        wz.into_iter().zip(lambda).map(|(wz, &l)| (wz + l).tanh()).collect()
    }
}

/// A loss of state and hyper-parameters.
struct Outer;

impl Loss for Outer {
    fn loss<S: Scalar>(&self, z: &[S], lambda: &[S]) -> S {
        let squares = S::dot(z, z) * 0.5;
        squares + S::logsumexp(z) + S::sum(lambda) * 0.25 + S::dot(z, lambda)
    }
}

/// A matrix of spectral norm below `size`, through its Frobenius norm.
fn shrunk(entries: Vec<f64>, d: usize, size: f64) -> Vec<f64> {
    let frobenius = norm(&entries).max(1e-3);
    entries.into_iter().take(d * d).map(|x| x * size / frobenius).collect()
}

prop_compose! {
    fn contraction(most: usize)(d in 1..=most)(
        d in Just(d),
        entries in prop::collection::vec(-1.0..1.0f64, d * d),
        lambda in prop::collection::vec(-1.0..1.0f64, d),
    ) -> (UpdateMap<Contraction>, Vec<f64>) {
        let weights = Matrix::new(shrunk(entries, d, 0.8), d, d).unwrap();
        (UpdateMap::new(Contraction { weights }, d, d), lambda)
    }
}

/// `z = J z + lambda` with products by hand; `J` row by row.
fn linear(j: &[f64], d: usize) -> MapFn<'_> {
    let times = move |v: &[f64], out: &mut [f64]| {
        for i in 0..d {
            out[i] = (0..d).map(|k| j[i * d + k] * v[k]).sum();
        }
    };
    MapFn::new(
        d,
        d,
        move |z, lambda, out| {
            times(z, out);
            out.iter_mut().zip(lambda).for_each(|(out, l)| *out += l);
            Ok(())
        },
        move |_, _, v, z_bar, lambda_bar| {
            for k in 0..d {
                z_bar[k] = (0..d).map(|i| j[i * d + k] * v[i]).sum();
            }
            lambda_bar.copy_from_slice(v);
            Ok(())
        },
    )
    .with_jvp(move |_, _, dz, dlambda, out| {
        times(dz, out);
        out.iter_mut().zip(dlambda).for_each(|(out, l)| *out += l);
        Ok(())
    })
}

/// An outer loss with the gradient `g` everywhere.
fn along(g: &[f64]) -> OuterFn<'_> {
    OuterFn::new(move |_, _, z_bar, _| {
        z_bar.copy_from_slice(g);
        Ok(0.0)
    })
}

/// `(I - J)^T` as rows.
fn adjoint(j: &[f64], d: usize) -> Vec<Vec<f64>> {
    let entry = |i: usize, k: usize| f64::from(u8::from(i == k)) - j[k * d + i];
    (0..d).map(|i| (0..d).map(|k| entry(i, k)).collect()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_primitives_products_are_adjoint(
        z in prop::collection::vec(0.2..2.0f64, 4),
        lambda in prop::collection::vec(0.2..2.0f64, 4),
    ) {
        for primitive in PRIMITIVES {
            let map = UpdateMap::new(One(primitive), 4, 4);
            // Tape against dual numbers to rounding, and both against differences.
            let found = check_vjp(&map, &z, &lambda);
            prop_assert!(found.is_ok(), "{:?}: {}", primitive, found.unwrap_err());
        }
    }

    #[test]
    fn second_derivatives_are_symmetric_and_right(
        z in prop::collection::vec(-1.0..1.0f64, 3),
        u in prop::collection::vec(-1.0..1.0f64, 3),
        v in prop::collection::vec(-1.0..1.0f64, 3),
    ) {
        // A tape over dual numbers.
        let hessian = |along: &[f64]| -> Vec<f64> {
            let tape = Tape::<Dual>::new();
            let pairs: Vec<Dual> =
                z.iter().zip(along).map(|(&z, &dz)| Dual::variable(z, dz)).collect();
            let z = tape.inputs(&pairs);
            let gradient = tape.gradient(Outer.loss(&z, &z) * z[0].exp());
            gradient.iter().map(|g| g.tangent).collect()
        };
        let (hu, hv) = (hessian(&u), hessian(&v));
        let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
        prop_assert!((dot(&hu, &v) - dot(&hv, &u)).abs() < 1e-12 * (1.0 + norm(&hu)));
        // Dual numbers over dual numbers give the same.
        let nested: Vec<Dual<Dual>> = z.iter().zip(&u).zip(&v)
            .map(|((&z, &u), &v)| Dual::variable(Dual::variable(z, u), Dual::variable(v, 0.0)))
            .collect();
        let both = (Outer.loss(&nested, &nested) * nested[0].exp()).tangent.tangent;
        prop_assert!((both - dot(&hu, &v)).abs() < 1e-12 * (1.0 + norm(&hu)));
        // And products of gradient descent hold them.
        let descent = GradientDescent::new(Outer, 3, 3, 0.1);
        prop_assert!(check_vjp(&descent, &z, &u).is_ok());
    }

    #[test]
    fn forward_equals_reverse((map, lambda) in contraction(6), steps in 0..25usize) {
        let start: Vec<f64> = lambda.iter().map(|l| 0.5 - l).collect();
        let run = Unrolled::new(steps);
        let forward = run.forward(&map, &Written(Outer), &start, &lambda).unwrap();
        for kept in [Checkpoints::All, Checkpoints::Sqrt, Checkpoints::Every(4)] {
            let reverse = run.checkpoints(kept);
            let reverse = reverse.reverse(&map, &Written(Outer), &start, &lambda).unwrap();
            prop_assert!(relative(&reverse.value, &forward.value) < 1e-12);
            prop_assert_eq!(&reverse.state, &forward.state);
            prop_assert_eq!(reverse.outer, forward.outer);
        }
    }

    #[test]
    fn unrolled_tends_to_implicit((map, lambda) in contraction(6)) {
        let start = vec![0.0; lambda.len()];
        let z = iterate(&map, &start, &lambda, 1e-16, 500).unwrap().state;
        let exact = Implicit::new().tolerance(1e-12);
        let exact = exact.gradient(&map, &Written(Outer), &z, &lambda).unwrap().value;
        let after = |steps| {
            let found = Unrolled::new(steps).reverse(&map, &Written(Outer), &start, &lambda);
            relative(&found.unwrap().value, &exact)
        };
        prop_assert!(after(200) < 1e-11, "{}", after(200));
        // At the fixed point, K steps back are K terms of Neumann's series.
        for steps in [1, 3, 9] {
            let back = Unrolled::new(50).truncate(steps);
            let back = back.reverse(&map, &Written(Outer), &z, &lambda).unwrap().value;
            let terms = Implicit::new().solver(Solver::NeumannTerms(steps));
            let terms = terms.gradient(&map, &Written(Outer), &z, &lambda).unwrap().value;
            prop_assert!(relative(&back, &terms) < 1e-12);
        }
    }

    #[test]
    fn scaling_the_outer_loss_scales_the_gradient(
        (map, lambda) in contraction(5),
        exponent in -280..280i32,
        sign in prop::bool::ANY,
    ) {
        struct Scaled(f64);
        impl Loss for Scaled {
            fn loss<S: Scalar>(&self, z: &[S], lambda: &[S]) -> S {
                Outer.loss(z, lambda) * self.0
            }
        }
        let c = if sign { 10f64.powi(exponent) } else { -10f64.powi(exponent) };
        let z = iterate(&map, &lambda, &lambda, 1e-16, 500).unwrap().state;
        for solver in [Solver::Auto, Solver::BiCgStab, Solver::Cgnr] {
            let settings = Implicit::new().tolerance(1e-12).solver(solver);
            let one = settings.gradient(&map, &Written(Outer), &z, &lambda).unwrap();
            let scaled = settings.gradient(&map, &Written(Scaled(c)), &z, &lambda).unwrap();
            let back: Vec<f64> = scaled.value.iter().map(|x| x / c).collect();
            prop_assert!(relative(&back, &one.value) < 1e-10);
        }
    }

    #[test]
    fn contractions_against_a_dense_solve(
        (d, j, g) in (1..24usize).prop_flat_map(|d| (
            Just(d),
            prop::collection::vec(-1.0..1.0f64, d * d),
            prop::collection::vec(-1.0..1.0f64, d),
        )),
        size in 0.05..0.95f64,
    ) {
        let j = shrunk(j, d, size);
        let want = dense_solve(&adjoint(&j, d), &g);
        let map = linear(&j, d);
        for solver in SOLVERS {
            let settings = Implicit::new().tolerance(1e-12).solver(solver);
            let found = settings.gradient(&map, &along(&g), &vec![0.0; d], &vec![0.0; d]);
            // One step of descent for all, or one unknown: there conjugate gradients may be right.
            match found {
                Err(_) if solver == Solver::Cg && d > 1 => continue,
                Err(error) => prop_assert!(false, "{:?}: {}", solver, error),
                Ok(found) => {
                    prop_assert!(relative(&found.value, &want) < 1e-9, "{:?}", solver);
                    prop_assert!(found.residual <= 1e-12);
                }
            }
        }
    }

    /// Whatever the operator: a value has the residual that it is said to have, everything else is
    /// an error, and all of it ends.
    #[test]
    fn no_value_is_worse_than_it_says(
        (d, j, g) in (1..12usize).prop_flat_map(|d| (
            Just(d),
            prop::collection::vec(prop_oneof![-4.0..4.0f64, Just(0.0), Just(1.0)], d * d),
            prop::collection::vec(prop_oneof![-1.0..1.0f64, Just(0.0)], d),
        )),
        rank_one in prop::bool::ANY,
        short in prop_oneof![Just(1.0), Just(1e-3), Just(1e-8)],
    ) {
        let j: Vec<f64> = if rank_one {
            // I - J is singular.
            (0..d * d).map(|at| f64::from(u8::from(at / d == at % d)) - j[at / d] * j[at % d]).collect()
        } else {
            j
        };
        // I - J of this and shorter: the difference loses digits.
        let j: Vec<f64> = j.iter().enumerate().map(|(at, j)| {
            let one = f64::from(u8::from(at / d == at % d));
            one - short * (one - j)
        }).collect();
        let map = linear(&j, d);
        for solver in SOLVERS {
            let settings = Implicit::new().tolerance(1e-8).solver(solver).max_iterations(300);
            let found = settings.gradient(&map, &along(&g), &vec![0.0; d], &vec![0.0; d]);
            if let Ok(found) = found {
                let rows = adjoint(&j, d);
                let residual: Vec<f64> = rows.iter().zip(&g)
                    .map(|(row, g)| g - row.iter().zip(&found.adjoint).map(|(a, v)| a * v).sum::<f64>())
                    .collect();
                let size = norm(&residual) / norm(&g).max(f64::MIN_POSITIVE);
                // What rounding may hide: operators of this test have norms below 200.
                let hidden = (f64::EPSILON * 200.0 * norm(&found.adjoint) / norm(&g)).min(2e-7);
                prop_assert!(found.residual <= 1e-8, "{:?}: {}", solver, found.residual);
                prop_assert!(size <= 1.1e-8 + hidden, "{:?}: {}", solver, size);
                prop_assert!((size - found.residual).abs() <= 1e-9 + hidden, "{:?}", solver);
                prop_assert!(found.iterations <= 300);
                prop_assert!(map.dim() == d);
            }
        }
    }
}
