//! Bytes that become a problem, its data and a kernel's settings, against the naive sort.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use st_backend_cpu::{CpuExecutor, Isa};
use st_conformance::raw::{Bytes, Cell, Raw};
use st_conformance::rng::Rng;
use st_conformance::{Value, choices, for_dtype, oracle, verdict};
use st_rank::{CompactExecutor, CompactPlan, Error, Input, MergeKind, RankKExecutor, RankPlan};

/// Kept, as a program keeps its executor: what one call leaves in the workspace, the next one finds.
static EXECUTORS: LazyLock<Vec<CpuExecutor>> = LazyLock::new(|| {
    let make = |isa| CpuExecutor::new(isa, Some(2)).expect("it is available");
    Isa::available().into_iter().map(make).collect()
});

fuzz_target!(|data: &[u8]| {
    let mut bytes = Bytes::new(data);
    let exec = &EXECUTORS[bytes.below(EXECUTORS.len())];
    let what = bytes.below(MergeKind::ALL.len() + 3);
    let seed = u64::from(bytes.u16());
    let raw = Raw::from_bytes(&mut bytes);
    for_dtype!(raw.dtype, T => match MergeKind::ALL.get(what) {
        Some(&mk) => rank::<T>(exec, Some(mk), seed, &raw),
        None if what == MergeKind::ALL.len() => rank::<T>(exec, None, seed, &raw),
        None => compact::<T>(exec, what % 2 == 0, seed, &raw),
    });
});

fn rank<T: Value>(exec: &CpuExecutor, mk: Option<MergeKind>, seed: u64, raw: &Raw) {
    let (problem, caps) = (raw.problem(), exec.caps());
    let plan = match mk {
        Some(mk) => {
            let choice = choices::cpu(mk, &problem, caps.lane, &mut Rng::new(seed));
            RankPlan::by_hand(problem, caps, choice)
        }
        None => st_plan::plan(&problem, &caps, &st_plan::Knowledge::default()),
    };
    let (values, lengths) = (raw.values::<T>(), raw.row_lengths());
    let input = Input { values: &values, lengths: lengths.as_deref() };
    match exec.on(&input).execute(&plan) {
        Ok(got) => {
            if let Err(e) = verdict::rank(problem.k, &oracle::rank(input, &problem), &got) {
                panic!("{:?} {problem:?} {}: {e}", exec.isa(), plan.choice);
            }
        }
        Err(error) => {
            let feasible = st_kernels::cpu::check(&plan.choice, &problem, caps.lane);
            assert!(matches!(error, Error::Infeasible { .. }), "{problem:?}: {error}");
            assert_eq!(feasible, Err(error));
            assert!(mk.is_some(), "the planner's own choice: {}", plan.choice);
        }
    }
}

fn compact<T: Value>(exec: &CpuExecutor, use_2ce: bool, seed: u64, raw: &Raw) {
    let (problem, caps) = (raw.compact_problem(), exec.caps());
    let mut rng = Rng::new(seed);
    let choice = choices::cpu_compact(use_2ce, &mut rng);
    let values = raw.values::<T>();
    let lengths = raw.row_lengths();
    let input = Input { values: &values, lengths: lengths.as_deref() };
    let mut bound = || {
        let byte = rng.bits() as u8;
        if rng.one_in(2) { Cell::Special(byte) } else { Cell::Small(byte.cast_signed()) }.value()
    };
    let (lo, hi): (T, T) = (bound(), bound());
    let got = exec.on(&input).compact(&CompactPlan { problem, caps, choice }, lo, hi);
    let got = got.expect("the problem is possible and the choice feasible");
    if let Err(e) = verdict::compact(&oracle::compact(input, &problem, lo, hi), &got) {
        panic!("{:?} {problem:?} {choice} {lo:?}..={hi:?}: {e}", exec.isa());
    }
}
