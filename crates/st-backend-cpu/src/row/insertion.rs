//! The b best so far, kept sorted; what beats the last of them is inserted.
//!
//! Reads the row once. The threshold is always the tightest, so few elements are touched, but each
//! costs a move of those behind it: for tiny b. Beyond a few dozen candidates a binary heap takes
//! the place of the sorted list. A row that improves steadily would be inserted whole; as soon as many
//! more are inserted than of a row in no particular order, the filter takes over.

use std::collections::BinaryHeap;

use super::{Context, Part, filter, sample};
use crate::packed::Packs;
use crate::scratch::Scratch;
use crate::simd::{Vectors, load_codes};

/// Longest list that is kept sorted.
const MAX_SORTED: usize = 32;

/// Vectors tested for hits at a time.
const GROUP: usize = 4;

/// Of a row in random order b ln(n / b) elements are inserted among the first n beyond the first b. The kernel gives up
/// beyond so many times that number and so many more, for those of tiny b scatter; it asks after as many again.
const UNUSUAL: f64 = 1.5;
const SCATTER: usize = 32;

/// The insertions among the first `seen` columns beyond which a row is not taken for one in random order.
fn usual(seen: usize, b: usize) -> usize {
    // A logarithm in straight lines from one power of two to the next: less than it by a tenth at most.
    let ratio = seen as f64 / b as f64;
    let log2 = ratio.to_bits() as f64 / (1u64 << 52) as f64 - 1023.0;
    (UNUSUAL * core::f64::consts::LN_2 * b as f64 * log2) as usize + SCATTER
}

#[inline(always)]
pub(crate) fn collect<L: Packs, S: Vectors<L>>(
    s: S,
    ctx: &Context<L, S::V>,
    part: Part<'_, L>,
    b: usize,
    scratch: &mut Scratch<L>,
) {
    if !insert(s, ctx, part, b, &mut scratch.cands) {
        scratch.cands.clear();
        let seed = sample::bracket(&ctx.map, part.bits, &(0..b), &mut scratch.codes);
        // Ranks from 0 on skip nothing.
        filter::collect(s, ctx, part, 0..b, seed, scratch);
    }
}

/// False, with the list of no use, if too many elements would be inserted.
#[inline(always)]
fn insert<L: Packs, S: Vectors<L>>(
    s: S,
    ctx: &Context<L, S::V>,
    part: Part<'_, L>,
    b: usize,
    list: &mut Vec<L::Packed>,
) -> bool {
    let (head, _) = part.bits.split_at(b.min(part.bits.len()));
    super::whole::append_all(s, ctx, Part { bits: head, base: part.base }, list);
    list.sort_unstable();
    let done = if b <= MAX_SORTED {
        sweep(s, ctx, part, b, list, |list, new| {
            let at = list.partition_point(|&p| p < new);
            list.pop();
            list.insert(at, new);
            list[b - 1]
        })
    } else {
        let mut heap = BinaryHeap::from(core::mem::take(list));
        let done = sweep(s, ctx, part, b, &mut heap, |heap, new| {
            if let Some(mut worst) = heap.peek_mut() {
                *worst = new;
            }
            heap.peek().copied().unwrap_or(new)
        });
        *list = heap.into_vec();
        done
    };
    list.sort_unstable_by_key(|&p| L::index(p));
    done
}

/// Gives every element after the first `b` that beats the worst of the best so far to `replace`,
/// which puts it in the place of the worst and returns the new worst. False if that were too many.
#[inline(always)]
fn sweep<L: Packs, S: Vectors<L>, B: Best<L>>(
    s: S,
    ctx: &Context<L, S::V>,
    part: Part<'_, L>,
    b: usize,
    best: &mut B,
    mut replace: impl FnMut(&mut B, L::Packed) -> L::Packed,
) -> bool {
    let lanes = S::LANES;
    let Some(mut worst) = best.worst() else { return true };
    let (mut inserted, mut asked) = (0, SCATTER);
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
                        inserted += 1;
                    }
                }
            }
            if inserted >= asked {
                if inserted > usual(at + step, b) {
                    return false;
                }
                asked = inserted + SCATTER;
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
    true
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_in_random_order_are_usual_and_those_that_improve_are_not() {
        for b in [1, 8, 50, 2000] {
            for n in [4 * b + 64, 1000 * b, 1 << 27] {
                let expected = b as f64 * (n as f64 / b as f64).ln();
                let most = usual(n, b) as f64;
                assert!(most > expected + 6.0 * expected.sqrt(), "{b} of {n}: {most}, {expected}");
            }
            // Every element beyond the first b is inserted.
            assert!(usual(4 * b + 64, b) < 3 * b + 64, "{b}: {}", usual(4 * b + 64, b));
        }
    }
}
