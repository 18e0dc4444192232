//! What a [`Choice`] means to the kernels of CUDA and HIP, what they need, and their sources.
//!
//! | `mk` | `use_2ce` | what it runs | fields |
//! |---|---|---|---|
//! | `warp` | no | 8, 16 or 32 lanes for each short row; `mkd` 6: candidates are counted, 7: ordered by networks of one lane (`kl` 8) or of all (16 and more) | `mkd`, `wg`, `kl` |
//! | `shared` | no | a block orders a whole row in shared memory | `wg`, `kl` |
//! | `filter` | no | a block reads a row, or a part of it, once against a sampled threshold, for ranks in the middle against two; the last block of a row merges its parts' lists | `tile`, `wg`, `kl`, `ch` |
//! | `filter` | yes | blocks read parts once against two sampled elements, into runs of a list in device memory, of which other blocks order a few bins each: any ranks, many of them; parts take turns step by step | `tile`, `wg`, `kl`, `ch` |
//! | `radix` | no | the same as `filter` in one command with lists made exactly, digit by digit | `wg`, `kl`, `ch` |
//! | `radix` | yes | histograms in device memory, a tally, a collection in the order of columns, then ordered: any ranks, any k | `wg`, `kl`, `ch` |
//!
//! `kl x wg` candidates fit a block's list: the row for `shared`, the last rank wanted for the lists; for
//! `radix` in two commands the k up to which one block orders the result. `tile` is the columns that a
//! block has in flight: 1 to 8 vectors of 16 bytes for each thread. `ch` is the columns of a part. For short rows
//! a list has 8 x `kl` candidates, however many lanes share the row. There are no kernels of networks alone (`mk` 0).

mod between;
mod check;
mod group;
mod guess;
mod memory;
mod ring;
mod sample;

use st_rank::{Choice, DType, DeviceCaps, Field, Fields, MergeDetail, MergeKind, Problem};

pub use between::{Between, between};
pub use check::{check, check_compact};
pub use group::{
    Order, group_bytes, group_lanes, group_rows, group_vectors, is_whole, most_grouped,
};
pub use memory::{
    MEMORY_THREADS, Memory, TABLE_BYTES, filter_bytes, is_memory, memory, memory_sample,
    memory_state_bytes, order_blocks, order_bytes, runs,
};
pub use ring::{block_bytes, few_idle, ring_steps};
pub use sample::{Sample, is_held, sample};

// What parts, vectors and aligned rows are does not depend on the kernels.
pub use crate::gpu::{is_aligned, part_columns, parts, vector_elements};

/// Kernels' files, by name: those to be compiled, and what they include.
pub const SOURCES: &[(&str, &str)] = &[
    ("again.cu", include_str!("../../cuda/again.cu")),
    ("between.cuh", include_str!("../../cuda/between.cuh")),
    ("block.cu", include_str!("../../cuda/block.cu")),
    ("block.cuh", include_str!("../../cuda/block.cuh")),
    ("cluster.cuh", include_str!("../../cuda/cluster.cuh")),
    ("compact.cu", include_str!("../../cuda/compact.cu")),
    ("compat.cuh", include_str!("../../cuda/compat.cuh")),
    ("element.cuh", include_str!("../../cuda/element.cuh")),
    ("exact.cuh", include_str!("../../cuda/exact.cuh")),
    ("group.cu", include_str!("../../cuda/group.cu")),
    ("group.cuh", include_str!("../../cuda/group.cuh")),
    ("lanes.cuh", include_str!("../../cuda/lanes.cuh")),
    ("memory.cuh", include_str!("../../cuda/memory.cuh")),
    ("memory_filter.cu", include_str!("../../cuda/memory_filter.cu")),
    ("memory_order.cu", include_str!("../../cuda/memory_order.cu")),
    ("memory_sample.cu", include_str!("../../cuda/memory_sample.cu")),
    ("order.cu", include_str!("../../cuda/order.cu")),
    ("order.cuh", include_str!("../../cuda/order.cuh")),
    ("paired.cuh", include_str!("../../cuda/paired.cuh")),
    ("parked.cuh", include_str!("../../cuda/parked.cuh")),
    ("ranks.cu", include_str!("../../cuda/ranks.cu")),
    ("ranks.cuh", include_str!("../../cuda/ranks.cuh")),
    ("sort.cu", include_str!("../../cuda/sort.cu")),
    ("sort.cuh", include_str!("../../cuda/sort.cuh")),
    ("sweep.cuh", include_str!("../../cuda/sweep.cuh")),
    ("test.cuh", include_str!("../../cuda/test.cuh")),
    ("words.cuh", include_str!("../../cuda/words.cuh")),
];

/// Bins of the histograms in shared memory.
pub const BINS: u32 = 2048;
/// Bits of a digit of keys, where histograms find a rank.
pub const DIGIT: u32 = 11;
/// Bits of a digit, where candidates are sorted in device memory.
pub const SORT_DIGIT: u32 = 8;
/// Candidates that are compared with one another at most; see `order.cuh`.
const CROWD: u32 = 128;
/// Vectors that a thread has in flight, at most.
pub const MOST_FLIGHT: u32 = 8;
/// Parts of a row, at most: a row's tallies are added up by one block.
pub const MAX_PARTS: usize = 4096;
/// Candidates of a list, at most: places in it have 16 bits.
pub const MAX_LIST: u32 = 1 << 15;
/// Blocks of a cluster, at most.
const MAX_CLUSTER: u64 = 8;
/// The greatest block and the least.
pub const MAX_BLOCK: u32 = 1024;
const MIN_BLOCK: u32 = 64;
/// Threads of a multiprocessor for which kernels are compiled: 64 registers for each; and for those with a
/// network in registers.
const RESIDENT: u32 = 1024;
const NETWORK_RESIDENT: u32 = 512;
/// The same for blocks that have a multiprocessor each: 128 registers.
const ALONE_RESIDENT: u32 = 512;
/// Vectors of a step for which 64 registers suffice to load ahead. 512x50257, k 50, took 34.5 us so, and 38.5 without; with eight
/// vectors and spilled registers 1000x20000, k 20, took 41.7 and 37.7.
const AHEAD_FLIGHT: u32 = 4;
/// Candidates of a short row's list for each `kl`.
pub const GROUP: u32 = 8;
/// Columns of a short row, at most.
pub const GROUP_COLUMNS: usize = 1024;
/// Ranks that a lane orders alone, by counting or by a network.
pub const LANE_RANKS: u64 = 32;
/// The `kl` of the network of a lane. Greater ones are for networks between lanes.
pub const NETWORK_KL: u32 = 8;

/// How a list of candidates is made (`MODE` of `block.cu`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lists {
    /// Of a whole row.
    Whole = 0,
    /// Of what reaches a sampled threshold.
    Sampled = 1,
    /// Digit by digit.
    Exact = 2,
    /// Of a row that a block holds in registers.
    Held = 3,
    /// Of what lies between two sampled keys, for ranks in the middle.
    Between = 4,
}

/// How short rows are held and ordered (`group.cu`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Group {
    /// Lanes that share a row.
    pub lanes: u32,
    /// Vectors of a lane.
    pub vectors: u32,
    /// How the threshold is guessed at first, as the kernel is told it.
    pub guess: u32,
    /// How candidates are ordered.
    pub order: Order,
    /// Whether a list has room for every element of a row.
    pub whole: bool,
    /// Whether every row is whole vectors.
    pub full: bool,
    /// Whether every lane has as many of them.
    pub even: bool,
    /// Whether elements are floats of 16 bits, and may be compared in pairs.
    pub floats: bool,
}

/// A file compiled for one width of elements, with its constants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Unit {
    /// The file's name.
    pub file: &'static str,
    /// Bits of an element.
    pub width: u32,
    /// Threads of a block.
    pub threads: u32,
    /// Candidates of a list; 0 for files without one.
    pub capacity: u32,
    /// For `block.cu`.
    pub lists: Lists,
    /// Vectors of a thread in flight.
    pub flight: u32,
    /// Vectors of a thread in the sample.
    pub sample: u32,
    /// Whether blocks have a multiprocessor each, and twice the registers.
    pub alone: bool,
    /// Steps that such a block has on their way into shared memory; 0 if it reads into registers.
    pub ring: u32,
    /// Blocks of a cluster; 1 if there are none.
    pub cluster: u32,
    /// For `group.cu`.
    pub group: Option<Group>,
    /// Whether results have indices of 64 bits.
    pub wide: bool,
}

impl Unit {
    const fn new(file: &'static str, dtype: DType, threads: u32) -> Self {
        Self {
            file,
            width: dtype.size() as u32 * 8,
            threads,
            capacity: 0,
            lists: Lists::Whole,
            flight: 1,
            sample: 1,
            alone: false,
            ring: 0,
            cluster: 1,
            group: None,
            wide: false,
        }
    }

    /// A file without lists.
    #[must_use]
    pub const fn plain(file: &'static str, dtype: DType, threads: u32) -> Self {
        Self::new(file, dtype, threads)
    }

    /// A file that orders lists.
    #[must_use]
    pub const fn listing(file: &'static str, dtype: DType, choice: &Choice) -> Self {
        Self { capacity: capacity(choice), ..Self::new(file, dtype, choice.wg) }
    }

    /// The kernel of short rows.
    #[must_use]
    pub fn group(choice: &Choice, problem: &Problem) -> Self {
        let order = Order::of(choice);
        let aligned = is_aligned(problem) && !problem.lengths.is_ragged();
        let vectors = group_vectors(problem, aligned);
        let lanes = group_lanes(problem);
        let each = vector_elements(problem.dtype);
        let full = (problem.cols as u32).is_multiple_of(each);
        let even = lanes * vectors * each == problem.cols as u32;
        let whole = is_whole(choice, problem);
        // Whole rows are read by elements and need no threshold: one kernel for many lengths.
        let list = GROUP * choice.kl;
        let (vectors, guess) = match whole {
            true => (1, 0),
            false => (vectors, guess::guess(problem.cols, lanes, wanted(problem), list).bits()),
        };
        let full = aligned && full && order != Order::Lanes;
        let (even, floats) = (full && even, full && is_half(problem.dtype));
        let group = Group { lanes, vectors, guess, order, whole, full, even, floats };
        let own = Self::new("group.cu", problem.dtype, choice.wg);
        Self { capacity: list, group: Some(group), ..own }
    }

    /// How many of its blocks a multiprocessor should hold.
    #[must_use]
    pub fn blocks_each(&self) -> u32 {
        let network = self.group.is_some_and(|group| group.order == Order::Lane);
        let resident = match self.alone {
            true => ALONE_RESIDENT,
            false if network => NETWORK_RESIDENT,
            false => RESIDENT,
        };
        (resident / self.threads.max(1)).max(1)
    }

    /// Whether a thread has registers for a step's vectors while it looks at those of the one before (`block.cu`, MODE 1).
    #[must_use]
    pub const fn loads_ahead(&self) -> bool {
        self.alone || (self.flight <= AHEAD_FLIGHT && matches!(self.lists, Lists::Sampled))
    }

    /// The constants, as a compiler is told them.
    #[must_use]
    pub fn defines(&self) -> Vec<String> {
        let mut own = vec![
            ("WIDTH", self.width),
            ("THREADS", self.threads),
            ("GROUPS", self.blocks_each()),
            ("CAPACITY", self.capacity),
        ];
        match self.group {
            Some(Group { lanes, vectors, guess, order, whole, full, even, floats }) => {
                own.extend([
                    ("LANES", lanes),
                    ("VECTORS", vectors),
                    ("GUESS", guess),
                    ("NETWORK", order as u32),
                    ("WHOLE", whole.into()),
                    ("FULL", full.into()),
                    ("EVEN", even.into()),
                    ("FLOATS", floats.into()),
                ])
            }
            None => own.extend([
                ("MODE", self.lists as u32),
                ("FLIGHT", self.flight),
                ("SAMPLE", self.sample),
                ("AHEAD", self.loads_ahead().into()),
                ("RING", self.ring),
                ("CLUSTER", self.cluster),
            ]),
        }
        if self.wide {
            own.push(("WIDE", 1));
        }
        own.iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    /// The file's text.
    ///
    /// # Panics
    /// If there is no such file: a slip of ours.
    #[must_use]
    pub fn source(&self) -> &'static str {
        let found = SOURCES.iter().find(|(name, _)| *name == self.file);
        found.expect("units are made of files that are here").1
    }
}

/// Whether elements are floats of 16 bits.
const fn is_half(dtype: DType) -> bool {
    matches!(dtype, DType::F16 | DType::Bf16)
}

/// The block nearest to what was asked for: a power of two. Of two that are as near, the smaller.
#[must_use]
pub fn nearest_block(asked: f64, caps: &DeviceCaps) -> u32 {
    let most = caps.max_workgroup.clamp(MIN_BLOCK, MAX_BLOCK);
    let all = (5..=10).map(|log| 1u32 << log).filter(|&wg| wg <= most);
    let far = |wg: &u32| (f64::from(*wg) - asked).abs();
    all.min_by(|a, b| far(a).total_cmp(&far(b))).unwrap_or(MIN_BLOCK)
}

/// Candidates of a block's list.
#[must_use]
pub const fn capacity(choice: &Choice) -> u32 {
    choice.wg.saturating_mul(choice.kl)
}

/// Bytes of a candidate.
#[must_use]
pub const fn entry_bytes(dtype: DType) -> u64 {
    if dtype.size() == 8 { 16 } else { 8 }
}

/// Shared memory of what blocks add up by: no less than the kernels' `Small`.
#[must_use]
pub const fn small_bytes(threads: u32) -> u64 {
    let waves = threads.div_ceil(32) as u64;
    (128 + 44 * waves).next_multiple_of(16)
}

/// Shared memory of a block that orders a list: that of `order.cuh`'s `Bench`.
#[must_use]
pub const fn bench_bytes(capacity: u32, threads: u32, dtype: DType) -> u64 {
    // Keys and a vector of them, columns, two places of 16 bits; counts and a vector before and after them.
    let keys = capacity as u64 * (entry_bytes(dtype) / 2) + 16;
    let waiting = ((capacity / CROWD + 2) as u64 * 8).next_multiple_of(16);
    let bins = BINS as u64 * 4 + 32;
    small_bytes(threads) + keys + capacity as u64 * 8 + bins + waiting
}

/// Shared memory by which so many blocks, if they are a cluster of more than two, give one another candidates: that of
/// `cluster.cuh`'s `Shares`.
const fn shares_bytes(parts: u64, dtype: DType) -> u64 {
    if parts <= 2 || !is_cluster(parts) {
        return 0;
    }
    ((parts + 1) * (entry_bytes(dtype) / 2 + 4 + parts * 4)).next_multiple_of(16)
}

/// Vectors that each thread has in flight.
#[must_use]
pub const fn flight(choice: &Choice, dtype: DType) -> u32 {
    match choice.tile.checked_div(choice.wg.saturating_mul(vector_elements(dtype))) {
        Some(vectors) => vectors,
        None => 1,
    }
}

/// The last rank wanted of a full row, which a list must reach.
#[must_use]
pub fn wanted(problem: &Problem) -> u64 {
    problem.kind.ranks(problem.cols, problem.k).end as u64
}

/// Whether so many parts of a row are a cluster of blocks, where a device has such. Few sizes, so that there are few
/// kernels to compile.
#[must_use]
pub const fn is_cluster(parts: u64) -> bool {
    parts > 1 && parts <= MAX_CLUSTER && parts.is_power_of_two()
}

/// Whether a filter's blocks are so few that each has a multiprocessor, and registers, to itself.
#[must_use]
pub fn is_alone(choice: &Choice, problem: &Problem, blocks: u64, cores: u32) -> bool {
    choice.mk == MergeKind::Filter
        && !choice.use_2ce
        && blocks <= u64::from(cores)
        && choice.wg <= ALONE_RESIDENT
        && !is_held(choice, problem)
}

/// The sub-strategies of a merge kind.
#[must_use]
pub const fn details(mk: MergeKind) -> &'static [MergeDetail] {
    match mk {
        MergeKind::Bitonic => &[MergeDetail::Bitonic, MergeDetail::Auto],
        MergeKind::Warp => &[MergeDetail::GroupRank, MergeDetail::GroupNetwork, MergeDetail::Auto],
        MergeKind::Shared | MergeKind::Radix | MergeKind::Filter => &[MergeDetail::Auto],
    }
}

/// The fields that change what is launched.
#[must_use]
pub const fn uses(mk: MergeKind, _mkd: MergeDetail) -> Fields {
    // Rows that are not split want `ch` to say so.
    let all = Fields::of(&[Field::Mk, Field::Use2ce, Field::Wg, Field::Kl, Field::Ch]);
    match mk {
        MergeKind::Filter => all.with(Field::Tile),
        MergeKind::Warp => all.with(Field::Mkd),
        MergeKind::Bitonic | MergeKind::Radix | MergeKind::Shared => all,
    }
}

/// What a choice needs of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footprint {
    /// Shared memory of a block, in bytes.
    pub shared_bytes: u64,
    /// Blocks of the first launch.
    pub blocks: u64,
    /// Launches.
    pub launches: u32,
    /// Times that the input is read.
    pub reads: u32,
}

/// What a feasible choice needs and does.
#[must_use]
pub fn footprint(choice: &Choice, problem: &Problem) -> Footprint {
    let width = problem.dtype.size() as u32 * 8;
    let blocks = problem.rows as u64 * parts(choice, problem.cols) as u64;
    let digits = width.div_ceil(DIGIT);
    let listed = bench_bytes(capacity(choice), choice.wg, problem.dtype);
    let (shared_bytes, launches, reads) = match (choice.mk, choice.use_2ce) {
        (MergeKind::Radix | MergeKind::Filter, true) => {
            let bins = small_bytes(choice.wg) + 2 * u64::from(BINS) * 4;
            let ordered = match in_memory(choice, problem) {
                None => 0,
                Some(false) => 1,
                Some(true) => 3 * width.div_ceil(SORT_DIGIT),
            };
            let most = if ordered == 1 { bins.max(listed) } else { bins };
            if choice.mk == MergeKind::Filter {
                // The kernels of radix follow, for rows that are flagged.
                let most = most.max(memory::shared_bytes(choice, problem.dtype));
                (most, memory::LAUNCHES + 1, 1)
            } else {
                (most, digits + 2 + ordered, digits + 2)
            }
        }
        (MergeKind::Radix, false) => (listed, 1, digits + 1),
        (MergeKind::Warp, _) => {
            let blocks = (problem.rows as u64).div_ceil(group_rows(choice, problem).max(1));
            let shared_bytes = group_bytes(choice, problem);
            return Footprint { shared_bytes, blocks, launches: 1, reads: 1 };
        }
        (MergeKind::Filter, false) => {
            (listed + shares_bytes(parts(choice, problem.cols) as u64, problem.dtype), 1, 1)
        }
        _ => (listed, 1, 1),
    };
    Footprint { shared_bytes, blocks, launches, reads }
}

/// Whether the result of radix selection in two commands is sorted in device memory (true), by a block (false),
/// or not at all (none).
#[must_use]
pub fn in_memory(choice: &Choice, problem: &Problem) -> Option<bool> {
    problem.sorted.then(|| problem.k > capacity(choice) as usize)
}

/// Shared memory that a block may have: no device has less than [`LEAST_SHARED`], whatever caps say.
#[must_use]
pub const fn shared_limit(caps: &DeviceCaps) -> u64 {
    let bytes = caps.shared_mem as u64;
    if bytes < LEAST_SHARED { LEAST_SHARED } else { bytes }
}

/// Shared memory of a block that every device has.
pub const LEAST_SHARED: u64 = 48 << 10;
