//! Memory on a device: what an executor allocates for calls from the host, and keeps; and for callers who have no
//! allocator of their own.
#![allow(unsafe_code, reason = "a driver is called through pointers")]

use std::marker::PhantomData;

use st_rank::{Error, Result};

use crate::device::Gpu;
use crate::driver::{Address, Handle};
use crate::exec::CudaExecutor;

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

/// Copies between the host and the device that are put onto a stream, from and into memory that outlives them: all
/// borrowed for `'env`, which is longer than the call of [`Gpu::copying`] that made this.
pub(crate) struct Copies<'a, 'env> {
    gpu: &'a Gpu,
    stream: Handle,
    /// Neither longer nor shorter: a shorter one would let memory of the call's own in.
    memory: PhantomData<&'env mut &'env ()>,
}

impl Drop for Copies<'_, '_> {
    /// Where the call panics: also then nothing may be under way when its caller's memory goes.
    fn drop(&mut self) {
        let _ = self.gpu.wait(self.stream);
    }
}

impl<'env> Copies<'_, 'env> {
    /// Copies to the device, where as many bytes are reserved.
    pub(crate) fn upload(&self, to: Address, bytes: &'env [u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let (driver, stream) = (&self.gpu.driver, self.stream);
        // SAFETY: the caller has reserved as many bytes there. The slice is borrowed for longer than the call of
        // `copying`, which waits before it ends.
        let code = unsafe { (driver.upload)(to, bytes.as_ptr().cast(), bytes.len(), stream) };
        self.gpu.checked("to copy to it", code)
    }

    /// Copies from the device, where as many bytes are; they are here when `copying` has ended.
    pub(crate) fn download(&self, from: Address, bytes: &'env mut [u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let (driver, stream) = (&self.gpu.driver, self.stream);
        // SAFETY: as many bytes lie there. The slice is borrowed for longer than the call of `copying`, which waits
        // before it ends.
        let code =
            unsafe { (driver.download)(bytes.as_mut_ptr().cast(), from, bytes.len(), stream) };
        self.gpu.checked("to copy from it", code)
    }
}

impl Gpu {
    /// Refuses a stream that is being captured: a graph would use the host's memory when that is gone. The context is
    /// current.
    pub(crate) fn uncaptured(&self, stream: Handle) -> Result<()> {
        let mut state = 0;
        // SAFETY: the stream is alive; it writes the number.
        let code = unsafe { (self.driver.capture_state)(stream, &raw mut state) };
        self.checked("whether a stream is captured", code)?;
        if state == 0 {
            return Ok(());
        }
        Err(Error::DeviceBuffer {
            what: "input or results",
            given: "is the host's, and the stream is being captured".to_owned(),
            needed:
                "be the device's there: bind a DeviceInput, or call before or after the capture"
                    .to_owned(),
        })
    }

    /// What `work` puts onto a stream, waited for whatever comes of it: a copy may be under way where a later step is
    /// refused. Nothing is put onto a stream that is being captured. The context is current.
    pub(crate) fn copying<'env>(
        &self,
        stream: Handle,
        work: impl FnOnce(&Copies<'_, 'env>) -> Result<()>,
    ) -> Result<()> {
        self.uncaptured(stream)?;
        let copies = Copies { gpu: self, stream, memory: PhantomData };
        let put = work(&copies);
        std::mem::forget(copies);
        // What was refused first says more than what came of it.
        let ended = self.wait(stream);
        put.and(ended)
    }
}

/// Memory on an executor's device, freed when this is dropped: for callers who have no allocator of their own.
#[derive(Debug)]
pub struct DeviceMemory {
    exec: CudaExecutor,
    block: Block,
}

impl DeviceMemory {
    /// So many bytes (at least one), all zero.
    ///
    /// # Errors
    /// [`Error::DeviceMemory`] where there is not so much, [`Error::Unavailable`] without a device.
    pub fn zeroed(exec: &CudaExecutor, bytes: u64) -> Result<Self> {
        let mut this = Self { exec: exec.clone(), block: Block::default() };
        let gpu = exec.gpu()?;
        let _current = gpu.current()?;
        this.block.reserve(gpu, bytes.max(1), "memory")?;
        gpu.clear(gpu.stream, this.block.at, this.block.bytes())?;
        gpu.wait(gpu.stream)?;
        Ok(this)
    }

    /// Where it begins.
    #[must_use]
    pub const fn address(&self) -> u64 {
        self.block.at
    }

    /// How many bytes it has.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.block.bytes()
    }

    /// Copies its first bytes to the host, after all that was put onto the executor's stream.
    ///
    /// # Errors
    /// [`Error::DeviceBuffer`] for more bytes than there are, and what the driver refuses.
    pub fn read(&self, bytes: &mut [u8]) -> Result<()> {
        if bytes.len() as u64 > self.block.bytes() {
            return Err(Error::DeviceBuffer {
                what: "memory",
                given: format!("has {} bytes", self.block.bytes()),
                needed: format!("have the {} bytes that were asked for", bytes.len()),
            });
        }
        let gpu = self.exec.gpu()?;
        let _current = gpu.current()?;
        gpu.copying(gpu.stream, |copies| copies.download(self.block.at, bytes))
    }
}

impl Drop for DeviceMemory {
    fn drop(&mut self) {
        if let Ok(gpu) = self.exec.gpu()
            && let Ok(_current) = gpu.current()
        {
            self.block.free(gpu);
        }
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
