//! Which choices the kernels can run: the one check of planner and executors.

use st_rank::{Backend, Choice, DeviceCaps, Error, Field, MergeKind, Problem, Result};

use super::{
    GROUP, GROUP_COLUMNS, LANE_RANKS, MAX_BLOCK, MAX_LIST, MAX_PARTS, MIN_BLOCK, MOST_FLIGHT,
    NETWORK_KL, Order, between, capacity, details, flight, footprint, is_memory, is_whole, memory,
    most_grouped, parts, sample, shared_limit, vector_elements, wanted,
};

/// Refuses a choice that the device's kernels cannot run as it stands.
///
/// # Errors
/// [`Error::Infeasible`] with the first field that cannot be obeyed.
pub fn check(choice: &Choice, problem: &Problem, caps: &DeviceCaps) -> Result<()> {
    let refuse = |field: Field, allowed| {
        let value = u64::from(choice.get(field));
        Err(Error::Infeasible { field: field.name(), value, kind: problem.kind, allowed })
    };
    match choice.mk {
        MergeKind::Bitonic => {
            return refuse(Field::Mk, "there are no networks alone here: use 1 to 4");
        }
        MergeKind::Warp | MergeKind::Shared | MergeKind::Radix | MergeKind::Filter => {}
    }
    if !details(choice.mk).contains(&choice.mkd) {
        return refuse(Field::Mkd, "use 0 (auto), or for warp (2) also 6 or 7");
    }
    if choice.mk == MergeKind::Warp {
        return check_group(choice, problem, caps);
    }
    if !is_block(choice.wg, caps) {
        return refuse(
            Field::Wg,
            "use a power of two from 64 to 1024, up to the device's greatest block",
        );
    }
    if !choice.kl.is_power_of_two() || capacity(choice) > MAX_LIST {
        return refuse(Field::Kl, "use a power of two, with kl x wg up to 32768");
    }
    if choice.use_2ce && choice.mk == MergeKind::Shared {
        return refuse(Field::Use2ce, "two commands are for radix (3) and filter (4)");
    }
    if is_memory(choice) && (!problem.sorted || memory(problem).is_none()) {
        return refuse(Field::Use2ce, "lists in device memory are for long rows, by rank");
    }
    if choice.ch > 0 {
        if choice.mk == MergeKind::Shared {
            return refuse(Field::Ch, "rows in shared memory are not split: use 0");
        }
        if parts(choice, problem.cols) > MAX_PARTS {
            return refuse(
                Field::Ch,
                "use 0, or so many columns that a row has at most 4096 parts",
            );
        }
    }
    let is_between = between(choice, problem).is_some();
    let lists = !choice.use_2ce && !is_between;
    let least = if choice.mk == MergeKind::Shared { problem.cols as u64 } else { wanted(problem) };
    if lists && u64::from(capacity(choice)) < least {
        return refuse(
            Field::Kl,
            "kl x wg must reach the last rank wanted, and for shared (1) the columns",
        );
    }
    if choice.mk == MergeKind::Filter {
        let step = choice.wg * vector_elements(problem.dtype);
        if !choice.tile.is_multiple_of(step)
            || !(1..=MOST_FLIGHT).contains(&flight(choice, problem.dtype))
        {
            return refuse(Field::Tile, "use 1 to 8 vectors of 16 bytes for each thread");
        }
        if !choice.use_2ce && !is_between && sample(choice, problem).is_none() {
            return refuse(Field::Kl, "kl x wg leaves too little room beside the last rank wanted");
        }
    }
    if footprint(choice, problem).shared_bytes > shared_limit(caps) {
        return refuse(Field::Kl, "it needs more shared memory than the device has");
    }
    Ok(())
}

/// What the kernel of short rows can run.
fn check_group(choice: &Choice, problem: &Problem, caps: &DeviceCaps) -> Result<()> {
    let refuse = |field: Field, allowed| {
        let value = u64::from(choice.get(field));
        Err(Error::Infeasible { field: field.name(), value, kind: problem.kind, allowed })
    };
    if caps.backend == Backend::Hip {
        return refuse(
            Field::Mk,
            "the kernel of short rows is for waves of 32 lanes: use 1, 3 or 4",
        );
    }
    let order = Order::of(choice);
    if problem.dtype.size() > 4 {
        return refuse(Field::Mk, "short rows are held by lanes in 32 bits at most: use 1, 3 or 4");
    }
    if problem.cols > GROUP_COLUMNS || problem.cols == 0 {
        return refuse(Field::Mk, "lanes hold rows of 1 to 1024 columns: use 1, 3 or 4");
    }
    let most = caps.max_workgroup.clamp(MIN_BLOCK, 256);
    if !choice.wg.is_power_of_two() || !(32..=most).contains(&choice.wg) {
        return refuse(Field::Wg, "use 32, 64, 128 or 256 for short rows");
    }
    if choice.use_2ce {
        return refuse(Field::Use2ce, "two commands are for radix (3)");
    }
    if choice.ch > 0 {
        return refuse(Field::Ch, "short rows are not split: use 0");
    }
    if order == Order::Lane && !problem.sorted {
        return refuse(Field::Mkd, "the network of a lane orders by rank only");
    }
    if order == Order::Lane && choice.kl != NETWORK_KL {
        return refuse(Field::Kl, "networks have lists of 64 candidates or more: use 8 to 128");
    }
    if !choice.kl.is_power_of_two() || (order == Order::Counted && choice.kl > NETWORK_KL) {
        return refuse(Field::Kl, "use 1, 2, 4 or 8, or up to 128 for networks: a list has 8 x kl");
    }
    let list = GROUP.saturating_mul(choice.kl);
    if list > most_grouped(problem).max(GROUP * NETWORK_KL) {
        return refuse(Field::Kl, "8 x kl must be no more than the lanes of a row hold, 32 each");
    }
    let list = u64::from(list);
    let reach = match order {
        Order::Counted => list.min(LANE_RANKS),
        Order::Lane => LANE_RANKS,
        Order::Lanes if is_whole(choice, problem) => list,
        // A row that is done exactly has room for half as many.
        Order::Lanes => list / 2,
    };
    if reach < wanted(problem) {
        return refuse(
            Field::Kl,
            "8 x kl, or what fits lists of that size, must reach the last rank wanted",
        );
    }
    if footprint(choice, problem).shared_bytes > shared_limit(caps) {
        return refuse(Field::Wg, "it needs more shared memory than the device has");
    }
    Ok(())
}

/// Refuses a choice that the device's compaction cannot run as it stands.
///
/// # Errors
/// [`Error::InfeasibleCompaction`] with the first field that cannot be obeyed.
pub fn check_compact(choice: &Choice, caps: &DeviceCaps) -> Result<()> {
    let refuse = |field, value: u32, allowed| {
        Err(Error::InfeasibleCompaction { field, value: value.into(), allowed })
    };
    if !is_block(choice.wg, caps) {
        return refuse(
            "wg",
            choice.wg,
            "use a power of two from 64 to 1024, up to the greatest block",
        );
    }
    if choice.ctile == 0 {
        return refuse("ctile", choice.ctile, "use at least one column");
    }
    Ok(())
}

fn is_block(wg: u32, caps: &DeviceCaps) -> bool {
    // No device has less than the least.
    let most = caps.max_workgroup.clamp(MIN_BLOCK, MAX_BLOCK);
    wg.is_power_of_two() && (MIN_BLOCK..=most).contains(&wg)
}
