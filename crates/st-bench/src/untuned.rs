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

/// Bytes per second that a multiprocessor reads at most, whatever runs on it: an H200's was seen to read 41 GB/s, and has a way
/// of 64 bytes a cycle, 127 GB/s, to its cache.
#[cfg(any(feature = "cuda", feature = "wgpu"))]
const MOST_RATE: f64 = 200e9;

/// How much a planner's choice may really take, beside what was measured of it: for noise.
#[cfg(any(feature = "cuda", feature = "wgpu"))]
const NOISE: f64 = 1.5;

/// Takes out of a sweep's candidates those that cannot be as fast as the planned one, which took so many microseconds, because
/// their blocks are on too few multiprocessors to read the input in that time; how many they were. The planned choice, which is
/// the first, and the untuned ones stay.
#[cfg(any(feature = "cuda", feature = "wgpu"))]
pub(crate) fn keep_within_reach(
    problem: &Problem,
    candidates: &mut Vec<Choice>,
    untuned: &[Choice],
    planned_us: f64,
    blocks: impl Fn(&Choice) -> u64,
) -> usize {
    let bytes = (problem.rows * problem.cols * problem.dtype.size()) as f64;
    let planned = candidates.first().copied();
    let all = candidates.len();
    candidates.retain(|choice| {
        let least_us = bytes / (blocks(choice).max(1) as f64 * MOST_RATE) * 1e6;
        least_us <= NOISE * planned_us || untuned.contains(choice) || Some(*choice) == planned
    });
    all - candidates.len()
}

/// What a sweep found, for people.
#[cfg(any(feature = "cuda", feature = "wgpu"))]
pub(crate) fn swept(outcome: &Outcome, out_of_reach: usize) -> String {
    let lines = outcome.lines();
    format!("  sweep: {lines}; {out_of_reach} more are on too few multiprocessors to be as fast")
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

#[cfg(all(test, any(feature = "cuda", feature = "wgpu")))]
mod tests {
    use st_core::ops::rank_entry::{MergeKind, RankKind};

    use super::*;

    #[test]
    fn what_too_few_blocks_cannot_read_in_time_is_left_out() {
        let problem = Problem::new(RankKind::TopK, 1, 1 << 26, 100);
        let caps = DeviceCaps::cuda(32, 1024).with_cores(132);
        let planned = planner(&problem, &caps, &Knowledge::default()).choice;
        let of = |ch| Choice { mk: MergeKind::Filter, ch, ..planned };
        // By a block 268 MB take 1342 us at least, by eight 168, by 64 21.
        let blocks = |choice: &Choice| (1u64 << 26).div_ceil(u64::from(choice.ch).max(1));
        let mut all = vec![of(1 << 26), of(1 << 26), of(1 << 23), of(1 << 20)];
        all[1].wg = 64;
        let untuned = [of(1 << 25)];
        all.push(untuned[0]);
        let left_out = keep_within_reach(&problem, &mut all, &untuned, 80.0, blocks);
        assert_eq!((left_out, all), (2, vec![of(1 << 26), of(1 << 20), untuned[0]]));
        let mut all = vec![of(1 << 26), of(1 << 23)];
        assert_eq!(keep_within_reach(&problem, &mut all, &[], 112.0, blocks), 0, "168 / 1.5");
    }
}
