//! Random problems over all types, shapes and kernels against the oracle.

mod common;

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use st_backend_cpu::CpuExecutor;
use st_conformance::raw::{Cell, Raw, problems};
use st_conformance::rng::Rng;
use st_conformance::{Backend, Value, choices, for_dtype, oracle, verdict};
use st_rank::{CompactPlan, Input, MergeKind, RankPlan};

/// Asks all instruction sets and kernels, each with settings drawn from the case.
fn rank<T: Value>(raw: &Raw) -> Result<(), TestCaseError> {
    let problem = raw.problem();
    let (values, lengths) = (raw.values::<T>(), raw.row_lengths());
    let input = Input { values: &values, lengths: lengths.as_deref() };
    let want = oracle::rank(input, &problem);
    let cpu = common::cpu();
    for (nth, executor) in cpu.executors().iter().enumerate() {
        let exec: &CpuExecutor = &executor.exec;
        let name = format!("{} {}", executor.group, executor.name);
        let mut plans = vec![cpu.plan(exec, &problem)];
        // Three executors for each instruction set share the kernels between them.
        for &mk in MergeKind::ALL.iter().filter(|mk| (mk.code() as usize + nth).is_multiple_of(3)) {
            let mut rng = Rng::new(raw.seed ^ u64::from(mk.code()));
            let choice = cpu.choice(exec, mk, &problem, &mut rng);
            if cpu.check(exec, &choice, &problem).is_ok() {
                plans.push(RankPlan::by_hand(problem, exec.caps(), choice));
            }
        }
        for plan in plans {
            let got = cpu.rank(exec, input, &plan);
            let fail = |e| TestCaseError::fail(format!("{name} {}: {e}", plan.choice));
            let got = got.map_err(|e| fail(e.to_string()))?;
            verdict::rank(problem.k, &want, &got).map_err(fail)?;
        }
    }
    Ok(())
}

fn compact<T: Value>(raw: &Raw, lo: Cell, hi: Cell) -> Result<(), TestCaseError> {
    let problem = raw.compact_problem();
    let (values, lengths) = (raw.values::<T>(), raw.row_lengths());
    let input = Input { values: &values, lengths: lengths.as_deref() };
    let (lo, hi) = (lo.value::<T>(), hi.value::<T>());
    let want = oracle::compact(input, &problem, lo, hi);
    let mut rng = Rng::new(raw.seed);
    let cpu = common::cpu();
    for executor in cpu.executors() {
        let exec = &executor.exec;
        let mut plans = vec![cpu.compact_plan(exec, &problem)];
        for choice in [false, true].map(|two| choices::cpu_compact(two, &mut rng)) {
            plans.push(CompactPlan { problem, caps: exec.caps(), choice });
        }
        for plan in plans {
            let name = &executor.group;
            let fail = |e| TestCaseError::fail(format!("{name} {}: {e}", plan.choice));
            let got = cpu.compact(exec, input, &plan, lo, hi).map_err(|e| fail(e.to_string()))?;
            verdict::compact(&want, &got).map_err(fail)?;
        }
    }
    Ok(())
}

proptest! {
    // 256 cases each, or as many as PROPTEST_CASES says. Failures are kept beside this file.
    #![proptest_config(ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn topk_is_the_oracles(raw in problems(0..1, 5000)) {
        for_dtype!(raw.dtype, T => rank::<T>(&raw))?;
    }

    #[test]
    fn ranges_are_the_oracles(raw in problems(1..4, 5000)) {
        for_dtype!(raw.dtype, T => rank::<T>(&raw))?;
    }

    #[test]
    fn compactions_are_the_oracles(raw in problems(0..1, 5000), lo: u8, hi: u8, cell: bool) {
        let small = |x: u8| Cell::Small(x.cast_signed());
        let bound = |x| if cell { Cell::Special(x) } else { small(x) };
        for_dtype!(raw.dtype, T => compact::<T>(&raw, bound(lo), bound(hi)))?;
    }
}
