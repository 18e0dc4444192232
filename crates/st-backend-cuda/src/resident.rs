//! The executor bound to memory on the device: launches go to its stream, or another, and nothing waits.

use std::ffi::c_void;

use st_rank::{DType, Error, ExecuteInto, Problem, RankKExecutor, RankPlan, Result};

use crate::device::Gpu;
use crate::driver::Handle;
use crate::exec::CudaExecutor;
use crate::layout::Layout;
use crate::params::Addresses;

/// What [`CudaExecutor::on`] takes: host memory, and addresses on the device.
pub trait CudaInput {
    /// The executor bound to it.
    type Bound<'a>
    where
        Self: 'a;

    /// Binds an executor.
    fn bind<'a>(&'a self, exec: &'a CudaExecutor) -> Self::Bound<'a>;
}

/// A matrix to select from, on the device. Rows, columns and row stride are the plan's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceInput {
    address: u64,
    elements: usize,
    dtype: DType,
    lengths: Option<u64>,
}

impl DeviceInput {
    /// `elements` elements of that type from an address on.
    ///
    /// # Safety
    /// They lie there, on the executor's device, and stay until what is launched has ended.
    #[allow(unsafe_code, reason = "an address of the caller's")]
    #[must_use]
    pub const unsafe fn new(address: u64, elements: usize, dtype: DType) -> Self {
        Self { address, elements, dtype, lengths: None }
    }

    /// The same with the length of each row: as many `u32` as the plan has rows.
    ///
    /// Lengths on a device are not read back, so nothing refuses them here. A row whose length does not do gets
    /// the value 0 and the index `u32::MAX` in all its places, and the [status
    /// word](DeviceOutput::with_status) becomes 1.
    ///
    /// # Safety
    /// As for [`new`](Self::new).
    #[allow(unsafe_code, reason = "an address of the caller's")]
    #[must_use]
    pub const unsafe fn with_lengths(mut self, address: u64) -> Self {
        self.lengths = Some(address);
        self
    }

    fn check(&self, problem: &Problem) -> Result<()> {
        let ragged = problem.lengths.is_ragged();
        if ragged != self.lengths.is_some() {
            return Err(Error::LengthsMismatch { plan_is_ragged: ragged });
        }
        let full = Problem { lengths: st_rank::Lengths::Full, ..*problem };
        full.check_input(self.dtype, self.elements, None)?;
        aligned("input", self.address, self.dtype.size() as u64)
    }
}

/// Where results on the device go: values of the input's type and `u32` indices (or [`u64`](Self::with_wide_indices)), both
/// `rows x k`, row-major.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceOutput {
    values: u64,
    indices: u64,
    status: u64,
    wide: bool,
}

impl DeviceOutput {
    /// From those addresses on.
    ///
    /// # Safety
    /// There is room for `rows x k` of each, on the executor's device, that overlaps neither each other nor the
    /// input, until what is launched has ended.
    #[allow(unsafe_code, reason = "addresses of the caller's")]
    #[must_use]
    pub const unsafe fn new(values: u64, indices: u64) -> Self {
        Self { values, indices, status: 0, wide: false }
    }

    /// The same with indices of 64 bits, as PyTorch has them: the kernels write them so, and are compiled for it. Where
    /// indices of 32 bits are `u32::MAX`, these are `u64::MAX`, which is -1 where they are read as signed.
    ///
    /// # Safety
    /// There is room for so many `u64` at the address of the indices; else as for [`new`](Self::new).
    #[allow(unsafe_code, reason = "addresses of the caller's")]
    #[must_use]
    pub const unsafe fn with_wide_indices(mut self) -> Self {
        self.wide = true;
        self
    }

    /// The same with a `u32` that is set to 1 if a row's length does not do, and else left alone.
    ///
    /// # Safety
    /// As for [`new`](Self::new).
    #[allow(unsafe_code, reason = "an address of the caller's")]
    #[must_use]
    pub const unsafe fn with_status(mut self, status: u64) -> Self {
        self.status = status;
        self
    }
}

/// The size of a plan's workspace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkspaceSize {
    /// Bytes that must be zero before the first launch; every launch leaves them so.
    pub zeroed: u64,
    /// Bytes that may hold anything.
    pub scratch: u64,
}

/// The workspace that a launch wants, and what it depends on whether one may be shared with other launches.
pub struct Wanted<'a> {
    /// How large.
    pub size: WorkspaceSize,
    gpu: &'a Gpu,
    stream: Handle,
}

impl Wanted<'_> {
    /// Whether the launch goes into a graph, which will use its workspace whenever it is run, beside other work on this
    /// stream.
    #[must_use]
    pub fn is_captured(&self) -> bool {
        self.gpu.is_captured(self.stream)
    }
}

impl std::fmt::Debug for Wanted<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wanted").field("size", &self.size).finish_non_exhaustive()
    }
}

/// Memory that launches work in. Launches on one stream may share it, whatever their plans: it must have the
/// greatest size of each part.
///
/// Launches may begin before what is on the stream before them has ended; they wait for that themselves. Kernels of the
/// caller's that are launched so (programmatic stream serialization) between them must wait, too
/// (`cudaGridDependencySynchronize`): what comes after one that does not wait no longer waits for what was before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workspace {
    zeroed: u64,
    scratch: u64,
    size: WorkspaceSize,
}

impl Workspace {
    /// Of that size, at those addresses, both multiples of 256.
    ///
    /// # Safety
    /// As much memory is there, on the executor's device, the first part zero, and nothing else uses it until what
    /// is launched has ended.
    #[allow(unsafe_code, reason = "addresses of the caller's")]
    #[must_use]
    pub const unsafe fn new(zeroed: u64, scratch: u64, size: WorkspaceSize) -> Self {
        Self { zeroed, scratch, size }
    }

    fn check(&self, layout: &Layout) -> Result<()> {
        let parts = [
            ("workspace (zeroed)", self.zeroed, self.size.zeroed, layout.zeroed),
            ("workspace (scratch)", self.scratch, self.size.scratch, layout.scratch),
        ];
        for (what, address, bytes, needed) in parts {
            if bytes < needed {
                return Err(Error::DeviceBuffer {
                    what,
                    given: format!("has {bytes} bytes"),
                    needed: format!("have {needed} bytes, as CudaExecutor::workspace says"),
                });
            }
            if needed > 0 {
                aligned(what, address, 256)?;
            }
        }
        Ok(())
    }
}

fn aligned(what: &'static str, address: u64, to: u64) -> Result<()> {
    if address.is_multiple_of(to) {
        return Ok(());
    }
    Err(Error::DeviceBuffer {
        what,
        given: format!("begins at address {address:#x}"),
        needed: format!("begin at a multiple of {to}"),
    })
}

/// A [`CudaExecutor`] bound to memory on its device.
#[derive(Clone, Copy, Debug)]
pub struct OnDevice<'a> {
    exec: &'a CudaExecutor,
    input: &'a DeviceInput,
}

impl CudaInput for DeviceInput {
    type Bound<'a> = OnDevice<'a>;

    fn bind<'a>(&'a self, exec: &'a CudaExecutor) -> OnDevice<'a> {
        OnDevice { exec, input: self }
    }
}

impl OnDevice<'_> {
    /// Launches a plan on the executor's stream. Allocates no device memory, copies nothing and waits for nothing,
    /// so that a stream may be captured into a graph; kernels that were not
    /// [prepared](CudaExecutor::prepare) are compiled first.
    ///
    /// # Errors
    /// Whatever [`Error`] lists; nothing is launched then, but for what the driver itself refuses midway.
    pub fn launch(&self, plan: &RankPlan, out: &DeviceOutput, workspace: &Workspace) -> Result<()> {
        let (stream, given) = (self.exec.gpu()?.stream, |_: Wanted<'_>| Some(*workspace));
        self.launch_to(stream, plan, out, given).map(|_| ())
    }

    /// The same on a stream of the caller's, with the kernels that the executor has loaded.
    ///
    /// # Errors
    /// As for [`launch`](Self::launch).
    ///
    /// # Safety
    /// The stream (null: the context's own) is of the executor's context: of the device's primary one, unless the
    /// executor was made [on another](CudaExecutor::on_stream).
    #[allow(unsafe_code, reason = "a handle of the caller's")]
    pub unsafe fn launch_on(
        &self,
        stream: *mut c_void,
        plan: &RankPlan,
        out: &DeviceOutput,
        workspace: &Workspace,
    ) -> Result<()> {
        self.launch_to(stream, plan, out, |_| Some(*workspace)).map(|_| ())
    }

    /// The same (none: on the executor's stream) with the workspace that `workspace` gives for what is [wanted](Wanted):
    /// nothing is launched if it gives none, and the result is the size that is wanted.
    ///
    /// # Errors
    /// As for [`launch`](Self::launch).
    ///
    /// # Safety
    /// As for [`launch_on`](Self::launch_on).
    #[allow(unsafe_code, reason = "a handle of the caller's")]
    pub unsafe fn launch_with(
        &self,
        stream: Option<*mut c_void>,
        plan: &RankPlan,
        out: &DeviceOutput,
        workspace: impl FnOnce(Wanted<'_>) -> Option<Workspace>,
    ) -> Result<Option<WorkspaceSize>> {
        let stream = match stream {
            Some(stream) => stream,
            None => self.exec.gpu()?.stream,
        };
        self.launch_to(stream, plan, out, workspace)
    }

    /// Nothing when it is launched, else the size of the workspace that was not given.
    fn launch_to(
        &self,
        stream: Handle,
        plan: &RankPlan,
        out: &DeviceOutput,
        workspace: impl FnOnce(Wanted<'_>) -> Option<Workspace>,
    ) -> Result<Option<WorkspaceSize>> {
        let &Self { exec, input } = self;
        exec.refuse(&plan.caps, plan.problem.dtype, input.dtype)?;
        plan.problem.check()?;
        input.check(&plan.problem)?;
        aligned("values", out.values, input.dtype.size() as u64)?;
        aligned("indices", out.indices, if out.wide { 8 } else { 4 })?;
        let layout = exec.laid_out(plan)?;
        let gpu = exec.gpu()?;
        let _current = gpu.current()?;
        let size = WorkspaceSize { zeroed: layout.zeroed, scratch: layout.scratch };
        let Some(workspace) = workspace(Wanted { size, gpu, stream }) else {
            return Ok(Some(size));
        };
        workspace.check(&layout)?;
        let at = Addresses {
            input: input.address,
            lengths: input.lengths.unwrap_or(0),
            values: out.values,
            indices: out.indices,
            status: out.status,
            zeroed: workspace.zeroed,
            scratch: workspace.scratch,
            wide: out.wide,
        };
        exec.launch(stream, &layout.steps(&at)).map(|()| None)
    }
}

/// Results in memory that the call allocates are read through the host; from the device there are none.
impl RankKExecutor for OnDevice<'_> {
    type Output = ();

    /// Refused always: results on a device need places; see [`launch`](OnDevice::launch).
    fn execute(&self, _plan: &RankPlan) -> Result<()> {
        Err(Error::DeviceBuffer {
            what: "values",
            given: "is not given".to_owned(),
            needed: "be given: use execute_rank_into with (DeviceOutput, Workspace)".to_owned(),
        })
    }
}

impl ExecuteInto<(DeviceOutput, Workspace)> for OnDevice<'_> {
    fn execute_into(&self, plan: &RankPlan, out: &mut (DeviceOutput, Workspace)) -> Result<()> {
        self.launch(plan, &out.0, &out.1)
    }
}
