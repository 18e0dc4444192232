//! The b best so far, kept sorted; what beats the last of them is inserted.
//!
//! Reads the row once. The threshold is always the tightest, so few elements are touched, but each
//! costs a move of those behind it: for tiny b, and never for rows that improve steadily. Beyond a
//! few dozen candidates a binary heap takes the place of the sorted list.

use std::collections::BinaryHeap;

use super::{Context, Part};
use crate::packed::Packs;
use crate::scratch::Scratch;
use crate::simd::{Vectors, load_codes};

/// Longest list that is kept sorted.
const MAX_SORTED: usize = 32;

/// Vectors tested for hits at a time.
const GROUP: usize = 4;

#[inline(always)]
pub(crate) fn collect<L: Packs, S: Vectors<L>>(
    s: S,
    ctx: &Context<L, S::V>,
    part: Part<'_, L>,
    b: usize,
    scratch: &mut Scratch<L>,
) {
    let (head, _) = part.bits.split_at(b.min(part.bits.len()));
    let list = &mut scratch.cands;
    super::whole::append_all(s, ctx, Part { bits: head, base: part.base }, list);
    list.sort_unstable();
    if b <= MAX_SORTED {
        sweep(s, ctx, part, b, list, |list, new| {
            let at = list.partition_point(|&p| p < new);
            list.pop();
            list.insert(at, new);
            list[b - 1]
        });
    } else {
        let mut heap = BinaryHeap::from(core::mem::take(list));
        sweep(s, ctx, part, b, &mut heap, |heap, new| {
            if let Some(mut worst) = heap.peek_mut() {
                *worst = new;
            }
            heap.peek().copied().unwrap_or(new)
        });
        *list = heap.into_vec();
    }
    list.sort_unstable_by_key(|&p| L::index(p));
}

/// Gives every element after the first `b` that beats the worst of the best so far to `replace`,
/// which puts it in the place of the worst and returns the new worst.
#[inline(always)]
fn sweep<L: Packs, S: Vectors<L>, B: Best<L>>(
    s: S,
    ctx: &Context<L, S::V>,
    part: Part<'_, L>,
    b: usize,
    best: &mut B,
    mut replace: impl FnMut(&mut B, L::Packed) -> L::Packed,
) {
    let lanes = S::LANES;
    let Some(mut worst) = best.worst() else { return };
    let mut hits = [L::Packed::default(); 64];
    let mut at = b;
    // An equal key at a higher index does not beat the worst: greater than its code is exact.
    let step = GROUP * lanes;
    while at + step <= part.bits.len() {
        // SAFETY: `at + step` is within the part.
        let codes: [S::V; GROUP] = unsafe { load_codes(s, &ctx.vmap, part.bits.as_ptr().add(at)) };
        let top = s.max(s.max(codes[0], codes[1]), s.max(codes[2], codes[3]));
        if s.gt(top, s.splat(L::code(worst))) != 0 {
            for (i, &code) in codes.iter().enumerate() {
                let mask = s.gt(code, s.splat(L::code(worst)));
                let base = part.base + (at + i * lanes) as u32;
                // SAFETY: the array has room for the lanes of any vector.
                let n = unsafe { s.append(mask, ctx.vmap.canon(s, code), base, hits.as_mut_ptr()) };
                for &new in &hits[..n] {
                    if new < worst {
                        worst = replace(best, new);
                    }
                }
            }
        }
        at += step;
    }
    for (i, &bits) in part.bits.iter().enumerate().skip(at) {
        let new = ctx.map.canon(ctx.map.code(bits)).pack(part.base + i as u32);
        if new < worst {
            worst = replace(best, new);
        }
    }
}

/// A collection of the best so far.
trait Best<L: Packs> {
    fn worst(&self) -> Option<L::Packed>;
}

impl<L: Packs> Best<L> for Vec<L::Packed> {
    fn worst(&self) -> Option<L::Packed> {
        self.last().copied()
    }
}

impl<L: Packs> Best<L> for BinaryHeap<L::Packed> {
    fn worst(&self) -> Option<L::Packed> {
        self.peek().copied()
    }
}
