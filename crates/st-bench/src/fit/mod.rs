//! `st-bench fit-costs`: the CPU cost model's coefficients and a rule weight for each merge kind,
//! fitted to measured times; how strongly each is held to its value by hand is chosen by
//! hyper-gradients of the planning loss on held-out shapes; judged on shapes that neither saw.

mod data;
mod model;

use model::{DIM, Inner, Measurements, Outer, PARAMS, Regret};
use st_core::autograd::hypergrad::{
    FixedPoint, GradientDescent, HyperGradError, Implicit, OuterFn, OuterLoss, Solver, Written,
};
use st_plan::CpuCosts;

use crate::{Result, answer};

/// Steps down the outer loss.
const OUTER_STEPS: usize = 60;
/// The penalty of every number at the beginning.
const HELD: f64 = 1.0;
/// Steps of Newton's method.
const MAX_NEWTON: usize = 200;

/// What came of one split of the shapes.
#[derive(Debug)]
struct Fitted {
    /// On shapes never seen: by hand, fitted with equal penalties, with those chosen.
    by_hand: Regret,
    equal: Regret,
    chosen: Regret,
    state: Vec<f64>,
    /// The outer loss at the beginning and at the end.
    outer: [f64; 2],
    /// The greatest residual of all hyper-gradients taken.
    residual: f64,
}

type Descent = GradientDescent<Inner>;

/// The minimum of the inner loss: Newton's steps where its curvature allows, else descent, both
/// halved until the loss falls.
fn minimum(
    map: &Descent,
    inner: &Written<Inner>,
    start: &[f64],
    lambda: &[f64],
) -> Result<Vec<f64>> {
    // The adjoint of the step `z - Phi(z)` is Newton's step.
    let step = OuterFn::new(|z, lambda, z_bar, _| {
        map.step(z, lambda, z_bar)?;
        z_bar.iter_mut().zip(z).for_each(|(bar, z)| *bar = z - *bar);
        Ok(0.0)
    });
    let newton =
        Implicit::new().solver(Solver::Cg).tolerance(1e-8).fixed_point_tolerance(f64::INFINITY);
    let mut z = start.to_vec();
    let of = |z: &[f64]| inner.value(z, lambda).map_err(|error| error.to_string());
    for _ in 0..MAX_NEWTON {
        let direction = match newton.gradient(map, &step, &z, lambda) {
            Ok(found) => found.adjoint,
            Err(HyperGradError::IndefiniteOperator { .. }) => {
                let (mut gradient, mut unused) = (vec![0.0; DIM], vec![0.0; PARAMS]);
                step.gradient(&z, lambda, &mut gradient, &mut unused).map_err(|e| e.to_string())?;
                gradient
            }
            Err(error) => return Err(error.into()),
        };
        let size = direction.iter().map(|x| x * x).sum::<f64>().sqrt();
        if size <= 1e-12 {
            return Ok(z);
        }
        let before = of(&z)?;
        let mut length = 1.0;
        loop {
            let next: Vec<f64> = z.iter().zip(&direction).map(|(z, d)| z - length * d).collect();
            // Close to the minimum the loss does not tell.
            if of(&next)? <= before || size < 1e-6 {
                z = next;
                break;
            }
            length /= 2.0;
            if length < 1e-10 {
                return Ok(z);
            }
        }
    }
    Err("the inner problem has no minimum within reach".into())
}

/// Fits on the cells of one part, chooses penalties on the next, judges on the third.
fn fit(cells: &[data::Cell], turn: usize) -> Result<Fitted> {
    let part = |which: usize| {
        // A multiplicative hash deals them, so that no part has a k or a length to itself.
        let dealt = |i: usize| (i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
        let own = move |i: &usize| (dealt(*i) as usize + turn) % 3 == which;
        Measurements::new((0..cells.len()).filter(own).map(|i| &cells[i]))
    };
    let unseen = part(2)?;
    let outer = Written(Outer(part(1)?));
    let inner = Written(Inner(part(0)?));
    let map = GradientDescent::new(Inner(part(0)?), DIM, PARAMS, 1.0);

    let mut lambda = vec![HELD.ln(); PARAMS];
    lambda[DIM] = 1f64.ln();
    let mut z = minimum(&map, &inner, &[0.0; DIM], &lambda)?;
    let equal = unseen.regret(&z);
    let implicit = Implicit::new().fixed_point_tolerance(1e-6);
    let first = outer.value(&z, &lambda).map_err(|error| error.to_string())?;
    let (mut value, mut residual, mut length) = (first, 0.0f64, 4.0);
    for _ in 0..OUTER_STEPS {
        let found = implicit.gradient(&map, &outer, &z, &lambda)?;
        residual = residual.max(found.residual);
        let size = found.value.iter().map(|x| x * x).sum::<f64>().sqrt();
        if size == 0.0 {
            break;
        }
        // As far as the outer loss falls.
        let mut moved = false;
        while length > 1e-3 {
            let next: Vec<f64> = lambda
                .iter()
                .zip(&found.value)
                .map(|(l, g)| (l - length * g / size).clamp(-12.0, 6.0))
                .collect();
            if let Ok(state) = minimum(&map, &inner, &z, &next) {
                let now = outer.value(&state, &next).map_err(|error| error.to_string())?;
                if now < value {
                    (z, lambda, value, moved) = (state, next, now, true);
                    length *= 1.5;
                    break;
                }
            }
            length /= 2.0;
        }
        if !moved {
            break;
        }
    }
    let by_hand = unseen.regret(&[0.0; DIM]);
    let chosen = unseen.regret(&z);
    Ok(Fitted { by_hand, equal, chosen, state: z, outer: [first, value], residual })
}

/// Runs it for each of the three ways to deal the parts; false if the fitted plans are not better.
pub(crate) fn run() -> Result<bool> {
    let (file, cells) = data::read()?;
    let mut lines = vec![
        format!("{}, {}: {} shapes.", file.date, file.processor, cells.len()),
        "Time of the chosen over the best, on shapes that were not seen: geometric mean (worst)."
            .to_owned(),
        String::new(),
        "| shapes | by hand | fitted, equal penalties | penalties by hyper-gradient | outer loss | greatest residual |"
            .to_owned(),
        "|--:|--:|--:|--:|--:|--:|".to_owned(),
    ];
    let mut sums = [0.0; 3];
    let mut last = None;
    for turn in 0..3 {
        let fitted = fit(&cells, turn)?;
        let regrets = [fitted.by_hand, fitted.equal, fitted.chosen];
        for (sum, regret) in sums.iter_mut().zip(regrets) {
            *sum += regret.mean.ln() / 3.0;
        }
        let cells: Vec<_> =
            regrets.iter().map(|r| format!("{:.3} ({:.2})", r.mean, r.worst)).collect();
        let [first, end] = fitted.outer;
        lines.push(format!(
            "| {} | {} | {first:.4} to {end:.4} | {:.0e} |",
            regrets[0].cells,
            cells.join(" | "),
            fitted.residual
        ));
        last = Some(fitted.state);
    }
    let means = sums.map(f64::exp);
    lines.push(format!("| all | {:.3} | {:.3} | {:.3} | | |", means[0], means[1], means[2]));
    if let Some(state) = last {
        let costs = CpuCosts::NAMES.iter().zip(CpuCosts::BY_HAND.to_array()).zip(&state);
        let costs: Vec<_> =
            costs.map(|((name, hand), z)| format!("{name} {:.3}", hand * z.exp())).collect();
        let weights: Vec<_> = state[CpuCosts::LEN..].iter().map(|w| format!("{w:.2}")).collect();
        lines.push(format!(
            "\nThe last fit, in nanoseconds: {}; rule weights of mk 0 to 4: {}.",
            costs.join(", "),
            weights.join(", ")
        ));
    }
    answer(&lines.join("\n"));
    Ok(means[2] < means[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fitted_model_plans_better_on_shapes_it_never_saw() {
        let (_, cells) = data::read().unwrap();
        let mut sums = [0.0; 2];
        for turn in 0..3 {
            let fitted = fit(&cells, turn).unwrap();
            assert!(fitted.residual <= 1e-10);
            assert!(fitted.outer[1] <= fitted.outer[0]);
            sums[0] += fitted.by_hand.mean.ln();
            sums[1] += fitted.chosen.mean.ln();
        }
        assert!(sums[1] < sums[0], "{sums:?}");
    }

    #[test]
    fn the_losses_products_are_right() {
        let (_, cells) = data::read().unwrap();
        let inner = Inner(Measurements::new(cells.iter().take(3)).unwrap());
        let map = GradientDescent::new(inner, DIM, PARAMS, 1.0);
        let z: Vec<f64> = (0..DIM).map(|i| 0.1 * (i as f64).sin()).collect();
        st_core::autograd::hypergrad::check_vjp(&map, &z, &[-1.0; PARAMS]).unwrap();
    }
}
