//! Histograms of the code's digits, most significant first, until the codes at both ends of the
//! wanted ranks are known; then one pass that collects them.
//!
//! Each digit of 11 bits costs a read of the row. The passes stop as soon as the elements that
//! share the ends' digits are few beside those wanted. When the digits are used up the end codes
//! are known exactly, and keys equal to them are taken by quota in index order, so that no input
//! can overflow anything. For large k, and for input that defeats the other kernels.

use core::ops::Range;

use super::{Context, Part};
use crate::packed::{DIGIT_BITS, DIGITS, Packs};
use crate::scratch::Scratch;
use crate::simd::Vectors;

/// Elements beyond those wanted are few when the row has at least this many for each.
const FEW: usize = 16;

/// One end of the wanted ranks, as far as it is known: the place (see [`Packs::place`]) without
/// its unknown digits, and the rank within the elements that share it.
#[derive(Clone, Copy, Debug)]
struct End {
    prefix: u64,
    rank: usize,
}

impl End {
    /// Moves to the digit that holds the rank; returns how many elements share it.
    fn descend(&mut self, counts: &[u32]) -> usize {
        for (digit, &count) in counts.iter().enumerate() {
            let count = count as usize;
            if self.rank < count {
                self.prefix = self.prefix << DIGIT_BITS | digit as u64;
                return count;
            }
            self.rank -= count;
        }
        unreachable!("the rank is below the sum of the counts")
    }
}

/// The digits of a place above the `d` least significant.
#[inline(always)]
fn prefix(place: u64, d: u32) -> u64 {
    place.checked_shr(d * DIGIT_BITS).unwrap_or(0)
}

/// As [`super::collect`].
#[inline(always)]
pub(crate) fn collect<L: Packs, S: Vectors<L>>(
    s: S,
    ctx: &Context<L, S::V>,
    part: Part<'_, L>,
    ranks: Range<usize>,
    scratch: &mut Scratch<L>,
) -> usize {
    let Scratch { cands, codes, counts, .. } = scratch;
    let mut first = End { prefix: 0, rank: ranks.start };
    let mut last = End { prefix: 0, rank: ranks.end - 1 };
    for d in (0..L::PLACES).rev() {
        counts.clear();
        counts.resize(2 * DIGITS, 0);
        let (of_first, of_last) = counts.split_at_mut(DIGITS);
        let together = first.prefix == last.prefix;
        each_code(s, ctx, part.bits, codes, |_, code| {
            let known = prefix(code.place(), d + 1);
            if known == first.prefix {
                of_first[code.digit(d)] += 1;
            } else if known == last.prefix {
                of_last[code.digit(d)] += 1;
            }
        });
        first.descend(of_first);
        let shared = last.descend(if together { of_first } else { of_last });
        // The ranks are now within the digits of their ends. What shares those and lies outside
        // the wanted ranks would be collected with them.
        let outside = first.rank + (shared - 1 - last.rank);
        if d > 0 && outside <= ranks.len() / 2 + part.bits.len() / FEW {
            let within = first.prefix..=last.prefix;
            gather(s, ctx, part, codes, cands, ranks.len() + outside, |code| {
                within.contains(&prefix(code.place(), d))
            });
            return ranks.start - first.rank;
        }
    }
    // The keys at both ends are known exactly. Of those equal to the first, `first.rank` come
    // before the wanted ranks; of those equal to the last, `last.rank + 1` are not behind them.
    let (low, high) = (first.prefix, last.prefix);
    let (mut skip, mut take) = (first.rank, last.rank + 1);
    gather(s, ctx, part, codes, cands, ranks.len(), |code| {
        let place = code.place();
        let mut keep = place >= low && place <= high;
        if place == high {
            keep = take > 0;
            take = take.saturating_sub(1);
        }
        if place == low && skip > 0 {
            keep = false;
            skip -= 1;
        }
        keep
    });
    ranks.start
}

/// Appends the elements whose code is kept, of which there are `count`.
#[inline(always)]
fn gather<L: Packs, S: Vectors<L>>(
    s: S,
    ctx: &Context<L, S::V>,
    part: Part<'_, L>,
    codes: &mut Vec<L>,
    cands: &mut Vec<L::Packed>,
    count: usize,
    mut keep: impl FnMut(L) -> bool,
) {
    // One more, so that what is not kept can be written too: that is quicker than a branch.
    cands.resize(count + 1, L::Packed::default());
    let mut len = 0;
    each_code(s, ctx, part.bits, codes, |i, code| {
        cands[len] = code.pack(part.base + i as u32);
        len += usize::from(keep(code));
    });
    cands.truncate(len);
}

/// Gives each element's number and canonical code to `each`, made a tile at a time.
#[inline(always)]
fn each_code<L: Packs, S: Vectors<L>>(
    s: S,
    ctx: &Context<L, S::V>,
    bits: &[L],
    codes: &mut Vec<L>,
    mut each: impl FnMut(usize, L),
) {
    let lanes = S::LANES;
    if codes.len() < ctx.ctile {
        codes.resize(ctx.ctile, L::MIN);
    }
    for (t, tile) in bits.chunks(ctx.ctile).enumerate() {
        let whole = tile.len() / lanes * lanes;
        for at in (0..whole).step_by(lanes) {
            // SAFETY: at + LANES is within the tile, and `codes` is at least as long.
            unsafe {
                let code = ctx.vmap.code(s, s.load(tile.as_ptr().add(at)));
                s.store(codes.as_mut_ptr().add(at), ctx.vmap.canon(s, code));
            }
        }
        for (code, &bits) in codes[whole..].iter_mut().zip(&tile[whole..]) {
            *code = ctx.map.canon(ctx.map.code(bits));
        }
        for (i, &code) in codes[..tile.len()].iter().enumerate() {
            each(t * ctx.ctile + i, code);
        }
    }
}
