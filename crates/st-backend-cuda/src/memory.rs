//! Memory on a device: what an executor allocates for calls from the host, and keeps.
#![allow(unsafe_code, reason = "a driver is called through pointers")]

use st_rank::{Error, Result};

use crate::device::Gpu;
use crate::driver::{Address, Handle};

/// A block of device memory, which grows and is kept. Freed by [`Block::free`]: it does not know its device.
#[derive(Debug, Default)]
pub(crate) struct Block {
    pub(crate) at: Address,
    bytes: u64,
}

impl Block {
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Room for so many bytes; what was in it is lost if it must grow. True if it is new. The context is current.
    pub(crate) fn reserve(&mut self, gpu: &Gpu, bytes: u64, what: &str) -> Result<bool> {
        if bytes <= self.bytes {
            return Ok(false);
        }
        self.free(gpu);
        let mut at = 0;
        // SAFETY: it writes the address, which is freed with this.
        let code = unsafe { (gpu.driver.allocate)(&raw mut at, bytes as usize) };
        gpu.checked(&format!("{bytes} bytes of {what}"), code)?;
        *self = Self { at, bytes };
        Ok(true)
    }

    pub(crate) fn free(&mut self, gpu: &Gpu) {
        if self.bytes > 0 {
            // SAFETY: it was allocated here, and calls that use it have ended.
            let _ = unsafe { (gpu.driver.free)(self.at) };
            *self = Self::default();
        }
    }
}

impl Gpu {
    /// Copies to the device. The context is current; the bytes must stay until the stream has been waited for.
    pub(crate) fn upload(&self, stream: Handle, to: Address, bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        // SAFETY: the caller has reserved as many bytes there, and waits before the slice ends.
        let code = unsafe { (self.driver.upload)(to, bytes.as_ptr().cast(), bytes.len(), stream) };
        self.checked("to copy to it", code)
    }

    /// Copies from the device; complete when the stream has been waited for. The context is current.
    pub(crate) fn download(&self, stream: Handle, from: Address, bytes: &mut [u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        // SAFETY: as many bytes lie there, and the caller waits before it reads the slice.
        let code =
            unsafe { (self.driver.download)(bytes.as_mut_ptr().cast(), from, bytes.len(), stream) };
        self.checked("to copy from it", code)
    }
}

/// Room on the host for so many elements.
pub(crate) fn host_room<T: bytemuck::Zeroable + Clone>(
    what: &'static str,
    elements: usize,
) -> Result<Vec<T>> {
    let mut room = Vec::new();
    room.try_reserve_exact(elements).map_err(|_| Error::OutOfMemory { what, elements })?;
    room.resize(elements, T::zeroed());
    Ok(room)
}
