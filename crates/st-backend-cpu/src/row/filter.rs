//! Read once against a running threshold.
//!
//! What beats the threshold is appended to a buffer; when the buffer is full it is pruned to the b
//! best, and the worst of these is the new threshold. A sample of the row seeds the threshold, so
//! that the order of the columns matters little; a seed that was too high shows at the end (fewer
//! than b candidates) and the row is read again without it. When hits stay frequent all the same, or pruning
//! takes longer than reading, as it does where many are wanted, columns ascend and the buffer has
//! little room beyond b, the radix kernel takes over. Reads the row once, branches once for each tile.
//!
//! With a bracket on both sides (ranks in the middle) nothing is pruned: the elements beyond the
//! bracket are counted, those inside kept, and the counts prove that the ranks are inside.

use core::ops::Range;

use super::sample::Bracket;
use super::{Context, Part, append, radix, whole};
use crate::packed::Packs;
use crate::scratch::Scratch;
use crate::simd::{Vectors, load_codes};

/// Hits are frequent when more than one column in this many was one, over all read so far.
const FREQUENT: usize = 4;

/// As [`super::collect`], with the guess given.
#[inline(always)]
pub(crate) fn collect<L: Packs, S: Vectors<L>>(
    s: S,
    ctx: &Context<L, S::V>,
    part: Part<'_, L>,
    ranks: Range<usize>,
    seed: Option<Bracket<L>>,
    scratch: &mut Scratch<L>,
) -> usize {
    let bracket = seed.and_then(|seed| Some((seed.above, seed.beyond?)));
    if let Some((above, beyond)) = bracket {
        let skipped = between(s, ctx, part, above, beyond, &mut scratch.cands);
        let proved = skipped.filter(|&skipped| {
            skipped <= ranks.start && skipped + scratch.cands.len() >= ranks.end
        });
        return proved.unwrap_or_else(|| {
            scratch.cands.clear();
            radix::collect(s, ctx, part, ranks, scratch)
        });
    }
    for seed in [seed.map(|seed| seed.above), None] {
        if !best(s, ctx, part, ranks.end, seed, scratch) {
            break;
        }
        if scratch.cands.len() >= ranks.end {
            return 0;
        }
    }
    scratch.cands.clear();
    radix::collect(s, ctx, part, ranks, scratch)
}

/// Ties that are not wanted are dropped at once if they are more than a share of those wanted: one in so many.
const MANY_TIES: usize = 8;

/// How many times as many candidates as a part has columns are pruned, and no more.
const PRUNED: usize = 4;

/// Collects candidates that contain the `b` first ranks, or all above the seed if there are fewer.
/// False if hits stayed frequent, or pruning took too long; the candidates are of no use then.
#[inline(always)]
pub(crate) fn best<L: Packs, S: Vectors<L>>(
    s: S,
    ctx: &Context<L, S::V>,
    part: Part<'_, L>,
    b: usize,
    seed: Option<L>,
    scratch: &mut Scratch<L>,
) -> bool {
    let n = part.bits.len();
    let full = b + ctx.slack;
    let Scratch { cands, spare, .. } = scratch;
    cands.clear();
    cands.reserve(full.min(n) + ctx.tile + 64);
    let (mut above, mut at) = match seed {
        Some(above) => (above, 0),
        None => {
            let at = full.min(n);
            let head = Part { bits: &part.bits[..at], base: part.base };
            whole::append_all(s, ctx, head, cands);
            if at == n {
                return true;
            }
            (prune::<L>(cands, spare, b), at)
        }
    };
    let (mut hits, mut pruned) = (0, 0);
    // A seed lets pass what is equal to its bound, of which there may be any number.
    let mut bound = seed.map(|above| ctx.map.canon(above.add(L::from_i64(1))));
    while at < n {
        let end = (at + ctx.tile).min(n);
        let tile = Part { bits: &part.bits[at..end], base: part.base + at as u32 };
        append_hits(s, ctx, tile, above, cands);
        at = end;
        if cands.len() >= b
            && let Some(bound) = bound.take()
        {
            // There are b by now: those that follow must be better than it.
            above = bound;
            drop_ties::<L>(cands, bound, b);
        }
        if cands.len() > full {
            hits += cands.len() - b;
            pruned += cands.len();
            if pruned > PRUNED * (n + full) {
                return false;
            }
            above = prune::<L>(cands, spare, b);
            if hits > full * FREQUENT && hits * FREQUENT > at {
                return false;
            }
        }
    }
    true
}

/// Appends what is above the threshold. Room for the tile and a vector must be reserved.
#[inline(always)]
fn append_hits<L: Packs, S: Vectors<L>>(
    s: S,
    ctx: &Context<L, S::V>,
    tile: Part<'_, L>,
    above: L,
    cands: &mut Vec<L::Packed>,
) {
    let lanes = S::LANES;
    let threshold = s.splat(above);
    let whole = tile.bits.len() / lanes;
    let p = tile.bits.as_ptr();
    debug_assert!(cands.capacity() - cands.len() >= tile.bits.len() + lanes);
    // The maximum of the tile tells in one test that there is nothing to do.
    let mut top = [threshold; 4];
    let mut i = 0;
    while i + 4 <= whole {
        // SAFETY: vectors below `whole` are within the tile.
        let codes: [S::V; 4] = unsafe { load_codes(s, &ctx.vmap, p.add(i * lanes)) };
        for (top, &code) in top.iter_mut().zip(&codes) {
            *top = s.max(*top, code);
        }
        i += 4;
    }
    while i < whole {
        // SAFETY: as above.
        top[0] = s.max(top[0], ctx.vmap.code(s, unsafe { s.load(p.add(i * lanes)) }));
        i += 1;
    }
    let top = s.max(s.max(top[0], top[1]), s.max(top[2], top[3]));
    if s.gt(top, threshold) != 0 {
        let mut i = 0;
        while i + 4 <= whole {
            // SAFETY: as above.
            let codes: [S::V; 4] = unsafe { load_codes(s, &ctx.vmap, p.add(i * lanes)) };
            let mut masks = [0; 4];
            for (mask, &code) in masks.iter_mut().zip(&codes) {
                *mask = s.gt(code, threshold);
            }
            // One branch for four vectors: where hits are not rare it is seldom foreseen.
            if masks[0] | masks[1] | masks[2] | masks[3] != 0 {
                for (j, (&code, mask)) in codes.iter().zip(masks).enumerate() {
                    let base = tile.base + ((i + j) * lanes) as u32;
                    // SAFETY: the caller reserved room for the tile and a vector.
                    unsafe { append(s, ctx, (code, mask), base, cands) };
                }
            }
            i += 4;
        }
        while i < whole {
            // SAFETY: as above.
            let code = ctx.vmap.code(s, unsafe { s.load(p.add(i * lanes)) });
            let base = tile.base + (i * lanes) as u32;
            // SAFETY: as above.
            unsafe { append(s, ctx, (code, s.gt(code, threshold)), base, cands) };
            i += 1;
        }
    }
    for (i, &bits) in tile.bits.iter().enumerate().skip(whole * lanes) {
        let code = ctx.map.code(bits);
        if code > above {
            cands.push(ctx.map.canon(code).pack(tile.base + i as u32));
        }
    }
}

/// Drops what is equal to the bound, the least of all, and not among the `b` best, if that is much.
#[inline(always)]
fn drop_ties<L: Packs>(cands: &mut Vec<L::Packed>, bound: L, b: usize) {
    let mut better = 0;
    for &p in &*cands {
        better += usize::from(L::code(p) > bound);
    }
    if cands.len() - better.max(b) <= b / MANY_TIES {
        return;
    }
    let mut wanted = b.saturating_sub(better);
    cands.retain(|&p| {
        let ties = L::code(p) == bound;
        let keep = !ties || wanted > 0;
        wanted -= usize::from(ties && keep);
        keep
    });
}

/// Keeps the `b` best, by ascending index as before; returns the code that later elements must
/// exceed, which is the greatest of its key.
fn prune<L: Packs>(cands: &mut Vec<L::Packed>, spare: &mut Vec<L::Packed>, b: usize) -> L {
    spare.clear();
    spare.extend_from_slice(cands);
    let worst = *spare.select_nth_unstable(b - 1).1;
    cands.retain(|&p| p <= worst);
    L::code(worst)
}

/// Appends what is above `above` and not above `beyond`; returns how many are above `beyond`, or
/// none if more than a quarter of the part was appended.
#[inline(always)]
pub(crate) fn between<L: Packs, S: Vectors<L>>(
    s: S,
    ctx: &Context<L, S::V>,
    part: Part<'_, L>,
    above: L,
    beyond: L,
    cands: &mut Vec<L::Packed>,
) -> Option<usize> {
    let lanes = S::LANES;
    let (low, high) = (s.splat(above), s.splat(beyond));
    let most = part.bits.len() / FREQUENT + ctx.slack;
    cands.clear();
    cands.reserve(most + lanes);
    let mut skipped = 0;
    let chunks = part.bits.chunks_exact(lanes);
    let rest = chunks.remainder();
    let mut base = part.base;
    for chunk in chunks {
        // SAFETY: the chunk has LANES elements.
        let code = ctx.vmap.code(s, unsafe { s.load(chunk.as_ptr()) });
        let beyond = s.gt(code, high);
        let mask = s.gt(code, low) & !beyond;
        skipped += beyond.count_ones() as usize;
        if mask != 0 {
            // SAFETY: `most` + LANES were reserved, and more than `most` end the loop.
            unsafe { append(s, ctx, (code, mask), base, cands) };
            if cands.len() > most {
                return None;
            }
        }
        base += lanes as u32;
    }
    for (i, &bits) in rest.iter().enumerate() {
        let code = ctx.map.code(bits);
        if code > beyond {
            skipped += 1;
        } else if code > above {
            cands.push(ctx.map.canon(code).pack(base + i as u32));
        }
    }
    Some(skipped)
}
