//! The cost model of the kernels of CUDA and HIP: nanoseconds, from the shape, the caps and what kernels do.
//!
//! Where the coefficients come from: see docs/kernels.md. On other devices it was never compared; measured
//! rows put the predictions right where there are any ([`crate::calibrate`]).

use st_kernels::cuda::{
    GROUP, MAX_BLOCK, MAX_LIST, MAX_PARTS, MEMORY_THREADS, MOST_FLIGHT, Order, between, capacity,
    details, footprint, group_lanes, in_memory, is_alone, is_cluster, is_held, is_memory, is_whole,
    memory, part_columns, parts, sample, uses, vector_elements, wanted,
};
use st_rank::{
    Backend, Choice, CompactProblem, DeviceCaps, Field, MergeDetail, MergeKind, Problem,
};

use super::Wanted;

/// A launch in a graph, and a further one that waits for it.
const LAUNCH_NS: f64 = 2_000.0;
const NEXT_NS: f64 = 1_500.0;
/// Bytes per nanosecond where nothing was measured.
const BANDWIDTH: f64 = 1_000.0;
/// From asking for a line of device memory to having it.
const LATENCY_NS: f64 = 700.0;
/// Threads that a multiprocessor holds of kernels with 64 registers.
const THREADS: f64 = 1_024.0;
/// Operations of a multiprocessor in a nanosecond.
const CORE_OPS: f64 = 200.0;
/// Operations for each element: compared with a threshold; put into a list; counted by a digit.
const SWEEP_OPS: f64 = 8.0;
const LIST_OPS: f64 = 60.0;
const DIGIT_OPS: f64 = 24.0;
/// Drawing a sample and finding the threshold.
const SAMPLE_NS: f64 = 3_000.0;
/// More for one whose list holds no more than a part's share.
const SHARED_SAMPLE_NS: f64 = 10_000.0;
/// A list to device memory, and the last block's reading all; for each candidate of a thread.
const MERGE_NS: f64 = 2_500.0;
const MERGE_EACH_NS: f64 = 60.0;
/// Ordering few candidates; by bins, and for each candidate of a thread.
const FEW: f64 = 256.0;
const FEW_NS: f64 = 1_500.0;
const BINS_NS: f64 = 3_000.0;
const EACH_NS: f64 = 900.0;
/// The same of a list of which few ranks are wanted, in one place.
const SOME_NS: f64 = 2_000.0;
const SOME_EACH_NS: f64 = 250.0;
/// Comparing a candidate with another, where they are few.
const PAIR_NS: f64 = 4.0;
/// A longer list, for each candidate of a thread.
const LIST_NS: f64 = 80.0;
/// Finding the threshold of a row in registers; a digit of a row in one command.
const HELD_NS: f64 = 700.0;
/// More for each vector that a thread holds.
const HELD_EACH_NS: f64 = 100.0;
const DIGIT_NS: f64 = 3_500.0;
/// How much blocks that share a multiprocessor hold each other up.
const SHARED_CORE: f64 = 0.3;
/// Bytes per nanosecond of one multiprocessor; of one that has one block, which loads ahead.
const CORE_RATE: f64 = 33.0;
const AHEAD_RATE: f64 = 41.0;
/// How much more it has in flight.
const AHEAD_MORE: f64 = 1.3;
/// What each vector in flight of such a block costs: registers that are filled and emptied.
const AHEAD_EACH_NS: f64 = 60.0;
/// Blocks of a cluster taking one another's lists, and what ordering takes of them, which share it. (Fitted before they shared out
/// candidates, and lists above 128 went by bins: both take less time now.)
const CLUSTER_NS: f64 = 1_500.0;
const CLUSTER_ORDER: f64 = 0.8;
/// A block of radix selection in two commands, of each pass: its histograms are cleared, added up and looked through.
const RANK_BLOCK_NS: f64 = 6_500.0;
/// Bytes per nanosecond of sorting in device memory, each candidate being moved once for each digit.
const SORT_RATE: f64 = 400.0;

/// Short rows: whatever their number; operations for each element, for each pair of candidates that are counted, for
/// the network of a row, and for a row that is done exactly.
const GROUP_NS: f64 = 3_000.0;
const GROUP_OPS: f64 = 22.0;
const RANK_OPS: f64 = 10.0;
const NETWORK_OPS: f64 = 4_000.0;
/// How much longer the network takes for each doubling of a block beyond one wave: fewer are resident.
const NETWORK_WIDE: f64 = 0.3;
const GROUP_EXACT_OPS: f64 = 30_000.0;
/// A network between lanes, for each place of the list: a step within lanes, one between them, and what comes before and
/// after.
const OWN_STEP_OPS: f64 = 2.2;
const LANES_STEP_OPS: f64 = 2.5;
const LANES_OPS: f64 = 29.0;
/// How much longer than others it takes for each element that is compared with a threshold.
const LANES_FIND: f64 = 2.0;

/// Lists in device memory: their launches, one of the other way that finds nothing to do, the sample of a row, of more
/// or other ranks than its first few, and what each candidate takes.
const MEMORY_LAUNCHES: u32 = 3;
const IDLE_NS: f64 = 1_000.0;
const MEMORY_SAMPLE_NS: f64 = 17_000.0;
const MEMORY_MIDDLE_NS: f64 = 49_000.0;
const MEMORY_EACH_NS: f64 = 0.037;
/// More where candidates are few: 1x67108864, k 100, took 109 us (16 bits 82) where what is above said 86 (55), and lists in
/// shared memory 83 (52).
const MEMORY_FEW: f64 = 100_000.0;
const MEMORY_FEW_NS: f64 = 25_000.0;
/// Devices with less shared memory have no room for their lists of 4096 candidates.
const LITTLE_SHARED: u32 = 96 << 10;

/// The least list between two sampled keys that is worth a try, beside the ranks wanted.
const BETWEEN: u64 = 2_048;

/// What the model needs to know of the problem and the device.
pub(crate) struct Model<'a> {
    problem: &'a Problem,
    caps: DeviceCaps,
    bandwidth: f64,
}

impl<'a> Model<'a> {
    pub(crate) fn new(problem: &'a Problem, caps: &DeviceCaps) -> Self {
        let caps = caps.normalised();
        let bandwidth = match caps.bandwidth {
            0 => BANDWIDTH,
            measured => measured as f64 / 1e9,
        };
        Self { problem, caps, bandwidth }
    }

    /// Predicted time of a feasible choice, in nanoseconds.
    pub(crate) fn ns(&self, choice: &Choice) -> f64 {
        let p = self.problem;
        let needs = footprint(choice, p);
        if choice.mk == MergeKind::Warp {
            return self.group_ns(choice);
        }
        let wg = f64::from(choice.wg);
        let cores = f64::from(self.caps.cores_or_assumed());
        let (rows, n) = (p.rows as f64, (p.cols as f64).max(1.0));
        let parts = parts(choice, p.cols) as f64;
        let blocks = (needs.blocks as f64).max(1.0);
        let shared = f64::from(self.caps.shared_mem).max(f64::from(48 << 10));
        let resident =
            (THREADS / wg).min(shared / (needs.shared_bytes as f64).max(1.0)).max(1.0).floor();
        let places = cores * resident;
        let waves = (blocks / places).max(1.0).ceil();
        let size = p.dtype.size() as f64;

        // Vectors in flight: of a filter as the choice says, of others one.
        let flight = match choice.mk {
            MergeKind::Filter => {
                let part = (part_columns(choice, p.cols) as f64).max(1.0);
                f64::from(choice.tile).min(part) * size / wg
            }
            _ => 16.0,
        };
        // A block that has a multiprocessor to itself loads the next vectors before it looks at the last. Others do so with
        // short steps, which was not fitted.
        let ahead = is_alone(choice, p, needs.blocks.max(1), self.caps.cores_or_assumed());
        let active = blocks.min(places) * wg * flight * if ahead { AHEAD_MORE } else { 1.0 };
        let bandwidth = self.bandwidth * (active / (self.bandwidth * LATENCY_NS)).tanh();
        // With eight vectors a thread lacks registers.
        let bandwidth = if flight > 64.0 { bandwidth * 0.98 } else { bandwidth };
        // One multiprocessor takes no more than this.
        let rate = if ahead { AHEAD_RATE } else { CORE_RATE };
        let bandwidth = bandwidth.min(blocks.min(cores) * rate);
        let on_core = (blocks / cores).clamp(1.0, resident);
        let input = rows * n * size;
        let output = rows * p.k as f64 * (size + 4.0);
        let again =
            f64::from(needs.reads - 1) * if (self.caps.l2 as f64) > input { 0.4 } else { 1.0 };
        let memory_ns = input * (1.0 + again) / bandwidth + output / self.bandwidth;

        if let (true, Some(own)) = (is_memory(choice), memory(p)) {
            let candidates = rows * f64::from(own.expected);
            let idle = f64::from(needs.launches - MEMORY_LAUNCHES) * IDLE_NS;
            let leading = own.first_rank == 0 && own.last_rank <= MEMORY_THREADS;
            let sample = if leading { MEMORY_SAMPLE_NS } else { MEMORY_MIDDLE_NS };
            let sampled = (rows / cores).ceil() * sample;
            let few = if candidates < MEMORY_FEW { MEMORY_FEW_NS } else { 0.0 };
            return LAUNCH_NS
                + f64::from(MEMORY_LAUNCHES - 1) * NEXT_NS
                + idle
                + sampled
                + few
                + memory_ns.max(rows * n * SWEEP_OPS / (cores.min(blocks) * CORE_OPS))
                + candidates * MEMORY_EACH_NS;
        }
        let between = between(choice, p);
        let listed = match choice.mk {
            MergeKind::Shared => n,
            MergeKind::Filter => match between {
                Some(between) => between.expected,
                None => sample(choice, p).map_or(n, |s| s.expected),
            },
            _ => wanted(p) as f64,
        };
        let ops = match choice.mk {
            MergeKind::Filter if between.is_some() => 2.0 * SWEEP_OPS * n + LIST_OPS * listed,
            MergeKind::Filter if listed < n => SWEEP_OPS * n + LIST_OPS * listed,
            MergeKind::Filter | MergeKind::Shared => LIST_OPS * n,
            _ => DIGIT_OPS * n * f64::from(needs.reads),
        };
        let compute = rows * ops / (cores.min(blocks) * CORE_OPS);
        let launches = LAUNCH_NS + f64::from(needs.launches - 1) * NEXT_NS;
        let tail = match (choice.mk, choice.use_2ce) {
            (MergeKind::Radix, true) => {
                let passes = f64::from(needs.reads);
                let blocks = passes * RANK_BLOCK_NS * (blocks / cores).max(1.0);
                blocks
                    + match in_memory(choice, p) {
                        None => 0.0,
                        Some(false) => {
                            (rows / places).max(1.0).ceil() * Self::order(p.k as f64, wg)
                        }
                        Some(true) => rows * p.k as f64 * size * 16.0 / SORT_RATE,
                    }
            }
            _ => {
                let found = match (choice.mk, between) {
                    (MergeKind::Filter, Some(between)) => {
                        let sampled = choice.wg * between.vectors * vector_elements(p.dtype);
                        SAMPLE_NS + Self::order_some(f64::from(sampled), wg)
                    }
                    (MergeKind::Filter, None) if is_held(choice, p) => {
                        HELD_NS
                            + HELD_EACH_NS * f64::from(st_kernels::cuda::flight(choice, p.dtype))
                    }
                    (MergeKind::Filter, None) if listed < n => {
                        let vectors = sample(choice, p).map_or(1.0, |s| f64::from(s.vectors));
                        let shared = if vectors > 4.0 { SHARED_SAMPLE_NS } else { 0.0 };
                        SAMPLE_NS * (0.6 + 0.4 * vectors) + shared
                    }
                    (MergeKind::Radix, _) => DIGIT_NS * f64::from(needs.reads),
                    _ => 0.0,
                };
                // More than a list holds is read four times.
                let held = f64::from(capacity(choice));
                let passes = if listed > held { 4.0 } else { 1.0 };
                let cluster = self.caps.backend == Backend::Cuda && is_cluster(parts as u64);
                let merged = match parts > 1.0 {
                    true if cluster && listed <= held => CLUSTER_NS,
                    true => MERGE_NS + listed / wg * MERGE_EACH_NS * passes,
                    false => 0.0,
                };
                let ordered = if cluster { CLUSTER_ORDER } else { 1.0 };
                let loads = if ahead { AHEAD_EACH_NS * flight / 16.0 } else { 0.0 };
                let listed = listed.min(held);
                // Blocks of one multiprocessor are in one another's way, and greater ones wait longer at barriers.
                let shared = 1.0 + SHARED_CORE * (on_core - 1.0);
                let barriers = (0.4 + 0.6 * wg / 512.0).max(0.7);
                let order = match between {
                    Some(_) => Self::order_some(listed, wg),
                    None => Self::order(listed, wg) * ordered,
                };
                waves * (found + order) * shared * barriers + merged + loads
            }
        };
        // The less shared memory the better, where nothing else tells choices apart.
        launches + memory_ns.max(compute) + tail + LIST_NS * f64::from(choice.kl)
    }

    /// Short rows: what is read and written, or what is done for each element and candidate.
    fn group_ns(&self, choice: &Choice) -> f64 {
        let p = self.problem;
        let cores = f64::from(self.caps.cores_or_assumed());
        let (rows, n, k) = (p.rows as f64, p.cols as f64, p.k as f64);
        let size = p.dtype.size() as f64;
        let memory = rows * (n * size + k * (size + 4.0)) / self.bandwidth;
        let (list, b) = (f64::from(GROUP * choice.kl), wanted(p) as f64);
        // Where a list is hardly longer than what is wanted, rows must be done exactly.
        let tight = if list < n && list < 1.9 * b { GROUP_EXACT_OPS } else { 0.0 };
        let (order, lanes) = (Order::of(choice), f64::from(group_lanes(p)));
        let ordered = match order {
            Order::Counted => RANK_OPS * list * list / 2.0,
            Order::Lane => {
                NETWORK_OPS * (1.0 + NETWORK_WIDE * (f64::from(choice.wg) / 32.0).log2())
            }
            Order::Lanes => {
                // Of what a lane has, and of the lanes, by their logarithms.
                let (own, all) = ((list / lanes).log2(), lanes.log2());
                let steps = own * (own + 1.0) / 2.0 + all * own;
                let between = all * (all + 1.0) / 2.0;
                list * (OWN_STEP_OPS * steps + LANES_STEP_OPS * between + LANES_OPS)
            }
        };
        let read = match order {
            Order::Lanes if is_whole(choice, p) => 0.0,
            Order::Lanes => LANES_FIND * GROUP_OPS * n,
            Order::Counted | Order::Lane => GROUP_OPS * n,
        };
        let ops = read + ordered + tight;
        // A lane of the network in registers has a row of its own.
        let lanes = if order == Order::Lane { 1.0 } else { lanes };
        let busy = (rows * lanes / (cores * THREADS)).clamp(0.02, 1.0);
        LAUNCH_NS + GROUP_NS + memory.max(rows * ops / (cores * CORE_OPS * busy.sqrt()))
    }

    /// Ordering `m` candidates in a block.
    fn order(m: f64, wg: f64) -> f64 {
        let each = (m / wg).ceil();
        if m <= FEW {
            FEW_NS + PAIR_NS * m * each
        } else {
            BINS_NS * (256.0 / wg).max(1.0) + EACH_NS * each
        }
    }

    /// The same where few of their ranks are wanted.
    fn order_some(m: f64, wg: f64) -> f64 {
        SOME_NS + SOME_EACH_NS * (m / wg).ceil()
    }

    /// Offers the choices worth predicting: for each kernel its sensible settings, and those with the wanted
    /// values.
    pub(crate) fn variants(&self, wanted: &Wanted, offer: &mut dyn FnMut(Choice)) {
        let (tile, ctile) = self.caps.recommended_tiles(self.problem.cols);
        for &mk in wanted.kinds() {
            for &mkd in details(mk) {
                if mkd == MergeDetail::Auto && details(mk).len() > 1 && !wanted.asks(Field::Mkd) {
                    continue;
                }
                for &wg in wanted.values(Field::Wg, &[512, 256, 128, 1024, 64]).as_slice() {
                    for two in wanted.values(Field::Use2ce, &[0, 1]) {
                        let base =
                            Choice { mk, mkd, tile, ctile, use_2ce: two == 1, wg, kl: 1, ch: 0 };
                        self.settings(base, wanted, offer);
                    }
                }
            }
        }
    }

    /// Offers a choice with each part, tile and list.
    fn settings(&self, choice: Choice, want: &Wanted, offer: &mut dyn FnMut(Choice)) {
        if choice.mk == MergeKind::Warp {
            // What a list that is counted may be, and one that a network orders.
            let kls: &[u32] = match choice.mkd {
                MergeDetail::GroupNetwork => &[8, 16, 32, 64, 128],
                _ => &[1, 2, 4, 8],
            };
            for wg in want.values(Field::Wg, &[choice.wg, 32, 64, 128]) {
                for &kl in want.values(Field::Kl, kls).as_slice() {
                    offer(Choice { wg, kl, ch: want.fixed(Field::Ch).unwrap_or(0), ..choice });
                }
            }
            return;
        }
        let uses = uses(choice.mk, choice.mkd);
        let vectors = choice.wg.saturating_mul(vector_elements(self.problem.dtype));
        let tiles = [8, 4, 2, 1].map(|n: u32| vectors.saturating_mul(n.min(MOST_FLIGHT)));
        let tiles: &[u32] = if uses.has(Field::Tile) { &tiles } else { &[choice.tile] };
        let chs = self.splits(choice.wg);
        let chs: &[u32] = if uses.has(Field::Ch) { &chs } else { &[0] };
        let least = match (choice.mk, choice.use_2ce) {
            (MergeKind::Shared, _) => self.problem.cols as u64,
            // As many as its sample's knots are found with, or as it orders if it is done in the other way.
            (MergeKind::Filter, true) => 4096,
            // A list between two sampled keys, where the ranks before the first are too many for a list.
            (MergeKind::Filter, false) if self.is_far() => BETWEEN + self.problem.k as u64,
            (MergeKind::Radix, true) => self.problem.k as u64,
            _ => wanted(self.problem),
        };
        let of = |entries: u64| {
            let most = u64::from((MAX_LIST / choice.wg.max(1)).max(1));
            let each = entries.div_ceil(u64::from(choice.wg.max(1))).max(1);
            u32::try_from(each.next_power_of_two().min(most)).unwrap_or(1)
        };
        // Room for the least, and more for a threshold that lets more pass.
        // The other extreme of radix in two commands: what is collected is sorted in device memory.
        let little = match (choice.mk, choice.use_2ce) {
            (MergeKind::Radix, true) => 1,
            // Where shared memory has no room for the usual lists.
            (MergeKind::Filter, true) if self.caps.shared_mem < LITTLE_SHARED => of(1024),
            _ => of(least),
        };
        let kls = [
            of(least),
            of(least.saturating_mul(2)),
            of(least.saturating_mul(2).max(4096)),
            of(least.saturating_mul(4)),
            little,
        ];
        for &ch in want.values_if(uses.has(Field::Ch), Field::Ch, chs).as_slice() {
            for &tile in want.values_if(uses.has(Field::Tile), Field::Tile, tiles).as_slice() {
                for &kl in want.values_if(uses.has(Field::Kl), Field::Kl, &kls).as_slice() {
                    let choice = Choice { tile, kl, ch, ..choice };
                    // Rows that fit the list are not sampled: that is for the kernel without a sample.
                    let whole = choice.mk == MergeKind::Filter
                        && !choice.use_2ce
                        && !is_held(&choice, self.problem)
                        && self.problem.cols <= capacity(&choice) as usize
                        && !want.asks(Field::Mk);
                    if !whole {
                        offer(choice);
                    }
                }
            }
        }
    }

    /// Whether ranks are wanted that no list reaches from a row's first element.
    fn is_far(&self) -> bool {
        let start = self.problem.kind.ranks(self.problem.cols, self.problem.k).start;
        start > 0 && wanted(self.problem) > u64::from(MAX_LIST) / 4
    }

    /// Columns of a part, so that parts fill the device once or half, or are two; 0: rows stay whole.
    fn splits(&self, wg: u32) -> [u32; 4] {
        let Problem { rows, cols, .. } = *self.problem;
        let resident = (MAX_BLOCK / wg.max(1)).max(1) as usize;
        let places = self.caps.cores_or_assumed() as usize * resident;
        let step = (wg as usize).saturating_mul(4 * vector_elements(self.problem.dtype) as usize);
        let part = |parts: usize| {
            let columns =
                cols.div_ceil(parts.clamp(1, MAX_PARTS)).max(step).next_multiple_of(step.max(1));
            if parts < 2 || columns >= cols { 0 } else { u32::try_from(columns).unwrap_or(0) }
        };
        let full = places / rows.max(1);
        [0, part(full), part(full / 2), part(full / 4)]
    }
}

/// How compactions are done.
pub(crate) fn compact_choice(problem: &CompactProblem, caps: &DeviceCaps) -> Choice {
    let wg = caps.normalised().max_workgroup.clamp(64, 512).next_power_of_two().min(512);
    // Parts so that the device is full, of no less than a few vectors for each thread.
    let places = caps.cores_or_assumed() as usize * 4;
    let least = wg as usize * 4 * vector_elements(problem.dtype) as usize;
    let parts = (places / problem.rows.max(1)).max(1);
    let columns = problem.cols.div_ceil(parts).max(least);
    Choice {
        mk: MergeKind::Radix,
        mkd: MergeDetail::Auto,
        tile: wg,
        ctile: u32::try_from(columns).unwrap_or(u32::MAX),
        use_2ce: true,
        wg,
        kl: 1,
        ch: 0,
    }
}
