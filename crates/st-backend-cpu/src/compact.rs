//! Compaction: of each row, what lies between two values, in column order.
//!
//! Rows are cut into tiles of `ctile` columns, and each thread takes a contiguous run of tiles.
//! With one command a thread lists the indices it finds, and the lists are joined; with two, the
//! hits of each tile are counted first, so that the second can write each tile to its final place.
//! Reads the input once, or twice.

use std::sync::Mutex;
use std::sync::PoisonError;

use st_rank::order::CodeMap;
use st_rank::{CompactOutput, CompactPlan, Direction, Element, Error, Input, NanOrder, Result};

use crate::call::lanes_of;
use crate::isa::{Isa, dispatch};
use crate::packed::{LaneJob, Packs};
use crate::simd::{Job, Simd, VectorMap, Vectors};
use crate::team::Team;

/// A tile of a row.
#[derive(Clone, Copy)]
struct Tile {
    row: usize,
    start: usize,
    end: usize,
}

/// The tiles of all rows, numbered row by row.
struct Tiles<'a> {
    plan: &'a CompactPlan,
    lengths: Option<&'a [u32]>,
}

impl Tiles<'_> {
    fn per_row(&self) -> usize {
        self.plan.problem.cols.div_ceil(self.plan.choice.ctile as usize)
    }

    fn count(&self) -> usize {
        self.plan.problem.rows * self.per_row()
    }

    /// A tile behind the end of a ragged row is empty.
    fn get(&self, i: usize) -> Tile {
        let (row, t) = (i / self.per_row(), i % self.per_row());
        let width = self.plan.choice.ctile as usize;
        let n = self.lengths.map_or(self.plan.problem.cols, |lengths| lengths[row] as usize);
        Tile { row, start: (t * width).min(n), end: ((t + 1) * width).min(n) }
    }

    /// The tiles of one of `threads`.
    fn share(&self, thread: usize, threads: usize) -> core::ops::Range<usize> {
        let n = self.count();
        let cut = |i: usize| (n as u128 * i as u128 / threads as u128) as usize;
        cut(thread)..cut(thread + 1)
    }
}

/// Which codes are kept: `low..=high`, on raw codes.
#[derive(Clone, Copy)]
struct Between<L> {
    map: CodeMap<L>,
    low: L,
    high: L,
}

pub(crate) fn run<T: Element, L: Packs>(
    isa: Isa,
    team: &Team,
    input: &Input<'_, T>,
    plan: &CompactPlan,
    lo: T,
    hi: T,
) -> Result<CompactOutput<T>> {
    let tiles = Tiles { plan, lengths: input.lengths };
    let threads = (plan.choice.wg as usize).min(tiles.count()).max(1);
    let bits = lanes_of::<T, L>(input.values);
    let map = CodeMap::for_encoding(T::ENCODING, Direction::Descending, NanOrder::Greatest);
    let code = |x: T| map.code(lanes_of::<T, L>(&[x])[0]);
    let between = Between { map, low: map.least(code(lo)), high: map.canon(code(hi)) };
    let tile_bits = |tile: Tile| &bits[tile.row * plan.problem.row_stride..][tile.start..tile.end];

    // What each share found: hits of each of its tiles, and with one command the indices.
    let mut shares = Vec::new();
    shares.resize_with(threads, || Mutex::new((Vec::<u32>::new(), Vec::<u32>::new())));
    each_share(team, threads, |share| {
        let mut found = shares[share].lock().unwrap_or_else(PoisonError::into_inner);
        let (counts, indices) = &mut *found;
        for i in tiles.share(share, threads) {
            let tile = tiles.get(i);
            let job = Hits { between, bits: tile_bits(tile) };
            counts.push(if plan.choice.use_2ce {
                dispatch(isa, Count(job))
            } else {
                let before = indices.len();
                dispatch(isa, List { job, base: tile.start as u32, indices });
                (indices.len() - before) as u32
            });
        }
    });
    let shares: Vec<_> = shares
        .into_iter()
        .map(|s| s.into_inner().unwrap_or_else(PoisonError::into_inner))
        .collect();

    let total = shares.iter().flat_map(|(counts, _)| counts).map(|&n| n as usize).sum();
    let mut out = CompactOutput { offsets: Vec::new(), values: Vec::new(), indices: Vec::new() };
    reserve(&mut out.offsets, plan.problem.rows + 1, "the offsets")?;
    reserve(&mut out.values, total, "the values")?;
    reserve(&mut out.indices, total, "the indices")?;
    out.values.resize(total, T::default());
    out.indices.resize(total, 0);
    let mut end = 0;
    let counts = shares.iter().flat_map(|(counts, _)| counts);
    for (i, &count) in counts.enumerate() {
        if i % tiles.per_row() == 0 {
            out.offsets.push(end);
        }
        end += count as usize;
    }
    out.offsets.resize(plan.problem.rows + 1, end);

    // Each share's results are one contiguous piece of the output.
    let (mut values, mut indices) = (&mut out.values[..], &mut out.indices[..]);
    let mut pieces = Vec::new();
    for found in shares {
        let n = found.0.iter().map(|&n| n as usize).sum();
        let (v, i);
        (v, values) = values.split_at_mut(n);
        (i, indices) = indices.split_at_mut(n);
        pieces.push(Mutex::new((found, v, i)));
    }
    each_share(team, threads, |share| {
        let mut piece = pieces[share].lock().unwrap_or_else(PoisonError::into_inner);
        let ((counts, listed), values, indices) = &mut *piece;
        let mut at = 0;
        for (&count, i) in counts.iter().zip(tiles.share(share, threads)) {
            let tile = tiles.get(i);
            let (from, to) = (at, at + count as usize);
            if plan.choice.use_2ce {
                let job = Hits { between, bits: tile_bits(tile) };
                listed.clear();
                dispatch(isa, List { job, base: tile.start as u32, indices: listed });
                indices[from..to].copy_from_slice(listed);
            } else {
                indices[from..to].copy_from_slice(&listed[from..to]);
            }
            let row = &input.values[tile.row * plan.problem.row_stride..];
            for (value, &index) in values[from..to].iter_mut().zip(&indices[from..to]) {
                *value = row[index as usize];
            }
            at = to;
        }
    });
    drop(pieces);
    Ok(out)
}

/// Runs each share once, on whatever threads there are.
fn each_share(team: &Team, shares: usize, run: impl Fn(usize) + Sync) {
    let next = std::sync::atomic::AtomicUsize::new(0);
    team.run(shares, &|_| {
        while let Some(share) = crate::split::take(&next, shares) {
            run(share);
        }
    });
}

fn reserve<X>(v: &mut Vec<X>, n: usize, what: &'static str) -> Result<()> {
    v.try_reserve_exact(n).map_err(|_| Error::OutOfMemory { what, elements: n })
}

struct Hits<'a, L> {
    between: Between<L>,
    bits: &'a [L],
}

impl<L: Packs> Hits<'_, L> {
    /// Gives the hits of each vector, as a mask with the column it begins at, to `each`.
    #[inline(always)]
    fn each<S: Vectors<L>>(&self, s: S, mut each: impl FnMut(usize, u64)) {
        let Between { map, low, high } = self.between;
        let vmap = VectorMap::new(s, &map);
        let below = s.splat(low);
        let above = s.splat(high);
        let chunks = self.bits.chunks_exact(S::LANES);
        let rest = chunks.remainder();
        let mut at = 0;
        for chunk in chunks {
            // SAFETY: the chunk has LANES elements.
            let code = vmap.code(s, unsafe { s.load(chunk.as_ptr()) });
            let outside = s.gt(below, code) | s.gt(code, above);
            each(at, !outside & (u64::MAX >> (64 - S::LANES)));
            at += S::LANES;
        }
        let mut mask = 0;
        for (i, &bits) in rest.iter().enumerate() {
            let code = map.code(bits);
            mask |= u64::from(code >= low && code <= high) << i;
        }
        each(at, mask);
    }
}

struct Count<'a, L>(Hits<'a, L>);

impl<L: Packs> Job for Count<'_, L> {
    type Out = u32;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> u32 {
        L::with(s, self)
    }
}

impl<L: Packs> LaneJob<L> for Count<'_, L> {
    type Out = u32;
    #[inline(always)]
    fn run<S: Vectors<L> + Simd>(self, s: S) -> u32 {
        let mut count = 0;
        self.0.each(s, |_, mask| count += mask.count_ones());
        count
    }
}

struct List<'a, L> {
    job: Hits<'a, L>,
    base: u32,
    indices: &'a mut Vec<u32>,
}

impl<L: Packs> Job for List<'_, L> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        L::with(s, self);
    }
}

impl<L: Packs> LaneJob<L> for List<'_, L> {
    type Out = ();
    #[inline(always)]
    fn run<S: Vectors<L> + Simd>(self, s: S) {
        let Self { job, base, indices } = self;
        indices.reserve(job.bits.len());
        job.each(s, |at, mut mask| {
            while mask != 0 {
                indices.push(base + at as u32 + mask.trailing_zeros());
                mask &= mask - 1;
            }
        });
    }
}
