//! Launching kernels.
#![allow(unsafe_code, reason = "a driver is called through pointers")]

use std::ffi::{c_int, c_uint, c_void};
use std::ptr;

use st_rank::Result;

use crate::device::Gpu;
use crate::driver::{Driver, Handle};
use crate::layout::Step;

/// What the driver calls a `CUlaunchConfig`.
#[repr(C)]
pub(crate) struct LaunchConfig {
    grid: [c_uint; 3],
    block: [c_uint; 3],
    shared: c_uint,
    stream: Handle,
    attributes: *mut Attribute,
    count: c_uint,
}

/// What the driver calls a `CUlaunchAttribute`; its value has room for 64 bytes.
#[repr(C)]
struct Attribute {
    id: c_int,
    /// The value begins at a multiple of 8.
    _unused: c_int,
    value: [c_int; 16],
}

/// `CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION`.
const FOLLOWS: c_int = 6;
/// The first CUDA in which such launches go into graphs as what they are.
const FOLLOWS_IN_GRAPHS: i32 = 12_030;

impl Driver {
    /// Whether kernels for that compute capability may be launched before what they follow has ended.
    pub(crate) fn follows(&self, version: i32, (major, _): (i32, i32)) -> bool {
        self.launch_with.is_some() && version >= FOLLOWS_IN_GRAPHS && major >= 9
    }
}

/// Whether blocks that are there early would meet on some multiprocessors while others have none: those that are free
/// while as many blocks run are too few for all, and each takes more than one. 100x1048576, k 100, took 119 us so instead of
/// 107.
fn crowds(step: &Step, multiprocessors: u32) -> bool {
    let all_have_their_own = step.blocks <= multiprocessors;
    all_have_their_own && 2 * step.blocks > multiprocessors && step.unit.blocks_each() > 1
}

impl Gpu {
    /// Launches a step of a plan on a stream. The context is current.
    pub(crate) fn launch_step(&self, stream: Handle, step: &Step) -> Result<()> {
        let function = self.function(&step.unit, step.kernel)?;
        let size = (step.blocks, step.unit.threads, step.shared);
        let follows = self.follows && !crowds(step, self.shape().cores);
        self.launch(stream, function, size, step.params(), follows)
    }

    /// Launches a kernel on a stream; its only parameter is that block of bytes. Where the device can do that it is there
    /// before what it `follows` has ended. The context is current.
    pub(crate) fn launch(
        &self,
        stream: Handle,
        function: Handle,
        (blocks, threads, shared): (u32, u32, u32),
        params: &[u8],
        follows: bool,
    ) -> Result<()> {
        let mut length = params.len() as u32;
        // The driver reads the first: as many as the kernel has. The emulator of the tests wants its size, too.
        let mut list: [*mut c_void; 2] =
            [params.as_ptr().cast_mut().cast(), (&raw mut length).cast()];
        let list = list.as_mut_ptr();
        let code = match self.driver.launch_with {
            Some(launch) if follows => {
                let mut attribute = Attribute { id: FOLLOWS, _unused: 0, value: [0; 16] };
                attribute.value[0] = 1;
                let config = LaunchConfig {
                    grid: [blocks, 1, 1],
                    block: [threads, 1, 1],
                    shared,
                    stream,
                    attributes: &raw mut attribute,
                    count: 1,
                };
                // SAFETY: the function is loaded, its parameter has the layout of `params`, and the driver copies it
                // and the configuration. It was compiled with the macro KERNEL of compat.cuh, which has it wait for
                // what it follows.
                unsafe { launch(&raw const config, function, list, ptr::null_mut()) }
            }
            // SAFETY: the function is loaded, its parameter has the layout of `params`, and the driver copies it.
            _ => unsafe {
                (self.driver.launch)(
                    function,
                    blocks,
                    1,
                    1,
                    threads,
                    1,
                    1,
                    shared,
                    stream,
                    list,
                    ptr::null_mut(),
                )
            },
        };
        self.checked("to launch a kernel", code)
    }
}

#[cfg(test)]
mod tests {
    use st_kernels::cuda::Unit;
    use st_rank::DType;

    use super::*;

    #[test]
    fn blocks_that_would_meet() {
        for (blocks, threads, meet) in [
            (66, 512, false),
            (67, 512, true),
            (132, 512, true),
            (132, 1024, false),
            (133, 512, false),
        ] {
            let step =
                Step::new(Unit::plain("sort.cu", DType::F32, threads), "sort_count", blocks, 0, &0);
            assert_eq!(crowds(&step, 132), meet, "{blocks} blocks of {threads}");
        }
    }
}
