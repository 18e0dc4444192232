//! Without the backend: the same API, so that code which uses it compiles in every build and is refused when it runs.
//!
//! What is not the same: [`Launch`] has no `unit`, whose type is the kernels'; `timing` is not there. What is `unsafe` with
//! the backend (`CudaExecutor::on_stream`, places on a device, launches on another stream) is safe here, because nothing is
//! touched and this crate forbids even the word: a caller's `unsafe` block compiles in both builds, and in this one the
//! compiler says that it is not needed. Places on a device can be named, and nothing can be launched from them.

use std::ffi::c_void;
use std::path::PathBuf;

use st_rank::{
    Backend, CompactExecutor, CompactOutput, CompactPlan, DType, DeviceCaps, Element, Error,
    ExecuteInto, HostInput, HostOutput, Input, RankKExecutor, RankOutput, RankPlan, Result,
};

mod resident;

pub use resident::{
    DeviceInput, DeviceMemory, DeviceOutput, OnDevice, Wanted, Workspace, WorkspaceSize,
};

/// Whether this build has the backend.
pub const IN_THIS_BUILD: bool = false;

/// Where CUDA's libraries are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the same as with the backend")]
pub struct Libraries {
    pub driver: Option<PathBuf>,
    pub nvrtc: Option<PathBuf>,
    pub cache: Option<PathBuf>,
}

/// What was found of a device; here, none ever is.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the same as with the backend")]
pub struct DeviceReport {
    pub ordinal: u32,
    pub name: String,
    pub capability: (i32, i32),
    pub driver: i32,
    pub nvrtc: Result<(i32, i32)>,
    pub cache: Option<KeptKernels>,
    pub caps: DeviceCaps,
}

/// Compiled kernels on disk; here, there are none.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the same as with the backend")]
pub struct KeptKernels {
    pub folder: PathBuf,
    pub kernels: usize,
    pub fault: Option<String>,
}

/// The devices there are: none that this build could use.
///
/// # Errors
/// [`Error::Unavailable`], always.
pub fn devices(_libraries: &Libraries) -> Result<Vec<DeviceReport>> {
    Err(unavailable())
}

/// A launch; here, none ever is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the same as with the backend")]
pub struct Launch {
    pub kernel: &'static str,
    pub blocks: u32,
    pub shared_bytes: u32,
}

/// The executor's place. Touches no device.
#[derive(Clone, Debug, Default)]
pub struct CudaExecutor {
    _nothing: (),
}

impl CudaExecutor {
    /// The device of that number.
    #[must_use]
    pub const fn new(_ordinal: u32) -> Self {
        Self { _nothing: () }
    }

    /// With libraries from elsewhere.
    #[must_use]
    pub const fn with_libraries(self, _libraries: &Libraries) -> Self {
        self
    }

    /// On a context and a stream of the caller's.
    ///
    /// # Errors
    /// [`Error::Unavailable`], always.
    pub fn on_stream(
        _context: *mut c_void,
        _stream: *mut c_void,
        _libraries: &Libraries,
    ) -> Result<Self> {
        Err(unavailable())
    }

    /// With a log of launches.
    #[must_use]
    pub const fn with_launch_log(self) -> Self {
        self
    }

    /// What was launched: nothing.
    #[must_use]
    pub const fn launches(&self) -> Vec<Launch> {
        Vec::new()
    }

    /// What the device can do.
    ///
    /// # Errors
    /// [`Error::Unavailable`], always.
    pub fn caps(&self) -> Result<DeviceCaps> {
        Err(unavailable())
    }

    /// What was found of it.
    ///
    /// # Errors
    /// [`Error::Unavailable`], always.
    pub fn report(&self) -> Result<DeviceReport> {
        Err(unavailable())
    }

    /// Compiles a plan's kernels.
    ///
    /// # Errors
    /// [`Error::Unavailable`], always.
    pub fn prepare(&self, _plan: &RankPlan) -> Result<()> {
        Err(unavailable())
    }

    /// Compiles what plans need.
    ///
    /// # Errors
    /// [`Error::Unavailable`], always.
    pub fn compile_ahead(&self, _plans: &[RankPlan]) -> Result<()> {
        Err(unavailable())
    }

    /// Waits for the executor's stream.
    ///
    /// # Errors
    /// [`Error::Unavailable`], always.
    pub fn wait(&self) -> Result<()> {
        Err(unavailable())
    }

    /// The workspace that a plan's runs from device memory need.
    ///
    /// # Errors
    /// [`Error::Unavailable`], always.
    pub fn workspace(&self, _plan: &RankPlan) -> Result<WorkspaceSize> {
        Err(unavailable())
    }

    /// Binds the executor to its input: host memory, or a [`DeviceInput`].
    #[must_use]
    pub fn on<'a, X: CudaInput + ?Sized>(&'a self, x: &'a X) -> X::Bound<'a> {
        x.bind()
    }
}

/// What [`CudaExecutor::on`] takes.
pub trait CudaInput {
    /// The executor bound to it.
    type Bound<'a>
    where
        Self: 'a;

    /// Binds the executor.
    fn bind(&self) -> Self::Bound<'_>;
}

impl<X: HostInput + ?Sized> CudaInput for X {
    type Bound<'a>
        = OnCuda<'a, X::Elem>
    where
        X: 'a;

    fn bind(&self) -> OnCuda<'_, X::Elem> {
        OnCuda { _input: self.input() }
    }
}

impl CudaInput for DeviceInput {
    type Bound<'a> = OnDevice<'a>;

    fn bind(&self) -> OnDevice<'_> {
        OnDevice { _input: self }
    }
}

fn unavailable() -> Error {
    Error::Unavailable {
        backend: Backend::Cuda,
        why: "this build has no CUDA backend (feature `cuda`)".to_owned(),
        advice: "use CpuExecutor, or a build with that feature",
    }
}

/// A [`CudaExecutor`] bound to its input.
#[derive(Clone, Debug)]
pub struct OnCuda<'a, T> {
    _input: Input<'a, T>,
}

impl<T: Element> RankKExecutor for OnCuda<'_, T> {
    type Output = RankOutput<T>;

    fn execute(&self, _plan: &RankPlan) -> Result<Self::Output> {
        Err(unavailable())
    }
}

impl<T: Element, O: HostOutput<T> + ?Sized> ExecuteInto<O> for OnCuda<'_, T> {
    fn execute_into(&self, _plan: &RankPlan, _out: &mut O) -> Result<()> {
        Err(unavailable())
    }
}

impl<T: Element> CompactExecutor<T> for OnCuda<'_, T> {
    fn compact(&self, _plan: &CompactPlan, _lo: T, _hi: T) -> Result<CompactOutput<T>> {
        Err(unavailable())
    }
}
