//! What kernels are made for, beside a plan.

/// A device, as far as launches depend on it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Device {
    /// Multiprocessors.
    pub(crate) cores: u32,
    /// Whether blocks may read one another's shared memory.
    pub(crate) has_clusters: bool,
    /// Whether it copies into shared memory while threads go on.
    pub(crate) has_copies: bool,
    /// Shared memory that a block may have.
    pub(crate) shared: u64,
}

impl Device {
    /// Of so many multiprocessors, with code of that compute capability: from 8.0 on it may have copies, from 9.0
    /// on clusters of blocks.
    pub(crate) const fn new(cores: u32, shared: u64, (major, _): (i32, i32)) -> Self {
        Self { cores, has_clusters: major >= 9, has_copies: major >= 8, shared }
    }
}
