//! A bound from maxima, then what reaches it.
//!
//! The first pass keeps `kl` maxima for each lane, each over columns of its own; the b-th greatest
//! of them is reached by at least b elements, so it bounds the answer from below. The second pass
//! collects what reaches it: a little more than b elements. Nothing is sampled, so nothing can go
//! wrong, and nothing depends on the order of the columns beyond how many extra elements reach the
//! bound. Reads the row once and its codes, kept in cache, a second time: for rows that fit there. Of long rows no codes are
//! kept, but the maxima of blocks, and the few blocks that reach the bound are read again ([`super::blocks`]).
//! Among keys equal to the bound only the first b by index are taken.

use super::blocks::Blocks;
use super::{Context, Part, append};
use crate::packed::Packs;
use crate::scratch::Scratch;
use crate::simd::{Vectors, load_vectors};

/// Vectors tested for hits at a time in the second pass.
pub(super) const GROUP: usize = 4;

/// Most maxima that are ranked by comparing each with all.
const MAX_RANKED: usize = 64;

/// Needs `kl * LANES >= b`.
#[inline(always)]
pub(crate) fn collect<L: Packs, S: Vectors<L>>(
    s: S,
    ctx: &Context<L, S::V>,
    part: Part<'_, L>,
    b: usize,
    scratch: &mut Scratch<L>,
) {
    let lanes = S::LANES;
    let n = part.bits.len();
    // Of columns in blocks no codes are kept.
    let block = st_kernels::cpu::block(ctx.kl, lanes, n, b).map(|vectors| vectors * lanes);
    let blocks = block.map_or(0, |columns| n / columns);
    let in_blocks = blocks * block.unwrap_or_default();
    let (head, tail) = part.bits.split_at(in_blocks);
    let padded = tail.len().next_multiple_of(GROUP * lanes);
    let groups = ctx.kl * lanes;
    let Scratch { cands, codes, .. } = scratch;
    let room = padded + groups + blocks * lanes;
    if codes.len() < room {
        codes.resize(room, L::MIN);
    }
    let (codes, maxima) = codes[..room].split_at_mut(padded);
    let (maxima, of_blocks) = maxima.split_at_mut(groups);
    let read = block.map(|columns| Blocks { part: Part { bits: head, ..part }, columns });
    match ctx.kl {
        1 => first_pass::<L, S, 1>(s, ctx, read, tail, codes, of_blocks, maxima),
        2 => first_pass::<L, S, 2>(s, ctx, read, tail, codes, of_blocks, maxima),
        4 => first_pass::<L, S, 4>(s, ctx, read, tail, codes, of_blocks, maxima),
        8 => first_pass::<L, S, 8>(s, ctx, read, tail, codes, of_blocks, maxima),
        // Only those that are kept in registers are taken in blocks.
        _ => maxima_in_memory(s, ctx, tail, codes, maxima),
    }
    let bound = ctx.map.canon(nth_greatest(s, maxima, b));
    let mut taking = Taking::new(ctx, bound, b);
    if let Some(read) = read {
        read.take(s, ctx, of_blocks, &mut taking, cands);
    }
    cands.reserve(padded + lanes);
    let mut at = 0;
    while at < padded {
        // SAFETY: `padded` is a multiple of the group.
        let group = unsafe { load_vectors(s, codes.as_ptr().add(at)) };
        // Padding has the least code and is never above the threshold.
        taking.take(s, ctx, group, part.base + (in_blocks + at) as u32, cands);
        at += GROUP * lanes;
    }
    if cands.len() < b {
        let reach = |&(_, &bits): &(usize, &L)| ctx.map.code(bits) <= bound;
        let equals = part.bits.iter().enumerate().filter(reach).take(b - cands.len());
        cands.extend(equals.map(|(i, _)| bound.pack(part.base + i as u32)));
        cands.sort_unstable_by_key(|&p| L::index(p));
    }
}

/// What is taken of the codes that reach the bound, as they come by index.
pub(super) struct Taking<L> {
    bound: L,
    b: usize,
    /// How many equal to it were taken.
    equals: usize,
    /// Codes above this are hits: first all that reach the bound, and once b equal to it are taken, only those beyond it.
    /// Where the bound is the least code of all there is no room for "reaches", and its equals are fetched at the end.
    above: L,
}

impl<L: Packs> Taking<L> {
    #[inline(always)]
    fn new<V>(ctx: &Context<L, V>, bound: L, b: usize) -> Self {
        let least = ctx.map.least(bound);
        let above = if least > L::MIN { least.sub(L::from_i64(1)) } else { bound };
        Self { bound, b, equals: 0, above }
    }

    /// What codes must exceed now.
    #[inline(always)]
    pub(super) fn above(&self) -> L {
        self.above
    }

    /// Takes the hits of a group, whose first column is `base`. There is room for it, and a vector more, behind the
    /// candidates.
    #[inline(always)]
    pub(super) fn take<S: Vectors<L>>(
        &mut self,
        s: S,
        ctx: &Context<L, S::V>,
        group: [S::V; GROUP],
        base: u32,
        cands: &mut Vec<L::Packed>,
    ) {
        let threshold = s.splat(self.above);
        let mut masks = [0; GROUP];
        for (mask, &code) in masks.iter_mut().zip(&group) {
            *mask = s.gt(code, threshold);
        }
        if masks[0] | masks[1] | masks[2] | masks[3] == 0 {
            return;
        }
        for (i, (&code, mask)) in group.iter().zip(masks).enumerate() {
            // The threshold may have risen since the masks were made.
            let mask = if self.equals < self.b { mask } else { s.gt(code, s.splat(self.bound)) };
            let base = base + (i * S::LANES) as u32;
            // SAFETY: the caller made room for the group and a vector.
            unsafe { append(s, ctx, (code, mask), base, cands) };
            if self.above != self.bound {
                self.equals += (mask & !s.gt(code, s.splat(self.bound))).count_ones() as usize;
                if self.equals >= self.b {
                    self.above = self.bound;
                }
            }
        }
    }
}

/// The maxima of vectors i, i + N, i + 2N ... for each i below N: of the tail, whose codes are written, and of what is taken
/// in blocks, whose own maxima are.
#[inline(always)]
fn first_pass<L: Packs, S: Vectors<L>, const N: usize>(
    s: S,
    ctx: &Context<L, S::V>,
    read: Option<Blocks<'_, L>>,
    tail: &[L],
    codes: &mut [L],
    of_blocks: &mut [L],
    maxima: &mut [L],
) {
    maxima_in_registers::<L, S, N>(s, ctx, tail, codes, maxima);
    if let Some(read) = read {
        read.maxima::<S, N>(s, ctx, of_blocks, maxima);
    }
}

/// Writes the codes of `bits`, padded with the least code, and the maxima of vectors i, i + N,
/// i + 2N ... for each i below N.
#[inline(always)]
fn maxima_in_registers<L: Packs, S: Vectors<L>, const N: usize>(
    s: S,
    ctx: &Context<L, S::V>,
    bits: &[L],
    codes: &mut [L],
    maxima: &mut [L],
) {
    let lanes = S::LANES;
    let mut best = [s.splat(L::MIN); N];
    let mut at = 0;
    while at + N * lanes <= bits.len() {
        for (i, best) in best.iter_mut().enumerate() {
            let p = at + i * lanes;
            // SAFETY: p + LANES is within `bits`, and `codes` is as long.
            unsafe {
                let code = ctx.vmap.code(s, s.load(bits.as_ptr().add(p)));
                s.store(codes.as_mut_ptr().add(p), code);
                *best = s.max(*best, code);
            }
        }
        at += N * lanes;
    }
    let whole = bits.len() / lanes * lanes;
    for (i, at) in (at..whole).step_by(lanes).enumerate() {
        // SAFETY: as above.
        unsafe {
            let code = ctx.vmap.code(s, s.load(bits.as_ptr().add(at)));
            s.store(codes.as_mut_ptr().add(at), code);
            best[i] = s.max(best[i], code);
        }
    }
    // Any slot will do for the last, as long as it has its elements alone.
    best[N - 1] = s.max(best[N - 1], code_tail(s, ctx, bits, codes, whole));
    for (i, &best) in best.iter().enumerate() {
        // SAFETY: there is a vector of maxima for each of the N.
        unsafe { s.store(maxima.as_mut_ptr().add(i * lanes), best) };
    }
}

/// The same for any number of maxima, which then live in the first-level cache.
#[inline(always)]
fn maxima_in_memory<L: Packs, S: Vectors<L>>(
    s: S,
    ctx: &Context<L, S::V>,
    bits: &[L],
    codes: &mut [L],
    maxima: &mut [L],
) {
    let lanes = S::LANES;
    maxima.fill(L::MIN);
    let mut slot = 0;
    let whole = bits.len() / lanes * lanes;
    for at in (0..whole).step_by(lanes) {
        // SAFETY: at + LANES is within `bits`, and `codes` is as long; the slot is a vector's
        // below the length of `maxima`, which is a multiple of LANES.
        unsafe {
            let code = ctx.vmap.code(s, s.load(bits.as_ptr().add(at)));
            s.store(codes.as_mut_ptr().add(at), code);
            let p = maxima.as_mut_ptr().add(slot);
            s.store(p, s.max(s.load(p), code));
        }
        slot += lanes;
        if slot == maxima.len() {
            slot = 0;
        }
    }
    let tail = code_tail(s, ctx, bits, codes, whole);
    // SAFETY: as above for the slot.
    unsafe {
        let p = maxima.as_mut_ptr().add(slot);
        s.store(p, s.max(s.load(p), tail));
    }
}

/// The codes of the last vector, which begins at `whole` and is not filled, padded with the least
/// code; writes them and pads `codes` to its end.
#[inline(always)]
fn code_tail<L: Packs, S: Vectors<L>>(
    s: S,
    ctx: &Context<L, S::V>,
    bits: &[L],
    codes: &mut [L],
    whole: usize,
) -> S::V {
    let mut tail = [L::MIN; 64];
    if whole < codes.len() {
        for (code, &bits) in tail.iter_mut().zip(&bits[whole..]) {
            *code = ctx.map.code(bits);
        }
        let room = &mut codes[whole..];
        let n = room.len().min(tail.len());
        room[..n].copy_from_slice(&tail[..n]);
        room[n..].fill(L::MIN);
    }
    // SAFETY: the array has room for the lanes of any vector.
    unsafe { s.load(tail.as_ptr()) }
}

/// The n-th greatest (counted from 1) of the codes, whose number is a multiple of LANES.
#[inline(always)]
fn nth_greatest<L: Packs, S: Vectors<L>>(s: S, codes: &mut [L], n: usize) -> L {
    let lanes = S::LANES;
    if codes.len() > MAX_RANKED {
        return *codes.select_nth_unstable_by(n - 1, |a, b| b.cmp(a)).1;
    }
    match codes.len() / lanes {
        1 => by_comparing::<L, S, 1>(s, codes, n),
        2 => by_comparing::<L, S, 2>(s, codes, n),
        4 => by_comparing::<L, S, 4>(s, codes, n),
        8 => by_comparing::<L, S, 8>(s, codes, n),
        _ => *codes.select_nth_unstable_by(n - 1, |a, b| b.cmp(a)).1,
    }
}

/// The same of `N` vectors of codes: the least of those that fewer than n exceed.
#[inline(always)]
fn by_comparing<L: Packs, S: Vectors<L>, const N: usize>(s: S, codes: &[L], n: usize) -> L {
    assert!(codes.len() == N * S::LANES);
    let mut all = [s.splat(L::MIN); N];
    for (i, vector) in all.iter_mut().enumerate() {
        // SAFETY: there are N vectors of codes.
        *vector = unsafe { s.load(codes.as_ptr().add(i * S::LANES)) };
    }
    let mut nth = L::MAX;
    for &code in codes {
        let this = s.splat(code);
        let mut exceed = 0;
        for &vector in &all {
            exceed += s.gt(vector, this).count_ones();
        }
        if (exceed as usize) < n && code < nth {
            nth = code;
        }
    }
    nth
}
