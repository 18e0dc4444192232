//! Merging in device memory: what it needs, and how many workgroups its stages have. See
//! `shared/dense.wgsl`.

use st_rank::{Choice, Problem};

use super::memory::scan_bytes;
use super::{kept, parts, room};

/// Coarse bins: 16 for each doubling of what a key has more than the least, and one for each of the
/// first 32 keys.
pub const COARSE_BINS: u32 = 464;

/// Candidates of a fine bin that are ordered by counting; a bin of more is left to one workgroup.
pub const MOST_COUNTED: u32 = 256;

/// Dispatches that merge in device memory: range, coarse, fine, starts, scatter, rank, settle.
pub const STAGES: u32 = 7;

/// Entries of a row's header.
const HEADER: u64 = 4;

/// Words of a row beside those of its bins: how many are crowded and a spare one, and where the first
/// begins.
const WORDS: u64 = 3;

/// Arrays of coarse bins: counts, least and greatest keys and columns.
const ARRAYS: u64 = 5;

/// Fine bins of a thread of the stage that finds where they begin.
const STARTS_EACH: u64 = 4;

/// Candidates of a row beyond those wanted that there is room for, at least: those of the last bin.
const SPARE: u64 = 1 << 12;

/// Workgroups that share lists, if rows and parts are few.
const MOST_SHARING: u64 = 512;

/// Workgroups for the crowded bins of a row.
const MOST_SETTLING: u64 = 256;

/// What the stages need for each row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InMemory {
    /// Room for candidates next to each other: what is wanted, and the rest of the last bin.
    pub room: u64,
    /// Lists.
    pub lists: u64,
    /// Workgroups for each list.
    pub slices: u64,
    wanted: u64,
    wg: u64,
}

impl InMemory {
    /// For a choice that merges in device memory.
    #[must_use]
    pub fn new(choice: &Choice, problem: &Problem) -> Self {
        let b = problem.kind.ranks(problem.cols, problem.k).end.max(problem.k) as u64;
        let lists = parts(choice, problem.cols) as u64;
        let all = lists.saturating_mul(room(choice, problem)).max(kept(choice, problem)).max(b);
        Self {
            room: all.min(b + b / 4 + SPARE),
            lists,
            slices: (MOST_SHARING / lists.saturating_mul(problem.rows as u64).max(1)).max(1),
            wanted: b,
            wg: u64::from(choice.wg.max(1)),
        }
    }

    /// Entries of a row that come before the candidates: header, ranges, table, crowded bins.
    #[must_use]
    pub const fn table_entries(&self) -> u64 {
        let crowded = self.room / MOST_COUNTED as u64 + 1;
        HEADER + 2 * self.lists * self.slices + 3 * COARSE_BINS as u64 + crowded
    }

    /// Fine bins that there may be: one for every two candidates wanted, and for every four that
    /// there is room for in the last coarse bin.
    const fn fine_bins(&self) -> u64 {
        COARSE_BINS as u64 + self.wanted / 2 + self.room / 4
    }

    /// Entries of a row's bins, behind the lists of all rows.
    #[must_use]
    pub const fn bin_entries(&self) -> u64 {
        (WORDS + ARRAYS * COARSE_BINS as u64 + self.fine_bins()).div_ceil(2)
    }

    /// Entries of a row in all, beside its lists.
    #[must_use]
    pub const fn row_entries(&self) -> u64 {
        self.table_entries() + self.room + self.bin_entries()
    }

    /// Workgroups of the stages that go through the lists.
    #[must_use]
    pub const fn list_groups(&self) -> u64 {
        self.lists * self.slices
    }

    /// Workgroups that find where bins begin.
    #[must_use]
    pub const fn starts_groups(&self) -> u64 {
        self.fine_bins().div_ceil(STARTS_EACH * self.wg)
    }

    /// Workgroups that rank candidates.
    #[must_use]
    pub const fn rank_groups(&self) -> u64 {
        self.room.div_ceil(self.wg)
    }

    /// Workgroups that order crowded bins.
    #[must_use]
    pub fn settle_groups(&self) -> u64 {
        self.room.div_ceil(SPARE).clamp(1, MOST_SETTLING)
    }
}

/// Shared memory of the stage that takes most: five words for each coarse bin, or four and a sum over
/// the workgroup.
pub(super) fn merge_shared_bytes(wg: u32) -> u64 {
    let coarse = u64::from(COARSE_BINS) * 4;
    (ARRAYS * coarse).max(4 * coarse + scan_bytes(wg)) + SMALL_BYTES
}

/// Counters.
const SMALL_BYTES: u64 = 64;

#[cfg(test)]
mod tests {
    use st_rank::{MergeDetail, MergeKind, RankKind};

    use super::*;

    #[test]
    fn a_row_of_many_lists_has_room_for_what_is_wanted() {
        let choice = Choice {
            mk: MergeKind::Filter,
            mkd: MergeDetail::Auto,
            tile: 16_384,
            ctile: 3072,
            use_2ce: true,
            wg: 512,
            kl: 32,
            ch: 380_928,
        };
        let k = 1_000_000;
        let needs = InMemory::new(&choice, &Problem::new(RankKind::TopK, 1, 100_000_000, k));
        assert_eq!((needs.room, needs.lists, needs.slices), (1_254_096, 263, 1));
        assert_eq!(needs.fine_bins(), 464 + 500_000 + 313_524);
        assert_eq!((needs.rank_groups(), needs.settle_groups()), (2450, 256));
        let middle = InMemory::new(
            &Choice { ch: 0, mk: MergeKind::Radix, ..choice },
            &Problem::new(RankKind::MidK, 3, 20_000, 1),
        );
        assert!(middle.room >= 10_000, "{middle:?}");
        assert_eq!((middle.lists, middle.slices), (1, 170));
    }
}
