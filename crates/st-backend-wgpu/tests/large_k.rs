//! More wanted than shared memory can order: candidates are merged in device memory. Answers are
//! compared with the naive oracle's, values and indices bit for bit.

mod common;

use common::hostile::{self, executor};
use st_backend_wgpu::WgpuExecutor;
use st_kernels::gpu;
use st_kernels::wgsl::Stage;
use st_rank::{Choice, DType, DeviceCaps, Lengths, MergeDetail, MergeKind, Problem, RankKind};

fn choice(mk: MergeKind, wg: u32, ch: u32) -> Choice {
    let (mkd, tile) = (MergeDetail::Auto, 4 * wg);
    Choice { mk, mkd, tile, ctile: tile, use_2ce: true, wg, kl: 16, ch }
}

/// Asks about all data, with subgroups and without in turns.
fn ask_all(exec: &WgpuExecutor, choice: Choice, problem: Problem) {
    let caps = exec.caps().expect("an adapter");
    assert!(gpu::merges_in_memory(&choice, &problem, &caps), "{choice:?} {problem:?}");
    hostile::ask_all(exec, choice, problem);
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
    let wg = exec.caps().expect("an adapter").max_workgroup.min(512);
    ask_all(&exec, choice(MergeKind::Radix, wg, 32_768), problem);
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
