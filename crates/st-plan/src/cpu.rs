//! The cost model of the CPU kernels: nanoseconds, from the shape and the caps.
//!
//! Coefficients were fitted by hand to `st-bench cpu-sweep` on a Xeon with AVX-512 (one vector
//! operation chain and one miss cost about the same on its neighbours); each says what it is the
//! cost of. They are scaled by the lanes of the vector, never by the name of the processor.

use st_rank::cpu::{MAX_KL, MAX_THREADS, lanes};
use st_rank::plan::RunnerUp;
use st_rank::{
    Choice, CompactProblem, DeviceCaps, MergeDetail, MergeKind, Problem, RankPlan, Source, Sources,
};

/// Columns between two tests of the filter: one test for some hundred bytes of any type.
const TILE: u32 = 512;
/// Columns the radix kernel turns into codes at a time: they fit the first-level cache.
const CTILE: u32 = 2048;

/// Waking the other threads and waiting for the last of them.
const TEAM_NS: f64 = 6_000.0;
/// A call, whatever it does.
const CALL_NS: f64 = 200.0;
/// A row, whatever is done with it.
const ROW_NS: f64 = 15.0;
/// Loading a vector, making codes and comparing them, from the first-level cache.
const VECTOR_NS: f64 = 0.8;
/// Storing a vector's codes and raising a maximum, on top; then loading and comparing them again.
const CODES_NS: f64 = 0.9;
/// How much longer both take from the second-level cache.
const L2_FACTOR: f64 = 2.0;
/// Comparing a vector of words when ranking by comparison.
const COMPARE_NS: f64 = 0.8;
/// Appending a candidate.
const APPEND_NS: f64 = 3.0;
/// Selecting among unordered elements, for each.
const SELECT_NS: f64 = 4.0;
/// Sorting and writing a candidate by buckets.
const BUCKET_NS: f64 = 9.0;
/// Ordering a candidate that shares its bucket with many.
const CROWD_NS: f64 = 1.5;
/// One digit of one element: staging, counting, deciding.
const DIGIT_NS: f64 = 1.6;
/// Sampling one element of a long row: a cache miss, most of them overlapped.
const SAMPLE_NS: f64 = 6.0;
/// Inserting into a sorted list or a heap, mispredicted branch included, and per element moved.
const INSERT_NS: f64 = 14.0;
/// Read bandwidth of one core where none was measured, in bytes per nanosecond.
const CORE_BANDWIDTH: f64 = 20.0;
/// A margin for rows that improve more than random ones do, of which the insertion kernel inserts
/// more: it must be ahead by this much to be chosen.
const INSERTION_RISK: f64 = 2.0;

/// Candidates up to which the finish ranks by comparing each with all.
const MAX_RANKED: f64 = 64.0;

/// One kernel configuration for whole rows or for parts of them.
#[derive(Clone, Copy)]
struct Kernel {
    mk: MergeKind,
    mkd: MergeDetail,
    kl: u32,
}

/// What the model needs to know of the problem.
struct Model {
    /// Lanes of a vector of the element type.
    lanes: f64,
    /// 32-bit lanes.
    lane: f64,
    bytes: f64,
    threads: f64,
    /// Bytes per nanosecond of all threads.
    bandwidth: f64,
    l1: f64,
    l2: f64,
    rows: f64,
    cols: f64,
    /// Leading ranks that contain the wanted ones.
    b: f64,
    k: f64,
}

impl Model {
    fn new(problem: &Problem, caps: &DeviceCaps, threads: u32) -> Self {
        let ranks = problem.kind.ranks(problem.cols, problem.k);
        let threads = f64::from(threads);
        let bandwidth = if caps.bandwidth > 0 {
            // The measured figure is for all threads.
            caps.bandwidth as f64 / 1e9 * threads / f64::from(caps.max_workgroup.max(1))
        } else {
            CORE_BANDWIDTH * threads
        };
        Self {
            lanes: (lanes(caps.lane, problem.dtype) as f64).max(1.0),
            lane: f64::from(caps.lane.max(1)),
            bytes: problem.dtype.size() as f64,
            threads,
            bandwidth,
            l1: f64::from(caps.shared_mem),
            l2: caps.l2 as f64,
            rows: problem.rows as f64,
            cols: (problem.cols as f64).max(1.0),
            b: ranks.end as f64,
            k: problem.k as f64,
        }
    }

    /// Finding candidates in one of `parts` of a row, and how many are found.
    fn collect(&self, kernel: Kernel, parts: f64) -> (f64, f64) {
        let n = self.cols / parts;
        let bytes = n * self.bytes;
        let vectors = n / self.lanes * if bytes > self.l1 { L2_FACTOR } else { 1.0 };
        let b = self.b.min(n).max(1.0);
        match kernel.mk {
            MergeKind::Bitonic => (vectors * VECTOR_NS + n * APPEND_NS / 2.0, n),
            MergeKind::Shared => {
                let hits = b * (1.0 + (n / b).ln()) * INSERTION_RISK;
                (vectors * VECTOR_NS + hits * (INSERT_NS + b.min(32.0) / 4.0), b)
            }
            MergeKind::Warp => {
                let groups = f64::from(kernel.kl) * self.lanes;
                let ranked = if groups <= MAX_RANKED {
                    groups * (groups / self.lanes).ceil() * COMPARE_NS
                } else {
                    groups * SELECT_NS
                };
                // An element reaches the bound with the probability that leaves b of the groups'
                // maxima above it.
                let size = (n / groups).max(1.0);
                let below = (1.0 - (b / groups).min(1.0)).powf(1.0 / size);
                let hits = (n * (1.0 - below)).clamp(b, n);
                let mut passes = vectors * (VECTOR_NS + CODES_NS);
                if 2.0 * bytes > self.l2 {
                    // The codes leave the cache and come back.
                    passes += 2.0 * bytes / CORE_BANDWIDTH;
                }
                (passes + ranked + hits * APPEND_NS, hits)
            }
            MergeKind::Radix => (n * DIGIT_NS * 2.0 + b * APPEND_NS, self.k * 1.3),
            MergeKind::Filter => {
                // The parts of a row share a threshold, and so the candidates.
                let b = (self.b / parts).clamp(1.0, n);
                let slack = f64::from(kernel.kl) * self.lane;
                let seeded = self.cols >= 4096.0 && b * 4.0 < n;
                let samples = (3.0 * n).sqrt().max((9.0 * b * n).cbrt());
                let hits = if seeded {
                    b + 3.0 * (b * n / samples).sqrt() + 1.5 * n / samples
                } else {
                    (b + slack) * (1.0 + (n / (b + slack)).max(1.0).ln())
                }
                .min(n);
                let prunes = ((hits - b - slack) / slack).max(0.0);
                let time = vectors * VECTOR_NS
                    + if seeded { samples * SAMPLE_NS } else { 0.0 }
                    + hits * 2.0 * APPEND_NS
                    + prunes * (b + slack) * SELECT_NS;
                (time, hits.min(b + slack))
            }
        }
    }

    /// Ordering and writing what was found.
    fn finish(&self, found: f64) -> f64 {
        if found <= MAX_RANKED {
            found * (2.0 + (found / (self.lane / 2.0)).ceil() * COMPARE_NS)
        } else {
            found * (BUCKET_NS + CROWD_NS * (found / 2048.0).max(1.0).log2())
        }
    }

    /// The whole call.
    fn time(&self, kernel: Kernel, parts: f64) -> f64 {
        let (collect, found) = self.collect(kernel, parts);
        let finish = self.finish(found * parts) + ROW_NS;
        let units = |n: f64| (n / self.threads).ceil();
        let compute = if parts > 1.0 {
            units(self.rows * parts) * (collect + ROW_NS) + units(self.rows) * finish
        } else {
            units(self.rows) * (collect + finish)
        };
        let memory = self.rows * self.cols * self.bytes / self.bandwidth;
        let busy = if self.threads > 1.0 { TEAM_NS * (1.0 + f64::from(parts > 1.0)) } else { 0.0 };
        CALL_NS + busy + compute + memory
    }
}

/// A candidate for the plan.
#[derive(Clone, Copy)]
struct Candidate {
    kernel: Kernel,
    threads: u32,
    /// Columns of a part; 0: rows are whole.
    ch: u32,
    ns: f64,
}

pub(crate) fn plan(problem: &Problem, caps: &DeviceCaps) -> RankPlan {
    let mut best: Option<Candidate> = None;
    let mut second: Option<Candidate> = None;
    let all = caps.max_workgroup.clamp(1, MAX_THREADS);
    let mut offer = |new: Candidate| {
        if best.is_none_or(|best| new.ns < best.ns) {
            if best.is_some_and(|best| best.kernel.mk != new.kernel.mk) {
                second = best;
            }
            best = Some(new);
        } else if best.is_some_and(|best| best.kernel.mk != new.kernel.mk)
            && second.is_none_or(|second| new.ns < second.ns)
        {
            second = Some(new);
        }
    };
    // With one thread both are the same; the second is then offered in vain.
    for threads in [1, all] {
        let model = Model::new(problem, caps, threads);
        each_kernel(&model, |kernel| {
            let ns = model.time(kernel, 1.0);
            offer(Candidate { kernel, threads, ch: 0, ns });
            let ch = part(problem, threads);
            if threads > 1 && problem.rows < 4 * threads as usize && ch > 0 {
                let ns = model.time(kernel, (model.cols / f64::from(ch)).ceil());
                offer(Candidate { kernel, threads, ch, ns });
            }
        });
    }
    let kernel = Kernel { mk: MergeKind::Bitonic, mkd: MergeDetail::Bitonic, kl: 1 };
    let best = best.unwrap_or(Candidate { kernel, threads: 1, ch: 0, ns: 0.0 });
    RankPlan {
        problem: *problem,
        caps: *caps,
        choice: choice(&best),
        sources: sources(best.kernel.mk),
        predicted_us: Some(best.ns / 1e3),
        runner_up: second.map(|s| RunnerUp { mk: s.kernel.mk, predicted_us: s.ns / 1e3 }),
        notes: Vec::new(),
    }
}

/// Columns of a part when a row is shared by all threads; 0 for rows too short for that.
fn part(problem: &Problem, threads: u32) -> u32 {
    let columns = problem.cols.div_ceil(threads as usize).next_multiple_of(64);
    if columns < problem.cols { u32::try_from(columns).unwrap_or(0) } else { 0 }
}

fn each_kernel(model: &Model, mut offer: impl FnMut(Kernel)) {
    let auto = MergeDetail::Auto;
    // As few maxima as reach b; then twice and four times as many, for a tighter bound.
    let least = (model.b / model.lanes).ceil().max(1.0);
    if least <= f64::from(MAX_KL) / 4.0 {
        let kl = (least as u32).next_power_of_two();
        for kl in [kl, 2 * kl, 4 * kl] {
            offer(Kernel { mk: MergeKind::Warp, mkd: auto, kl });
        }
    }
    let slack = (model.b / 2.0).max(256.0);
    let kl = ((slack / model.lane).ceil() as u32).clamp(1, MAX_KL);
    offer(Kernel { mk: MergeKind::Filter, mkd: auto, kl });
    offer(Kernel { mk: MergeKind::Radix, mkd: auto, kl: 1 });
    offer(Kernel { mk: MergeKind::Shared, mkd: MergeDetail::Heap, kl: 1 });
    offer(Kernel { mk: MergeKind::Bitonic, mkd: MergeDetail::Bitonic, kl: 1 });
}

const fn choice(c: &Candidate) -> Choice {
    Choice {
        mk: c.kernel.mk,
        mkd: c.kernel.mkd,
        tile: TILE,
        ctile: CTILE,
        use_2ce: c.ch > 0,
        wg: c.threads,
        kl: c.kernel.kl,
        ch: c.ch,
    }
}

/// Tiles are fixed by the caches, the rest is predicted; what the kernel leaves alone is said.
fn sources(mk: MergeKind) -> Sources {
    let mut sources = Sources::all(Source::Model);
    sources.tile = if mk == MergeKind::Filter { Source::Safe } else { Source::Unused };
    sources.ctile = if mk == MergeKind::Radix { Source::Safe } else { Source::Unused };
    if !matches!(mk, MergeKind::Warp | MergeKind::Filter) {
        sources.kl = Source::Unused;
    }
    if !matches!(mk, MergeKind::Shared | MergeKind::Bitonic) {
        sources.mkd = Source::Unused;
    }
    sources
}

/// Reading twice costs less than joining lists where the input stays in the caches.
pub(crate) fn compact_choice(problem: &CompactProblem, caps: &DeviceCaps) -> Choice {
    let all = caps.max_workgroup.clamp(1, MAX_THREADS);
    let bytes = problem.rows as f64 * problem.cols as f64 * problem.dtype.size() as f64;
    let alone = bytes / CORE_BANDWIDTH;
    let threads = if alone > 2.0 * TEAM_NS { all } else { 1 };
    Choice {
        mk: MergeKind::Filter,
        mkd: MergeDetail::Auto,
        tile: TILE,
        ctile: CTILE,
        use_2ce: bytes <= caps.l2 as f64,
        wg: threads,
        kl: 1,
        ch: 0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use st_rank::{DType, Lengths, RankKind};

    use super::*;

    fn kind(start: usize) -> impl Strategy<Value = RankKind> {
        prop_oneof![
            Just(RankKind::TopK),
            Just(RankKind::BottomK),
            Just(RankKind::MidK),
            Just(RankKind::Range { start }),
        ]
    }

    proptest! {
        #[test]
        fn every_plan_is_one_its_device_can_run(
            kind in (0usize..1 << 33).prop_flat_map(kind),
            rows in prop_oneof![0usize..5, 0usize..1 << 40],
            cols in prop_oneof![0usize..300, 0usize..1 << 33],
            k in prop_oneof![0usize..300, 0usize..1 << 33],
            dtype in prop::sample::select(DType::ALL.to_vec()),
            lane in prop::sample::select(vec![4u32, 8, 16]),
            threads in prop_oneof![0u32..9, Just(u32::MAX)],
            cache in prop_oneof![Just(0u32), 1u32..1 << 20],
        ) {
            let caps = DeviceCaps::cpu(lane, threads).with_shared_mem(cache);
            let problem = Problem::new(kind, rows, cols, k)
                .with_dtype(dtype)
                .with_lengths(Lengths::Padded);
            let made = plan(&problem, &caps);
            prop_assert_eq!(st_rank::cpu::check(&made.choice, &problem, lane), Ok(()));
            prop_assert!(made.predicted_us.is_some_and(|us| us.is_finite() && us > 0.0));
            prop_assert_eq!(made, plan(&problem, &caps));
        }
    }

    fn planned(rows: usize, cols: usize, k: usize, threads: u32) -> Choice {
        let caps = DeviceCaps::cpu(16, threads).with_l2(2 << 20).with_shared_mem(48 << 10);
        plan(&Problem::new(RankKind::TopK, rows, cols, k), &caps).choice
    }

    #[test]
    fn families_are_chosen_where_they_belong() {
        assert_eq!(planned(65_536, 128, 4, 2).mk, MergeKind::Warp, "short rows");
        assert_eq!(planned(1, 16 << 20, 5000, 2).mk, MergeKind::Filter, "a long row");
        assert_eq!(planned(1, 16 << 20, 4, 2).mk, MergeKind::Shared, "a long row, tiny k");
        assert_eq!(planned(1, 1 << 20, 1 << 19, 1).mk, MergeKind::Radix, "half of a long row");
        assert_eq!(planned(1000, 40, 40, 1).mk, MergeKind::Bitonic, "whole short rows");
    }

    #[test]
    fn threads_are_used_where_they_pay() {
        assert_eq!(planned(1, 1000, 10, 8).wg, 1);
        assert_eq!(planned(100_000, 64, 10, 8).wg, 8);
        let long = planned(1, 16 << 20, 100, 8);
        assert_eq!((long.wg, long.use_2ce, long.ch), (8, true, 2 << 20), "a row is shared");
        assert_eq!(planned(64, 131_072, 50, 8).ch, 0, "many rows are not");
    }
}
