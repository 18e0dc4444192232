//! How short rows are shared out (`group.cu`).

use st_rank::{Choice, MergeDetail, Problem};

use super::{GROUP, vector_elements};

/// Columns that a lane holds of a short row.
const LANE_COLUMNS: usize = 32;
/// Vectors of such a lane: one more than whole rows of 32-bit elements need, for rows that begin within one.
const MOST_GROUPED: u32 = 9;

/// Lanes that share a short row: 8, 16 or 32.
#[must_use]
pub const fn group_lanes(problem: &Problem) -> u32 {
    let lanes = problem.cols.div_ceil(LANE_COLUMNS).next_power_of_two();
    if lanes < 8 {
        8
    } else if lanes > 32 {
        32
    } else {
        lanes as u32
    }
}

/// Vectors of a row that each lane of a group holds.
#[must_use]
pub const fn group_vectors(problem: &Problem, aligned: bool) -> u32 {
    let each = vector_elements(problem.dtype) as usize;
    let all = if aligned { problem.cols } else { problem.cols + each - 1 };
    let vectors = all.div_ceil(each).div_ceil(group_lanes(problem) as usize);
    if vectors > MOST_GROUPED as usize {
        MOST_GROUPED
    } else if vectors == 0 {
        1
    } else {
        vectors as u32
    }
}

/// Rows of a block of the kernel of short rows.
#[must_use]
pub const fn group_rows(choice: &Choice, problem: &Problem) -> u64 {
    let waves = (choice.wg / 32) as u64;
    if matches!(choice.mkd, MergeDetail::GroupNetwork) {
        waves * 32
    } else {
        waves * (32 / group_lanes(problem)) as u64
    }
}

/// Shared memory of a block of the kernel of short rows: that of `group.cu`, where a wave has four rows at a time.
#[must_use]
pub const fn group_bytes(choice: &Choice) -> u64 {
    let (waves, list) = ((choice.wg / 32) as u64, (GROUP * choice.kl) as u64);
    match choice.mkd {
        MergeDetail::GroupNetwork => waves * (list * 33 + 64) * 4,
        _ => waves * ((list + 4) * 4 / 2 + 256) * 8,
    }
}
