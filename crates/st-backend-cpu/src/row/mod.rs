//! The kernels: each finds candidates in a row, or in a part of one, that contain the wanted
//! ranks. [`finish`] orders and writes them.

mod blocks;
pub(crate) mod filter;
pub(crate) mod finish;
pub(crate) mod insertion;
pub(crate) mod lanes;
pub(crate) mod radix;
pub(crate) mod sample;
pub(crate) mod whole;

use core::ops::Range;

use st_rank::order::CodeMap;
use st_rank::{Choice, MergeKind};

use crate::packed::Packs;
use crate::scratch::Scratch;
use crate::simd::{VectorMap, Vectors};

/// What the kernels know of the order and of the choice.
#[derive(Clone, Copy)]
pub(crate) struct Context<L, V> {
    pub(crate) map: CodeMap<L>,
    pub(crate) vmap: VectorMap<V>,
    pub(crate) mk: MergeKind,
    pub(crate) tile: usize,
    pub(crate) ctile: usize,
    pub(crate) kl: usize,
    /// Candidates kept beyond those wanted before the filter prunes.
    pub(crate) slack: usize,
}

impl<L: Packs, V: Copy> Context<L, V> {
    #[inline(always)]
    pub(crate) fn new<S: Vectors<L, V = V>>(
        s: S,
        map: CodeMap<L>,
        choice: &Choice,
        lane: u32,
    ) -> Self {
        Self {
            map,
            vmap: VectorMap::new(s, &map),
            mk: choice.mk,
            tile: choice.tile as usize,
            ctile: choice.ctile as usize,
            kl: choice.kl as usize,
            slack: (choice.kl * lane) as usize,
        }
    }
}

/// Elements of the whole row, or of a part of it that begins at column `base`.
#[derive(Clone, Copy)]
pub(crate) struct Part<'a, L> {
    pub(crate) bits: &'a [L],
    pub(crate) base: u32,
}

/// Appends of a vector, whose first element is of column `base`, the codes that the mask chooses.
///
/// # Safety
/// There is room for a vector behind the candidates.
#[inline(always)]
unsafe fn append<L: Packs, S: Vectors<L>>(
    s: S,
    ctx: &Context<L, S::V>,
    (code, mask): (S::V, u64),
    base: u32,
    cands: &mut Vec<L::Packed>,
) {
    let len = cands.len();
    // SAFETY: a vector's room is all that is written to, and what is chosen of it is written.
    unsafe {
        let out = cands.as_mut_ptr().add(len);
        cands.set_len(len + s.append(mask, ctx.vmap.canon(s, code), base, out));
    }
}

/// Puts candidates into `scratch.cands`, by ascending index, that contain the given ranks of the
/// part; returns how many elements that are not among them come before those ranks. `seed` is a
/// guess at where the ranks lie; it costs time and never exactness when it is wrong.
#[inline(always)]
pub(crate) fn collect<L: Packs, S: Vectors<L>>(
    s: S,
    ctx: &Context<L, S::V>,
    part: Part<'_, L>,
    ranks: Range<usize>,
    scratch: &mut Scratch<L>,
) -> usize {
    scratch.cands.clear();
    let n = part.bits.len();
    if ranks.is_empty() {
        return ranks.start;
    }
    if ranks == (0..n) {
        whole::collect(s, ctx, part, scratch);
        return 0;
    }
    match ctx.mk {
        MergeKind::Bitonic => whole::collect(s, ctx, part, scratch),
        MergeKind::Shared => insertion::collect(s, ctx, part, ranks.end, scratch),
        MergeKind::Warp => lanes::collect(s, ctx, part, ranks.end, scratch),
        MergeKind::Radix => return radix::collect(s, ctx, part, ranks, scratch),
        MergeKind::Filter => {
            let seed = sample::bracket(&ctx.map, part.bits, &ranks, &mut scratch.codes);
            return filter::collect(s, ctx, part, ranks, seed, scratch);
        }
    }
    0
}
