//! Every element is a candidate: the row is sorted whole.
//!
//! Reads the row once. For rows so short, or k so near the columns, that nothing is gained by
//! leaving elements out.

use super::{Context, Part};
use crate::packed::Packs;
use crate::scratch::Scratch;
use crate::simd::Vectors;

#[inline(always)]
pub(crate) fn collect<L: Packs, S: Vectors<L>>(
    s: S,
    ctx: &Context<L, S::V>,
    part: Part<'_, L>,
    scratch: &mut Scratch<L>,
) {
    append_all(s, ctx, part, &mut scratch.cands);
}

/// Appends every element of the part.
#[inline(always)]
pub(crate) fn append_all<L: Packs, S: Vectors<L>>(
    s: S,
    ctx: &Context<L, S::V>,
    part: Part<'_, L>,
    cands: &mut Vec<L::Packed>,
) {
    let lanes = S::LANES;
    let all = u64::MAX >> (64 - lanes);
    cands.reserve(part.bits.len() + lanes);
    let mut base = part.base;
    let chunks = part.bits.chunks_exact(lanes);
    let rest = chunks.remainder();
    for chunk in chunks {
        let len = cands.len();
        // SAFETY: the chunk has LANES elements; LANES more than the part were reserved.
        unsafe {
            let code = ctx.vmap.canon(s, ctx.vmap.code(s, s.load(chunk.as_ptr())));
            s.append(all, code, base, cands.as_mut_ptr().add(len));
            cands.set_len(len + lanes);
        }
        base += lanes as u32;
    }
    for (i, &bits) in rest.iter().enumerate() {
        cands.push(ctx.map.canon(ctx.map.code(bits)).pack(base + i as u32));
    }
}
