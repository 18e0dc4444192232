//! The WGSL sources, and how a permutation of one is put together.
//!
//! A stage is one file; it imports shared parts by `#import name`, each once, or has them put in place
//! by `#paste name`, with what stands behind the name in place of `@`, and `#ifdef`,
//! `#ifndef`, `#else` and `#endif` choose lines by the permutation's defines. Sizes are constants put
//! before everything. `#sort v_ COUNT` and `#merge v_ COUNT` become the compare and exchanges of a
//! network over `v_0`, `v_1` and so on, the greatest first; `#unroll j COUNT` to `#end` repeats lines with `$j` as a
//! number, because drivers keep arrays in memory where a loop over them is not unrolled. `#each j COUNT`
//! to `#end` does the same, or makes a loop of the lines for compilers that take long over long kernels.
//! There are no other directives.

mod bindings;
mod expand;
pub use bindings::{BINDINGS, Binding, STORAGE_BUFFERS};
pub(crate) use expand::SHARED;
mod looped;
mod networks;
mod unroll;

use st_rank::{Choice, DType, DeviceCaps, MergeDetail, MergeKind, Problem, RankKind};

use crate::gpu;

/// A stage: one file, one entry point `main`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the files say what they do")]
pub enum Stage {
    Bitonic,
    SharedHeap,
    SharedKway,
    SharedBitonic,
    Warp,
    Radix,
    Filter,
    Merge,
    Compact,
    Range,
    Coarse,
    Fine,
    Starts,
    Scatter,
    Rank,
    Settle,
    GroupRank,
    GroupNetwork,
}

impl Stage {
    /// Every stage.
    pub const ALL: [Self; 18] = [
        Self::Bitonic,
        Self::SharedHeap,
        Self::SharedKway,
        Self::SharedBitonic,
        Self::Warp,
        Self::Radix,
        Self::Filter,
        Self::Merge,
        Self::Compact,
        Self::Range,
        Self::Coarse,
        Self::Fine,
        Self::Starts,
        Self::Scatter,
        Self::Rank,
        Self::Settle,
        Self::GroupRank,
        Self::GroupNetwork,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bitonic => "bitonic",
            Self::SharedHeap => "shared_heap",
            Self::SharedKway => "shared_kway",
            Self::SharedBitonic => "shared_bitonic",
            Self::Warp => "warp",
            Self::Radix => "radix",
            Self::Filter => "filter",
            Self::Merge => "merge",
            Self::Compact => "compact",
            Self::Range => "range",
            Self::Coarse => "coarse",
            Self::Fine => "fine",
            Self::Starts => "starts",
            Self::Scatter => "scatter",
            Self::Rank => "rank",
            Self::Settle => "settle",
            Self::GroupRank => "group_rank",
            Self::GroupNetwork => "group_network",
        }
    }

    /// Whether it uses subgroup operations where a device has them. (Radix selection gained nothing by
    /// them: it took a tenth longer on an H200.)
    #[must_use]
    pub const fn uses_subgroups(self) -> bool {
        matches!(self, Self::Filter | Self::Merge | Self::Range | Self::Coarse | Self::Settle)
            || self.needs_subgroups()
    }

    /// Whether it works on the bins that lie behind the lists in device memory: they are bound in
    /// place of the values.
    #[must_use]
    pub const fn has_bins_in_memory(self) -> bool {
        matches!(self, Self::Range | Self::Coarse | Self::Fine | Self::Starts | Self::Scatter)
    }

    /// Whether it is nothing without subgroup operations.
    #[must_use]
    pub const fn needs_subgroups(self) -> bool {
        matches!(self, Self::Warp | Self::GroupRank | Self::GroupNetwork)
    }

    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Bitonic => include_str!("../wgsl/bitonic.wgsl"),
            Self::SharedHeap => include_str!("../wgsl/shared_heap.wgsl"),
            Self::SharedKway => include_str!("../wgsl/shared_kway.wgsl"),
            Self::SharedBitonic => include_str!("../wgsl/shared_bitonic.wgsl"),
            Self::Warp => include_str!("../wgsl/warp.wgsl"),
            Self::Radix => include_str!("../wgsl/radix.wgsl"),
            Self::Filter => include_str!("../wgsl/filter.wgsl"),
            Self::Merge => include_str!("../wgsl/merge.wgsl"),
            Self::Compact => include_str!("../wgsl/compact.wgsl"),
            Self::Range => include_str!("../wgsl/range.wgsl"),
            Self::Coarse => include_str!("../wgsl/coarse.wgsl"),
            Self::Fine => include_str!("../wgsl/fine.wgsl"),
            Self::Starts => include_str!("../wgsl/starts.wgsl"),
            Self::Scatter => include_str!("../wgsl/scatter.wgsl"),
            Self::Rank => include_str!("../wgsl/rank.wgsl"),
            Self::Settle => include_str!("../wgsl/settle.wgsl"),
            Self::GroupRank => include_str!("../wgsl/group_rank.wgsl"),
            Self::GroupNetwork => include_str!("../wgsl/group_network.wgsl"),
        }
    }
}

/// What a compaction's dispatch does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Compaction {
    /// Pairs and counts in one command.
    #[default]
    Whole,
    /// Counts alone.
    Count,
    /// Pairs, where the counts before them end.
    Apply,
}

/// What a device's compiler is to be told beside the source itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Dialect {
    /// Browsers want said what naga does not know.
    pub web: bool,
    /// There is a barrier for subgroups.
    pub subgroup_barrier: bool,
    /// Kernels are to be short: the compiler takes the square of their length, as a software driver's
    /// may.
    pub rolled: bool,
}

/// One permutation of a stage: all that its source and its pipeline depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Permutation {
    /// The file.
    pub stage: Stage,
    /// Elements of 16 bits.
    pub half: bool,
    /// With subgroup operations.
    pub subgroup: bool,
    /// The first of two commands: it leaves lists.
    pub two: bool,
    /// Threads of a workgroup.
    pub wg: u32,
    /// Entries of the list in shared memory.
    pub cap: u32,
    /// Columns swept for each tile.
    pub tile: u32,
    /// Vectors swept for each tile; of a short row, for each lane.
    pub vectors: u32,
    /// Vectors of each thread's share of a sample.
    pub sample: u32,
    /// A part is one tile at most, and stays in registers.
    pub resident: bool,
    /// The threshold of a row in registers is made tight by bins.
    pub refine: bool,
    /// Partial maxima that each lane of a short row's group takes, at most.
    pub partial: u32,
    /// So many elements reach the threshold that every subgroup finds some in every tile.
    pub dense: bool,
    /// So many that their keys go to the list with them, from registers, instead of being looked up.
    pub keyed: bool,
    /// Short rows begin and end with whole vectors of every lane.
    pub full: bool,
    /// Ranks that do not begin with the first.
    pub range: bool,
    /// Rows have lengths of their own, which the kernel checks.
    pub ragged: bool,
    /// Columns of a compaction tile for each thread.
    pub each: u32,
    /// Candidates a lane keeps.
    pub kl: u32,
    /// The warp kernel's network instead of taking off one by one.
    pub network: bool,
    /// What a compaction does.
    pub compaction: Compaction,
}

impl Permutation {
    /// A permutation with nothing but its workgroup.
    #[must_use]
    pub const fn new(stage: Stage, wg: u32) -> Self {
        Self {
            stage,
            half: false,
            subgroup: false,
            two: false,
            wg,
            cap: 2,
            tile: wg,
            vectors: wg,
            sample: 1,
            resident: false,
            refine: false,
            partial: 1,
            dense: false,
            keyed: false,
            full: false,
            range: false,
            ragged: false,
            each: 1,
            kl: 1,
            network: false,
            compaction: Compaction::Whole,
        }
    }

    /// The first command of a choice. `aligned`: every row begins with a vector.
    #[must_use]
    pub fn first(choice: &Choice, problem: &Problem, caps: &DeviceCaps, aligned: bool) -> Self {
        let stage = match (choice.mk, choice.mkd) {
            (MergeKind::Bitonic, _) => Stage::Bitonic,
            (MergeKind::Shared, MergeDetail::Kway) => Stage::SharedKway,
            (MergeKind::Shared, MergeDetail::Bitonic) => Stage::SharedBitonic,
            (MergeKind::Shared, _) => Stage::SharedHeap,
            (MergeKind::Warp, MergeDetail::GroupRank) => Stage::GroupRank,
            (MergeKind::Warp, MergeDetail::GroupNetwork) => Stage::GroupNetwork,
            (MergeKind::Warp, _) => Stage::Warp,
            (MergeKind::Radix, _) => Stage::Radix,
            (MergeKind::Filter, _) => Stage::Filter,
        };
        let cap = gpu::list_entries(choice, problem, caps).max(2);
        let base = Self {
            half: is_half(problem.dtype),
            subgroup: caps.subgroups && stage.uses_subgroups(),
            two: choice.use_2ce,
            ragged: problem.lengths.is_ragged(),
            cap: u32::try_from(cap).unwrap_or(u32::MAX),
            ..Self::new(stage, choice.wg)
        };
        let part = gpu::part_columns(choice, problem.cols);
        let resident = |step| gpu::is_resident(part, step, choice.wg, problem.dtype, aligned);
        let vectors = |step| gpu::step_vectors(step, choice.wg, problem.dtype).0;
        // Constants that a stage does not use stay as they are, so that permutations are few.
        match stage {
            Stage::Radix => Self {
                vectors: vectors(choice.ctile),
                resident: resident(choice.ctile),
                range: !choice.use_2ce && is_range(problem),
                ..base
            },
            Stage::SharedKway => Self { tile: choice.tile, kl: choice.kl, ..base },
            Stage::Warp => Self {
                tile: choice.tile,
                kl: choice.kl,
                network: choice.mkd == MergeDetail::WarpBitonic,
                ..base
            },
            Stage::GroupRank | Stage::GroupNetwork => {
                let vectors = gpu::group_vectors(problem, aligned);
                let held = (vectors * gpu::GROUP * gpu::vector_elements(problem.dtype)) as usize;
                let b = problem.kind.ranks(problem.cols, problem.k).end as u32;
                Self {
                    vectors,
                    partial: b.div_ceil(gpu::GROUP).next_power_of_two().min(4),
                    full: aligned && held == problem.cols && !problem.lengths.is_ragged(),
                    kl: choice.kl,
                    ..base
                }
            }
            Stage::Filter => {
                let whole = gpu::parts(choice, problem.cols) == 1 && !choice.use_2ce;
                let resident = whole && resident(choice.tile);
                let vectors = vectors(choice.tile);
                let sampled = gpu::sample(choice, problem, caps);
                let sample = sampled.vectors;
                // Of what a subgroup sweeps at once.
                let swept = f64::from(choice.tile) / f64::from(choice.wg) * f64::from(caps.lane);
                let share = sampled.most / problem.cols.max(1) as f64;
                let dense = share * swept > 2.0;
                // Of what a thread sweeps at once.
                let keyed = whole && !resident && share * swept > KEYED * f64::from(caps.lane);
                let b = problem.kind.ranks(problem.cols, problem.k).end;
                let refine = resident && b as u64 > base.cap as u64 / LOOSE;
                Self { vectors, sample, resident, refine, dense, keyed, ..base }
            }
            Stage::Bitonic => base,
            _ => Self { tile: choice.tile, ..base },
        }
    }

    /// A stage of the second command of a choice.
    #[must_use]
    pub fn second(stage: Stage, choice: &Choice, problem: &Problem, caps: &DeviceCaps) -> Self {
        let cap = match stage {
            Stage::Merge => gpu::merge_entries(choice, problem, caps),
            Stage::Settle => gpu::settle_entries(choice.wg, problem, caps),
            // No list in shared memory.
            _ => 2,
        };
        let settles = matches!(stage, Stage::Settle | Stage::Merge);
        let writes = settles || stage == Stage::Rank;
        // These two look at the lists alone.
        let knows_rows = !matches!(stage, Stage::Coarse | Stage::Scatter);
        Self {
            half: writes && is_half(problem.dtype),
            subgroup: caps.subgroups && stage.uses_subgroups(),
            cap: u32::try_from(cap.max(2)).unwrap_or(u32::MAX),
            range: settles && is_range(problem),
            ragged: knows_rows && problem.lengths.is_ragged(),
            ..Self::new(stage, choice.wg)
        }
    }

    /// A compaction with tiles of `ctile` columns.
    #[must_use]
    pub fn compaction(choice: &Choice, dtype: DType, what: Compaction) -> Self {
        Self {
            half: is_half(dtype),
            each: each(choice),
            compaction: what,
            ..Self::new(Stage::Compact, choice.wg)
        }
    }

    /// The WGSL source.
    #[must_use]
    pub fn source(&self, dialect: Dialect) -> String {
        let mut out = String::new();
        if dialect.web && self.subgroup {
            // What lanes of a subgroup do apart is known and allowed for (votes.wgsl).
            out.push_str("enable subgroups;\ndiagnostic(off, subgroup_uniformity);\n");
        }
        let per: u32 = if self.half { 8 } else { 4 };
        let histogram_bits = if self.range { 10 } else { gpu::HISTOGRAM.ilog2() };
        let histogram = 1 << histogram_bits;
        let each = self.cap.div_ceil(self.wg);
        let quads = self.vectors * per / 4;
        // As many partial maxima of a row as are wanted, if they can be had.
        let partial = [4, 2].into_iter().find(|n| quads.is_multiple_of(*n) && *n <= self.partial);
        let partial = partial.unwrap_or(1);
        let group_cap = gpu::GROUP * self.kl;
        let (cap, slots) = match self.stage {
            Stage::GroupRank => (group_cap, self.wg / gpu::GROUP * group_cap),
            Stage::GroupNetwork => (group_cap, 1),
            _ => (self.cap, 1),
        };
        let walks = self.stage == Stage::Radix;
        let sizes = [
            ("WG", self.wg),
            ("CAP", cap),
            ("ROOM", self.cap),
            ("TILE", self.tile),
            ("EACH", self.each),
            ("KL", self.kl),
            // Elements of a vector, and a bit for each.
            ("PER", per),
            ("PER_BITS", (1 << per) - 1),
            ("TILE_V", self.vectors),
            ("VECS", self.vectors.div_ceil(self.wg)),
            // What selects in another way now and then does so with little code.
            ("WALK", if walks { self.vectors.div_ceil(self.wg) } else { 1 }),
            ("WALK_V", if walks { self.vectors } else { self.wg }),
            ("SAMPLE", self.sample),
            ("NEIGHBOURS", gpu::NEIGHBOURS),
            ("STRETCH", gpu::STRETCH),
            ("BINS", gpu::HISTOGRAM),
            ("HISTOGRAM", histogram),
            ("HISTOGRAM_BITS", histogram_bits),
            ("LAST_BIN", histogram - 1),
            ("BINS_EACH", histogram.div_ceil(self.wg)),
            // The lowest bit of keys.
            ("KEY_END", if self.half { 16 } else { 0 }),
            ("LIST_EACH", each),
            // Candidates that are ordered by counting alone: one for each thread, and not so many
            // that comparing all with all takes longer than bins.
            ("COUNTED", self.wg.min(256)),
            ("EV", self.vectors),
            ("QUADS", quads),
            ("PARTIAL", partial),
            ("QUADS_EACH", quads / partial),
            ("SLOTS", slots),
            ("COARSE", gpu::COARSE_BINS),
            ("MOST_COUNTED", gpu::MOST_COUNTED),
        ];
        for (name, value) in sizes {
            out.push_str(&format!("const {name}: u32 = {value}u;\n"));
        }
        let mut defines = Vec::new();
        for (name, on) in [
            ("HALF", self.half),
            ("SUBGROUP", self.subgroup),
            ("WEB", dialect.web),
            ("ROLLED", dialect.rolled),
            ("SUBGROUP_BARRIER", self.subgroup && dialect.subgroup_barrier),
            ("TWO", self.two),
            ("NETWORK", self.network || self.stage == Stage::GroupNetwork),
            ("COUNT", self.compaction == Compaction::Count),
            ("APPLY", self.compaction == Compaction::Apply),
            ("RESIDENT", self.resident),
            ("HELD", self.resident && walks),
            ("RANGE", self.range),
            ("RAGGED", self.ragged),
            ("WHOLE_TILE", self.vectors.is_multiple_of(self.wg)),
            ("BINNED", each <= gpu::MOST_BINNED),
            // Of a whole row's keys the bound by the threads' greatest will do, if few are wanted.
            ("REFINE", !self.resident || self.refine),
            ("DENSE", self.dense),
            ("KEYED", self.keyed),
            // Whether the sample says that many share a key, before that is found out.
            ("KNOWS", self.dense && !self.resident && !self.two),
            ("FULL_ROWS", self.full),
            ("QUARTERS", self.stage == Stage::GroupNetwork && partial == 4),
            ("BINS_IN_MEMORY", self.stage.has_bins_in_memory()),
        ] {
            if on {
                defines.push(name);
            }
        }
        let mut imported = Vec::new();
        let mut text = String::new();
        expand::expand(self.stage.text(), &defines, &mut imported, &mut text);
        if dialect.rolled {
            text = looped::looped(&text);
        }
        out.push_str(&unroll::unroll(&text, &sizes));
        out
    }
}

/// Candidates that a thread finds at once, from which on it takes less time to look at each element in its
/// register than to read again those that are candidates.
const KEYED: f64 = 0.5;

/// How many times as many candidates as are wanted the loose bound of a row in registers may admit.
const LOOSE: u64 = 4;

fn is_range(problem: &Problem) -> bool {
    matches!(problem.kind, RankKind::MidK | RankKind::Range { .. })
}

fn is_half(dtype: DType) -> bool {
    dtype.size() == 2
}

/// Columns of a compaction tile for each thread; two counts of a tile must fit one word.
fn each(choice: &Choice) -> u32 {
    (choice.ctile / choice.wg).clamp(1, (1 << 15) / choice.wg.max(1)).max(1)
}
