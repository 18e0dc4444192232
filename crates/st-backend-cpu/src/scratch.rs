//! Buffers that kernels reuse from row to row and call to call.

use crate::packed::Packs;
use crate::row::sample::Bracket;

/// The buffers of one thread.
#[derive(Debug, Default)]
pub(crate) struct Arena {
    pub(crate) i8: Scratch<i8>,
    pub(crate) i16: Scratch<i16>,
    pub(crate) i32: Scratch<i32>,
    pub(crate) i64: Scratch<i64>,
}

/// The buffers of one thread for one lane type.
#[derive(Debug)]
pub(crate) struct Scratch<L: Packs> {
    /// Candidates, by ascending index.
    pub(crate) cands: Vec<L::Packed>,
    /// A second list for selecting and sorting.
    pub(crate) spare: Vec<L::Packed>,
    /// Codes of a short row, of a tile, or of a sample, and maxima of them.
    pub(crate) codes: Vec<L>,
    /// Counters of digits.
    pub(crate) counts: Vec<u32>,
    /// For a part of a split row: where the wanted ranks probably lie.
    pub(crate) seed: Option<Bracket<L>>,
    /// For a part of a split row: elements that come before its candidates; none if it has no
    /// valid candidates.
    pub(crate) skipped: Option<usize>,
}

impl<L: Packs> Default for Scratch<L> {
    fn default() -> Self {
        Self {
            cands: Vec::new(),
            spare: Vec::new(),
            codes: Vec::new(),
            counts: Vec::new(),
            seed: None,
            skipped: None,
        }
    }
}
