//! What a [`Choice`] means on the CPU, and which ones its kernels can run.
//!
//! A *lane* is a 32-bit lane of the vector; an element of another size has more or fewer lanes
//! ([`lanes`]). `b` is the number of leading ranks, in the direction of the search, that contain
//! the wanted ones: k for `TopK` and `BottomK`, `start + k` for `Range`.
//!
//! | `mk` | kernel | its own fields |
//! |---|---|---|
//! | `bitonic` | sort the whole row: short rows, k near the columns | |
//! | `shared` | sorted insertion into the b best so far (a heap beyond a few): tiny k | `mkd` heap |
//! | `warp` | the b-th greatest of `kl` maxima for each lane bounds the answer from below; a second pass over the row in cache, or over blocks of a long one whose maxima reach the bound, collects what reaches it: short rows, and long ones with small k | `kl` |
//! | `radix` | histograms of the code's digits until the boundary is known exactly, then one collecting pass: large k, hostile data | `ctile`: columns turned into codes at a time |
//! | `filter` | read once against a running threshold that a sample seeds; what passes is kept in a buffer of b + `kl` x lanes and pruned | `tile`: columns between two tests for hits, `kl` |
//!
//! For every kernel `wg` is the number of threads. With `use_2ce = false` a thread takes whole
//! rows; with `use_2ce = true` rows are split into parts of `ch` columns (0: one part), the parts'
//! candidates are collected first and merged by row after all of them. `ch > 0` needs `use_2ce`.
//!
//! Compaction: `use_2ce = false` appends as it reads and joins what the threads have; `true`
//! counts tiles of `ctile` columns first and then writes each tile to its final place.

use st_rank::{Choice, DType, Error, Field, Fields, MergeDetail, MergeKind, Problem, Result};

/// To be raised with every change that makes the kernels' times others: tables measured before it are then left out.
pub const VERSION: u32 = 2;

/// Columns of a tile or part come in multiples of this: a cache line of the smallest type.
pub const COLUMN_STEP: u32 = 64;

/// Greatest tile, in columns.
pub const MAX_TILE: u32 = 1 << 16;

/// Greatest number of parts of one row.
pub const MAX_PARTS: usize = 1 << 12;

/// Most candidates a lane keeps.
pub const MAX_KL: u32 = 1 << 12;

/// Most threads.
pub const MAX_THREADS: u32 = 1 << 10;

const THREADS_ALLOWED: &str = "use 1 to 1024 threads";
const TILE_ALLOWED: &str = "use a multiple of 64 up to 65536";

/// Lanes of this type in a vector of `lane` 32-bit lanes.
#[must_use]
pub const fn lanes(lane: u32, dtype: DType) -> usize {
    (lane as usize * 4) / dtype.size()
}

/// Vectors of a block of the `warp` kernel, and of a small one. Fewer are tested more often, more are read again for nothing.
const BLOCKS: [usize; 2] = [16, 8];

/// Blocks for each element wanted, at least, so that most need not be read again.
const BLOCKS_EACH: [usize; 2] = [2, 1];

/// Most maxima of a lane that are kept in registers.
const REGISTER_KL: usize = 8;

/// The vectors of a block, if the `warp` kernel takes a row, or a part of one, in blocks: all of it but a rest.
#[must_use]
pub const fn block(kl: usize, lanes: usize, cols: usize, b: usize) -> Option<usize> {
    let mut nth = 0;
    while kl <= REGISTER_KL && kl.is_power_of_two() && nth < BLOCKS.len() {
        if cols / (BLOCKS[nth] * lanes) >= BLOCKS_EACH[nth] * b {
            return Some(BLOCKS[nth]);
        }
        nth += 1;
    }
    None
}

/// Parts a row of `cols` is split into.
#[must_use]
pub const fn parts(choice: &Choice, cols: usize) -> usize {
    if choice.ch == 0 || cols == 0 { 1 } else { cols.div_ceil(choice.ch as usize) }
}

/// The sub-strategies of a merge kind, the usual one first. `auto` and the kernel's own are the
/// same.
#[must_use]
pub const fn details(mk: MergeKind) -> &'static [MergeDetail] {
    match mk {
        MergeKind::Bitonic => &[MergeDetail::Bitonic, MergeDetail::Auto],
        MergeKind::Shared => &[MergeDetail::Heap, MergeDetail::Auto],
        MergeKind::Warp | MergeKind::Radix | MergeKind::Filter => &[MergeDetail::Auto],
    }
}

/// The fields that change what is run for a merge kind.
#[must_use]
pub const fn uses(mk: MergeKind) -> Fields {
    let all = Fields::of(&[Field::Mk, Field::Use2ce, Field::Wg, Field::Ch]);
    match mk {
        MergeKind::Bitonic | MergeKind::Shared => all,
        MergeKind::Warp => all.with(Field::Kl),
        MergeKind::Radix => all.with(Field::Ctile),
        MergeKind::Filter => all.with(Field::Kl).with(Field::Tile),
    }
}

/// Refuses a choice that the CPU kernels cannot run as it stands, on vectors of `lane` 32-bit
/// lanes.
///
/// # Errors
/// [`Error::Infeasible`] with the first field that cannot be obeyed.
pub fn check(choice: &Choice, problem: &Problem, lane: u32) -> Result<()> {
    let refuse = |field, value: u64, allowed| {
        Err(Error::Infeasible { field, value, kind: problem.kind, allowed })
    };
    if !details(choice.mk).contains(&choice.mkd) {
        return refuse("mkd", choice.mkd.code().into(), "use 0 (auto) or the kernel's own detail");
    }
    if choice.wg == 0 || choice.wg > MAX_THREADS {
        return refuse("wg", choice.wg.into(), THREADS_ALLOWED);
    }
    if choice.ch > 0 && !choice.use_2ce {
        return refuse("ch", choice.ch.into(), "splitting a row needs use_2ce = true");
    }
    if !choice.ch.is_multiple_of(COLUMN_STEP) || parts(choice, problem.cols) > MAX_PARTS {
        return refuse("ch", choice.ch.into(), "use 0 or a multiple of 64 with at most 4096 parts");
    }
    for (field, tile) in [("tile", choice.tile), ("ctile", choice.ctile)] {
        if !is_tile(tile) {
            return refuse(field, tile.into(), TILE_ALLOWED);
        }
    }
    if choice.kl == 0 || choice.kl > MAX_KL {
        return refuse("kl", choice.kl.into(), "use 1 to 4096");
    }
    if choice.mk == MergeKind::Warp {
        let b = problem.kind.ranks(problem.cols, problem.k).end;
        if lanes(lane, problem.dtype) * (choice.kl as usize) < b {
            return refuse("kl", choice.kl.into(), "lanes x kl must reach the last rank wanted");
        }
    }
    Ok(())
}

/// Refuses a choice that the CPU's compaction cannot run as it stands.
///
/// # Errors
/// [`Error::InfeasibleCompaction`] with the first field that cannot be obeyed.
pub fn check_compact(choice: &Choice) -> Result<()> {
    let refuse = |field, value, allowed| Err(Error::InfeasibleCompaction { field, value, allowed });
    if choice.wg == 0 || choice.wg > MAX_THREADS {
        return refuse("wg", choice.wg.into(), THREADS_ALLOWED);
    }
    if !is_tile(choice.ctile) {
        return refuse("ctile", choice.ctile.into(), TILE_ALLOWED);
    }
    Ok(())
}

fn is_tile(columns: u32) -> bool {
    columns > 0 && columns.is_multiple_of(COLUMN_STEP) && columns <= MAX_TILE
}
