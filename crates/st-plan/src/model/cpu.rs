//! The cost model of the CPU kernels: nanoseconds, from the shape and the caps.
//!
//! Its coefficients are [`CpuCosts`]. They are scaled by the lanes of the vector, never by the name of
//! the processor.

use st_kernels::cpu::{COLUMN_STEP, MAX_KL, MAX_THREADS, block, details, lanes, parts, uses};
use st_rank::{Choice, CompactProblem, DeviceCaps, Field, MergeDetail, MergeKind, Problem};

use super::costs::CpuCosts;
use super::{Values, Wanted};

/// How much longer loading and storing vectors takes from the second-level cache.
const L2_FACTOR: f64 = 2.0;
/// Inputs of more second-level caches than this come from memory.
const CACHES: f64 = 32.0;
/// Read bandwidth of one core where none was measured, in bytes per nanosecond.
const CORE_BANDWIDTH: f64 = 20.0;
/// A margin for rows that improve more than random ones do, of which the insertion kernel inserts
/// more: it must be ahead by this much to be chosen.
const INSERTION_RISK: f64 = 2.0;
/// A margin for rows that lie in a cache beyond the first: rows of ties take the filter a third less
/// time than random ones, and the kernel of maxima as long as ever.
const MAXIMA_RISK: f64 = 1.4;

/// Candidates that the filter's buffer holds beyond those wanted, at least.
const LEAST_SLACK: usize = 256;

/// Candidates up to which the finish ranks by comparing each with all.
const MAX_RANKED: f64 = 64.0;

/// What the model needs to know of the problem.
struct Shape {
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
    costs: CpuCosts,
}

impl Shape {
    fn new(problem: &Problem, caps: &DeviceCaps, threads: u32, costs: CpuCosts) -> Self {
        let ranks = problem.kind.ranks(problem.cols, problem.k);
        // More threads than the processor runs at a time do no more.
        let threads = f64::from(threads.min(caps.max_workgroup));
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
            costs,
        }
    }

    /// Whether the input is too large for any cache.
    fn beyond_caches(&self) -> bool {
        self.rows * self.cols * self.bytes > CACHES * self.l2
    }

    /// Finding candidates in one of `parts` of a row, and how many are found.
    fn collect(&self, kernel: &Choice, parts: f64) -> (f64, f64) {
        let n = self.cols / parts;
        let bytes = n * self.bytes;
        let vectors = n / self.lanes * if bytes > self.l1 { L2_FACTOR } else { 1.0 };
        let b = self.b.min(n).max(1.0);
        match kernel.mk {
            MergeKind::Bitonic => (vectors * self.costs.vector + n * self.costs.append / 2.0, n),
            MergeKind::Shared => {
                let hits = b * (1.0 + (n / b).ln()) * INSERTION_RISK;
                (vectors * self.costs.vector + hits * (self.costs.insert + b.min(32.0) / 4.0), b)
            }
            MergeKind::Warp => {
                let groups = f64::from(kernel.kl) * self.lanes;
                let ranked = if groups <= MAX_RANKED {
                    groups * (groups / self.lanes).ceil() * self.costs.compare
                } else {
                    groups * self.costs.select
                };
                // An element reaches the bound with the probability that leaves b of the groups'
                // maxima above it.
                let size = (n / groups).max(1.0);
                let below = (1.0 - (b / groups).min(1.0)).powf(1.0 / size);
                let hits = (n * (1.0 - below)).clamp(b, n);
                let read_once = vectors * self.costs.vector;
                let kl = kernel.kl as usize;
                if let Some(block) = block(kl, self.lanes as usize, n as usize, b as usize) {
                    let again = (hits * block as f64).min(n / self.lanes);
                    let time = read_once + again * self.costs.look + ranked;
                    return (time + hits * self.costs.append, hits);
                }
                let mut passes = read_once + vectors * self.costs.codes;
                if bytes > self.l1 && !self.beyond_caches() {
                    passes *= MAXIMA_RISK;
                }
                if 2.0 * bytes > self.l2 {
                    // The codes leave the cache and come back.
                    passes += 2.0 * bytes / CORE_BANDWIDTH;
                }
                (passes + ranked + hits * self.costs.append, hits)
            }
            MergeKind::Radix => {
                let tiles = n / f64::from(kernel.ctile).min(n.max(1.0));
                (
                    n * self.costs.digit * 2.0 + tiles * self.costs.tile + b * self.costs.append,
                    self.k * 1.3,
                )
            }
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
                let sample =
                    if self.beyond_caches() { self.costs.sample_memory } else { self.costs.sample };
                let tile = f64::from(kernel.tile).min(n.max(1.0));
                let tiles = n / tile;
                let tests =
                    tiles * self.costs.test + hits.min(tiles) * tile / self.lanes * self.costs.look;
                let time = vectors * self.costs.vector
                    + tests
                    + if seeded { samples * sample } else { 0.0 }
                    + hits * 1.5 * self.costs.append
                    + prunes * (b + slack) * self.costs.select;
                (time, hits.min(b + slack))
            }
        }
    }

    /// Ordering and writing what was found.
    fn finish(&self, found: f64) -> f64 {
        if found <= MAX_RANKED {
            found * (2.0 + (found / (self.lane / 2.0)).ceil() * self.costs.compare)
        } else {
            found * (self.costs.bucket + self.costs.crowd * (found / 2048.0).max(1.0).log2())
        }
    }

    /// The whole call.
    fn time(&self, kernel: &Choice, parts: f64) -> f64 {
        let (collect, found) = self.collect(kernel, parts);
        let finish = self.finish(found * parts) + self.costs.row;
        let units = |n: f64| (n / self.threads).ceil();
        let compute = if kernel.use_2ce {
            units(self.rows * parts) * (collect + self.costs.row) + units(self.rows) * finish
        } else {
            units(self.rows) * (collect + finish)
        };
        let memory = self.rows * self.cols * self.bytes / self.bandwidth;
        let busy = if self.threads > 1.0 {
            self.costs.team * (1.0 + f64::from(kernel.use_2ce))
        } else {
            0.0
        };
        self.costs.call + busy + compute + memory
    }
}

/// The model for one problem on one processor.
pub(crate) struct Model<'a> {
    problem: &'a Problem,
    caps: DeviceCaps,
}

impl<'a> Model<'a> {
    pub(crate) fn new(problem: &'a Problem, caps: &DeviceCaps) -> Self {
        Self { problem, caps: caps.normalised() }
    }

    /// Predicted time of a feasible choice, in nanoseconds.
    pub(crate) fn ns(&self, choice: &Choice) -> f64 {
        self.ns_with(choice, CpuCosts::BY_HAND)
    }

    /// The same with other coefficients.
    pub(crate) fn ns_with(&self, choice: &Choice, costs: CpuCosts) -> f64 {
        let shape = Shape::new(self.problem, &self.caps, choice.wg, costs);
        let parts = parts(choice, self.problem.cols) as f64;
        shape.time(choice, parts)
    }

    /// Offers the choices worth predicting: for each kernel its sensible settings, and those with
    /// the wanted values.
    pub(crate) fn variants(&self, wanted: &Wanted, offer: &mut dyn FnMut(Choice)) {
        let (caps, problem) = (&self.caps, self.problem);
        let all = caps.recommended_workgroup(problem.cols);
        let (tile, ctile) = caps.recommended_tiles(problem.cols);
        let b = problem.kind.ranks(problem.cols, problem.k).end;
        for wg in wanted.values(Field::Wg, &[1, all]) {
            let part = part(problem, wg);
            let split = part > 0 && caps.prefers_two_stage(problem.rows, problem.cols, problem.k);
            let chs: &[u32] = if split { &[0, part] } else { &[0] };
            for ch in wanted.values(Field::Ch, chs) {
                for use_2ce in wanted.flags(ch > 0) {
                    for &mk in wanted.kinds() {
                        let mkd = details(mk)[0];
                        let kl = 1;
                        let base = Choice { mk, mkd, tile, ctile, use_2ce, wg, kl, ch };
                        self.settings(base, b, wanted, offer);
                    }
                }
            }
        }
    }

    /// Offers a choice with each of its kernel's own settings.
    fn settings(&self, base: Choice, b: usize, wanted: &Wanted, offer: &mut dyn FnMut(Choice)) {
        let mkds = if wanted.asks(Field::Mkd) { details(base.mk) } else { &[base.mkd] };
        let uses = uses(base.mk);
        for &mkd in mkds {
            for kl in self.kls(base.mk, b, wanted) {
                for tile in wanted.values_if(uses.has(Field::Tile), Field::Tile, &[base.tile]) {
                    let used = uses.has(Field::Ctile);
                    for ctile in wanted.values_if(used, Field::Ctile, &[base.ctile]) {
                        offer(Choice { mkd, kl, tile, ctile, ..base });
                    }
                }
            }
        }
    }

    /// The numbers of candidates that each lane may keep.
    fn kls(&self, mk: MergeKind, b: usize, wanted: &Wanted) -> Values {
        let most = MAX_KL as usize;
        match mk {
            // As few maxima as reach b; then twice and four times as many, for a tighter bound.
            MergeKind::Warp => {
                let lanes = lanes(self.caps.lane, self.problem.dtype).max(1);
                let least = b.div_ceil(lanes).max(1).min(most) as u32;
                let kl = least.next_power_of_two();
                wanted.values(Field::Kl, &[kl, kl.saturating_mul(2), kl.saturating_mul(4)])
            }
            MergeKind::Filter => {
                let slack = (b / 2).max(LEAST_SLACK);
                let kl = slack.div_ceil(self.caps.lane as usize).clamp(1, most);
                wanted.values(Field::Kl, &[kl as u32])
            }
            MergeKind::Bitonic | MergeKind::Shared | MergeKind::Radix => {
                wanted.values_if(false, Field::Kl, &[1])
            }
        }
    }
}

/// Columns of a part when a row is shared by all threads; 0 for rows too short for that.
fn part(problem: &Problem, threads: u32) -> u32 {
    let threads = threads.max(1) as usize;
    let columns = problem.cols.div_ceil(threads).next_multiple_of(COLUMN_STEP as usize);
    if columns < problem.cols { u32::try_from(columns).unwrap_or(0) } else { 0 }
}

/// Reading twice costs less than joining lists where the input stays in the caches.
pub(crate) fn compact_choice(problem: &CompactProblem, caps: &DeviceCaps) -> Choice {
    let all = caps.max_workgroup.clamp(1, MAX_THREADS);
    let bytes = problem.rows as f64 * problem.cols as f64 * problem.dtype.size() as f64;
    let alone = bytes / CORE_BANDWIDTH;
    let threads = if alone > 2.0 * CpuCosts::BY_HAND.team { all } else { 1 };
    Choice {
        mk: MergeKind::Filter,
        mkd: MergeDetail::Auto,
        tile: caps.recommended_sweep_tile(problem.cols),
        ctile: caps.recommended_compaction_tile(problem.cols),
        use_2ce: bytes <= caps.l2 as f64,
        wg: threads,
        kl: 1,
        ch: 0,
    }
}
