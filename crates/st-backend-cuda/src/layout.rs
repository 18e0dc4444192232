//! From a plan to its launches: kernels, sizes, parameters, workspace. Touches no device.

use bytemuck::Pod;
use st_kernels::cuda::{
    BINS, DIGIT, Lists, MEMORY_THREADS, Memory, SORT_DIGIT, TABLE_BYTES, Unit, bench_bytes,
    between, block_bytes, capacity, entry_bytes, filter_bytes, flight, group_bytes, group_rows,
    in_memory, is_alone, is_cluster, is_held, is_memory, memory, memory_sample, memory_state_bytes,
    order_blocks, order_bytes, part_columns, parts, ring_steps, runs, sample, small_bytes, wanted,
};
use st_rank::{Choice, MergeKind, Problem};

use crate::params::{
    Addresses, AgainParams, BlockParams, GroupParams, MOST_PARAMS, Map, MemoryParams, OrderParams,
    ProblemParams, RanksParams, SortParams, map_of, problem_params,
};
use crate::shape::Device;

/// Bytes of a row's state and of a part's tally.
const STATE_BYTES: u64 = 24;
const TALLY_BYTES: u64 = 16;
/// Bytes for each row of what says which rows are done again: a number for each, and three more.
const AGAIN_BYTES: u64 = 16;
/// Candidates that one block sorts by a digit.
const SORT_PART: usize = 1 << 14;
/// Workspace that rows of one round may share: rounds follow one another and use it again.
const ROUND_BYTES: u64 = 256 << 20;
/// Blocks of a launch, at most.
const MOST_BLOCKS: u64 = 1 << 30;
/// Every array of a workspace begins at a multiple of this.
const ALIGN: u64 = 256;

/// A launch.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) unit: Unit,
    pub(crate) kernel: &'static str,
    pub(crate) blocks: u32,
    pub(crate) shared: u32,
    params: [u8; MOST_PARAMS],
    length: usize,
}

impl Step {
    pub(crate) fn new<P: Pod>(
        unit: Unit,
        kernel: &'static str,
        blocks: u64,
        shared: u64,
        params: &P,
    ) -> Self {
        let bytes = bytemuck::bytes_of(params);
        let mut own = [0; MOST_PARAMS];
        own[..bytes.len()].copy_from_slice(bytes);
        // Checked before: a block's shared memory, and MOST_BLOCKS.
        Self {
            unit,
            kernel,
            blocks: blocks as u32,
            shared: shared as u32,
            params: own,
            length: bytes.len(),
        }
    }

    pub(crate) fn params(&self) -> &[u8] {
        &self.params[..self.length]
    }
}

/// A plan laid out.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    problem: Problem,
    choice: Choice,
    device: Device,
    map: Map,
    /// Rows of a round.
    rows_each: usize,
    /// Bytes of the workspace.
    pub(crate) zeroed: u64,
    pub(crate) scratch: u64,
    /// For each of a round's arrays, where it begins.
    at: Arrays,
}

#[derive(Clone, Copy, Debug, Default)]
struct Arrays {
    counts: u64,
    done: u64,
    bins: u64,
    lists: u64,
    others: u64,
    states: u64,
    tallies: u64,
    sort_counts: u64,
    tables: u64,
    totals: u64,
    own_states: u64,
    flags: u64,
    again: u64,
}

impl Layout {
    /// Of a feasible plan.
    pub(crate) fn new(problem: &Problem, choice: &Choice, device: Device) -> Self {
        let parts = parts(choice, problem.cols) as u64;
        let entry = entry_bytes(problem.dtype);
        let k = problem.k as u64;
        // Bytes for each row: of zeros, then of scratch.
        let merged = !choice.use_2ce && parts > 1;
        let ranks = choice.use_2ce;
        let memory = if is_memory(choice) { memory(problem) } else { None };
        let room = memory.map_or(0, |m| u64::from(m.room));
        let runs = memory.map_or(0, |m| u64::from(runs(choice, problem, &m)));
        let (total_bytes, state_bytes, again_bytes) = match memory {
            Some(_) => (u64::from(BINS) * 4, memory_state_bytes(problem.dtype), AGAIN_BYTES),
            None => (0, 0, 0),
        };
        let sorts = ranks && in_memory(choice, problem) == Some(true);
        let bin_bytes = if ranks { 2 * u64::from(BINS) * 4 } else { 0 };
        let list_bytes = match (merged, ranks) {
            // And the best of each wave's share: a wave is 32 threads.
            (true, _) => parts * u64::from(capacity(choice) + choice.wg / 32) * entry,
            // Runs of the one way are of no use any more when the other begins.
            (_, true) if problem.sorted => k.max(room) * entry,
            _ => 0,
        };
        let other_bytes = if sorts { k * entry } else { 0 };
        let sort_bytes =
            if sorts { sort_parts(problem.k) as u64 * (1 << SORT_DIGIT) * 4 } else { 0 };
        let (state, tally) = if ranks { (STATE_BYTES, parts * TALLY_BYTES) } else { (0, 0) };
        let each = bin_bytes
            + 8
            + list_bytes
            + other_bytes
            + sort_bytes
            + state
            + tally
            + runs * TABLE_BYTES
            + total_bytes
            + state_bytes
            + 4
            + again_bytes;
        let rows_each =
            (ROUND_BYTES / each).min(MOST_BLOCKS / parts.max(sort_parts(problem.k) as u64)).max(1);
        let rows_each = (rows_each.min(problem.rows as u64)).max(1);
        let (mut zeroed, mut scratch) = (0, 0);
        let take = |end: &mut u64, bytes: u64| {
            let at = *end;
            *end += (bytes * rows_each).next_multiple_of(ALIGN);
            at
        };
        let counts_bytes = if merged { 4 } else { 0 };
        let done_bytes = if merged || ranks { 4 } else { 0 };
        let at = Arrays {
            counts: take(&mut zeroed, counts_bytes),
            done: take(&mut zeroed, done_bytes),
            bins: take(&mut zeroed, bin_bytes),
            lists: take(&mut scratch, list_bytes),
            others: take(&mut scratch, other_bytes),
            states: take(&mut scratch, state),
            tallies: take(&mut scratch, tally),
            sort_counts: take(&mut scratch, sort_bytes),
            tables: take(&mut scratch, runs * TABLE_BYTES),
            totals: take(&mut scratch, total_bytes),
            own_states: take(&mut scratch, state_bytes),
            flags: take(&mut scratch, if memory.is_some() { 4 } else { 0 }),
            again: take(&mut scratch, again_bytes),
        };
        let map = map_of(problem.dtype, problem.kind.direction(), problem.nan);
        Self {
            problem: *problem,
            choice: *choice,
            device,
            map,
            rows_each: rows_each as usize,
            zeroed,
            scratch,
            at,
        }
    }

    /// What is compiled for the launches, each once.
    pub(crate) fn units(&self) -> Vec<Unit> {
        let steps = self.steps(&Addresses::default());
        let mut units: Vec<Unit> = steps.into_iter().map(|step| step.unit).collect();
        units.sort_unstable();
        units.dedup();
        units
    }

    /// The launches, in order.
    pub(crate) fn steps(&self, at: &Addresses) -> Vec<Step> {
        let &Problem { rows, k, dtype, row_stride, .. } = &self.problem;
        if rows == 0 || k == 0 {
            return Vec::new();
        }
        let mut steps = Vec::new();
        let size = dtype.size() as u64;
        let index_size = if at.wide { 8 } else { 4 };
        for row0 in (0..rows).step_by(self.rows_each) {
            let here = self.rows_each.min(rows - row0);
            let (row, k) = (row0 as u64, k as u64);
            let own = Addresses {
                input: at.input + row * row_stride as u64 * size,
                lengths: if at.lengths == 0 { 0 } else { at.lengths + row * 4 },
                values: at.values + row * k * size,
                indices: at.indices + row * k * index_size,
                ..*at
            };
            let params = problem_params(&self.problem, here, self.map, &own);
            self.round(params, here as u64, at, &mut steps);
        }
        for step in &mut steps {
            step.unit.wide = at.wide;
        }
        steps
    }

    fn round(&self, p: ProblemParams, rows: u64, at: &Addresses, steps: &mut Vec<Step>) {
        let Self { problem, choice, .. } = self;
        let (cols, dtype) = (problem.cols, problem.dtype);
        let parts = parts(choice, cols) as u32;
        let part_columns = part_columns(choice, cols) as u32;
        let (zeroed, scratch) = (at.zeroed, at.scratch);
        if choice.mk == MergeKind::Warp {
            let wanted = wanted(problem) as u32;
            let unit = Unit::group(choice, problem);
            let params = GroupParams { p, wanted, unused: 0 };
            let blocks = rows.div_ceil(group_rows(choice, problem));
            steps.push(Step::new(
                unit,
                "select_group",
                blocks,
                group_bytes(choice, problem),
                &params,
            ));
            return;
        }
        if !choice.use_2ce {
            let (sampled, between) = (sample(choice, problem), between(choice, problem));
            let blocks = rows * u64::from(parts);
            let mut unit = Unit::listing("block.cu", dtype, choice);
            unit.lists = match choice.mk {
                MergeKind::Filter if is_held(choice, problem) => Lists::Held,
                MergeKind::Filter if between.is_some() => Lists::Between,
                MergeKind::Filter => Lists::Sampled,
                MergeKind::Radix => Lists::Exact,
                _ => Lists::Whole,
            };
            if self.device.has_clusters && is_cluster(u64::from(parts)) {
                unit.cluster = parts;
            }
            if choice.mk == MergeKind::Filter {
                unit.alone = is_alone(choice, problem, blocks, self.device.cores);
                unit.flight = flight(choice, dtype);
                unit.sample =
                    between.map(|b| b.vectors).or(sampled.map(|s| s.vectors)).unwrap_or(1);
            }
            if unit.lists == Lists::Sampled && self.device.has_copies {
                let Device { cores, shared, .. } = self.device;
                unit.ring = ring_steps(&unit, dtype, part_columns, blocks, cores, shared);
            }
            let shared = block_bytes(&unit, dtype);
            let no_rank = u32::MAX;
            let params = BlockParams {
                p,
                lists: scratch + self.at.lists,
                counts: zeroed + self.at.counts,
                done: zeroed + self.at.done,
                parts,
                part_columns,
                sample_rank: match between {
                    Some(between) => between.last.unwrap_or(no_rank),
                    None => sampled.map_or(1, |s| s.rank),
                },
                first_rank: between.and_then(|b| b.first).unwrap_or(no_rank),
            };
            steps.push(Step::new(unit, "select_block", blocks, shared, &params));
            return;
        }
        match memory(problem) {
            Some(own) if is_memory(choice) => self.memory(p, rows, at, &own, steps),
            _ => self.ranks(p, rows, at, steps),
        }
    }

    /// By lists in device memory; and the launch that does rows in another way where those do not do.
    fn memory(
        &self,
        p: ProblemParams,
        rows: u64,
        at: &Addresses,
        own: &Memory,
        steps: &mut Vec<Step>,
    ) {
        let Self { problem, choice, .. } = self;
        let (dtype, wg) = (problem.dtype, choice.wg);
        let parts = parts(choice, problem.cols) as u32;
        let params = MemoryParams {
            p,
            states: at.scratch + self.at.own_states,
            list: at.scratch + self.at.lists,
            tables: at.scratch + self.at.tables,
            totals: at.scratch + self.at.totals,
            flags: at.scratch + self.at.flags,
            again: at.scratch + self.at.again,
            room: own.room,
            runs: runs(choice, problem, own),
            parts,
            column_bits: usize::BITS - problem.cols.saturating_sub(1).leading_zeros(),
            first_rank: own.first_rank,
            last_rank: own.last_rank,
        };
        let unit = Unit {
            threads: MEMORY_THREADS,
            sample: memory_sample(dtype),
            ..Unit::listing("memory_sample.cu", dtype, choice)
        };
        let shared = bench_bytes(unit.capacity, MEMORY_THREADS, dtype);
        steps.push(Step::new(unit, "memory_sample", rows, shared, &params));
        let plain = Unit::plain("memory_filter.cu", dtype, wg);
        let unit = Unit { flight: flight(choice, dtype), ..plain };
        let blocks = rows * u64::from(parts);
        steps.push(Step::new(unit, "memory_filter", blocks, filter_bytes(choice, dtype), &params));
        let unit = Unit::listing("memory_order.cu", dtype, choice);
        let ordering = rows * order_blocks(choice, problem);
        steps.push(Step::new(unit, "memory_order", ordering, order_bytes(choice, dtype), &params));

        let sorts = in_memory(choice, problem) == Some(true);
        let sort_parts = sort_parts(problem.k);
        let again = AgainParams {
            ranks: self.ranks_params(p, at),
            others: at.scratch + self.at.others,
            counts: at.scratch + self.at.sort_counts,
            again: params.again,
            sort_parts: sort_parts as u32,
            part_entries: problem.k.div_ceil(sort_parts) as u32,
            sorts: u32::from(sorts),
            unused: 0,
        };
        let unit = Unit::listing("again.cu", dtype, choice);
        let digits = small_bytes(wg) + 2 * u64::from(BINS) * 4;
        let shared = digits.max(match sorts {
            true => sort_bytes(wg),
            false => bench_bytes(unit.capacity, wg, dtype),
        });
        // As many as run at a time.
        let blocks = blocks.min(u64::from(self.device.cores) * u64::from((1024 / wg).max(1)));
        steps.push(Step::new(unit, "select_again", blocks, shared, &again));
    }

    fn ranks_params(&self, p: ProblemParams, at: &Addresses) -> RanksParams {
        let Self { problem, choice, .. } = self;
        let width = problem.dtype.size() as u32 * 8;
        RanksParams {
            p,
            states: at.scratch + self.at.states,
            bins: at.zeroed + self.at.bins,
            done: at.zeroed + self.at.done,
            tallies: at.scratch + self.at.tallies,
            lists: at.scratch + self.at.lists,
            parts: parts(choice, problem.cols) as u32,
            part_columns: part_columns(choice, problem.cols) as u32,
            shift: width,
            above: 0,
        }
    }

    /// By histograms in device memory.
    fn ranks(&self, p: ProblemParams, rows: u64, at: &Addresses, steps: &mut Vec<Step>) {
        let Self { problem, choice, .. } = self;
        let (dtype, wg) = (problem.dtype, choice.wg);
        let listed = bench_bytes(capacity(choice), wg, dtype);
        let unit = Unit { capacity: 0, ..Unit::listing("ranks.cu", dtype, choice) };
        let small = small_bytes(wg);
        let mut params = self.ranks_params(p, at);
        let blocks = rows * u64::from(params.parts);
        while params.shift > 0 {
            params.above = params.shift;
            params.shift = params.shift.saturating_sub(DIGIT);
            let shared = small + 2 * u64::from(BINS) * 4;
            steps.push(Step::new(unit, "rank_digit", blocks, shared, &params));
        }
        steps.push(Step::new(unit, "rank_tally", blocks, small, &params));
        steps.push(Step::new(unit, "rank_collect", blocks, small, &params));
        match in_memory(choice, problem) {
            None => {}
            Some(false) => {
                let unit = Unit::listing("order.cu", dtype, choice);
                let params = OrderParams { p, lists: params.lists };
                steps.push(Step::new(unit, "order_block", rows, listed, &params));
            }
            Some(true) => self.sort(p, rows, at, steps),
        }
    }

    /// Sorts what was collected, digit by digit.
    fn sort(&self, p: ProblemParams, rows: u64, at: &Addresses, steps: &mut Vec<Step>) {
        let unit = Unit::plain("sort.cu", self.problem.dtype, self.choice.wg);
        let parts = sort_parts(self.problem.k);
        let part_entries = self.problem.k.div_ceil(parts);
        let bins = 4u64 << SORT_DIGIT;
        let lists = [self.at.lists, self.at.others].map(|list| at.scratch + list);
        let digits = unit.width.div_ceil(SORT_DIGIT);
        for digit in 0..digits {
            let (from, to) = (lists[digit as usize % 2], lists[(digit as usize + 1) % 2]);
            let params = SortParams {
                p,
                from,
                to,
                counts: at.scratch + self.at.sort_counts,
                parts: parts as u32,
                part_entries: part_entries as u32,
                shift: digit * SORT_DIGIT,
                last: u32::from(digit + 1 == digits),
            };
            let blocks = rows * parts as u64;
            steps.push(Step::new(unit, "sort_count", blocks, bins, &params));
            steps.push(Step::new(unit, "sort_scan", rows, small_bytes(unit.threads), &params));
            steps.push(Step::new(unit, "sort_scatter", blocks, sort_bytes(unit.threads), &params));
        }
    }

    /// Rows whose buffers and workspace take no more than `bytes`, for calls that copy rows there and back.
    pub(crate) fn rows_in(problem: &Problem, choice: &Choice, device: Device, bytes: u64) -> usize {
        let own = Self::new(&Problem { rows: 1, ..*problem }, choice, device);
        let size = problem.dtype.size() as u64;
        let each = problem.row_stride as u64 * size + problem.k as u64 * (size + 4) + 4;
        let workspace = (own.zeroed + own.scratch).max(ROUND_BYTES);
        (bytes.saturating_sub(workspace) / each).clamp(1, problem.rows.max(1) as u64) as usize
    }
}

/// Shared memory of the kernel that sorts by a digit.
fn sort_bytes(threads: u32) -> u64 {
    (4u64 << SORT_DIGIT) * (1 + u64::from(threads.div_ceil(32)))
}

const fn sort_parts(k: usize) -> usize {
    let parts = k.div_ceil(SORT_PART);
    if parts == 0 {
        1
    } else if parts > 4096 {
        4096
    } else {
        parts
    }
}

#[cfg(test)]
mod tests {
    use st_rank::RankKind;

    use super::*;

    #[test]
    fn workspaces_do_not_grow_without_end() {
        let choice = Choice {
            mk: MergeKind::Radix,
            mkd: st_rank::MergeDetail::Auto,
            tile: 512,
            ctile: 512,
            use_2ce: true,
            wg: 512,
            kl: 8,
            ch: 0,
        };
        let problem = Problem::new(RankKind::MidK, 1 << 20, 1 << 14, 100);
        let layout = Layout::new(&problem, &choice, Device::new(132, 227 << 10, (9, 0)));
        assert!(layout.zeroed + layout.scratch <= ROUND_BYTES + 10 * ALIGN);
        let steps = layout.steps(&Addresses::default());
        let rounds = (1usize << 20).div_ceil(layout.rows_each);
        assert_eq!(steps.len(), rounds * 6, "three digits, tally, collect, order");
        // Results of a round begin where those of the one before end, however wide indices are.
        for (wide, size) in [(false, 4), (true, 8)] {
            let at = Addresses { indices: 1 << 40, wide, ..Addresses::default() };
            let steps = layout.steps(&at);
            assert!(rounds > 1 && steps.iter().all(|step| step.unit.wide == wide));
            for (round, steps) in steps.chunks(6).enumerate() {
                let params = steps[5].params();
                let p: ProblemParams =
                    bytemuck::pod_read_unaligned(&params[..size_of::<ProblemParams>()]);
                let before = (round * layout.rows_each * problem.k) as u64;
                assert_eq!(p.places(), (before * 4, (1 << 40) + before * size), "round {round}");
            }
        }
    }
}
