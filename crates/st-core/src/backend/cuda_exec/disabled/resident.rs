//! Memory on a device, which no build without the backend has.

use super::{
    CudaExecutor, DType, ExecuteInto, RankKExecutor, RankPlan, Result, c_void, unavailable,
};

/// A matrix on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceInput {
    _nothing: (),
}

impl DeviceInput {
    /// Elements from an address on.
    #[must_use]
    pub const fn new(_address: u64, _elements: usize, _dtype: DType) -> Self {
        Self { _nothing: () }
    }

    /// With the length of each row.
    #[must_use]
    pub const fn with_lengths(self, _address: u64) -> Self {
        self
    }
}

/// Where results on a device go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceOutput {
    _nothing: (),
}

impl DeviceOutput {
    /// From those addresses on.
    #[must_use]
    pub const fn new(_values: u64, _indices: u64) -> Self {
        Self { _nothing: () }
    }

    /// With indices of 64 bits.
    #[must_use]
    pub const fn with_wide_indices(self) -> Self {
        self
    }

    /// With a word for rows whose length does not do.
    #[must_use]
    pub const fn with_status(self, _status: u64) -> Self {
        self
    }
}

/// The size of a plan's workspace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the same as with the backend")]
pub struct WorkspaceSize {
    pub zeroed: u64,
    pub scratch: u64,
}

/// The workspace that a launch wants; here, none ever does.
#[derive(Debug)]
#[allow(missing_docs, reason = "the same as with the backend")]
pub struct Wanted<'a> {
    pub size: WorkspaceSize,
    never: &'a std::convert::Infallible,
}

impl Wanted<'_> {
    /// Whether the launch goes into a graph.
    #[must_use]
    pub const fn is_captured(&self) -> bool {
        match *self.never {}
    }
}

/// Memory that launches work in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workspace {
    _nothing: (),
}

impl Workspace {
    /// Of that size, at those addresses.
    #[must_use]
    pub const fn new(_zeroed: u64, _scratch: u64, _size: WorkspaceSize) -> Self {
        Self { _nothing: () }
    }
}

/// A [`CudaExecutor`] bound to memory on a device.
#[derive(Clone, Copy, Debug)]
pub struct OnDevice<'a> {
    pub(super) _input: &'a DeviceInput,
}

impl OnDevice<'_> {
    /// Launches a plan on the executor's stream.
    ///
    /// # Errors
    /// [`Error::Unavailable`](st_rank::Error::Unavailable), always.
    pub fn launch(
        &self,
        _plan: &RankPlan,
        _out: &DeviceOutput,
        _workspace: &Workspace,
    ) -> Result<()> {
        Err(unavailable())
    }

    /// The same on a stream of the caller's.
    ///
    /// # Errors
    /// [`Error::Unavailable`](st_rank::Error::Unavailable), always.
    pub fn launch_on(
        &self,
        _stream: *mut c_void,
        _plan: &RankPlan,
        _out: &DeviceOutput,
        _workspace: &Workspace,
    ) -> Result<()> {
        Err(unavailable())
    }

    /// The same with a workspace that is asked for.
    ///
    /// # Errors
    /// [`Error::Unavailable`](st_rank::Error::Unavailable), always: none is asked for.
    pub fn launch_with(
        &self,
        _stream: Option<*mut c_void>,
        _plan: &RankPlan,
        _out: &DeviceOutput,
        _workspace: impl FnOnce(Wanted<'_>) -> Option<Workspace>,
    ) -> Result<Option<WorkspaceSize>> {
        Err(unavailable())
    }
}

impl RankKExecutor for OnDevice<'_> {
    type Output = ();

    fn execute(&self, _plan: &RankPlan) -> Result<()> {
        Err(unavailable())
    }
}

impl ExecuteInto<(DeviceOutput, Workspace)> for OnDevice<'_> {
    fn execute_into(&self, _plan: &RankPlan, _out: &mut (DeviceOutput, Workspace)) -> Result<()> {
        Err(unavailable())
    }
}

/// Memory on an executor's device; here, there is never any.
#[derive(Debug)]
pub struct DeviceMemory {
    never: std::convert::Infallible,
}

impl DeviceMemory {
    /// So many bytes.
    ///
    /// # Errors
    /// [`Error::Unavailable`](st_rank::Error::Unavailable), always.
    pub fn zeroed(_exec: &CudaExecutor, _bytes: u64) -> Result<Self> {
        Err(unavailable())
    }

    /// Where it begins.
    #[must_use]
    pub const fn address(&self) -> u64 {
        match self.never {}
    }

    /// How many bytes it has.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        match self.never {}
    }

    /// Copies its first bytes to the host.
    ///
    /// # Errors
    /// There is no memory that could be read.
    pub const fn read(&self, _bytes: &mut [u8]) -> Result<()> {
        match self.never {}
    }
}
