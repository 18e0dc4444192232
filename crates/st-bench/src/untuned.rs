//! Plans with this machine's rules and tables, beside those without.

#[cfg(any(feature = "cuda", feature = "wgpu"))]
use st_core::backend::device_caps::DeviceCaps;
#[cfg(any(feature = "cuda", feature = "wgpu"))]
use st_core::ops::rank_entry::Problem;
use st_core::ops::rank_entry::{Choice, Knowledge, RankPlan, plan as planner};
#[cfg(any(feature = "cuda", feature = "wgpu"))]
use st_core::process;
use st_tune::candidates;
use st_tune::stats::geometric_mean;
use st_tune::tournament::Outcome;

/// What is planned with what the process knows (rules and tables of `SPIRAL_HOME`), or with nothing.
#[cfg(any(feature = "cuda", feature = "wgpu"))]
pub(crate) fn known_plan(problem: &Problem, caps: &DeviceCaps, with_tables: bool) -> RankPlan {
    match with_tables {
        true => process::planner().plan(problem, caps),
        false => planner(problem, caps, &Knowledge::default()),
    }
}

/// The candidates of a sweep, and the choice made without rules and tables, which is one of them.
pub(crate) fn with_untuned(plan: &RankPlan) -> (Vec<Choice>, Vec<Choice>) {
    let untuned = planner(&plan.problem, &plan.caps, &Knowledge::default()).choice;
    let mut all = candidates(plan);
    if !all.contains(&untuned) {
        all.push(untuned);
    }
    (all, vec![untuned])
}

/// Its time / the best.
pub(crate) fn untuned_ratio(outcome: &Outcome) -> Option<f64> {
    Some(outcome.others_us.first()? / outcome.best_us)
}

/// How the planner's choices stand beside those.
pub(crate) fn of_untuned(outcomes: &[&Outcome]) -> Option<String> {
    let untuned: Vec<f64> = outcomes.iter().filter_map(|o| untuned_ratio(o)).collect();
    let slower = outcomes.iter().filter_map(|o| Some(o.planned_us / o.others_us.first()?));
    let worst = slower.fold(0.0, f64::max);
    let mean = geometric_mean(&untuned)?;
    Some(format!(
        "without rules and tables / best: geometric mean {mean:.3}; planner / that: at most {worst:.3}"
    ))
}
