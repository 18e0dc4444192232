//! Without the backend.

use std::path::PathBuf;

use st_rank::{
    Backend, CompactExecutor, CompactOutput, CompactPlan, DeviceCaps, Element, Error, ExecuteInto,
    HostInput, HostOutput, Input, RankKExecutor, RankOutput, RankPlan, Result,
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

/// The executor's place. Touches no device.
#[derive(Clone, Copy, Debug, Default)]
pub struct CudaExecutor;

impl CudaExecutor {
    /// The device of that number.
    #[must_use]
    pub const fn new(_ordinal: u32) -> Self {
        Self
    }

    /// With libraries from elsewhere.
    #[must_use]
    pub const fn with_libraries(self, _libraries: &Libraries) -> Self {
        self
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

    /// Binds the executor to its input.
    #[must_use]
    pub fn on<'a, X: HostInput + ?Sized>(&'a self, x: &'a X) -> OnCuda<'a, X::Elem> {
        OnCuda { _input: x.input() }
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
