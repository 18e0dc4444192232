//! From a plan to its dispatches. Nothing here touches a device.

use bytemuck::{Pod, Zeroable};
use st_kernels::gpu;
use st_kernels::wgsl::{Permutation, Stage};
use st_rank::dtype::Encoding;
use st_rank::order::CodeMap;
use st_rank::{
    Choice, DeviceCaps, Direction, Element, Error, Field, Lengths, MergeKind, NanOrder, Problem,
    RankKind, RankPlan, Result,
};

/// `Params` of `params.wgsl`, field for field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Params {
    pub(crate) rows: u32,
    pub(crate) cols: u32,
    pub(crate) k: u32,
    pub(crate) start: u32,
    pub(crate) mode: u32,
    pub(crate) stride: u32,
    pub(crate) offset: u32,
    pub(crate) row0: u32,
    pub(crate) parts: u32,
    pub(crate) part_cols: u32,
    pub(crate) kept: u32,
    pub(crate) list_stride: u32,
    pub(crate) mask: u32,
    pub(crate) flip: u32,
    pub(crate) add: u32,
    pub(crate) nan_low: u32,
    pub(crate) nan_high: u32,
    pub(crate) zero_low: u32,
    pub(crate) zero_step: u32,
    pub(crate) floats: u32,
    pub(crate) sorted: u32,
    pub(crate) ragged: u32,
    pub(crate) groups_x: u32,
    pub(crate) lo: u32,
    pub(crate) hi: u32,
    pub(crate) list_parts: u32,
    pub(crate) sort_room: u32,
    pub(crate) sort_base: u32,
    pub(crate) vectors: u32,
    pub(crate) sample_rank: u32,
    pub(crate) room: u32,
    pub(crate) count_base: u32,
    pub(crate) steps: u32,
    pub(crate) held: u32,
    pub(crate) slices: u32,
    pub(crate) bins_stride: u32,
    pub(crate) bins_base: u32,
    pub(crate) again: u32,
}

/// The code map of a type in the 32 bits of a shader's word: unsigned keys, 16-bit elements in the
/// upper half.
pub(crate) fn key_map<T: Element>(direction: Direction, nan: NanOrder) -> Params {
    let map = CodeMap::<T::Lane>::new::<T>(direction, nan);
    let shift = 32 - 8 * size_of::<T>() as u32;
    let word = |x: T::Lane| (st_rank::order::Lane::to_i64(x) as u32) << shift;
    let key = |x: T::Lane| word(x).wrapping_add(1 << 31);
    let floats = matches!(T::ENCODING, Encoding::Float { .. });
    Params {
        mask: word(map.and),
        flip: word(map.xor),
        add: word(map.add).wrapping_add(1 << 31),
        nan_low: key(map.nan_low),
        nan_high: key(map.nan_high),
        zero_low: key(map.zero_low),
        zero_step: 1 << shift,
        floats: floats.into(),
        ..Params::default()
    }
}

impl Params {
    /// The key of an element's bits, as a shader makes it.
    pub(crate) fn key(&self, bits: u32) -> u32 {
        let sign = (bits.cast_signed() >> 31).cast_unsigned();
        let raw = ((bits ^ (sign & self.mask)) ^ self.flip).wrapping_add(self.add);
        if self.floats != 0 {
            if raw >= self.nan_low && raw <= self.nan_high {
                return self.nan_high;
            }
            if raw == self.zero_low {
                return raw + self.zero_step;
            }
        }
        raw
    }
}

/// One dispatch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dispatch {
    pub(crate) permutation: Permutation,
    pub(crate) workgroups: u64,
    pub(crate) params: Params,
}

/// What a plan needs in memory, and its commands for a batch of rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    pub(crate) problem: Problem,
    choice: Choice,
    caps: DeviceCaps,
    /// Lanes of the device's widest subgroup.
    most_lanes: u32,
    /// Entries of lists for each row, and of bins behind the lists of all rows.
    list_stride: u64,
    bin_entries: u64,
    base: Params,
}

/// Bytes of an entry of lists.
pub(crate) const ENTRY_BYTES: u64 = 8;

/// Lists of a row are a multiple of so many entries where bins follow them, which are bound on their
/// own: 256 bytes, the greatest alignment of a binding.
const BOUND_ENTRIES: u64 = 32;

/// Steps of interpolation that find short rows' thresholds, of random rows all but one in millions; the
/// others are found by bisection, which reads them again and again: with five steps, three rows of 16,384
/// doubled a call's time.
const GROUP_STEPS: u32 = 10;

impl Layout {
    pub(crate) fn new(plan: &RankPlan, caps: &DeviceCaps, most_lanes: u32, map: Params) -> Self {
        let (problem, choice) = (plan.problem, plan.choice);
        let most_lanes = most_lanes.max(1);
        // What is dealt to subgroups, and a threshold from each, want every lane of every subgroup there.
        let full = choice.wg.is_multiple_of(most_lanes) || choice.mk == MergeKind::Warp;
        let caps = caps.with_subgroup(caps.lane, caps.subgroups && full);
        let parts = gpu::parts(&choice, problem.cols) as u64;
        let part_cols = gpu::part_columns(&choice, problem.cols) as u64;
        let kept = if choice.use_2ce { gpu::kept(&choice, &problem) } else { 0 };
        let list_room = if choice.use_2ce { gpu::room(&choice, &problem) } else { 0 };
        let lists = parts * list_room;
        let k = problem.k as u64;
        let in_memory = gpu::merges_in_memory(&choice, &problem, &caps)
            .then(|| gpu::InMemory::new(&choice, &problem));
        let first = Permutation::first(&choice, &problem, &caps, false);
        // Room for what does not fit shared memory: a part to be sorted, all candidates, k results.
        let part_room = match first.stage {
            Stage::Bitonic if part_cols > u64::from(first.cap) => part_cols.next_power_of_two(),
            _ => 0,
        };
        let results = match (choice.use_2ce, first.stage) {
            (false, Stage::Radix) => k > u64::from(first.cap),
            // A sample that misleads has its row selected again.
            (true, Stage::Filter) => k > gpu::merge_entries(&choice, &problem, &caps),
            _ => false,
        };
        let results = if results { k } else { 0 };
        // A count for each list.
        let counts = if choice.use_2ce { parts } else { 0 };
        let sort_base = lists + counts + in_memory.map_or(0, |needs| needs.table_entries());
        let room = in_memory.map_or(0, |needs| needs.room);
        let list_stride = sort_base + (part_room * parts).max(results).max(room);
        let bin_entries = in_memory.map_or(0, |needs| needs.bin_entries());
        let list_stride = match in_memory {
            Some(_) => list_stride.next_multiple_of(BOUND_ENTRIES),
            None => list_stride,
        };
        let (mode, start) = match problem.kind {
            RankKind::TopK | RankKind::BottomK => (0, 0),
            RankKind::MidK => (1, 0),
            RankKind::Range { start } => (2, clamp(start as u64)),
        };
        let base = Params {
            cols: clamp(problem.cols as u64),
            k: clamp(k),
            start,
            mode,
            stride: clamp(problem.row_stride as u64),
            parts: clamp(parts),
            part_cols: clamp(part_cols),
            kept: clamp(kept),
            list_stride: clamp(list_stride),
            sorted: problem.sorted.into(),
            ragged: match problem.lengths {
                Lengths::Full => 0,
                Lengths::Ragged => 1,
                Lengths::Padded => 2,
            },
            list_parts: clamp(parts),
            sort_room: clamp(part_room),
            sort_base: clamp(sort_base),
            room: clamp(list_room),
            count_base: clamp(lists),
            sample_rank: match choice.mk {
                MergeKind::Filter => gpu::sample(&choice, &problem, &caps).rank,
                _ => 0,
            },
            steps: GROUP_STEPS,
            ..map
        };
        Self { problem, choice, caps, most_lanes, list_stride, bin_entries, base }
    }

    /// Bytes of lists that a row needs.
    pub(crate) const fn list_bytes(&self) -> u64 {
        self.list_stride.saturating_add(self.bin_entries).saturating_mul(ENTRY_BYTES)
    }

    /// Refuses rows whose first element is so many elements into the binding that they do not begin
    /// with a vector, where the kernel holds no vector more.
    pub(crate) fn check_offset(&self, offset: u64) -> Result<()> {
        let Self { problem, choice, .. } = self;
        let vector = gpu::vector_elements(problem.dtype);
        let fits = |aligned| gpu::group_vectors(problem, aligned) * vector <= gpu::MOST_SWEPT;
        let aligned = gpu::is_aligned(problem) && offset.is_multiple_of(u64::from(vector));
        if gpu::is_grouped(choice.mk, choice.mkd) && !fits(aligned) {
            return Err(Error::Infeasible {
                field: Field::Mkd.name(),
                value: u64::from(choice.mkd.code()),
                kind: problem.kind,
                allowed: "groups hold 224 columns where rows do not begin with 16 bytes",
            });
        }
        Ok(())
    }

    /// The dispatches for `rows` rows from `row0` on, whose first element is `offset` elements into
    /// the binding.
    pub(crate) fn dispatches(&self, row0: u64, rows: u64, offset: u64) -> Vec<Dispatch> {
        let Self { problem, choice, caps, most_lanes, base, .. } = self;
        let params =
            Params { rows: clamp(rows), row0: clamp(row0), offset: clamp(offset), ..*base };
        let vector = u64::from(gpu::vector_elements(problem.dtype));
        let aligned = gpu::is_aligned(problem) && offset.is_multiple_of(vector);
        let first = Permutation::first(choice, problem, caps, aligned);
        let params = Params { held: first.vectors, ..params };
        let parts = rows * u64::from(base.parts);
        let of_group = match first.stage {
            // At least so many subgroups, and so parts, are in a workgroup.
            Stage::Warp => u64::from((choice.wg / most_lanes).max(1)),
            Stage::GroupRank | Stage::GroupNetwork => u64::from(choice.wg / gpu::GROUP),
            _ => 1,
        };
        let mut list =
            vec![Dispatch { permutation: first, workgroups: parts.div_ceil(of_group), params }];
        if !choice.use_2ce {
            return list;
        }
        if gpu::merges_in_memory(choice, problem, caps) {
            self.merge_in_memory(rows, params, &mut list);
        } else {
            list.push(self.second(Stage::Merge, rows, 1, params));
        }
        list
    }

    fn second(&self, stage: Stage, rows: u64, parts: u64, params: Params) -> Dispatch {
        let Self { problem, choice, caps, .. } = self;
        Dispatch {
            permutation: Permutation::second(stage, choice, problem, caps),
            workgroups: rows * parts,
            params: Params { parts: clamp(parts), ..params },
        }
    }

    /// The second command where all workgroups order the candidates together, in device memory: by
    /// rank, and once more if by index.
    fn merge_in_memory(&self, rows: u64, params: Params, list: &mut Vec<Dispatch>) {
        let needs = gpu::InMemory::new(&self.choice, &self.problem);
        let params = Params {
            sort_room: clamp(needs.room),
            slices: clamp(needs.slices),
            bins_stride: clamp(2 * self.bin_entries),
            bins_base: clamp(rows.saturating_mul(self.list_stride)),
            ..params
        };
        let stages = [
            (Stage::Range, needs.list_groups()),
            (Stage::Coarse, needs.list_groups()),
            (Stage::Fine, needs.list_groups()),
            (Stage::Starts, needs.starts_groups()),
            (Stage::Scatter, needs.list_groups()),
            (Stage::Rank, needs.rank_groups()),
            (Stage::Settle, needs.settle_groups()),
        ];
        for again in 0..1 + u32::from(!self.problem.sorted) {
            let params = Params { again, ..params };
            list.extend(stages.map(|(stage, parts)| self.second(stage, rows, parts, params)));
        }
    }
}

/// Sizes that are too large for a word are refused before by what the device can bind.
fn clamp(x: u64) -> u32 {
    u32::try_from(x).unwrap_or(u32::MAX)
}
