//! The cost model of the GPU kernels: nanoseconds, from the shape, the caps and the kernels'
//! footprints.
//!
//! What is counted: bytes read and written, bytes in flight (the memory's latency must be hidden),
//! operations, barriers, workgroups against the places there are, commands, and what is left to
//! do when the last workgroup has swept its columns.
//!
//! Where the coefficients come from: they were fitted by hand to our WGSL kernels on an NVIDIA H200
//! through Vulkan (`st-bench wgpu`, 2026-11-22 and -28; the measurements stand in `measured.rs`),
//! commands to sketches before them. On other devices it was never compared; measured rows put the
//! predictions right where there are any ([`crate::calibrate`]).

use st_kernels::gpu::{
    GROUP, HISTOGRAM, LARGE_GROUP, MAX_KL, MAX_PARTS, MAX_REGISTER_KL, MOST_HELD, MOST_SWEPT,
    STAGES, details, entry_bytes, footprint, is_aligned, is_grouped, is_resident, kept,
    merge_entries, merges_in_memory, part_columns, parts, sample, uses, vector_elements,
};
use st_rank::{
    Backend, Choice, CompactProblem, DeviceCaps, Field, MergeDetail, MergeKind, Problem,
};

use super::Wanted;

mod variants;

/// A dispatch by device timestamps, through Vulkan; through CUDA in a graph.
const WGPU_COMMAND_NS: f64 = 4_800.0;
const CUDA_COMMAND_NS: f64 = 2_000.0;
/// A further dispatch that depends on the first.
const WGPU_NEXT_NS: f64 = 7_500.0;
const CUDA_NEXT_NS: f64 = 1_200.0;
/// Bytes per nanosecond where nothing was measured: an integrated GPU; a data-centre one.
const WGPU_BANDWIDTH: f64 = 100.0;
const CUDA_BANDWIDTH: f64 = 1_000.0;
/// From asking for a line of device memory to having it.
const LATENCY_NS: f64 = 700.0;
/// Operations that a multiprocessor does in a nanosecond: 128 lanes at 1.5 GHz.
const CORE_OPS: f64 = 96.0;
/// Operations of one thread in a nanosecond when nothing waits: it issues every fourth cycle.
const THREAD_OPS: f64 = 0.15;
/// The same where it works on several vectors at once.
const VECTOR_OPS: f64 = 0.175;
/// Threads a multiprocessor holds.
const CORE_THREADS: f64 = 2_048.0;
/// Workgroups it holds.
const CORE_GROUPS: f64 = 32.0;
/// Columns that one thread has in flight at most: what its registers hold, if a multiprocessor has no more
/// than [`LARGE_GROUP`] of them; half as many if it has.
const MOST_IN_FLIGHT: f64 = 32.0;
/// Making a key and comparing it.
const KEY_OPS: f64 = 30.0;
/// Testing for hits after a tile: a vote and a branch.
const TEST_OPS: f64 = 12.0;
/// A barrier of a workgroup.
const BARRIER_NS: f64 = 250.0;
/// One step of an insertion into a heap, by a thread that all others wait for.
const SINK_NS: f64 = 250.0;
/// How much longer a network takes in device memory.
const MEMORY_FACTOR: f64 = 1.5;
/// Clearing, adding up and reading one bin of a histogram.
const BIN_NS: f64 = 300.0;
/// Counting an element into a histogram.
const COUNT_OPS: f64 = 40.0;
/// The same by the radix kernel, which reads vectors.
const RADIX_OPS: f64 = 18.0;
/// Comparing an element of a vector with a threshold; and keeping one that reaches it.
const FILTER_OPS: f64 = 8.0;
const HIT_OPS: f64 = 200.0;
/// Drawing a sample and finding a threshold in it, and more for each thread.
const SAMPLE_NS: f64 = 600.0;
const SAMPLE_EACH_NS: f64 = 2.5;
/// Bytes that are moved for each vector of a sample, and bytes per nanosecond of one workgroup.
const SAMPLED_BYTES: f64 = 16.0;
const GROUP_RATE: f64 = 43.0;
/// The same of a row in registers, which is its own sample, for each thread.
const RESIDENT_NS: f64 = 3.0;
/// Vectors of a sample, or elements of 16 bits, for which a filter of more than [`LARGE_GROUP`] threads
/// lacks registers, and how much longer its phases beside the sweep take then.
const SPILLING_SAMPLE: u32 = 4;
const SPILLED: f64 = 3.0;
/// Ordering a list of few, and of more: by bins, of which each thread has some, and for each candidate of
/// a thread.
const FEW_NS: f64 = 1_000.0;
const BINNED_NS: f64 = 800.0;
const BINS_NS: f64 = 350.0;
const EACH_NS: f64 = 400.0;
/// Threads of a multiprocessor whose kernels hold much in registers.
const HEAVY_THREADS: f64 = 1_024.0;
/// Finding the candidates of a short row, for each element.
const GROUP_OPS: f64 = 15.0;
/// Comparing a candidate with another, where they are counted; and taking it through a network.
const RANK_OPS: f64 = 4.0;
const NETWORK_OPS: f64 = 85.0;
/// Threads that share a list where a merge gathers many, and how long it takes to go to the next.
const LISTING_THREADS: f64 = 8.0;
const TURN_NS: f64 = 700.0;
/// A further dispatch of a merge in device memory, with what each of its workgroups does before it
/// looks at candidates.
const STAGE_NS: f64 = 4_000.0;
/// Times that such a merge reads or writes each candidate, and bytes per nanosecond of that: mostly from
/// the second-level cache, many at places of their own.
const MERGE_PASSES: f64 = 6.0;
const MERGE_RATE: f64 = 1_500.0;
/// Atomic operations on such a candidate, and how many of them memory does in a nanosecond.
const MERGE_ATOMICS: f64 = 2.0;
const ATOMIC_RATE: f64 = 100.0;
/// Digits looked at before the boundary is known, where a kernel selects again.
const RADIX_PASSES: f64 = 3.0;
/// How much faster than device memory a second-level cache is.
const L2_FACTOR: f64 = 2.5;
/// Taking the best off the lanes' lists: two reductions over a subgroup.
const TAKE_OPS: f64 = 40.0;
/// A network's compare and exchange.
const EXCHANGE_OPS: f64 = 60.0;

/// The probability that one of `keepers` lists of `kl` cannot hold all of the `b` best that fell to
/// it, these being spread at random: Chernoff's bound on the tail of Poisson's distribution.
fn doubt(b: f64, keepers: f64, kl: f64) -> f64 {
    let (mean, over) = (b / keepers, kl + 1.0);
    if over <= mean {
        return 1.0;
    }
    (keepers * (over - mean - over * (over / mean).ln()).exp()).min(1.0)
}

/// What the model needs to know of the problem and the device.
pub(crate) struct Model<'a> {
    problem: &'a Problem,
    caps: DeviceCaps,
    /// Bytes per nanosecond.
    bandwidth: f64,
    command_ns: f64,
    next_ns: f64,
    rows: f64,
    bytes: f64,
    entry: f64,
    /// Shared memory of a multiprocessor.
    core_shared: f64,
}

impl<'a> Model<'a> {
    pub(crate) fn new(problem: &'a Problem, caps: &DeviceCaps) -> Self {
        let caps = caps.normalised();
        let native = matches!(caps.backend, Backend::Cuda | Backend::Hip);
        let pick = |native_is: f64, other_is: f64| if native { native_is } else { other_is };
        Self {
            problem,
            bandwidth: match caps.bandwidth {
                0 => pick(CUDA_BANDWIDTH, WGPU_BANDWIDTH),
                measured => measured as f64 / 1e9,
            },
            command_ns: pick(CUDA_COMMAND_NS, WGPU_COMMAND_NS),
            next_ns: pick(CUDA_NEXT_NS, WGPU_NEXT_NS),
            rows: problem.rows as f64,
            bytes: problem.dtype.size() as f64,
            entry: entry_bytes(problem.dtype) as f64,
            // A multiprocessor has room for several workgroups' worth. (One of an H200 has room for one
            // through Vulkan, but other devices are not known to be so.)
            core_shared: f64::from(caps.shared_mem) * 4.0,
            caps,
        }
    }

    /// Cuts of a list of `room` entries that keeps `b` while `n` random columns pass: the first when
    /// it is full, one at the end, and between them one for each three quarters of the free room
    /// that fill.
    fn cuts(n: f64, b: f64, room: f64) -> f64 {
        if n <= room {
            return 1.0;
        }
        2.0 + b * (n / room).ln() / (0.75 * (room - b)).max(1.0)
    }

    /// Sorting `m` entries of shared memory by a network with `wg` threads.
    fn sort(m: f64, wg: f64) -> f64 {
        let levels = m.max(2.0).log2().ceil();
        let stages = levels * (levels + 1.0) / 2.0;
        stages * (BARRIER_NS + m / 2.0 / wg * EXCHANGE_OPS / THREAD_OPS)
    }

    /// Predicted time of a feasible choice, in nanoseconds.
    pub(crate) fn ns(&self, choice: &Choice) -> f64 {
        let needs = footprint(choice, self.problem, &self.caps);
        let n = (part_columns(choice, self.problem.cols) as f64).max(1.0);
        let b = kept(choice, self.problem) as f64;
        let cores = f64::from(self.caps.cores_or_assumed());
        let (wg, tile) = (f64::from(choice.wg), f64::from(choice.tile));
        let groups = (needs.workgroups as f64).max(1.0);

        let by_shared = self.core_shared / (needs.shared_bytes as f64).max(1.0);
        let threads = match choice.mk {
            MergeKind::Filter | MergeKind::Radix => HEAVY_THREADS,
            MergeKind::Warp if is_grouped(choice.mk, choice.mkd) => HEAVY_THREADS,
            _ => CORE_THREADS,
        };
        let resident = (threads / wg).min(by_shared).clamp(1.0, CORE_GROUPS).floor();
        let waves = groups / (cores * resident);
        // The last wave takes as long as a full one.
        let waves = if waves < 1.0 { waves } else { waves.ceil() };
        let on_core = (groups / cores).clamp(1.0, resident);

        let in_flight = match choice.mk {
            MergeKind::Radix => f64::from(choice.ctile) / wg,
            // A subgroup sweeps its own tile.
            MergeKind::Warp => tile / f64::from(self.caps.lane),
            _ => tile / wg,
        }
        .clamp(1.0, MOST_IN_FLIGHT * if wg * on_core > f64::from(LARGE_GROUP) { 0.5 } else { 1.0 });
        let active = groups.min(cores * resident) * wg * in_flight * self.bytes;
        // The more is in flight, the less often memory waits: 16 columns for each of a multiprocessor's 512
        // threads took a tenth longer than 32.
        let bandwidth = self.bandwidth * (active / (self.bandwidth * LATENCY_NS)).tanh();
        let input = self.rows * self.problem.cols as f64 * self.bytes;
        let again = f64::from(needs.reads - 1)
            / if (self.caps.l2 as f64) > input { L2_FACTOR } else { 1.0 };
        let output = self.rows * self.problem.k as f64 * (self.bytes + 4.0);
        let memory = (input * (1.0 + again)) / bandwidth + output / self.bandwidth;

        let (ops, tail) = self.work(choice, n, b);
        let thread = if choice.mk == MergeKind::Filter { VECTOR_OPS } else { THREAD_OPS };
        let rate = (wg * thread).min(CORE_OPS / on_core);
        // The warp kernels do one part in each subgroup of a workgroup, or several.
        let parts_of_group = match choice.mk {
            MergeKind::Warp if is_grouped(choice.mk, choice.mkd) => wg / f64::from(GROUP),
            MergeKind::Warp => wg / f64::from(self.caps.lane),
            _ => 1.0,
        };
        let compute = waves.max(1.0) * (n * ops * parts_of_group / rate);
        // Workgroups of one multiprocessor that keep it busy do so in turn.
        let heavy = matches!(choice.mk, MergeKind::Filter | MergeKind::Radix);
        let tails = tail * waves.max(1.0) * if heavy { on_core } else { 1.0 };
        let merge = if choice.use_2ce { self.merge(choice, n, b) } else { 0.0 };
        self.command_ns + memory.max(compute) + tails + merge
    }

    /// The second command.
    fn merge(&self, choice: &Choice, n: f64, b: f64) -> f64 {
        let parts = parts(choice, self.problem.cols) as f64;
        let wg = f64::from(choice.wg);
        let cores = f64::from(self.caps.cores_or_assumed());
        let (all, most) = match choice.mk {
            MergeKind::Filter => {
                let sampled = sample(choice, self.problem, &self.caps);
                (sampled.expected.min(parts * n), sampled.most)
            }
            _ => (parts * b, parts * b),
        };
        let lists = self.rows * all * self.entry * 2.0 / self.bandwidth;
        if merges_in_memory(choice, self.problem, &self.caps) {
            // By index, everything is done once more.
            let times = if self.problem.sorted { 1.0 } else { 2.0 };
            // Rates as on a device with this bandwidth of memory.
            let share = (self.bandwidth / MERGE_RATE).min(1.0);
            let moved = MERGE_PASSES * self.entry / MERGE_RATE + MERGE_ATOMICS / ATOMIC_RATE;
            let passes = self.rows * all * moved / share;
            return times * (f64::from(STAGES) * STAGE_NS + passes);
        }
        let rounds = (self.rows / cores).max(1.0).ceil();
        let fits = most <= merge_entries(choice, self.problem, &self.caps) as f64;
        // Lists that do not fit are read twice, or three times.
        let reads = if fits { 1.0 } else { 3.0 };
        let turns = (parts * LISTING_THREADS / wg).ceil() * TURN_NS;
        let gather = (all / wg * 4.0 / THREAD_OPS + turns) * reads;
        let taken = if fits { all } else { 2.0 * b };
        self.next_ns + lists + rounds * (gather + Self::order(taken, wg))
    }

    /// Ordering `m` candidates in shared memory, where bins mostly do.
    fn order(m: f64, wg: f64) -> f64 {
        if m <= wg.min(256.0) {
            return FEW_NS * (1.0 + m.max(32.0) / 256.0);
        }
        let each = (m / wg).ceil();
        // A thread holds eight in registers; a network orders more.
        let bins = (f64::from(HISTOGRAM) / wg).ceil();
        if each <= 8.0 { BINNED_NS + BINS_NS * bins + EACH_NS * each } else { Self::sort(m, wg) }
    }

    /// Operations for each element of a part, and nanoseconds after its last element.
    fn work(&self, choice: &Choice, n: f64, b: f64) -> (f64, f64) {
        let (wg, kl) = (f64::from(choice.wg), f64::from(choice.kl));
        let lane = f64::from(self.caps.lane);
        let tile = f64::from(choice.tile).min(n.max(1.0));
        // Columns of a tile that lie behind the row's end are swept too.
        let waste = (n / tile).ceil() * tile / n;
        let sweep = KEY_OPS * waste;
        // Random rows improve on a running bound so often.
        let hits = |kept: f64, of: f64| kept * (1.0 + (of / kept).max(1.0).ln());
        match choice.mk {
            MergeKind::Bitonic => {
                let local = if u64::from(choice.tile).next_power_of_two() as f64 * self.entry
                    <= f64::from(self.caps.shared_mem)
                {
                    f64::from(choice.tile)
                } else {
                    1.0
                };
                let slower = if n <= local { 1.0 } else { MEMORY_FACTOR };
                (sweep, slower * Self::sort(n, wg))
            }
            MergeKind::Shared => {
                let test = TEST_OPS * wg / tile;
                match choice.mkd {
                    MergeDetail::Kway => {
                        let each = hits(kl, n / wg).min(n / wg);
                        // A thread that inserts holds up its subgroup.
                        let held = (each * lane).min(n / wg) * kl * 2.0 * wg / n;
                        let again = doubt(b, wg, kl) * (RADIX_PASSES + 1.0) * COUNT_OPS;
                        (sweep + test + held + again, Self::sort(wg * kl, wg))
                    }
                    MergeDetail::Bitonic => {
                        let room = 2.0 * b.max(f64::from(choice.tile)).max(wg).log2().ceil().exp2();
                        (sweep + test, Self::cuts(n, b, room) * Self::sort(n.min(room), wg))
                    }
                    _ => {
                        let inserts = hits(b, n).min(n);
                        (sweep + test, inserts * b.max(2.0).log2() * SINK_NS + Self::sort(b, wg))
                    }
                }
            }
            MergeKind::Warp if choice.mkd == MergeDetail::GroupRank => {
                let group = f64::from(GROUP);
                // All candidates against each of a lane's.
                let rank = group * kl * kl * RANK_OPS * group / n;
                // Where few more fit than are wanted, the boundary takes long to find.
                let tight = if group * kl < 2.0 * b { 3.0 } else { 1.0 };
                (GROUP_OPS * tight + rank, 0.0)
            }
            MergeKind::Warp if choice.mkd == MergeDetail::GroupNetwork => {
                (GROUP_OPS + NETWORK_OPS * f64::from(GROUP) * kl / n, 0.0)
            }
            MergeKind::Warp => {
                let each = hits(kl, n / lane).min(n / lane);
                let merge = (lane * kl).log2().max(1.0);
                let test = TEST_OPS * lane / tile;
                let work = match choice.mkd {
                    // Batches of one hit for each lane are merged by a network.
                    MergeDetail::WarpBitonic => each / (n / lane) * merge * merge * EXCHANGE_OPS,
                    _ => (each * lane).min(n / lane) * kl * 2.0 * lane / n,
                };
                let again = doubt(b, lane, kl) * b * sweep;
                let take = match choice.mkd {
                    MergeDetail::WarpBitonic => merge * merge / 2.0 * kl * EXCHANGE_OPS,
                    _ => b * (kl * 2.0 + TAKE_OPS),
                };
                (sweep + test + work + again, take / THREAD_OPS)
            }
            MergeKind::Radix => {
                let ctile = f64::from(choice.ctile).min(n.max(1.0));
                let waste = (n / ctile).ceil() * ctile / n;
                let digits = if self.bytes < 4.0 { 2.0 } else { 3.0 };
                // Clearing and reading the histograms, with few threads for many bins.
                let bins = f64::from(HISTOGRAM) / wg * BIN_NS / 4.0;
                let scans = digits * (bins + 4.0 * BARRIER_NS);
                let k = (self.problem.k as f64).max(1.0);
                let order = if k * self.entry <= f64::from(self.caps.shared_mem) {
                    if choice.use_2ce { 0.0 } else { Self::order(k, wg) }
                } else {
                    MEMORY_FACTOR * Self::sort(k, wg)
                };
                (RADIX_OPS * (digits + 1.0) * waste, scans + order)
            }
            MergeKind::Filter => {
                let sampled = sample(choice, self.problem, &self.caps);
                let cols = self.problem.cols.max(1) as f64;
                let ops = FILTER_OPS + HIT_OPS * sampled.expected / cols;
                let room = match choice.use_2ce {
                    true => cols,
                    false => wg * kl,
                };
                // What does not fit, or more than the threads can vouch for, is selected by radix.
                let fails = sampled.most > room || f64::from(sampled.rank) > wg;
                let again = if fails { RADIX_OPS * (RADIX_PASSES + 1.0) } else { 0.0 };
                let order = if choice.use_2ce { 0.0 } else { Self::order(sampled.most, wg) };
                let part = part_columns(choice, self.problem.cols);
                let (aligned, dtype) = (is_aligned(self.problem), self.problem.dtype);
                let whole =
                    !choice.use_2ce && is_resident(part, choice.tile, choice.wg, dtype, aligned);
                let drawn = wg * f64::from(sampled.vectors) * SAMPLED_BYTES;
                let draw = if whole {
                    wg * RESIDENT_NS
                } else {
                    SAMPLE_NS + wg * SAMPLE_EACH_NS + drawn / GROUP_RATE
                };
                // What registers lack is kept in shared memory.
                // Where candidates are merged in device memory this was not measured.
                let much = sampled.vectors >= SPILLING_SAMPLE
                    && !merges_in_memory(choice, self.problem, &self.caps);
                let lacks = choice.wg > LARGE_GROUP && (much || self.bytes < 4.0);
                let spilled = if lacks { SPILLED } else { 1.0 };
                (ops * waste + again, (draw + order) * spilled)
            }
        }
    }
}

/// Counting tiles first and then writing each to its final place: what every device can do.
pub(crate) fn compact_choice(problem: &CompactProblem, caps: &DeviceCaps) -> Choice {
    let (tile, ctile) = caps.recommended_tiles(problem.cols);
    Choice {
        mk: MergeKind::Radix,
        mkd: MergeDetail::Auto,
        tile,
        ctile,
        use_2ce: true,
        wg: caps.recommended_workgroup(problem.cols),
        kl: 1,
        ch: 0,
    }
}

#[cfg(test)]
mod tests {
    use st_rank::RankKind;

    use super::super::measured::MEASURED;
    use super::*;

    fn h200() -> DeviceCaps {
        DeviceCaps::wgpu(32, true, 1024)
            .with_shared_mem(48 << 10)
            .with_cores(132)
            .with_bandwidth(4_300_000_000_000)
            .with_l2(50 << 20)
    }

    /// Shape, measured microseconds and predicted nanoseconds of what can be run there.
    fn predicted(caps: &DeviceCaps) -> impl Iterator<Item = ((usize, usize, usize), f64, f64)> {
        MEASURED.iter().filter_map(|&(shape, fields, us)| {
            let (rows, cols, k) = shape;
            let problem = Problem::new(RankKind::TopK, rows, cols, k);
            let choice = Choice {
                mk: MergeKind::ALL[fields[0] as usize],
                mkd: MergeDetail::ALL[fields[1] as usize],
                tile: fields[2],
                ctile: fields[3],
                use_2ce: fields[4] == 1,
                wg: fields[5],
                kl: fields[6],
                ch: fields[7],
            };
            st_kernels::check(&choice, &problem, caps).ok()?;
            Some((shape, us, Model::new(&problem, caps).ns(&choice)))
        })
    }

    /// The tuner does not make candidates ready whose prediction is 16 times the least: the winner is never among them.
    #[test]
    fn the_fastest_is_not_predicted_to_be_far_behind() {
        // What is told of the device, and what WGPU tells.
        for caps in [h200(), h200().with_cores(0).with_bandwidth(0)] {
            let all: Vec<_> = predicted(&caps).collect();
            let mut worst: f64 = 1.0;
            for &(shape, ..) in &all {
                let here = all.iter().filter(|m| m.0 == shape);
                let least = here.clone().map(|m| m.2).fold(f64::INFINITY, f64::min);
                let fastest = here.min_by(|a, b| a.1.total_cmp(&b.1)).map_or(least, |m| m.2);
                worst = worst.max(fastest / least);
            }
            assert!(worst < 8.0, "the fastest is predicted to take {worst:.2} times the least");
        }
    }

    #[test]
    fn kernels_are_predicted_as_measured() {
        let logs: Vec<f64> =
            predicted(&h200()).map(|(_, us, ns)| (ns / 1e3 / us).ln().abs()).collect();
        assert!(logs.len() > 40, "{} of them can be run", logs.len());
        let mean = logs.iter().sum::<f64>() / logs.len() as f64;
        assert!(mean < 0.5, "off by a factor of {:.2} on average", mean.exp());
    }
}
