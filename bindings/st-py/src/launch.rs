//! What is launched on an NVIDIA device.

use st_core::ops::rank_entry::Problem;

/// A selection to be launched. The facade vouches for addresses and stream: it has the arrays.
#[derive(Clone, Copy)]
#[cfg_attr(not(feature = "cuda"), expect(dead_code, reason = "nothing is launched"))]
pub(crate) struct Launch {
    pub(crate) ordinal: u32,
    /// None: one of our own, which is waited for.
    pub(crate) stream: Option<usize>,
    pub(crate) problem: Problem,
    /// Indices of 64 bits.
    pub(crate) is_wide: bool,
    pub(crate) input: u64,
    pub(crate) values: u64,
    pub(crate) indices: u64,
}
