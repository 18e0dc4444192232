//! The choices that a sweep of the CPU kernels tries; see [`st_kernels::cpu`] for what they mean.

use st_core::ops::rank_entry::{Choice, MergeDetail, MergeKind, Problem, RankPlan};
use st_kernels::cpu::{COLUMN_STEP, MAX_KL, MAX_TILE, check, lanes};

/// Sorting longer rows than this for a few ranks is not worth trying.
const LONGEST_SORT: usize = 1 << 14;

/// Inserting into more than so many ranks is not worth trying.
const MOST_INSERTED: usize = 4096;

/// Rows this long are worth splitting.
const LEAST_SPLIT: usize = 1 << 15;

/// Inputs of at most this many elements may be faster on one thread.
const SMALL: usize = 1 << 20;

/// Feasible choices for the plan's problem and device, the plan's own first, none twice.
pub(crate) fn candidates(plan: &RankPlan) -> Vec<Choice> {
    let problem = &plan.problem;
    let lane = plan.caps.lane;
    let kernels = kernels(problem, lane);
    let mut all = vec![plan.choice];
    for split in splits(problem, plan.caps.max_workgroup.max(1)) {
        for &kernel in &kernels {
            // Of a kernel's variants, the split ones are tried with the middle settings only.
            let usual = matches!(kernel.tile, 256 | 512) && matches!(kernel.kl, 0..=4 | 64);
            if split.ch == 0 && !split.use_2ce || usual || kernel.mk == MergeKind::Warp {
                all.push(Choice { wg: split.wg, use_2ce: split.use_2ce, ch: split.ch, ..kernel });
            }
        }
    }
    let mut feasible: Vec<Choice> = Vec::with_capacity(all.len());
    for choice in all {
        if check(&choice, problem, lane).is_ok() && !feasible.contains(&choice) {
            feasible.push(choice);
        }
    }
    feasible
}

/// Threads and splits; the kernel's fields are not looked at.
fn splits(problem: &Problem, threads: u32) -> Vec<Choice> {
    let whole = |wg| Choice { wg, ..base() };
    let mut splits = vec![whole(threads)];
    if threads > 1 && problem.rows * problem.cols <= SMALL {
        splits.push(whole(1));
    }
    let split = |ch| Choice { use_2ce: true, ch, ..whole(threads) };
    splits.push(split(0));
    if problem.cols >= LEAST_SPLIT {
        let parts = [1, 2, 4, 16].map(|n| problem.cols.div_ceil(n * threads as usize));
        for ch in parts.into_iter().chain([1 << 14, 1 << 16, 1 << 18]) {
            let ch = ch.next_multiple_of(COLUMN_STEP as usize);
            if (4096..problem.cols).contains(&ch) {
                splits.push(split(ch as u32));
            }
        }
    }
    splits
}

/// Kernels and their own fields.
fn kernels(problem: &Problem, lane: u32) -> Vec<Choice> {
    let cols = problem.cols;
    let ranks = problem.kind.ranks(cols, problem.k).end;
    let kernel = |mk| Choice { mk, ..base() };
    let mut all = Vec::new();
    if cols <= LONGEST_SORT || ranks >= cols / 4 {
        all.push(kernel(MergeKind::Bitonic));
    }
    if ranks <= MOST_INSERTED {
        all.push(kernel(MergeKind::Shared));
        all.push(Choice { mkd: MergeDetail::Heap, ..kernel(MergeKind::Shared) });
    }
    let lanes = lanes(lane, problem.dtype).max(1);
    let least = ranks.div_ceil(lanes).next_power_of_two();
    for kl in [ranks.div_ceil(lanes), least, 2 * least, 4 * least] {
        if kl <= MAX_KL as usize && kl * lanes <= cols.next_multiple_of(lanes) {
            all.push(Choice { kl: kl.max(1) as u32, ..kernel(MergeKind::Warp) });
        }
    }
    let tiles = |sizes: &[u32]| {
        let longest = (cols.next_multiple_of(COLUMN_STEP as usize) as u32).min(MAX_TILE);
        let mut tiles: Vec<u32> = sizes.iter().map(|&t| t.min(longest)).collect();
        tiles.dedup();
        tiles
    };
    for ctile in tiles(&[1024, 4096, 16_384, 65_536]) {
        all.push(Choice { ctile, ..kernel(MergeKind::Radix) });
    }
    for tile in tiles(&[64, 128, 256, 512, 1024, 2048]) {
        for kl in [1, 4, 16, 64, 256] {
            all.push(Choice { tile, kl, ..kernel(MergeKind::Filter) });
        }
    }
    all
}

/// Fields that a kernel does not use.
const fn base() -> Choice {
    Choice {
        mk: MergeKind::Filter,
        mkd: MergeDetail::Auto,
        tile: 512,
        ctile: 4096,
        use_2ce: false,
        wg: 1,
        kl: 4,
        ch: 0,
    }
}

#[cfg(test)]
mod tests {
    use st_core::backend::device_caps::DeviceCaps;
    use st_core::ops::rank_entry::{RankKind, plan_rank};

    use super::*;

    #[test]
    fn every_kernel_is_tried_once_and_feasibly() {
        for (rows, cols, k) in [(16_384, 256, 8), (1, 1 << 24, 100_000), (3, 7, 7), (2, 70_000, 40)]
        {
            let plan = plan_rank(RankKind::TopK, rows, cols, k, DeviceCaps::cpu(16, 2));
            let got = candidates(&plan);
            assert_eq!(got[0], plan.choice);
            for (i, choice) in got.iter().enumerate() {
                check(choice, &plan.problem, 16).unwrap();
                assert!(!got[..i].contains(choice), "{choice} twice");
            }
            let kinds = [MergeKind::Radix, MergeKind::Filter];
            assert!(kinds.iter().all(|mk| got.iter().any(|c| c.mk == *mk)), "{rows}x{cols}");
            assert_eq!(got.iter().any(|c| c.ch > 0), cols >= LEAST_SPLIT);
        }
    }
}
