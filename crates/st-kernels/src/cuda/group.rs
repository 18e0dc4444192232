//! How short rows are shared out (`group.cu`).

use st_rank::{Choice, MergeDetail, Problem};

use super::{GROUP, NETWORK_KL, vector_elements};

/// Columns that a lane holds of a short row.
const LANE_COLUMNS: usize = 32;
/// Vectors of such a lane: one more than whole rows of 32-bit elements need, for rows that begin within one.
const MOST_GROUPED: u32 = 9;

/// How the candidates of a short row are ordered (`NETWORK` of `group.cu`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Order {
    /// The lanes count for each how many come before it.
    Counted = 0,
    /// A lane orders a row by a network in its registers.
    Lane = 1,
    /// The lanes of a row order it between them.
    Lanes = 2,
}

impl Order {
    /// What a choice of merge kind `warp` means.
    #[must_use]
    pub const fn of(choice: &Choice) -> Self {
        match choice.mkd {
            MergeDetail::GroupNetwork if choice.kl > NETWORK_KL => Self::Lanes,
            MergeDetail::GroupNetwork => Self::Lane,
            _ => Self::Counted,
        }
    }
}

/// Whether the list of a network between lanes has room for every element of a row, so that no threshold is needed.
#[must_use]
pub const fn is_whole(choice: &Choice, problem: &Problem) -> bool {
    matches!(Order::of(choice), Order::Lanes) && problem.cols <= (GROUP * choice.kl) as usize
}

/// Candidates of a short row's list, at most: as many as its lanes hold.
#[must_use]
pub const fn most_grouped(problem: &Problem) -> u32 {
    group_lanes(problem) * LANE_COLUMNS as u32
}

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
    match Order::of(choice) {
        Order::Lane => waves * 32,
        Order::Counted | Order::Lanes => waves * (32 / group_lanes(problem)) as u64,
    }
}

/// Shared memory of a block of the kernel of short rows: that of `group.cu`.
#[must_use]
pub const fn group_bytes(choice: &Choice, problem: &Problem) -> u64 {
    let (waves, list) = ((choice.wg / 32) as u64, (GROUP * choice.kl) as u64);
    let rows = (32 / group_lanes(problem)) as u64;
    // A row that is done exactly has two words for each candidate.
    let exact = 2 * list;
    let words = match Order::of(choice) {
        Order::Counted => most(rows * (list + 4), exact),
        Order::Lane => list * 33 + 64,
        Order::Lanes => 32 + most(rows * (list + list / 32), exact),
    };
    waves * words * 4
}

const fn most(a: u64, b: u64) -> u64 {
    if a > b { a } else { b }
}
