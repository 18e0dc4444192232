//! Compaction: of each row, what lies between two values, in column order.
//!
//! Rows are cut into tiles of `ctile` columns, and each thread takes a contiguous run of tiles.
//! With one command a thread lists the indices it finds, and the lists are joined; with two, the
//! hits of each tile are counted first, so that the second can write each tile to its final place.
//! Reads the input once, or twice.

use core::ops::Range;
use std::sync::atomic::AtomicUsize;
use std::sync::{Mutex, PoisonError};

use st_rank::order::CodeMap;
use st_rank::{
    Choice, CompactPlan, CompactProblem, Direction, Element, Error, Input, NanOrder, Result,
};

use crate::call::{lanes_of, lanes_of_mut, take};
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

/// Where the values go; how many there are is known halfway through.
pub(crate) trait Values<L> {
    /// Room for that many.
    fn room(&mut self, n: usize) -> Result<&mut [L]>;
}

impl<T: Element, L: Packs> Values<L> for Vec<T> {
    fn room(&mut self, n: usize) -> Result<&mut [L]> {
        reserve(self, n, "the values")?;
        self.resize(n, T::default());
        Ok(lanes_of_mut(self))
    }
}

/// A compaction, as the threads see it. Tiles are numbered row by row.
pub(crate) struct CompactCall<'a, L> {
    bits: &'a [L],
    lengths: Option<&'a [u32]>,
    problem: CompactProblem,
    choice: Choice,
    between: Between<L>,
}

impl<'a, L: Packs> CompactCall<'a, L> {
    pub(crate) fn new<T: Element>(input: &Input<'a, T>, plan: &CompactPlan, lo: T, hi: T) -> Self {
        let map = CodeMap::for_encoding(T::ENCODING, Direction::Descending, NanOrder::Greatest);
        let code = |x: T| map.code(lanes_of::<T, L>(&[x])[0]);
        Self {
            bits: lanes_of(input.values),
            lengths: input.lengths,
            problem: plan.problem,
            choice: plan.choice,
            between: Between { map, low: map.least(code(lo)), high: map.canon(code(hi)) },
        }
    }

    fn tiles_per_row(&self) -> usize {
        self.problem.cols.div_ceil(self.choice.ctile as usize)
    }

    fn tiles(&self) -> usize {
        self.problem.rows * self.tiles_per_row()
    }

    /// A tile behind the end of a ragged row is empty.
    fn tile(&self, i: usize) -> Tile {
        let (row, t) = (i / self.tiles_per_row(), i % self.tiles_per_row());
        let width = self.choice.ctile as usize;
        let n = self.lengths.map_or(self.problem.cols, |lengths| lengths[row] as usize);
        Tile { row, start: (t * width).min(n), end: ((t + 1) * width).min(n) }
    }

    /// The row from its first column on.
    fn row(&self, row: usize) -> &'a [L] {
        &self.bits[row * self.problem.row_stride..]
    }

    fn hits(&self, tile: Tile) -> Hits<'a, L> {
        Hits { between: self.between, bits: &self.row(tile.row)[tile.start..tile.end] }
    }

    /// The tiles of one of `shares`.
    fn share(&self, i: usize, shares: usize) -> Range<usize> {
        let cut = |i: usize| (self.tiles() as u128 * i as u128 / shares as u128) as usize;
        cut(i)..cut(i + 1)
    }
}

/// Which codes are kept: `low..=high`, on raw codes.
#[derive(Clone, Copy)]
struct Between<L> {
    map: CodeMap<L>,
    low: L,
    high: L,
}

/// What a share found: the hits of each of its tiles, and with one command their indices.
#[derive(Default)]
struct Found {
    counts: Vec<u32>,
    indices: Vec<u32>,
}

pub(crate) fn compact<L: Packs>(
    isa: Isa,
    team: &Team,
    call: &CompactCall<'_, L>,
    offsets: &mut Vec<usize>,
    indices: &mut Vec<u32>,
    values: &mut dyn Values<L>,
) -> Result<()> {
    let shares = (call.choice.wg as usize).min(call.tiles()).max(1);
    let mut found = Vec::new();
    found.resize_with(shares, || Mutex::new(Found::default()));
    each_share(team, shares, |share| {
        let Found { counts, indices } = &mut *lock(&found[share]);
        for tile in call.share(share, shares).map(|i| call.tile(i)) {
            counts.push(if call.choice.use_2ce {
                dispatch(isa, Count(call.hits(tile)))
            } else {
                let before = indices.len();
                dispatch(isa, List { hits: call.hits(tile), base: tile.start as u32, indices });
                (indices.len() - before) as u32
            });
        }
    });
    let found: Vec<Found> = found
        .into_iter()
        .map(|found| found.into_inner().unwrap_or_else(PoisonError::into_inner))
        .collect();

    let counts = || found.iter().flat_map(|found| &found.counts);
    let total = counts().map(|&n| n as usize).sum();
    reserve(offsets, call.problem.rows + 1, "the offsets")?;
    reserve(indices, total, "the indices")?;
    let mut values = values.room(total)?;
    indices.resize(total, 0);
    let mut indices = &mut indices[..];
    let mut end = 0;
    for (i, &count) in counts().enumerate() {
        if i % call.tiles_per_row() == 0 {
            offsets.push(end);
        }
        end += count as usize;
    }
    offsets.resize(call.problem.rows + 1, end);

    // Each share's results are one contiguous piece of the output.
    let mut pieces = Vec::new();
    for found in found {
        let n = found.counts.iter().map(|&n| n as usize).sum();
        let (of_values, of_indices);
        (of_values, values) = values.split_at_mut(n);
        (of_indices, indices) = indices.split_at_mut(n);
        pieces.push(Mutex::new((found, of_values, of_indices)));
    }
    each_share(team, shares, |share| {
        let (Found { counts, indices: listed }, values, indices) = &mut *lock(&pieces[share]);
        let mut at = 0;
        for (&count, i) in counts.iter().zip(call.share(share, shares)) {
            let tile = call.tile(i);
            let piece = at..at + count as usize;
            at = piece.end;
            if call.choice.use_2ce {
                listed.clear();
                dispatch(
                    isa,
                    List { hits: call.hits(tile), base: tile.start as u32, indices: listed },
                );
                indices[piece.clone()].copy_from_slice(listed);
            } else {
                indices[piece.clone()].copy_from_slice(&listed[piece.clone()]);
            }
            let row = call.row(tile.row);
            for (value, &index) in values[piece.clone()].iter_mut().zip(&indices[piece]) {
                *value = row[index as usize];
            }
        }
    });
    Ok(())
}

fn lock<X>(mutex: &Mutex<X>) -> std::sync::MutexGuard<'_, X> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs each share once, on whatever threads there are.
fn each_share(team: &Team, shares: usize, run: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(0);
    team.run(shares, &|_| {
        while let Some(share) = take(&next, shares) {
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
    hits: Hits<'a, L>,
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
        let Self { hits, base, indices } = self;
        indices.reserve(hits.bits.len());
        hits.each(s, |at, mut mask| {
            while mask != 0 {
                indices.push(base + at as u32 + mask.trailing_zeros());
                mask &= mask - 1;
            }
        });
    }
}
