//! The choices that a search tries: the planner's own, the cost model's candidates, and on a processor also a list
//! made without the model; see [`st_kernels::cpu`] for what they mean.

use st_kernels::cpu::{COLUMN_STEP, MAX_KL, MAX_TILE, check, lanes};
use st_plan::{Knowledge, explain};
use st_rank::{Backend, Choice, MergeDetail, MergeKind, Problem, RankPlan};

/// Sorting longer rows than this for a few ranks is not worth trying.
const LONGEST_SORT: usize = 1 << 14;

/// Inserting into more than so many ranks is not worth trying.
const MOST_INSERTED: usize = 4096;

/// Rows this long are worth splitting.
const LEAST_SPLIT: usize = 1 << 15;

/// Inputs of at most this many elements may be faster on one thread.
const SMALL: usize = 1 << 20;

/// Candidates asked of the cost model.
const MOST_CANDIDATES: usize = 400;

/// Candidates asked of it on a processor, where the list has most.
const MOST_ON_CPU: usize = 48;

/// Feasible choices for the plan's problem and device that are launched differently: the plan's own first, then each
/// kernel's most promising first, the kernels by turns, so that a model that is wrong about one does not keep it out.
#[must_use]
pub fn candidates(plan: &RankPlan) -> Vec<Choice> {
    let (problem, caps) = (&plan.problem, &plan.caps);
    let most = if caps.backend == Backend::Cpu { MOST_ON_CPU } else { MOST_CANDIDATES };
    let explained = explain(problem, caps, &Knowledge::default(), most).candidates;
    let modelled =
        by_turns(explained.iter().map(|c| c.choice).collect(), |c| (c.mk, c.mkd, c.use_2ce));
    let listed = if caps.backend == Backend::Cpu { on_cpu(plan) } else { Vec::new() };
    let mut all: Vec<Choice> = vec![plan.choice];
    for choice in modelled.into_iter().chain(listed) {
        if !all.iter().any(|known| launched_alike(known, &choice, caps.backend)) {
            all.push(choice);
        }
    }
    all
}

/// Whether two choices differ at most in fields that their kernel does not look at.
#[must_use]
pub fn launched_alike(a: &Choice, b: &Choice, backend: Backend) -> bool {
    st_kernels::launched(a, backend) == st_kernels::launched(b, backend)
}

/// Reorders so that groups take turns; within a group the order stays.
fn by_turns<X, G: PartialEq>(list: Vec<X>, group: impl Fn(&X) -> G) -> Vec<X> {
    let mut sizes: Vec<(G, usize)> = Vec::new();
    let mut placed: Vec<(usize, X)> = Vec::with_capacity(list.len());
    for x in list {
        let own = group(&x);
        let at = sizes.iter().position(|(g, _)| *g == own).unwrap_or_else(|| {
            sizes.push((own, 0));
            sizes.len() - 1
        });
        placed.push((sizes[at].1, x));
        sizes[at].1 += 1;
    }
    // Stable: in each turn, groups in the order in which they first came.
    placed.sort_by_key(|(turn, _)| *turn);
    placed.into_iter().map(|(_, x)| x).collect()
}

/// Feasible choices of the list, none twice.
fn on_cpu(plan: &RankPlan) -> Vec<Choice> {
    let problem = &plan.problem;
    let lane = plan.caps.lane;
    let kernels = kernels(problem, lane);
    let mut all = Vec::new();
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
    use st_rank::{DeviceCaps, RankKind};

    use super::*;

    #[test]
    fn every_kernel_is_tried_once_and_feasibly() {
        for (rows, cols, k) in [(16_384, 256, 8), (1, 1 << 24, 100_000), (3, 7, 7), (2, 70_000, 40)]
        {
            for caps in [DeviceCaps::cpu(16, 2), DeviceCaps::cuda(32, 1024)] {
                let problem = Problem::new(RankKind::TopK, rows, cols, k);
                let plan = st_plan::plan(&problem, &caps, &Knowledge::default());
                let got = candidates(&plan);
                assert_eq!(got[0], plan.choice);
                for (i, choice) in got.iter().enumerate() {
                    st_kernels::check(choice, &plan.problem, &caps).unwrap();
                    let alike = |c: &Choice| launched_alike(c, choice, caps.backend);
                    assert!(!got[..i].iter().any(alike), "{choice} twice");
                }
                let kinds = [MergeKind::Radix, MergeKind::Filter];
                assert!(kinds.iter().all(|mk| got.iter().any(|c| c.mk == *mk)), "{rows}x{cols}");
                if caps.backend == Backend::Cpu {
                    assert_eq!(got.iter().any(|c| c.ch > 0), cols >= LEAST_SPLIT);
                }
            }
        }
    }

    #[test]
    fn groups_take_turns() {
        let got = by_turns(vec![11, 12, 13, 21, 31, 22], |x| x / 10);
        assert_eq!(got, [11, 21, 31, 12, 22, 13]);
    }
}
