//! Many candidates that are almost or altogether alike: in the parts' lists that a second command merges, in
//! short rows, and where a filter's list gets keys from registers. Answers are compared with the naive
//! oracle's, values and indices bit for bit.

mod common;

use common::hostile::{ask_all, executor};
use st_backend_wgpu::WgpuExecutor;
use st_conformance::{oracle, verdict};
use st_kernels::gpu;
use st_rank::{
    Choice, DType, DeviceCaps, Error, Input, Lengths, MergeDetail, MergeKind, Problem,
    RankKExecutor, RankKind, RankPlan,
};

/// Two commands over forty parts.
fn parted(mk: MergeKind) -> Choice {
    let (mkd, tile) = (MergeDetail::Auto, 512);
    Choice { mk, mkd, tile, ctile: tile, use_2ce: true, wg: 128, kl: 8, ch: 1024 }
}

const COLS: usize = 40_000;

fn ask(exec: &WgpuExecutor, problem: Problem, choice: Choice, data: &[f32]) {
    let caps: DeviceCaps = exec.caps().expect("an adapter");
    assert!(!gpu::merges_in_memory(&choice, &problem, &caps), "in shared memory");
    // All lists together hold more than one workgroup has room for.
    let lists = gpu::parts(&choice, problem.cols) as u64 * problem.k as u64;
    assert!(lists > gpu::merge_entries(&choice, &problem, &caps), "{choice:?} {problem:?}");
    for subgroups in [caps.subgroups, false] {
        let caps = caps.with_subgroup(caps.lane, subgroups);
        let plan = RankPlan::by_hand(problem, caps, choice);
        let got = exec.on(&Input::new(data)).execute(&plan).expect("it can be run");
        let want = oracle::rank(Input::new(data), &problem);
        verdict::rank(problem.k, &want, &got)
            .unwrap_or_else(|what| panic!("{what}\n  {choice:?} {problem:?}"));
    }
}

/// A number that looks random, below `end`.
fn random(i: usize, end: u32) -> u32 {
    ((i as u64 * 2_654_435_761 + 12_345) % 1_000_003 % u64::from(end)) as u32
}

/// Neighbouring keys, as many as `different`, and one key far from all others, so that bins between the least
/// and the greatest have all but one of them in one.
fn neighbours(different: u32) -> Vec<f32> {
    let own = |i| f32::from_bits(1.5f32.to_bits() + random(i, different));
    let mut data: Vec<f32> = (0..COLS).map(own).collect();
    data[COLS / 3] = -1e30;
    data[COLS / 2] = 1e30;
    data
}

#[test]
fn lists_with_many_of_one_key() {
    let exec = executor();
    for (k, sorted) in [(100, true), (700, false)] {
        let problem = Problem::new(RankKind::TopK, 1, COLS, k).with_sorted(sorted);
        for mk in [MergeKind::Filter, MergeKind::Radix] {
            ask(&exec, problem, parted(mk), &neighbours(1));
            // The last ranks are ties that only the last parts have.
            let late = |i| if i < COLS - 9000 { random(i, 1000) as f32 } else { 2000.0 };
            ask(&exec, problem, parted(mk), &(0..COLS).map(late).collect::<Vec<f32>>());
        }
    }
}

#[test]
fn lists_of_neighbouring_keys() {
    let exec = executor();
    for (kind, k) in [(RankKind::TopK, 100), (RankKind::BottomK, 700)] {
        let problem = Problem::new(kind, 1, COLS, k);
        ask(&exec, problem, parted(MergeKind::Radix), &neighbours(4096));
        ask(&exec, problem, parted(MergeKind::Radix), &neighbours(4));
    }
}

#[test]
fn short_rows_with_ties() {
    let exec = executor();
    let caps = exec.caps().expect("an adapter");
    let has_groups = caps.subgroups && caps.lane >= gpu::GROUP;
    for (mkd, kl) in [(MergeDetail::GroupRank, 2), (MergeDetail::GroupNetwork, 8)] {
        for (dtype, cols, k) in [(DType::F32, 256, 8), (DType::Bf16, 200, 8), (DType::I32, 128, 5)]
        {
            let choice = Choice { mk: MergeKind::Warp, mkd, kl, wg: 64, ..ONE };
            let problem = Problem::new(RankKind::TopK, 41, cols, k).with_dtype(dtype);
            if !has_groups {
                let data = vec![0.0f32; 41 * cols];
                let plan = RankPlan::by_hand(problem.with_dtype(DType::F32), caps, choice);
                let refused = exec.on(&Input::new(&data[..])).execute(&plan);
                assert!(matches!(refused, Err(Error::Infeasible { .. })), "{refused:?}");
                continue;
            }
            ask_all(&exec, choice, problem);
            let problem = Problem::new(RankKind::BottomK, 41, cols, k).with_dtype(dtype);
            ask_all(&exec, choice, problem.with_lengths(Lengths::Ragged));
        }
    }
}

const ONE: Choice = Choice {
    mk: MergeKind::Filter,
    mkd: MergeDetail::Auto,
    tile: 2048,
    ctile: 1024,
    use_2ce: false,
    wg: 128,
    kl: 8,
    ch: 0,
};

#[test]
fn keys_from_registers() {
    let exec = executor();
    for (dtype, kind, k, sorted) in [
        (DType::F32, RankKind::TopK, 100, true),
        (DType::F32, RankKind::Range { start: 40 }, 60, false),
        (DType::Bf16, RankKind::BottomK, 100, true),
        (DType::I32, RankKind::TopK, 100, false),
    ] {
        let problem = Problem::new(kind, 3, 4501, k).with_row_stride(4503);
        let problem = problem.with_dtype(dtype).with_sorted(sorted);
        ask_all(&exec, ONE, problem);
        ask_all(&exec, ONE, problem.with_lengths(Lengths::Ragged));
        let keyed = exec.launches().iter().all(|l| l.permutation.keyed);
        assert!(keyed, "{problem:?}");
    }
}
