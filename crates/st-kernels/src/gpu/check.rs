//! Which choices the kernels can run: the one check of planner and executors.

use st_rank::{Backend, Choice, DeviceCaps, Error, Field, MergeDetail, MergeKind, Problem, Result};

use super::memory::{scan_bytes, scan_rounds};
use super::{
    GROUP, InMemory, MAX_KL, MAX_PARTS, MAX_REGISTER_KL, MAX_TILE, MOST_HELD, MOST_SWEPT, details,
    group_vectors, is_aligned, is_grouped, kept, merges_in_memory, part_columns, parts, room,
    shared_bytes, step_vectors, vector_elements,
};

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
                || choice.tile > MOST_SWEPT.saturating_mul(choice.wg) =>
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
/// which take too many, and whose kernels therefore are those with loops that are not unrolled: each column
/// it looks at, in every pass that there may be, and the steps of what it inserts.
#[must_use]
pub fn loop_rounds(choice: &Choice, problem: &Problem, caps: &DeviceCaps) -> u64 {
    let part = part_columns(choice, problem.cols) as u64;
    let b = kept(choice, problem);
    let wg = u64::from(choice.wg.max(1));
    let (own, kl) = (part.div_ceil(wg), u64::from(choice.kl));
    // Histograms of every digit, of ties by column, what is taken: two rounds of a column each, seven times at
    // most. And once more in the order of columns: for each vector a sum, and a step for each element.
    let again = |own: u64| own * 15 + own.div_ceil(4) * (scan_rounds(choice.wg) + 9);
    let levels = |n: u64| u64::from(n.max(2).next_power_of_two().ilog2());
    let network = |n: u64| n.div_ceil(2 * wg) * levels(n) * (levels(n) + 1) / 2;
    let first = match (choice.mk, choice.mkd) {
        (MergeKind::Bitonic, _) => own + network(part.next_power_of_two()),
        (MergeKind::Shared, MergeDetail::Kway) => own * kl + again(own) + network(wg * kl),
        (MergeKind::Shared, MergeDetail::Bitonic) => {
            let room = 2 * b.max(u64::from(choice.tile)).max(wg).next_power_of_two();
            own + part.div_ceil(room / 4).max(1) * network(room)
        }
        // One thread inserts all there is, if the row ascends.
        (MergeKind::Shared, _) => own + part * levels(b),
        (MergeKind::Warp, mkd) if is_grouped(MergeKind::Warp, mkd) => 1 << 10,
        (MergeKind::Warp, _) => part.div_ceil(u64::from(caps.lane.max(1))) * (kl + b),
        (MergeKind::Radix, _) => again(own) + network(problem.k as u64),
        // What reaches the threshold, and what comes before the key of many.
        (MergeKind::Filter, _) => own * 5 + again(own) + network(wg * kl),
    };
    if !choice.use_2ce {
        return first;
    }
    let all = parts(choice, problem.cols) as u64 * room(choice, problem);
    let again = again((problem.cols as u64).div_ceil(wg));
    if merges_in_memory(choice, problem, caps) {
        // One workgroup orders all there is, if it falls into one bin, or selects it again.
        let needs = InMemory::new(choice, problem);
        let sorted = network(needs.room.next_power_of_two());
        return first.max(room(choice, problem).div_ceil(wg) + again + sorted);
    }
    first.max(all.div_ceil(wg) * levels(wg * kl) + again)
}

/// The same of a compaction's choice: each column twice, and a sum for each tile.
#[must_use]
pub fn compaction_rounds(choice: &Choice, cols: usize) -> u64 {
    let each = |columns: u32| (cols as u64).div_ceil(u64::from(columns.max(1)));
    each(choice.wg) * 2 + each(choice.ctile.max(choice.wg)) * (scan_rounds(choice.wg) + 4)
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
