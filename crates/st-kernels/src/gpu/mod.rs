//! What a [`Choice`] means on a GPU (WGPU, Metal, CUDA, HIP), what each kernel needs, and which
//! choices can be run.
//!
//! `b` is the number of leading ranks, in the direction of the search, that contain the wanted
//! ones: k for `TopK` and `BottomK`, `start + k` for `Range`. A *part* is a row, or `ch` columns of
//! it. An *entry* is a candidate: its key and its index of 4 bytes ([`entry_bytes`]).
//!
//! | `mk` | kernel | its own fields |
//! |---|---|---|
//! | `bitonic` | a sorting network over the whole part, in memory; steps that stay within `tile` columns run in shared memory where the tile fits it. Any k, any device | `tile` |
//! | `shared` | a workgroup for each part keeps the b best in shared memory while it sweeps | `tile`, `mkd`: heap, k-way (each thread keeps `kl` sorted), bitonic (what is kept and what is new, sorted together) |
//! | `warp` | a subgroup for each part; every lane keeps its `kl` best in registers. Needs subgroups | `tile`, `kl`, `mkd`: warp_heap, warp_bitonic |
//! | `warp`, `mkd` group_rank, group_network | eight lanes for each short row, which is held in registers; up to 8 x `kl` candidates are ordered. One command. Needs subgroups | `kl`, `mkd` |
//! | `radix` | histograms of the key's digits until the boundary is known, then what is wanted is collected, in tiles of `ctile` columns; a part of one tile at most is held in registers. Any k | `ctile` |
//! | `filter` | read once against a threshold from a sample; what passes goes to a list of `kl` x `wg` entries, which is ordered. A row of one `tile` at most is held in registers | `tile`, `kl` |
//!
//! For every kernel `wg` is the threads of a workgroup. `use_2ce = false`: one command, from input
//! to result. `use_2ce = true`: candidates of each part first, then a command that merges them.
//! `ch > 0` splits rows into parts of `ch` columns, one workgroup each; on WGPU and Metal that
//! needs `use_2ce`, because nothing orders the workgroups of one dispatch.

mod check;
mod memory;
mod merge;
pub(crate) mod sample;

pub use check::{check, check_compact, compaction_rounds, loop_rounds};
pub use memory::{
    group_words, list_entries, merge_entries, merges_in_memory, room, settle_entries, shared_bytes,
};
pub use merge::{COARSE_BINS, InMemory, MOST_COUNTED, STAGES};
pub use sample::{LARGE_GROUP, Sample, sample};

use st_rank::{Choice, DType, DeviceCaps, Field, Fields, MergeDetail, MergeKind, Problem};

/// Greatest tile, in columns.
pub const MAX_TILE: u32 = DeviceCaps::MAX_TILE;

/// Most candidates a lane keeps, in any kernel.
pub const MAX_KL: u32 = 256;

/// Most candidates a lane keeps in registers.
pub const MAX_REGISTER_KL: u32 = 32;

/// Most parts of one row.
pub const MAX_PARTS: usize = 1 << 12;

/// Bins of the histograms in shared memory: digits of 11 bits.
pub const HISTOGRAM: u32 = 1 << 11;

/// Values that one thread adds up, where a workgroup sums.
pub const STRETCH: u32 = 8;

/// Candidates that a thread holds in registers while a list is ordered by bins.
pub const MOST_BINNED: u32 = 8;

/// Columns that a thread of the filter kernel sweeps at once: one bit for each in a word.
pub const MOST_SWEPT: u32 = 32;

/// Vectors of a sample that stand together: 64 bytes, which lie in one or two of the pieces that memory
/// gives at once.
pub const NEIGHBOURS: u32 = 4;

/// Vectors of a row that a thread can hold in registers.
pub const MOST_HELD: u32 = 8;

/// Lanes of a group of the kernels for short rows.
pub const GROUP: u32 = 8;

/// Columns of the longest row of the kernels for short rows: one bit for each of a lane's in a word.
pub const MOST_GROUPED: u32 = GROUP * MOST_SWEPT;

/// Bytes of a vector that kernels read at once.
const VECTOR_BYTES: u32 = 16;

/// What a kernel needs and does: what the planner predicts time from, and what the host allocates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// Shared memory of a workgroup, in bytes.
    pub shared_bytes: u64,
    /// Workgroups of the first command.
    pub workgroups: u64,
    /// Commands that depend on each other.
    pub commands: u32,
    /// Times the input is read.
    pub reads: u32,
    /// Bytes of workspace in device memory.
    pub scratch_bytes: u64,
}

/// Bytes of a candidate: keys of 16 bits take a word too.
#[must_use]
pub const fn entry_bytes(dtype: DType) -> u64 {
    match dtype.size() {
        8 => 12,
        _ => DeviceCaps::ENTRY_BYTES as u64,
    }
}

/// Columns of a part.
#[must_use]
pub const fn part_columns(choice: &Choice, cols: usize) -> usize {
    if choice.ch == 0 || choice.ch as usize > cols { cols } else { choice.ch as usize }
}

/// Parts a row of `cols` is split into.
#[must_use]
pub const fn parts(choice: &Choice, cols: usize) -> usize {
    if choice.ch == 0 || cols == 0 { 1 } else { cols.div_ceil(choice.ch as usize) }
}

/// Leading ranks that each part must keep to be exact.
#[must_use]
pub fn kept(choice: &Choice, problem: &Problem) -> u64 {
    let b = problem.kind.ranks(problem.cols, problem.k).end;
    b.min(part_columns(choice, problem.cols)).max(1) as u64
}

/// The sub-strategies of a merge kind, the usual one first.
#[must_use]
pub const fn details(mk: MergeKind) -> &'static [MergeDetail] {
    use MergeDetail::{Auto, Bitonic, GroupNetwork, GroupRank, Heap, Kway, WarpBitonic, WarpHeap};
    match mk {
        MergeKind::Bitonic => &[Bitonic, Auto],
        MergeKind::Shared => &[Heap, Kway, Bitonic, Auto],
        MergeKind::Warp => &[WarpHeap, WarpBitonic, GroupRank, GroupNetwork, Auto],
        MergeKind::Radix | MergeKind::Filter => &[Auto],
    }
}

/// The fields that change what is launched for a merge kind and its sub-strategy.
#[must_use]
pub const fn uses(mk: MergeKind, mkd: MergeDetail) -> Fields {
    let all = Fields::of(&[Field::Mk, Field::Use2ce, Field::Wg, Field::Ch]);
    match mk {
        MergeKind::Bitonic => all.with(Field::Tile),
        MergeKind::Shared => {
            let own = all.with(Field::Tile).with(Field::Mkd);
            if matches!(mkd, MergeDetail::Kway) { own.with(Field::Kl) } else { own }
        }
        MergeKind::Warp => {
            let own = all.with(Field::Mkd).with(Field::Kl);
            if is_grouped(mk, mkd) { own } else { own.with(Field::Tile) }
        }
        MergeKind::Radix => all.with(Field::Ctile),
        MergeKind::Filter => all.with(Field::Tile).with(Field::Kl),
    }
}

/// Whether short rows share a subgroup.
#[must_use]
pub const fn is_grouped(mk: MergeKind, mkd: MergeDetail) -> bool {
    matches!(mk, MergeKind::Warp)
        && matches!(mkd, MergeDetail::GroupRank | MergeDetail::GroupNetwork)
}

/// Elements of a vector.
#[must_use]
pub const fn vector_elements(dtype: DType) -> u32 {
    VECTOR_BYTES / dtype.size() as u32
}

/// A step of `columns` columns as vectors: all of them, and for each of `wg` threads, at most.
#[must_use]
pub const fn step_vectors(columns: u32, wg: u32, dtype: DType) -> (u32, u32) {
    let all = columns.div_ceil(vector_elements(dtype));
    (all, all.div_ceil(if wg == 0 { 1 } else { wg }))
}

/// Whether a part is one step of `columns` columns at most, few enough to be held in registers. A
/// row that does not begin with a vector may touch one more.
#[must_use]
pub fn is_resident(part: usize, columns: u32, wg: u32, dtype: DType, aligned: bool) -> bool {
    let before = if aligned { 0 } else { vector_elements(dtype) as usize - 1 };
    part + before <= columns as usize && step_vectors(columns, wg, dtype).1 <= MOST_HELD && part > 0
}

/// Whether every row begins with a vector if the first one does.
#[must_use]
pub const fn is_aligned(problem: &Problem) -> bool {
    let vector = vector_elements(problem.dtype) as usize;
    problem.rows <= 1 || problem.row_stride.is_multiple_of(vector)
}

/// What a feasible choice needs and does.
#[must_use]
pub fn footprint(choice: &Choice, problem: &Problem, caps: &DeviceCaps) -> Footprint {
    let entry = entry_bytes(problem.dtype);
    let rows = problem.rows as u64;
    let parts = parts(choice, problem.cols) as u64;
    let all = rows.saturating_mul(parts);
    let (wg, lane) = (u64::from(choice.wg.max(1)), u64::from(caps.lane.max(1)));
    let lists = all.saturating_mul(room(choice, problem) + 1).saturating_mul(entry);
    let half = problem.dtype.size() <= 2;
    let commands = 1 + u32::from(choice.use_2ce);
    let (workgroups, reads, scratch_bytes) = match choice.mk {
        MergeKind::Warp if is_grouped(choice.mk, choice.mkd) => {
            (rows.div_ceil((wg / u64::from(GROUP)).max(1)), 1, 0)
        }
        MergeKind::Warp => (all.div_ceil((wg / lane).max(1)), 1, 0),
        MergeKind::Shared | MergeKind::Filter => (all, 1, 0),
        MergeKind::Bitonic => {
            let padded = (problem.cols as u64).next_power_of_two();
            (all, 1, rows.saturating_mul(padded).saturating_mul(entry))
        }
        MergeKind::Radix => {
            let part = part_columns(choice, problem.cols);
            let aligned = is_aligned(problem);
            let held = is_resident(part, choice.ctile, choice.wg, problem.dtype, aligned);
            // A pass for each digit, then one to collect.
            (all, if held { 1 } else { 4 - u32::from(half) }, 0)
        }
    };
    let lists = match choice.use_2ce {
        false => 0,
        true if merges_in_memory(choice, problem, caps) => {
            let own = InMemory::new(choice, problem).row_entries();
            lists.saturating_add(rows.saturating_mul(own).saturating_mul(entry))
        }
        true => lists,
    };
    Footprint {
        shared_bytes: shared_bytes(choice, problem, caps),
        workgroups,
        commands,
        reads,
        scratch_bytes: scratch_bytes.saturating_add(lists),
    }
}

/// One command of a plan, as a device is told to run it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command {
    /// The kernel's family.
    pub kernel: MergeKind,
    /// Its sub-strategy; `auto` stands for the usual one.
    pub detail: MergeDetail,
    /// Which of the plan's commands: 0 finds candidates, 1 merges or applies.
    pub stage: u32,
    /// Workgroups.
    pub workgroups: u64,
    /// Threads of each.
    pub threads: u32,
    /// Shared memory of each, in bytes.
    pub shared_bytes: u64,
    /// Columns that it works on: a part of a row.
    pub columns: usize,
    /// Columns of a step: a tile, or a compaction tile.
    pub step: u32,
    /// Candidates that a lane or thread keeps; 0 where the kernel has no such number.
    pub kept: u32,
}

/// The commands of a feasible choice, in order: what an executor launches, no more and no less.
#[must_use]
pub fn commands(choice: &Choice, problem: &Problem, caps: &DeviceCaps) -> Vec<Command> {
    let needs = footprint(choice, problem, caps);
    let detail = match choice.mkd {
        MergeDetail::Auto => details(choice.mk)[0],
        own => own,
    };
    let uses = uses(choice.mk, detail);
    let first = Command {
        kernel: choice.mk,
        detail,
        stage: 0,
        workgroups: needs.workgroups,
        threads: choice.wg,
        shared_bytes: needs.shared_bytes,
        columns: part_columns(choice, problem.cols),
        step: if uses.has(Field::Ctile) { choice.ctile } else { choice.tile },
        kept: if uses.has(Field::Kl) { choice.kl } else { 0 },
    };
    // The second has one workgroup for each row, or so many that each of their threads ranks one of
    // its candidates.
    let second = || {
        let of_row = match merges_in_memory(choice, problem, caps) {
            true => InMemory::new(choice, problem).rank_groups(),
            false => 1,
        };
        Command {
            stage: 1,
            workgroups: problem.rows as u64 * of_row,
            columns: parts(choice, problem.cols).saturating_mul(room(choice, problem) as usize),
            ..first
        }
    };
    if choice.use_2ce { vec![first, second()] } else { vec![first] }
}

/// Vectors of a row that each lane of a group holds.
#[must_use]
pub const fn group_vectors(problem: &Problem, aligned: bool) -> u32 {
    let vector = vector_elements(problem.dtype) as usize;
    let all = if aligned { problem.cols } else { problem.cols + vector - 1 };
    let vectors = all.div_ceil(vector).div_ceil(GROUP as usize);
    if vectors > MOST_GROUPED as usize { MOST_GROUPED } else { vectors as u32 }
}

#[cfg(test)]
mod tests {
    use st_rank::{Error, RankKind};

    use super::*;

    fn choice(mk: MergeKind) -> Choice {
        Choice {
            mk,
            mkd: details(mk)[0],
            tile: 512,
            ctile: 256,
            use_2ce: false,
            wg: 256,
            kl: 4,
            ch: 0,
        }
    }

    const CAPS: DeviceCaps = DeviceCaps::wgpu(32, true, 256);

    fn problem(k: usize) -> Problem {
        Problem::new(RankKind::TopK, 64, 65_536, k)
    }

    fn refused(choice: &Choice, problem: &Problem, caps: &DeviceCaps) -> Option<&'static str> {
        match check(choice, problem, caps) {
            Ok(()) => None,
            Err(Error::Infeasible { field, .. }) => Some(field),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn each_kernel_runs_where_it_should_and_says_which_field_stops_it() {
        for &mk in MergeKind::ALL {
            // Histograms take half of the least shared memory there is.
            let own = Choice { kl: if mk == MergeKind::Filter { 2 } else { 4 }, ..choice(mk) };
            assert_eq!(refused(&own, &problem(100), &CAPS), None, "{mk}");
        }
        let warp = choice(MergeKind::Warp);
        assert_eq!(refused(&warp, &problem(100), &CAPS.with_subgroup(32, false)), Some("mk"));
        assert_eq!(refused(&warp, &problem(129), &CAPS), Some("kl"));
        assert_eq!(refused(&Choice { kl: 33, ..warp }, &problem(100), &CAPS), Some("kl"));
        let shared = choice(MergeKind::Shared);
        assert_eq!(refused(&shared, &problem(2048), &CAPS), Some("mk"), "16 KiB");
        assert_eq!(refused(&shared, &problem(2048), &CAPS.with_shared_mem(32 << 10)), None);
        assert_eq!(refused(&Choice { wg: 100, ..shared }, &problem(9), &CAPS), Some("wg"));
        assert_eq!(refused(&Choice { wg: 512, ..shared }, &problem(9), &CAPS), Some("wg"));
        assert_eq!(refused(&Choice { tile: 33, ..shared }, &problem(9), &CAPS), Some("tile"));
        let filter = Choice { kl: 2, ..choice(MergeKind::Filter) };
        assert_eq!(refused(&filter, &problem(300), &CAPS), Some("kl"));
        let split = Choice { ch: 8192, ..filter };
        assert_eq!(refused(&split, &problem(9), &CAPS), Some("ch"), "nothing orders workgroups");
        assert_eq!(refused(&split, &problem(9), &DeviceCaps::cuda(32, 1024)), None);
        let bitonic = choice(MergeKind::Bitonic);
        for caps in [CAPS.with_shared_mem(0), CAPS.with_subgroup(32, false)] {
            assert_eq!(refused(&bitonic, &problem(65_536), &caps), None, "runs anywhere");
        }
    }

    #[test]
    fn footprints_are_those_of_the_launches() {
        let p = problem(100);
        let warp = footprint(&choice(MergeKind::Warp), &p, &CAPS);
        assert_eq!((warp.workgroups, warp.shared_bytes, warp.commands), (8, 0, 1));
        let caps = &CAPS.with_shared_mem(32 << 10);
        let split = Choice { use_2ce: true, ch: 8192, ..choice(MergeKind::Filter) };
        let split = footprint(&split, &p, caps);
        assert_eq!((split.workgroups, split.commands), (64 * 8, 2));
        let lists = 64 * 8 * (1024 + 1) * 8;
        assert_eq!(split.scratch_bytes, lists, "the parts' lists, and what each holds");
        let sum = ((32 + 4) * 9 + 4) * 4;
        let radix = (2048 + 64) * 4 + sum + 96;
        assert_eq!(split.shared_bytes, radix + 257 * 4 + 1024 * 8, "to merge takes more");
        let whole = footprint(&choice(MergeKind::Filter), &p, caps);
        assert_eq!(whole.shared_bytes, 256 * 4 * 8 + radix, "a list and histograms");
        let sort = footprint(&choice(MergeKind::Bitonic), &p, &CAPS);
        assert_eq!(sort.scratch_bytes, 64 * 65_536 * 8);
    }
}
