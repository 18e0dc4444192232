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
//! | `radix` | histograms of the key's digits until the boundary is known, then a compaction in tiles of `ctile` columns. Any k | `ctile` |
//! | `filter` | read once against a running threshold; what passes goes to a list of `kl` x `wg` entries in shared memory, which is pruned when full | `tile`, `kl` |
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

/// Values of a digit of the radix kernel: 8 bits.
pub const DIGITS: u32 = 256;

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
    use MergeDetail::{Auto, Bitonic, Heap, Kway, WarpBitonic, WarpHeap};
    match mk {
        MergeKind::Bitonic => &[Bitonic, Auto],
        MergeKind::Shared => &[Heap, Kway, Bitonic, Auto],
        MergeKind::Warp => &[WarpHeap, WarpBitonic, Auto],
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
        MergeKind::Warp => all.with(Field::Tile).with(Field::Mkd).with(Field::Kl),
        MergeKind::Radix => all.with(Field::Ctile),
        MergeKind::Filter => all.with(Field::Tile).with(Field::Kl),
    }
}

/// Shared memory of radix selection beside its list: two histograms and what is picked from them.
const RADIX_BYTES: u64 = 2 * DIGITS as u64 * 4 + 16;

/// A counter in shared memory.
const COUNTER_BYTES: u64 = 4;

/// Shared memory of a sum over a workgroup.
const fn scan_bytes(wg: u32) -> u64 {
    wg as u64 * 4
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
        (MergeKind::Radix, _) => radix_entries(choice.wg, problem, caps),
        (MergeKind::Filter, _) => (wg * u64::from(choice.kl)).next_power_of_two(),
    }
}

/// Entries of the list in which radix selection, and the second command of every kernel, sorts what
/// it selected; a greater k is sorted in device memory.
#[must_use]
pub fn radix_entries(wg: u32, problem: &Problem, caps: &DeviceCaps) -> u64 {
    let k = (problem.k as u64).max(LEAST_ENTRIES).next_power_of_two();
    fitting(problem, caps, RADIX_BYTES + scan_bytes(wg)).min(k)
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
        (MergeKind::Shared, MergeDetail::Kway) => {
            list + RADIX_BYTES + scan_bytes(choice.wg) + COUNTER_BYTES
        }
        (MergeKind::Shared | MergeKind::Filter, _) => list + COUNTER_BYTES,
        (MergeKind::Warp, _) => 0,
        (MergeKind::Radix, _) => list + RADIX_BYTES + scan_bytes(choice.wg),
    };
    let merge =
        RADIX_BYTES + scan_bytes(choice.wg) + radix_entries(choice.wg, problem, caps) * entry;
    first.max(if choice.use_2ce { merge } else { 0 })
}

/// What a feasible choice needs and does.
#[must_use]
pub fn footprint(choice: &Choice, problem: &Problem, caps: &DeviceCaps) -> Footprint {
    let entry = entry_bytes(problem.dtype);
    let rows = problem.rows as u64;
    let parts = parts(choice, problem.cols) as u64;
    let all = rows.saturating_mul(parts);
    let (wg, lane) = (u64::from(choice.wg.max(1)), u64::from(caps.lane.max(1)));
    let lists = all.saturating_mul(kept(choice, problem)).saturating_mul(entry);
    let commands = 1 + u32::from(choice.use_2ce);
    let (workgroups, reads, scratch_bytes) = match choice.mk {
        MergeKind::Warp => (all.div_ceil((wg / lane).max(1)), 1, 0),
        MergeKind::Shared | MergeKind::Filter => (all, 1, 0),
        MergeKind::Bitonic => {
            let padded = (problem.cols as u64).next_power_of_two();
            (all, 1, rows.saturating_mul(padded).saturating_mul(entry))
        }
        // One pass for each digit but those that the first ones decide, then the compaction.
        MergeKind::Radix => (all, 3, all.saturating_mul(u64::from(DIGITS) * 4)),
    };
    let lists = if choice.use_2ce { lists } else { 0 };
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
    // The second has one workgroup for each row, but where tiles are written in their places.
    let second = || match choice.mk {
        MergeKind::Radix => Command { stage: 1, ..first },
        _ => Command {
            stage: 1,
            workgroups: problem.rows as u64,
            columns: parts(choice, problem.cols).saturating_mul(kept(choice, problem) as usize),
            ..first
        },
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
        (MergeKind::Filter, _) if lanes(choice.wg) < b + u64::from(choice.wg) => {
            return refuse(Field::Kl, "kl x wg must exceed the last rank wanted by a sweep of wg");
        }
        _ => {}
    }
    if shared_bytes(choice, problem, caps) > u64::from(caps.shared_mem) {
        return refuse(Field::Mk, "it needs more shared memory than the device has");
    }
    Ok(())
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
    if scan_bytes(choice.wg) > u64::from(caps.shared_mem) {
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
            assert_eq!(refused(&choice(mk), &problem(100), &CAPS), None, "{mk}");
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
        let filter = choice(MergeKind::Filter);
        assert_eq!(refused(&filter, &problem(900), &CAPS), Some("kl"));
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
        let split = Choice { use_2ce: true, ch: 8192, ..choice(MergeKind::Filter) };
        let split = footprint(&split, &p, &CAPS);
        assert_eq!((split.workgroups, split.commands), (64 * 8, 2));
        assert_eq!(split.scratch_bytes, 64 * 8 * 100 * 8, "the parts' candidates");
        let merge = 2 * 256 * 4 + 16 + 256 * 4 + 1024 * 8;
        assert_eq!(split.shared_bytes, merge, "histograms, sums and a list take more than a list");
        let whole = footprint(&choice(MergeKind::Filter), &p, &CAPS);
        assert_eq!(whole.shared_bytes, 256 * 4 * 8 + 4, "a list and a counter");
        let sort = footprint(&choice(MergeKind::Bitonic), &p, &CAPS);
        assert_eq!(sort.scratch_bytes, 64 * 65_536 * 8);
    }
}
