//! Launching kernels.
#![allow(unsafe_code, reason = "a driver is called through pointers")]

use std::ffi::{c_int, c_uint, c_void};
use std::mem::offset_of;
use std::ptr;

use st_kernels::cuda::few_idle;
use st_rank::Result;

use crate::device::Gpu;
use crate::driver::Handle;
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

/// What the driver calls a `CUlaunchAttribute`; its value has room for 64 bytes, and may be an address.
#[repr(C, align(8))]
struct Attribute {
    id: c_int,
    /// The value begins at a multiple of 8.
    _unused: c_int,
    value: [c_int; 16],
}

const _: () = assert!(size_of::<Attribute>() == 72 && offset_of!(Attribute, value) == 8);
#[cfg(target_pointer_width = "64")]
const _: () = assert!(
    size_of::<LaunchConfig>() == 56
        && offset_of!(LaunchConfig, stream) == 32
        && offset_of!(LaunchConfig, attributes) == 40
        && offset_of!(LaunchConfig, count) == 48
);

/// `CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION`.
const FOLLOWS: c_int = 6;
/// The first CUDA in which such launches go into graphs as what they are.
const FOLLOWS_IN_GRAPHS: (i32, i32) = (12, 3);
/// The first compute capability for which kernels are made that wait (`follow` of compat.cuh).
const WAITING: (i32, i32) = (9, 0);

/// Whether some multiprocessors have no block where each block has one to itself. Blocks that are there early take those
/// that are free while as many others run, and then lie otherwise than they would on an empty device: 100x1048576, k 100, 100
/// blocks for 132 multiprocessors, took 119 us in a row of calls instead of 107. Why was not found; grids that are small, or
/// leave none or few idle, gain.
fn leaves_idle(step: &Step, multiprocessors: u32) -> bool {
    let few_idle = match step.unit.blocks_each() {
        1 => few_idle(multiprocessors),
        _ => multiprocessors + 1,
    };
    2 * step.blocks > multiprocessors && step.blocks < few_idle
}

impl Gpu {
    /// Launches a step of a plan on a stream. The context is current.
    pub(crate) fn launch_step(&self, stream: Handle, step: &Step) -> Result<()> {
        let function = self.function(&step.unit, step.kernel)?;
        let size = (step.blocks, step.unit.threads, step.shared);
        let early = self.follows() && !leaves_idle(step, self.shape().cores);
        self.launch(stream, function, size, step.params(), early)
    }

    /// Whether kernels may be there before what they follow has ended: those that were made here wait for that.
    fn follows(&self) -> bool {
        *self.follows.get_or_init(|| {
            self.driver.launch_with.is_some()
                && self.driver_version() >= Some(FOLLOWS_IN_GRAPHS)
                && self.made_for() >= WAITING
        })
    }

    /// Launches a kernel on a stream; its only parameter is that block of bytes. `early`: it is there before what it follows
    /// has ended, and waits for that itself. The context is current.
    pub(crate) fn launch(
        &self,
        stream: Handle,
        function: Handle,
        (blocks, threads, shared): (u32, u32, u32),
        params: &[u8],
        early: bool,
    ) -> Result<()> {
        let mut length = params.len() as u32;
        // The driver reads the first: as many as the kernel has. The emulator of the tests wants its size, too.
        let mut list: [*mut c_void; 2] =
            [params.as_ptr().cast_mut().cast(), (&raw mut length).cast()];
        let list = list.as_mut_ptr();
        let code = match self.driver.launch_with {
            Some(launch) if early => {
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
    use st_rank::{Choice, DType, MergeDetail, MergeKind, Problem, RankKind};

    use super::*;
    use crate::layout::Layout;
    use crate::params::Addresses;
    use crate::shape::Device;

    #[test]
    fn grids_that_leave_some_idle_are_not_early() {
        let kernel = |blocks, threads| {
            Step::new(Unit::plain("sort.cu", DType::F32, threads), "sort_count", blocks, 0, &0)
        };
        for (blocks, threads, idle) in [
            (66, 512, false),
            (67, 512, true),
            (132, 512, true),
            (133, 512, false),
            (100, 1024, true),
            (123, 1024, true),
            (124, 1024, false),
        ] {
            assert_eq!(leaves_idle(&kernel(blocks, threads), 132), idle, "{blocks} of {threads}");
        }
        // The one that was measured: its blocks have a multiprocessor each.
        let problem = Problem::new(RankKind::TopK, 100, 1 << 20, 100);
        let (mk, mkd, ch) = (MergeKind::Filter, MergeDetail::Auto, 0);
        let choice =
            Choice { mk, mkd, tile: 16_384, ctile: 4096, use_2ce: false, wg: 512, kl: 8, ch };
        let layout = Layout::new(&problem, &choice, Device::new(132, 227 << 10, (9, 0)));
        let steps = layout.steps(&Addresses::default());
        assert_eq!((steps.len(), steps[0].unit.blocks_each()), (1, 1));
        assert!(leaves_idle(&steps[0], 132));
    }
}
