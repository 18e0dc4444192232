//! The timed problem: logistic regression of 1,000 rows with a penalty for each of `d` weights, by a
//! closed formula in integers.

use serde::Serialize;
use st_core::autograd::hypergrad::{Glm, HyperGrad, Implicit, Link, Matrix, Solver};

use super::peer::{PEERS, Peers};
use super::problems::{norm, number, numbers, reference, relative};
use crate::Result;
use st_tune::stats::{Samples, Timing, turn};

const N: usize = 1000;
/// The tolerance of the reference for this problem.
const TOLERANCE: f64 = 1e-8;

/// What was measured with `d` weights.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    pub(super) d: usize,
    /// Of ours at the minimum.
    pub(super) iterations: usize,
    pub(super) residual: f64,
    pub(super) fixed_point_residual: f64,
    pub(super) contenders: Vec<Contender>,
}

#[derive(Debug, Serialize)]
pub(super) struct Contender {
    pub(super) name: &'static str,
    #[serde(flatten)]
    pub(super) timing: Option<Timing>,
    /// Relative error of the value.
    pub(super) error: f64,
}

/// One hyper-gradient at the minimum.
pub(super) const OURS: &str = "ours";
/// With the inner problem, from zero.
pub(super) const OURS_WHOLE: &str = "ours_with_fit";

fn rows(first: usize, d: usize) -> Result<Glm> {
    let x = Matrix::from_fn(N, d, |i, j| {
        let (i, j) = ((i + first) as u64, j as u64 + 1);
        ((31 * i * i + 17 * i * j + 7 * j * j * j) % 1009) as f64 / 504.0 - 1.0
    })?;
    let label = |i: usize| if (5 * i * i + 3 * i) % 11 < 5 { 1.0 } else { -1.0 };
    Ok(Glm::new(x, (first..first + N).map(label).collect(), Link::Logistic, 1.0)?)
}

fn settings() -> Implicit {
    Implicit::new().solver(Solver::Cg).tolerance(1e-10)
}

/// Times all contenders, in turns.
pub(super) fn time(
    d: usize,
    turns: usize,
    mut peers: Option<&mut Peers>,
    failures: &mut Vec<String>,
) -> Result<Line> {
    let (train, held_out) = (rows(1, d)?, rows(N + 1, d)?);
    let lambda: Vec<f64> = (1..=d).map(|j| 0.01f64.ln() + 0.5 * (j as f64).cos()).collect();
    let w = train.fit(&lambda, 1e-14)?;
    let exact = settings().tolerance(1e-13).gradient(&train, &held_out, &w, &lambda)?;
    against_reference(d, &exact, &w, failures);

    let at_minimum = || settings().gradient(&train, &held_out, &w, &lambda);
    let whole = || settings().gradient(&train, &held_out, &train.fit(&lambda, 1e-10)?, &lambda);
    let found = at_minimum()?;
    let error = |value: &[f64]| relative(value, &exact.value);
    let mut contenders = vec![(OURS, error(&found.value)), (OURS_WHOLE, error(&whole()?.value))];
    if let Some(peers) = peers.as_mut() {
        peers.load(d, &w)?;
        for name in PEERS {
            contenders.push((name, error(&peers.value(name)?)));
        }
    }
    for &(name, error) in &contenders {
        // Only ours must be right; the others' errors are shown.
        if name.starts_with(OURS) && (error.is_nan() || error > TOLERANCE) {
            failures.push(format!("d = {d}, {name}: relative error {error:e}"));
        }
    }
    let mut samples = vec![Samples::default(); contenders.len()];
    while samples.iter().any(|samples| samples.wants_more(turns)) {
        for (&(name, _), samples) in contenders.iter().zip(&mut samples) {
            if !samples.wants_more(turns) {
                continue;
            }
            let warm = samples.warm_calls();
            samples.push_turn(match (name, peers.as_mut()) {
                (OURS, _) => {
                    turn(warm, || at_minimum().map(|found| drop(std::hint::black_box(found))))?
                }
                (OURS_WHOLE, _) => {
                    turn(warm, || whole().map(|found| drop(std::hint::black_box(found))))?
                }
                (name, Some(peers)) => peers.turn(name, warm)?,
                (_, None) => break,
            });
        }
    }
    let contender = |(&(name, error), samples): (&(&'static str, f64), &Samples)| Contender {
        name,
        timing: samples.timing(),
        error,
    };
    Ok(Line {
        d,
        iterations: found.iterations,
        residual: found.residual,
        fixed_point_residual: found.fixed_point_residual,
        contenders: contenders.iter().zip(&samples).map(contender).collect(),
    })
}

/// Compares with what the reference says of the exact value.
fn against_reference(d: usize, exact: &HyperGrad, w: &[f64], failures: &mut Vec<String>) {
    let reference = reference();
    let want = &reference["timing_logistic_n1000"]["one_thread_pinned"][d.to_string()];
    if want.is_null() {
        return;
    }
    let mut check = |what: &str, got: f64, want: f64| {
        let error = (got - want).abs();
        if error.is_nan() || error > TOLERANCE * want.abs() {
            failures.push(format!("d = {d}, {what}: {got:e}, the reference has {want:e}"));
        }
    };
    check("norm", norm(&exact.value), number(&want["hypergrad_norm2"]));
    check("sum", exact.value.iter().sum(), number(&want["hypergrad_sum"]));
    check("outer", exact.outer, number(&want["outer_value"]));
    check("minimum", norm(w), number(&want["w_star_norm2"]));
    check("last", *exact.value.last().unwrap_or(&f64::NAN), number(&want["hypergrad_last"]));
    for (got, want) in exact.value.iter().zip(numbers(&want["hypergrad_first5"])) {
        check("one of the first", *got, want);
    }
}
