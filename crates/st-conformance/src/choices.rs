//! Settings of the kernels to force upon an executor, so that each kernel is tried far from
//! where a planner would use it.

use st_rank::{Choice, DeviceCaps, MergeDetail, MergeKind, Problem};

use crate::rng::Rng;

/// Tiles, parts and thread counts worth trying: least, common, larger than most rows.
const TILES: [u32; 7] = [64, 128, 192, 512, 1024, 4096, 1 << 16];
const PARTS: [u32; 6] = [64, 128, 320, 1024, 4096, 1 << 16];
const THREADS: [u32; 4] = [1, 2, 3, 5];

/// A choice of that kernel for this problem on vectors of `lane` 32-bit lanes. Feasible as a rule;
/// where the kernel cannot do the problem at all, or one time in 32, it is not.
#[must_use]
pub fn cpu(mk: MergeKind, problem: &Problem, lane: u32, rng: &mut Rng) -> Choice {
    let own = match mk {
        MergeKind::Bitonic => MergeDetail::Bitonic,
        MergeKind::Shared => MergeDetail::Heap,
        MergeKind::Warp | MergeKind::Radix | MergeKind::Filter => MergeDetail::Auto,
    };
    // Two commands are for few rows: each batch of rows costs a hand-over to the threads, so that
    // tens of thousands of short rows would take most of a test's time.
    let use_2ce = if problem.rows > 4096 { rng.one_in(12) } else { rng.one_in(2) };
    let mut choice = Choice {
        mk,
        mkd: rng.pick(&[MergeDetail::Auto, own]),
        tile: rng.pick(&TILES),
        ctile: rng.pick(&TILES),
        use_2ce,
        wg: rng.pick(&THREADS),
        kl: rng.pick(&[1, 2, 3, 4, 8, 16, 64]),
        ch: if use_2ce && !rng.one_in(3) { rng.pick(&PARTS) } else { 0 },
    };
    if mk == MergeKind::Warp {
        // Every lane must keep enough for all lanes together to reach the last rank.
        let lanes = st_kernels::cpu::lanes(lane, problem.dtype).max(1);
        let least = problem.kind.ranks(problem.cols, problem.k).end.div_ceil(lanes).max(1);
        let more = rng.pick(&[0, 0, 1, 7]);
        choice.kl = u32::try_from(least + more).unwrap_or(u32::MAX);
    }
    if rng.one_in(32) {
        match rng.below(4) {
            0 => choice.tile = 100,
            1 => choice.ch = 65,
            2 => choice.kl = 0,
            _ => choice.mkd = MergeDetail::WarpBitonic,
        }
    }
    choice
}

/// A choice of that kernel for this problem on a GPU. Feasible as a rule, where the device can do
/// the problem with that kernel at all. Of one workgroup and tile and two lengths of lists, so that few
/// pipelines are made: every driver takes long over them, some seconds.
/// [`permutations`](crate::permutations) has the others.
#[must_use]
pub fn gpu(mk: MergeKind, problem: &Problem, caps: &DeviceCaps, rng: &mut Rng) -> Choice {
    let (wg, tile) = (64, 256);
    let use_2ce = rng.one_in(2);
    let ch = if use_2ce && !rng.one_in(4) { rng.pick(&[64, 128, 320, 1024, 8192]) } else { 0 };
    let mut choice = Choice {
        mk,
        mkd: rng.pick(st_kernels::gpu::details(mk)),
        tile,
        ctile: 4 * wg,
        use_2ce,
        wg,
        kl: 4,
        ch,
    };
    if st_kernels::gpu::is_grouped(mk, choice.mkd) {
        let kl = if choice.mkd == MergeDetail::GroupRank { 8 } else { 4 };
        return Choice { use_2ce: false, ch: 0, kl, ..choice };
    }
    // Enough for the last rank wanted; more than one where several lanes share it.
    let b = st_kernels::gpu::kept(&choice, problem);
    let least = match mk {
        MergeKind::Warp => b.div_ceil(u64::from(caps.lane.max(1))),
        MergeKind::Shared => b.div_ceil(u64::from(wg)),
        MergeKind::Filter => (b + u64::from(wg)).div_ceil(u64::from(wg)),
        MergeKind::Bitonic | MergeKind::Radix => 1,
    };
    let least = u32::try_from(least).unwrap_or(u32::MAX / 2);
    choice.kl = choice.kl.max(least.next_power_of_two());
    if choice.kl > 4 {
        choice.kl = choice.kl.max(32);
        // The network over so many takes the driver the longest of all.
        if choice.mkd == MergeDetail::WarpBitonic {
            choice.mkd = MergeDetail::WarpHeap;
        }
    }
    if rng.one_in(32) {
        match rng.below(4) {
            0 => choice.tile = 100,
            1 => choice.wg += 1,
            2 => choice.kl = 0,
            _ => choice.ch = 65,
        }
    }
    choice
}

/// A choice of that kernel for this problem on CUDA. Feasible as a rule, where the kernel can do the problem at
/// all. Of one block and few lengths of lists, so that few kernels are compiled.
#[must_use]
pub fn cuda(mk: MergeKind, problem: &Problem, rng: &mut Rng) -> Choice {
    use st_kernels::cuda::{vector_elements, wanted};
    if mk == MergeKind::Warp {
        let network = rng.one_in(2);
        let mkd = if network { MergeDetail::GroupNetwork } else { MergeDetail::GroupRank };
        // A list of whole rows where ranks lie far from the first.
        let whole = (problem.cols.div_ceil(8).next_power_of_two() as u32).clamp(16, 128);
        let far = wanted(problem) > 32;
        let kl = match network {
            true if far => whole,
            true => rng.pick(&[8, whole]),
            false => rng.pick(&[2, 8]),
        };
        return Choice { mk, mkd, tile: 64, ctile: 64, use_2ce: false, wg: 64, kl, ch: 0 };
    }
    let wg = 256;
    let two = matches!(mk, MergeKind::Radix | MergeKind::Filter);
    let use_2ce = two && rng.one_in(2);
    let ch = if mk == MergeKind::Shared { 0 } else { rng.pick(&[0, 0, 100, 1000, 4096, 20_000]) };
    let middle = problem.kind.ranks(problem.cols, problem.k).start > 0;
    let least = match mk {
        // A list between two sampled keys, if rows are long enough.
        MergeKind::Filter if !use_2ce && middle && problem.cols > 4096 => 4096,
        MergeKind::Shared => problem.cols as u64,
        // Sometimes sorted in device memory.
        MergeKind::Radix if use_2ce => rng.pick(&[1, problem.k as u64]),
        // Lists are in device memory; in a block's lie some bins of them.
        MergeKind::Filter if use_2ce => rng.pick(&[1, 4096]),
        MergeKind::Filter => 2 * wanted(problem),
        _ => wanted(problem),
    };
    let each = least.div_ceil(u64::from(wg)).clamp(1, 1 << 20).next_power_of_two();
    let least_kl = if mk == MergeKind::Filter { 4 } else { 1 };
    // Few lengths: 1, 4, 16 and so on for each thread.
    let kl = (each.max(least_kl) as u32).next_power_of_two();
    let kl = if kl.ilog2() % 2 == 1 { kl * 2 } else { kl };
    let vectors = rng.pick(&[1, 4]);
    let mut choice = Choice {
        mk,
        mkd: MergeDetail::Auto,
        tile: wg * vectors * vector_elements(problem.dtype),
        ctile: 1024,
        use_2ce,
        wg,
        kl: kl.min(128),
        ch,
    };
    if rng.one_in(32) {
        match rng.below(4) {
            0 => choice.tile = 100,
            1 => choice.wg += 1,
            2 => choice.kl = 0,
            _ => choice.use_2ce = mk == MergeKind::Shared,
        }
    }
    choice
}

/// A choice for a compaction on a GPU.
#[must_use]
pub fn gpu_compact(use_2ce: bool, rng: &mut Rng) -> Choice {
    Choice { wg: 64, ctile: rng.pick(&[64, 320]), ..cpu_compact(use_2ce, rng) }
}

/// A choice for a compaction on the CPU.
#[must_use]
pub fn cpu_compact(use_2ce: bool, rng: &mut Rng) -> Choice {
    Choice {
        mk: MergeKind::Filter,
        mkd: MergeDetail::Auto,
        tile: rng.pick(&TILES),
        ctile: rng.pick(&TILES),
        use_2ce,
        wg: rng.pick(&THREADS),
        kl: 1,
        ch: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use st_rank::RankKind;

    #[test]
    fn most_choices_can_be_run() {
        let mut rng = Rng::new(1);
        for mk in MergeKind::ALL {
            let problem = Problem::new(RankKind::MidK, 2, 300, 40);
            let feasible = |_: &u32| {
                let choice = cpu(*mk, &problem, 8, &mut rng);
                st_kernels::cpu::check(&choice, &problem, 8).is_ok()
            };
            let n = (0..200).filter(feasible).count();
            assert!((180..200).contains(&n), "{mk}: {n}");
        }
    }
}
