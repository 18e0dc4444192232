//! What kernels keep in shared memory, and what in lists in device memory.

use st_rank::{Choice, DeviceCaps, MergeDetail, MergeKind, Problem};

use super::merge::merge_shared_bytes;
use super::{GROUP, HISTOGRAM, MOST_BINNED, STRETCH, entry_bytes, is_grouped, kept, part_columns};

/// Bytes of the histograms, with a word after every 32 bins.
const BIN_BYTES: u64 = (HISTOGRAM + HISTOGRAM / 32) as u64 * 4;

/// Counters, what is picked from histograms, how marks become bins.
const SMALL_BYTES: u64 = 96;

/// Stretches of a sum over a workgroup, and stretches of their sums.
const fn scan_levels(wg: u32) -> (u64, u64) {
    let sums = wg.div_ceil(STRETCH);
    (sums as u64, sums.div_ceil(STRETCH) as u64)
}

/// Shared memory of a sum over a workgroup.
pub(super) const fn scan_bytes(wg: u32) -> u64 {
    // A word for each value and one between stretches; the same for their sums; the sums of those.
    let (sums, tops) = scan_levels(wg);
    ((sums + tops) * (STRETCH as u64 + 1) + tops) * 4
}

/// Rounds of loops of a sum over a workgroup, of the thread that goes through most.
pub(super) const fn scan_rounds(wg: u32) -> u64 {
    2 * STRETCH as u64 + scan_levels(wg).1
}

/// Shared memory of radix selection beside its list.
const fn radix_bytes(wg: u32) -> u64 {
    BIN_BYTES + scan_bytes(wg) + SMALL_BYTES
}

/// Shared memory of a merge beside its list: where each part's begins, too.
const fn merge_bytes(wg: u32) -> u64 {
    radix_bytes(wg) + (wg as u64 + 1) * 4
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
            ordered_entries(problem.k as u64, radix_bytes(choice.wg), problem, caps)
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
    ordered_entries(wanted, merge_bytes(choice.wg), problem, caps)
}

/// Entries that one workgroup orders in shared memory at most.
const MOST_ORDERED: u64 = 1 << 12;

/// Whether the second command orders the parts' candidates in device memory: those wanted do not fit
/// shared memory with a step of new ones.
#[must_use]
pub fn merges_in_memory(choice: &Choice, problem: &Problem, caps: &DeviceCaps) -> bool {
    let b = problem.kind.ranks(problem.cols, problem.k).end as u64;
    let most = fitting(problem, caps, merge_bytes(choice.wg)).min(MOST_ORDERED);
    choice.use_2ce && b + u64::from(choice.wg) > most
}

/// Entries of the list of a command that orders crowded bins, and may have to select a row again:
/// as many as a workgroup orders by bins.
#[must_use]
pub fn settle_entries(wg: u32, problem: &Problem, caps: &DeviceCaps) -> u64 {
    let most = (u64::from(wg) * u64::from(MOST_BINNED)).next_power_of_two();
    fitting(problem, caps, radix_bytes(wg)).min(most.clamp(LEAST_ENTRIES, MOST_ORDERED))
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
        // A word for each candidate and eight between rows; with each row's threshold and shift.
        MergeDetail::GroupNetwork => (choice.wg / GROUP) as u64 * (cap + 8 + 2),
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
        (MergeKind::Shared, MergeDetail::Kway) => list + radix_bytes(choice.wg),
        (MergeKind::Shared, _) => list + SMALL_BYTES,
        (MergeKind::Warp, mkd) if is_grouped(MergeKind::Warp, mkd) => group_words(choice) * 4,
        (MergeKind::Warp, _) => 0,
        (MergeKind::Radix | MergeKind::Filter, _) => list + radix_bytes(choice.wg),
    };
    if !choice.use_2ce {
        return first;
    }
    let second = if merges_in_memory(choice, problem, caps) {
        let settle = radix_bytes(choice.wg) + settle_entries(choice.wg, problem, caps) * entry;
        settle.max(merge_shared_bytes(choice.wg))
    } else {
        merge_bytes(choice.wg) + merge_entries(choice, problem, caps) * entry
    };
    first.max(second)
}
