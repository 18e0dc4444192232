//! Blocks of a long row, whose maxima tell which of them may hold what is wanted.
//!
//! Beside the lanes' maxima over the row the first pass keeps those over each block; the second reads again only blocks of
//! which one reaches the bound, about as many as there are hits. So a row takes little more than reading it once, whatever its
//! elements are like, and a vector for each block is all that is written for it.

use super::lanes::{GROUP, Taking};
use super::{Context, Part};
use crate::packed::Packs;
use crate::simd::{Vectors, load_codes};

/// Whole blocks of so many columns, which are as many vectors as [`st_kernels::cpu::block`] says.
#[derive(Clone, Copy)]
pub(super) struct Blocks<'a, L> {
    pub(super) part: Part<'a, L>,
    pub(super) columns: usize,
}

impl<L: Packs> Blocks<'_, L> {
    /// The maxima of each block, a vector for each, and of vectors i, i + N, i + 2N ... for each i below N, to which those
    /// there are raised.
    #[inline(always)]
    pub(super) fn maxima<S: Vectors<L>, const N: usize>(
        self,
        s: S,
        ctx: &Context<L, S::V>,
        of_blocks: &mut [L],
        maxima: &mut [L],
    ) {
        let lanes = S::LANES;
        assert!(maxima.len() == N * lanes && self.columns.is_multiple_of(N * lanes));
        let mut best = [s.splat(L::MIN); N];
        for (i, best) in best.iter_mut().enumerate() {
            // SAFETY: there is a vector of maxima for each of the N.
            *best = unsafe { s.load(maxima.as_ptr().add(i * lanes)) };
        }
        let blocks = self.part.bits.chunks_exact(self.columns);
        for (block, out) in blocks.zip(of_blocks.chunks_exact_mut(lanes)) {
            let mut own = [s.splat(L::MIN); N];
            let mut at = 0;
            while at < block.len() {
                for (i, own) in own.iter_mut().enumerate() {
                    // SAFETY: N divides a block's vectors, so this one is of the block.
                    let bits = unsafe { s.load(block.as_ptr().add(at + i * lanes)) };
                    *own = s.max(*own, ctx.vmap.code(s, bits));
                }
                at += N * lanes;
            }
            let mut top = own[0];
            for (best, &own) in best.iter_mut().zip(&own) {
                *best = s.max(*best, own);
                top = s.max(top, own);
            }
            // SAFETY: a chunk has a vector's lanes.
            unsafe { s.store(out.as_mut_ptr(), top) };
        }
        for (i, &best) in best.iter().enumerate() {
            // SAFETY: as above.
            unsafe { s.store(maxima.as_mut_ptr().add(i * lanes), best) };
        }
    }

    /// Takes what reaches the bound, of blocks that may have it.
    #[inline(always)]
    pub(super) fn take<S: Vectors<L>>(
        self,
        s: S,
        ctx: &Context<L, S::V>,
        of_blocks: &[L],
        taking: &mut Taking<L>,
        cands: &mut Vec<L::Packed>,
    ) {
        let step = GROUP * S::LANES;
        assert!(self.columns.is_multiple_of(step));
        let blocks = self.part.bits.chunks_exact(self.columns);
        let mut base = self.part.base;
        for (block, top) in blocks.zip(of_blocks.chunks_exact(S::LANES)) {
            // SAFETY: a chunk has a vector's lanes.
            let top = unsafe { s.load(top.as_ptr()) };
            if s.gt(top, s.splat(taking.above())) != 0 {
                cands.reserve(block.len() + S::LANES);
                let mut at = 0;
                while at < block.len() {
                    // SAFETY: groups divide a block, so this one is of the block.
                    let group: [S::V; GROUP] =
                        unsafe { load_codes(s, &ctx.vmap, block.as_ptr().add(at)) };
                    taking.take(s, ctx, group, base + at as u32, cands);
                    at += step;
                }
            }
            base = base.wrapping_add(block.len() as u32);
        }
    }
}
