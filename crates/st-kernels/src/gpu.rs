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

use st_rank::{
    Backend, Choice, DType, DeviceCaps, Error, Field, Fields, MergeDetail, MergeKind, Problem,
    Result,
};

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

/// Columns that a thread of the filter kernel sweeps at once: one bit for each in a word.
pub const MOST_SWEPT: u32 = 32;

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

/// The sample by which the filter kernel sets its threshold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Vectors that each thread takes.
    pub vectors: u32,
    /// The sample's key at which the threshold is set, counted from the greatest.
    pub rank: u32,
    /// Elements of a whole row that reach the threshold, hardly ever more.
    pub most: f64,
}

/// -ln of how often too few elements may reach the threshold: once in ten million rows.
const MISLED: f64 = 16.118;

/// How many standard deviations more than expected a list has room for.
const SPREAD: f64 = 6.0;

/// The least r for which more than r of a Poisson variable with this mean are rarer than
/// [`MISLED`], by Chernoff's bound: r ln(r / mean) - r + mean = L, by Newton's method from
/// Bernstein's bound.
fn tail_rank(mean: f64) -> f64 {
    let third = MISLED / 3.0;
    let mut r = mean + third + (third * third + 2.0 * MISLED * mean).sqrt();
    for _ in 0..3 {
        let log = (r / mean).ln();
        r -= (r * log - r + mean - MISLED) / log;
    }
    r.ceil()
}

/// The sample of a filter: as small as the room for what passes allows.
#[must_use]
pub fn sample(choice: &Choice, problem: &Problem, caps: &DeviceCaps) -> Sample {
    let b = problem.kind.ranks(problem.cols, problem.k).end.max(1) as f64;
    let n = problem.cols.max(1) as f64;
    let room = if merges_in_memory(choice, problem, caps) {
        f64::INFINITY
    } else if choice.use_2ce {
        merge_entries(choice, problem, caps) as f64
    } else {
        f64::from(choice.wg) * f64::from(choice.kl)
    };
    let of = |vectors: u32| {
        let size = f64::from(choice.wg * vectors * vector_elements(problem.dtype)).min(n);
        let rank = if size >= n { b } else { tail_rank(b * size / n) };
        let most = (rank + SPREAD * rank.sqrt()).min(size) * n / size;
        Sample { vectors, rank: rank as u32, most: if size >= n { b } else { most } }
    };
    if is_resident(problem.cols, choice.tile, choice.wg, problem.dtype, is_aligned(problem))
        && parts(choice, problem.cols) == 1
    {
        return Sample { vectors: step_vectors(choice.tile, choice.wg, problem.dtype).1, ..of(8) };
    }
    let fits = |s: &Sample| s.most <= room && s.rank <= choice.wg;
    // Lists in device memory are all ordered: the fewer the better.
    let sizes: &[u32] = if room.is_finite() { &[1, 2, 4, 8] } else { &[32, 16, 8] };
    sizes.iter().map(|&vectors| of(vectors)).find(fits).unwrap_or_else(|| of(8))
}

/// Bytes of the histograms.
const BIN_BYTES: u64 = HISTOGRAM as u64 * 4;

/// Counters, and what is picked from histograms.
const SMALL_BYTES: u64 = 64;

/// Shared memory of a sum over a workgroup.
const fn scan_bytes(wg: u32, subgroups: bool) -> u64 {
    // A word for each subgroup, of which none has fewer than four lanes, or for each thread.
    if subgroups { wg as u64 } else { wg as u64 * 4 }
}

/// Shared memory of radix selection beside its list.
const fn radix_bytes(wg: u32, caps: &DeviceCaps) -> u64 {
    BIN_BYTES + scan_bytes(wg, caps.subgroups) + SMALL_BYTES
}

/// Shared memory of a merge beside its list: where each part's begins, too.
const fn merge_bytes(wg: u32, caps: &DeviceCaps) -> u64 {
    radix_bytes(wg, caps) + wg as u64 * 4
}

/// Entries of the list that the first command of a choice has in shared memory. Kernels that can
/// work in device memory take what fits; for the others it may be more than the device has.
#[must_use]
pub fn list_entries(choice: &Choice, problem: &Problem, caps: &DeviceCaps) -> u64 {
    let (wg, tile) = (u64::from(choice.wg), u64::from(choice.tile));
    let b = kept(choice, problem);
    match (choice.mk, choice.mkd) {
        (MergeKind::Bitonic, _) => fitting(problem, caps, 0).min(tile.next_power_of_two()),
        (MergeKind::Shared, MergeDetail::Kway) => (wg * u64::from(choice.kl)).next_power_of_two(),
        (MergeKind::Shared, MergeDetail::Bitonic) => 2 * b.max(tile).max(wg).next_power_of_two(),
        (MergeKind::Shared, _) => rounded((b + tile).max(b.next_power_of_two())),
        (MergeKind::Warp, _) => 0,
        (MergeKind::Radix, _) => {
            ordered_entries(problem.k as u64, radix_bytes(choice.wg, caps), problem, caps)
        }
        // Only the threads' greatest keys, where parts have their lists in device memory.
        (MergeKind::Filter, _) if choice.use_2ce => wg.next_power_of_two(),
        (MergeKind::Filter, _) => (wg * u64::from(choice.kl)).next_power_of_two(),
    }
}

/// Entries of a list in which `wanted` candidates are ordered; more are ordered in device memory.
fn ordered_entries(wanted: u64, taken: u64, problem: &Problem, caps: &DeviceCaps) -> u64 {
    fitting(problem, caps, taken).min(wanted.max(LEAST_ENTRIES).next_power_of_two())
}

/// Entries of the list in which the second command orders the parts' candidates: a filter's room, or
/// twice what is wanted.
#[must_use]
pub fn merge_entries(choice: &Choice, problem: &Problem, caps: &DeviceCaps) -> u64 {
    let b = problem.kind.ranks(problem.cols, problem.k).end as u64;
    let wanted = match choice.mk {
        MergeKind::Filter => u64::from(choice.wg) * u64::from(choice.kl),
        _ => 2 * b,
    };
    let wanted = wanted.max(b + u64::from(choice.wg)).min(MOST_ORDERED);
    ordered_entries(wanted, merge_bytes(choice.wg, caps), problem, caps)
}

/// Entries that one workgroup orders in shared memory at most.
const MOST_ORDERED: u64 = 1 << 12;

/// Whether the second command orders the parts' candidates in device memory: those wanted do not fit
/// shared memory with a step of new ones.
#[must_use]
pub fn merges_in_memory(choice: &Choice, problem: &Problem, caps: &DeviceCaps) -> bool {
    let b = problem.kind.ranks(problem.cols, problem.k).end as u64;
    let most = fitting(problem, caps, merge_bytes(choice.wg, caps)).min(MOST_ORDERED);
    choice.use_2ce && b + u64::from(choice.wg) > most
}

/// Entries of a tile that is ordered in shared memory on the way to an order in device memory.
#[must_use]
pub fn tile_entries(problem: &Problem, caps: &DeviceCaps) -> u64 {
    fitting(problem, caps, 0).clamp(64, 1 << 12)
}

/// Entries of the list of a command that may have to select a row again, for more than fit it.
#[must_use]
pub fn settle_entries(wg: u32, problem: &Problem, caps: &DeviceCaps) -> u64 {
    fitting(problem, caps, radix_bytes(wg, caps)).min(LEAST_ENTRIES)
}

/// Room for all parts' candidates of a row next to each other in device memory.
#[must_use]
pub fn dense_entries(choice: &Choice, problem: &Problem, caps: &DeviceCaps) -> u64 {
    let parts = parts(choice, problem.cols) as u64;
    let all = match choice.mk {
        // What misses the room by chance is selected again.
        MergeKind::Filter => {
            (sample(choice, problem, caps).most as u64).min(parts * room(choice, problem))
        }
        _ => parts.saturating_mul(kept(choice, problem)),
    };
    all.next_power_of_two().max(tile_entries(problem, caps))
}

/// Entries that a part's list has room for.
#[must_use]
pub fn room(choice: &Choice, problem: &Problem) -> u64 {
    let kept = kept(choice, problem);
    match choice.mk {
        MergeKind::Filter => {
            let list = u64::from(choice.wg) * u64::from(choice.kl);
            kept.max(list.min(part_columns(choice, problem.cols) as u64))
        }
        _ => kept,
    }
}

/// Lists of few candidates have room for this many, so that one pipeline serves many k.
const LEAST_ENTRIES: u64 = 1 << 10;

/// A number of entries rounded up, so that few pipelines serve all.
const fn rounded(entries: u64) -> u64 {
    entries.next_multiple_of(LEAST_ENTRIES)
}

/// The greatest power of two of entries that fits beside `taken` bytes; at least 2, the least that
/// a kernel can be compiled with.
fn fitting(problem: &Problem, caps: &DeviceCaps, taken: u64) -> u64 {
    let entries = u64::from(caps.shared_mem).saturating_sub(taken) / entry_bytes(problem.dtype);
    if entries < 2 { 2 } else { 1 << entries.ilog2() }
}

/// Words of shared memory of a kernel for short rows.
#[must_use]
pub const fn group_words(choice: &Choice) -> u64 {
    let cap = (GROUP * choice.kl) as u64;
    match choice.mkd {
        // 32 rows for each 32 threads, a word for each candidate, places 33 words apart; with each
        // row's threshold and shift.
        MergeDetail::GroupNetwork => (choice.wg / 32) as u64 * cap * 33 + 2 * choice.wg as u64,
        _ => (choice.wg / GROUP) as u64 * cap * 2,
    }
}

/// Shared memory that a workgroup of this choice takes, in bytes: of its commands, the one that
/// takes most.
#[must_use]
pub fn shared_bytes(choice: &Choice, problem: &Problem, caps: &DeviceCaps) -> u64 {
    let entry = entry_bytes(problem.dtype);
    let list = list_entries(choice, problem, caps) * entry;
    let first = match (choice.mk, choice.mkd) {
        // Without shared memory everything is sorted in device memory.
        (MergeKind::Bitonic, _) => {
            if list > u64::from(caps.shared_mem) {
                0
            } else {
                list
            }
        }
        (MergeKind::Shared, MergeDetail::Kway) => list + radix_bytes(choice.wg, caps),
        (MergeKind::Shared, _) => list + SMALL_BYTES,
        (MergeKind::Warp, mkd) if is_grouped(MergeKind::Warp, mkd) => group_words(choice) * 4,
        (MergeKind::Warp, _) => 0,
        (MergeKind::Radix | MergeKind::Filter, _) => list + radix_bytes(choice.wg, caps),
    };
    if !choice.use_2ce {
        return first;
    }
    let second = if merges_in_memory(choice, problem, caps) {
        let settle =
            radix_bytes(choice.wg, caps) + settle_entries(choice.wg, problem, caps) * entry;
        (tile_entries(problem, caps) * entry).max(settle)
    } else {
        merge_bytes(choice.wg, caps) + merge_entries(choice, problem, caps) * entry
    };
    first.max(second)
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
            let rows_of_group = match choice.mkd {
                MergeDetail::GroupNetwork => wg,
                _ => wg / u64::from(GROUP),
            };
            (rows.div_ceil(rows_of_group.max(1)), 1, 0)
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
            let dense = rows.saturating_mul(dense_entries(choice, problem, caps));
            lists.saturating_add(dense.saturating_mul(entry))
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
    // The second has one workgroup for each row, or for each tile of its candidates.
    let second = || {
        let in_memory = merges_in_memory(choice, problem, caps);
        let tiles = dense_entries(choice, problem, caps) / tile_entries(problem, caps);
        Command {
            stage: 1,
            workgroups: problem.rows as u64 * if in_memory { tiles } else { 1 },
            columns: parts(choice, problem.cols).saturating_mul(room(choice, problem) as usize),
            ..first
        }
    };
    if choice.use_2ce { vec![first, second()] } else { vec![first] }
}

/// Refuses a choice that the device's kernels cannot run as it stands.
///
/// # Errors
/// [`Error::Infeasible`] with the first field that cannot be obeyed.
pub fn check(choice: &Choice, problem: &Problem, caps: &DeviceCaps) -> Result<()> {
    let caps = &caps.normalised();
    let refuse = |field: Field, allowed| {
        let value = u64::from(choice.get(field));
        Err(Error::Infeasible { field: field.name(), value, kind: problem.kind, allowed })
    };
    if choice.mk == MergeKind::Warp && !caps.subgroups {
        return refuse(Field::Mk, "the warp kernel needs subgroups, which the device lacks");
    }
    if !details(choice.mk).contains(&choice.mkd) {
        return refuse(Field::Mkd, "use 0 (auto) or a detail of the merge kind");
    }
    let whole_lanes = |n: u32| n > 0 && n.is_multiple_of(caps.lane);
    if !whole_lanes(choice.wg) || choice.wg > caps.max_workgroup {
        return refuse(Field::Wg, "use whole subgroups, up to the device's greatest workgroup");
    }
    for (field, tile) in [(Field::Tile, choice.tile), (Field::Ctile, choice.ctile)] {
        if !whole_lanes(tile) || tile > MAX_TILE {
            return refuse(field, "use a multiple of the lanes of a subgroup, up to 65536");
        }
    }
    if choice.kl == 0 || choice.kl > MAX_KL {
        return refuse(Field::Kl, "use 1 to 256");
    }
    if choice.ch > 0 {
        let unordered = matches!(caps.backend, Backend::Wgpu | Backend::Mps);
        if unordered && !choice.use_2ce {
            return refuse(Field::Ch, "splitting a row needs use_2ce = true here");
        }
        if !choice.ch.is_multiple_of(caps.lane) || parts(choice, problem.cols) > MAX_PARTS {
            return refuse(Field::Ch, "use 0, or whole lanes with at most 4096 parts of a row");
        }
    }
    let b = kept(choice, problem);
    let lanes = |n: u32| u64::from(n) * u64::from(choice.kl);
    match (choice.mk, choice.mkd) {
        (MergeKind::Warp, mkd) if is_grouped(MergeKind::Warp, mkd) => {
            return check_group(choice, problem, caps);
        }
        (MergeKind::Warp, _) if choice.kl > MAX_REGISTER_KL => {
            return refuse(Field::Kl, "a lane of the warp kernel keeps at most 32");
        }
        (MergeKind::Warp, _) if lanes(caps.lane) < b => {
            return refuse(Field::Kl, "kl x lanes of a subgroup must reach the last rank wanted");
        }
        (MergeKind::Shared, MergeDetail::Kway) if !choice.kl.is_power_of_two() => {
            return refuse(Field::Kl, "a thread's list is a power of two here");
        }
        (MergeKind::Warp, MergeDetail::WarpBitonic) if !choice.kl.is_power_of_two() => {
            return refuse(Field::Kl, "a lane's list is a power of two here");
        }
        (MergeKind::Shared, MergeDetail::Kway) if lanes(choice.wg) < b => {
            return refuse(Field::Kl, "kl x wg must reach the last rank wanted");
        }
        (MergeKind::Filter, _)
            if lanes(choice.wg) < b + u64::from(choice.wg)
                && !merges_in_memory(choice, problem, caps) =>
        {
            return refuse(Field::Kl, "kl x wg must exceed the last rank wanted by wg");
        }
        (MergeKind::Filter, _)
            if !choice.tile.is_multiple_of(vector_elements(problem.dtype))
                || choice.tile > MOST_SWEPT * choice.wg =>
        {
            return refuse(Field::Tile, "use whole vectors, up to 32 columns for each thread");
        }
        (MergeKind::Radix, _)
            if !choice.ctile.is_multiple_of(vector_elements(problem.dtype))
                || step_vectors(choice.ctile, choice.wg, problem.dtype).1 > MOST_HELD =>
        {
            return refuse(Field::Ctile, "use whole vectors of 16 bytes, up to 8 for each thread");
        }
        _ => {}
    }
    if shared_bytes(choice, problem, caps) > u64::from(caps.shared_mem) {
        return refuse(Field::Mk, "it needs more shared memory than the device has");
    }
    if caps.loop_rounds > 0 && loop_rounds(choice, problem, caps) > u64::from(caps.loop_rounds) {
        return refuse(Field::Ch, "the driver ends long loops: take more threads, or the cpu");
    }
    Ok(())
}

/// Rounds of loops that the busiest thread of a choice may go through, for drivers that end threads
/// which take too many: each column it looks at, in every pass that there may be, and the steps of
/// what it inserts.
#[must_use]
pub fn loop_rounds(choice: &Choice, problem: &Problem, caps: &DeviceCaps) -> u64 {
    let part = part_columns(choice, problem.cols) as u64;
    let b = kept(choice, problem);
    let wg = u64::from(choice.wg.max(1));
    let (own, kl) = (part.div_ceil(wg), u64::from(choice.kl));
    let levels = |n: u64| u64::from(n.max(2).next_power_of_two().ilog2());
    let network = |n: u64| n.div_ceil(2 * wg) * levels(n) * (levels(n) + 1) / 2;
    let first = match (choice.mk, choice.mkd) {
        (MergeKind::Bitonic, _) => own + network(part.next_power_of_two()),
        (MergeKind::Shared, MergeDetail::Kway) => own * (kl + 8) + network(wg * kl),
        (MergeKind::Shared, MergeDetail::Bitonic) => {
            let room = 2 * b.max(u64::from(choice.tile)).max(wg).next_power_of_two();
            own + part.div_ceil(room / 4).max(1) * network(room)
        }
        // One thread inserts all there is, if the row ascends.
        (MergeKind::Shared, _) => own + part * levels(b),
        (MergeKind::Warp, mkd) if is_grouped(MergeKind::Warp, mkd) => 1 << 10,
        (MergeKind::Warp, _) => part.div_ceil(u64::from(caps.lane.max(1))) * (kl + b),
        (MergeKind::Radix, _) => own * 12 + network(problem.k as u64),
        (MergeKind::Filter, _) => own * 14 + network(wg * kl),
    };
    if !choice.use_2ce {
        return first;
    }
    let all = parts(choice, problem.cols) as u64 * room(choice, problem);
    let again = (problem.cols as u64).div_ceil(wg) * 12;
    first.max(all.div_ceil(wg) * levels(wg * kl) + again)
}

/// What the kernels for short rows can run.
fn check_group(choice: &Choice, problem: &Problem, caps: &DeviceCaps) -> Result<()> {
    let refuse = |field: Field, allowed| {
        let value = u64::from(choice.get(field));
        Err(Error::Infeasible { field: field.name(), value, kind: problem.kind, allowed })
    };
    let network = choice.mkd == MergeDetail::GroupNetwork;
    let b = kept(choice, problem);
    if caps.lane < GROUP {
        return refuse(Field::Mkd, "groups need subgroups of eight lanes or more");
    }
    if choice.use_2ce {
        return refuse(Field::Use2ce, "groups have one command");
    }
    if group_vectors(problem, is_aligned(problem)) * vector_elements(problem.dtype) > MOST_SWEPT {
        return refuse(
            Field::Mkd,
            "groups hold rows of 256 columns at most, 224 if rows are not aligned",
        );
    }
    if network && !problem.sorted {
        return refuse(Field::Mkd, "the network orders by rank only");
    }
    if network && !matches!(choice.kl, 4 | 8) {
        return refuse(Field::Kl, "the network has 4 or 8 candidates for each lane");
    }
    if !network && choice.kl > 8 {
        return refuse(Field::Kl, "a lane counts for at most 8 candidates");
    }
    if network && !choice.wg.is_multiple_of(32) {
        return refuse(Field::Wg, "the network needs 32 threads for each 32 rows");
    }
    if u64::from(GROUP * choice.kl).min(if network { 32 } else { u64::MAX }) < b {
        return refuse(
            Field::Kl,
            "kl x 8 (at most 32 for the network) must reach the last rank wanted",
        );
    }
    if shared_bytes(choice, problem, caps) > u64::from(caps.shared_mem) {
        return refuse(Field::Wg, "it needs more shared memory than the device has");
    }
    Ok(())
}

/// Vectors of a row that each lane of a group holds.
#[must_use]
pub const fn group_vectors(problem: &Problem, aligned: bool) -> u32 {
    let vector = vector_elements(problem.dtype) as usize;
    let all = if aligned { problem.cols } else { problem.cols + vector - 1 };
    let vectors = all.div_ceil(vector).div_ceil(GROUP as usize);
    if vectors > MOST_GROUPED as usize { MOST_GROUPED } else { vectors as u32 }
}

/// Refuses a choice that the device's compaction cannot run as it stands.
///
/// # Errors
/// [`Error::InfeasibleCompaction`] with the first field that cannot be obeyed.
pub fn check_compact(choice: &Choice, caps: &DeviceCaps) -> Result<()> {
    let caps = &caps.normalised();
    let refuse = |field, value: u32, allowed| {
        Err(Error::InfeasibleCompaction { field, value: value.into(), allowed })
    };
    let whole_lanes = |n: u32| n > 0 && n.is_multiple_of(caps.lane);
    if !whole_lanes(choice.wg) || choice.wg > caps.max_workgroup {
        return refuse("wg", choice.wg, "use whole subgroups, up to the greatest workgroup");
    }
    if !whole_lanes(choice.ctile) || choice.ctile > MAX_TILE {
        return refuse("ctile", choice.ctile, "use a multiple of the lanes, up to 65536");
    }
    if scan_bytes(choice.wg, caps.subgroups) > u64::from(caps.shared_mem) {
        return refuse("wg", choice.wg, "it needs more shared memory than the device has");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use st_rank::RankKind;

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
        let radix = 2048 * 4 + 256 + 64;
        assert_eq!(split.shared_bytes, radix + 256 * 4 + 1024 * 8, "to merge takes more");
        let whole = footprint(&choice(MergeKind::Filter), &p, caps);
        assert_eq!(whole.shared_bytes, 256 * 4 * 8 + radix, "a list and histograms");
        let sort = footprint(&choice(MergeKind::Bitonic), &p, &CAPS);
        assert_eq!(sort.scratch_bytes, 64 * 65_536 * 8);
    }
}
