//! Buffers that calls reuse.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wgpu::{Buffer, BufferDescriptor, BufferUsages, Device};

/// What a buffer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Bound to kernels; copied to and from.
    Device,
    /// Written by the host, copied to the device. Mapped while it is in the pool.
    Upload,
    /// Copied from the device, read by the host. Not mapped while it is in the pool.
    Readback,
}

impl Kind {
    const fn usage(self) -> BufferUsages {
        match self {
            Self::Device => {
                BufferUsages::STORAGE.union(BufferUsages::COPY_SRC).union(BufferUsages::COPY_DST)
            }
            Self::Upload => BufferUsages::MAP_WRITE.union(BufferUsages::COPY_SRC),
            Self::Readback => BufferUsages::MAP_READ.union(BufferUsages::COPY_DST),
        }
    }
}

/// Bytes of free buffers that are kept for later calls.
const KEPT_BYTES: u64 = 256 << 20;

/// Bytes of a vector that kernels read at once, and the least that is bound.
pub(crate) const LEAST_BYTES: u64 = 16;

/// The buffers of one device that no call uses at the moment, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    free: Mutex<Vec<(Kind, Buffer)>>,
    made: AtomicU64,
}

impl Pool {
    /// A buffer of at least so many bytes, with anything in it.
    pub(crate) fn take(&self, device: &Device, kind: Kind, bytes: u64) -> Buffer {
        let bytes = bytes.next_multiple_of(LEAST_BYTES).max(LEAST_BYTES);
        let found = {
            let mut free = self.free();
            // Much too large a buffer stays for a call that needs it.
            let fits = |size: u64| size >= bytes && size / 4 <= rounded(bytes);
            let least = (0..free.len())
                .filter(|&i| free[i].0 == kind && fits(free[i].1.size()))
                .min_by_key(|&i| free[i].1.size());
            least.map(|i| free.remove(i).1)
        };
        found.unwrap_or_else(|| {
            self.note();
            device.create_buffer(&BufferDescriptor {
                label: Some("spiraltorch"),
                size: rounded(bytes).min(device.limits().max_buffer_size.max(bytes)),
                usage: kind.usage(),
                mapped_at_creation: kind == Kind::Upload,
            })
        })
    }

    /// As [`take`](Self::take), but given back when it is dropped. Whoever has it submits what uses
    /// it before dropping it: the queue then orders that before the next call's use.
    pub(crate) fn lease(self: &Arc<Self>, device: &Device, bytes: u64) -> Lease {
        Lease { buffer: self.take(device, Kind::Device, bytes), pool: Arc::clone(self) }
    }

    /// Keeps a buffer for later calls, if it is not so large that it would crowd out all others.
    pub(crate) fn give(&self, kind: Kind, buffer: Buffer) {
        if buffer.size() > KEPT_BYTES {
            return;
        }
        let mut free = self.free();
        free.push((kind, buffer));
        let mut held: u64 = free.iter().map(|(_, buffer)| buffer.size()).sum();
        while held > KEPT_BYTES && !free.is_empty() {
            held -= free.remove(0).1.size();
        }
    }

    /// Forgets all buffers: some may be among them that the device never made.
    pub(crate) fn clear(&self) {
        self.free().clear();
    }

    /// Notes that a buffer was made.
    pub(crate) fn note(&self) {
        self.made.fetch_add(1, Ordering::Relaxed);
    }

    /// Buffers made so far.
    pub(crate) fn made(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }

    fn free(&self) -> MutexGuard<'_, Vec<(Kind, Buffer)>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sizes are rounded up by at most a quarter, so that calls of about the same size share buffers.
const fn rounded(bytes: u64) -> u64 {
    let step = bytes.next_power_of_two() / 8;
    if step < 256 { bytes.next_multiple_of(256) } else { bytes.next_multiple_of(step) }
}

/// A pool's buffer in use.
#[derive(Debug)]
pub(crate) struct Lease {
    buffer: Buffer,
    pool: Arc<Pool>,
}

impl Lease {
    pub(crate) const fn buffer(&self) -> &Buffer {
        &self.buffer
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.pool.give(Kind::Device, self.buffer.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::rounded;

    #[test]
    fn sizes_are_rounded_up_by_a_quarter_at_most() {
        assert_eq!(rounded(16), 256);
        assert_eq!(rounded(1 << 20), 1 << 20);
        for bytes in (1..40).flat_map(|bit| [(1u64 << bit) + 16, (3u64 << bit) + 16]) {
            let size = rounded(bytes);
            assert!(size >= bytes && size.is_multiple_of(16), "{bytes}");
            assert!(size - bytes <= (bytes / 4).max(256), "{bytes} became {size}");
        }
    }
}
