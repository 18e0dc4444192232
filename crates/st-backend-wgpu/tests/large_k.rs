//! More wanted than shared memory can order: candidates are merged in device memory. Answers are
//! compared with the naive oracle's, values and indices bit for bit.

use st_backend_wgpu::WgpuExecutor;
use st_conformance::pattern::Pattern;
use st_conformance::permutations::Setting;
use st_conformance::{Value, inputs, oracle, verdict};
use st_kernels::gpu;
use st_kernels::wgsl::Stage;
use st_rank::{
    Choice, DType, DeviceCaps, Lengths, MergeDetail, MergeKind, Problem, RankKExecutor, RankKind,
    RankPlan,
};

/// Data that bins might stumble over: everything in one bin, a few keys, all columns of a key together,
/// one key far from all others.
const HOSTILE: [Pattern; 9] = [
    Pattern::Normal,
    Pattern::AllEqual,
    Pattern::EightValues,
    Pattern::Ascending,
    Pattern::RandomBits,
    Pattern::Infinities,
    Pattern::Relu,
    Pattern::NanMix,
    Pattern::Plateau,
];

fn choice(mk: MergeKind, wg: u32, ch: u32) -> Choice {
    let (mkd, tile) = (MergeDetail::Auto, 4 * wg);
    Choice { mk, mkd, tile, ctile: tile, use_2ce: true, wg, kl: 16, ch }
}

fn executor() -> WgpuExecutor {
    WgpuExecutor::default().with_self_test(false).with_launch_log()
}

fn ask<T: Value>(exec: &WgpuExecutor, setting: &Setting) -> Result<(), String> {
    let caps = exec.caps().map_err(|e| e.to_string())?;
    let caps = caps.with_subgroup(caps.lane, setting.subgroups);
    assert!(gpu::merges_in_memory(&setting.choice, &setting.problem, &caps), "{setting}");
    let plan = RankPlan::by_hand(setting.problem, caps, setting.choice);
    let data = inputs::Data::<T>::new(setting);
    let want = oracle::rank(data.input(), &setting.problem);
    let got = exec.on(&data.input()).execute(&plan).map_err(|e| format!("refused: {e}"))?;
    verdict::rank(setting.problem.k, &want, &got)
}

/// Asks about all data, with subgroups and without in turns.
fn ask_all(exec: &WgpuExecutor, choice: Choice, problem: Problem) {
    let subgroups = exec.caps().expect("an adapter").subgroups;
    for (seed, pattern) in (0..).zip(HOSTILE) {
        let subgroups = subgroups && seed % 2 == 0;
        let setting = Setting { subgroups, choice, problem, pattern, seed };
        let answer = match problem.dtype {
            DType::Bf16 => ask::<st_rank::bf16>(exec, &setting),
            DType::I32 => ask::<i32>(exec, &setting),
            _ => ask::<f32>(exec, &setting),
        };
        answer.unwrap_or_else(|what| panic!("{what}\n  {setting}"));
    }
}

/// The first k that shared memory cannot order with a step of new candidates.
fn least_k(caps: &DeviceCaps, choice: &Choice) -> usize {
    let merges = |k: &usize| {
        gpu::merges_in_memory(choice, &Problem::new(RankKind::TopK, 1, 2 * k, *k), caps)
    };
    (1..1 << 13).find(merges).expect("no device orders so many in shared memory")
}

#[test]
fn just_more_than_shared_memory_orders() {
    let exec = executor();
    let caps = exec.caps().expect("an adapter");
    for (mk, dtype, sorted) in [
        (MergeKind::Filter, DType::F32, true),
        (MergeKind::Radix, DType::Bf16, true),
        (MergeKind::Filter, DType::Bf16, false),
        (MergeKind::Radix, DType::I32, false),
    ] {
        let choice = choice(mk, 256, 4096);
        let k = least_k(&caps, &choice);
        for kind in [RankKind::TopK, RankKind::BottomK] {
            let problem =
                Problem::new(kind, 3, 4 * k + 77, k).with_dtype(dtype).with_sorted(sorted);
            ask_all(&exec, choice, problem);
        }
    }
    let stages: Vec<Stage> = exec.launches().iter().map(|l| l.permutation.stage).collect();
    for stage in [
        Stage::Range,
        Stage::Coarse,
        Stage::Fine,
        Stage::Starts,
        Stage::Scatter,
        Stage::Rank,
        Stage::Settle,
    ] {
        assert!(stages.contains(&stage), "{}", stage.name());
    }
}

#[test]
fn many_more_than_that() {
    let exec = executor();
    let choice = choice(MergeKind::Filter, 256, 8192);
    for (dtype, sorted) in [(DType::F32, true), (DType::Bf16, true), (DType::F32, false)] {
        let problem = Problem::new(RankKind::TopK, 2, 80_000, 20_000).with_dtype(dtype);
        ask_all(&exec, choice, problem.with_sorted(sorted));
    }
}

#[test]
fn kernels_pass_their_tests_and_lists_may_be_far_longer_than_what_is_wanted() {
    let exec = WgpuExecutor::default();
    let problem = Problem::new(RankKind::TopK, 1, 300_000, 60_000);
    ask_all(&exec, choice(MergeKind::Radix, 512, 32_768), problem);
}

#[test]
fn few_ranks_far_from_the_first() {
    let exec = executor();
    let choice = choice(MergeKind::Radix, 128, 4096);
    let problem = |kind, k, sorted| {
        Problem::new(kind, 2, 20_011, k).with_row_stride(20_013).with_sorted(sorted)
    };
    for sorted in [true, false] {
        ask_all(&exec, choice, problem(RankKind::MidK, 1, sorted));
        ask_all(&exec, choice, problem(RankKind::Range { start: 7000 }, 301, sorted));
    }
}

#[test]
fn rows_of_any_length() {
    let exec = executor();
    for (lengths, kind) in [
        (Lengths::Ragged, RankKind::TopK),
        (Lengths::Padded, RankKind::BottomK),
        (Lengths::Padded, RankKind::Range { start: 3000 }),
    ] {
        for sorted in [true, false] {
            let problem = Problem::new(kind, 4, 15_000, 6000).with_sorted(sorted);
            let choice = choice(MergeKind::Filter, 128, 2048);
            ask_all(&exec, choice, problem.with_lengths(lengths));
        }
    }
}
