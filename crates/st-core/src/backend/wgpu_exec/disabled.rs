//! Without the backend: the same API, so that code which uses it compiles in every build and is refused when it runs.
//!
//! What takes or gives wgpu's own types cannot be here, for wgpu is not: `WgpuExecutor::on_device`, `device` and `record`,
//! `DeviceInput`, `DeviceOutput` and `OnDevice`, which are made of its buffers. [`Launch`] has no `permutation`, whose type
//! is the kernels'; `timing` is not there.

use std::time::Duration;

use st_rank::{
    Backend, CompactExecutor, CompactOutput, CompactPlan, DeviceCaps, Element, Error, ExecuteInto,
    HostInput, HostOutput, Input, RankKExecutor, RankOutput, RankPlan, Result,
};

/// Whether this build has the backend.
pub const IN_THIS_BUILD: bool = false;

/// What was found of an adapter; here, none ever is.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the same as with the backend")]
pub struct AdapterReport {
    pub name: String,
    pub interface: String,
    pub driver: String,
    pub software: bool,
    pub caps: DeviceCaps,
}

/// The adapters there are: none that this build could use.
#[must_use]
pub const fn adapters(_backend: Backend) -> Vec<AdapterReport> {
    Vec::new()
}

/// The same, without blocking.
pub async fn adapters_async(_backend: Backend) -> Vec<AdapterReport> {
    Vec::new()
}

/// A dispatch; here, none ever is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the same as with the backend")]
pub struct Launch {
    pub workgroups: u64,
    pub parts: u32,
}

/// The executor's place. Touches no device.
#[derive(Clone, Debug)]
pub struct WgpuExecutor {
    backend: Backend,
}

impl Default for WgpuExecutor {
    fn default() -> Self {
        Self { backend: Backend::Wgpu }
    }
}

impl WgpuExecutor {
    /// Held to Metal.
    #[must_use]
    pub const fn metal() -> Self {
        Self { backend: Backend::Mps }
    }

    /// Held to a software adapter or to a real one: there is neither.
    #[must_use]
    pub const fn with_software(self, _software: bool) -> Self {
        self
    }

    /// Held to an adapter: there is none.
    #[must_use]
    pub const fn with_adapter(self, _which: &str) -> Self {
        self
    }

    /// Without subgroup operations.
    #[must_use]
    pub const fn without_subgroups(self) -> Self {
        self
    }

    /// With or without self-tests.
    #[must_use]
    pub const fn with_self_test(self, _self_test: bool) -> Self {
        self
    }

    /// With a log of dispatches.
    #[must_use]
    pub const fn with_launch_log(self) -> Self {
        self
    }

    /// What was dispatched: nothing.
    #[must_use]
    pub const fn launches(&self) -> Vec<Launch> {
        Vec::new()
    }

    /// Compiles and tests what plans need: there is nothing, and each plan says so when it is run.
    pub fn prepare_ahead<'a>(
        &self,
        _plans: impl IntoIterator<Item = &'a RankPlan>,
        _limit: Duration,
    ) {
    }

    /// Opens the device.
    ///
    /// # Errors
    /// [`Error::Unavailable`], always.
    pub async fn open_async(&self) -> Result<()> {
        Err(self.unavailable())
    }

    /// Compiles and tests a plan's kernels.
    ///
    /// # Errors
    /// [`Error::Unavailable`], always.
    pub fn prepare(&self, _plan: &RankPlan) -> Result<()> {
        Err(self.unavailable())
    }

    /// The same without blocking.
    ///
    /// # Errors
    /// [`Error::Unavailable`], always.
    pub async fn prepare_async(&self, _plan: &RankPlan) -> Result<()> {
        Err(self.unavailable())
    }

    /// Bytes that a plan works in.
    ///
    /// # Errors
    /// [`Error::Unavailable`], always.
    pub fn workspace_bytes(&self, _plan: &RankPlan) -> Result<u64> {
        Err(self.unavailable())
    }

    /// Buffers made so far.
    ///
    /// # Errors
    /// [`Error::Unavailable`], always.
    pub fn buffers_made(&self) -> Result<u64> {
        Err(self.unavailable())
    }

    /// What the device can do.
    ///
    /// # Errors
    /// [`Error::Unavailable`], always.
    pub fn caps(&self) -> Result<DeviceCaps> {
        Err(self.unavailable())
    }

    /// The adapter's name, and whether a processor pretends to be it.
    ///
    /// # Errors
    /// [`Error::Unavailable`], always.
    pub fn adapter(&self) -> Result<(&str, bool)> {
        Err(self.unavailable())
    }

    /// The driver's name and version.
    ///
    /// # Errors
    /// [`Error::Unavailable`], always.
    pub fn driver(&self) -> Result<&str> {
        Err(self.unavailable())
    }

    /// Binds the executor to its input.
    #[must_use]
    pub fn on<'a, X: HostInput + ?Sized>(&'a self, x: &'a X) -> OnWgpu<'a, X::Elem> {
        OnWgpu { exec: self, _input: x.input() }
    }

    fn unavailable(&self) -> Error {
        let feature = self.backend.name();
        Error::Unavailable {
            backend: self.backend,
            why: format!("this build has no WGPU backend (feature `{feature}`)"),
            advice: "use CpuExecutor, or a build with that feature",
        }
    }
}

/// A [`WgpuExecutor`] bound to its input.
#[derive(Clone, Debug)]
pub struct OnWgpu<'a, T> {
    exec: &'a WgpuExecutor,
    _input: Input<'a, T>,
}

impl<T: Element> OnWgpu<'_, T> {
    /// Runs a plan without blocking.
    ///
    /// # Errors
    /// [`Error::Unavailable`], always.
    pub async fn execute_async(&self, _plan: &RankPlan) -> Result<RankOutput<T>> {
        Err(self.exec.unavailable())
    }

    /// The same into a place of the caller's.
    ///
    /// # Errors
    /// [`Error::Unavailable`], always.
    pub async fn execute_into_async<O: HostOutput<T> + ?Sized>(
        &self,
        _plan: &RankPlan,
        _out: &mut O,
    ) -> Result<()> {
        Err(self.exec.unavailable())
    }

    /// A compaction without blocking.
    ///
    /// # Errors
    /// [`Error::Unavailable`], always.
    pub async fn compact_async(
        &self,
        _plan: &CompactPlan,
        _lo: T,
        _hi: T,
    ) -> Result<CompactOutput<T>> {
        Err(self.exec.unavailable())
    }
}

impl<T: Element> RankKExecutor for OnWgpu<'_, T> {
    type Output = RankOutput<T>;

    fn execute(&self, _plan: &RankPlan) -> Result<Self::Output> {
        Err(self.exec.unavailable())
    }
}

impl<T: Element, O: HostOutput<T> + ?Sized> ExecuteInto<O> for OnWgpu<'_, T> {
    fn execute_into(&self, _plan: &RankPlan, _out: &mut O) -> Result<()> {
        Err(self.exec.unavailable())
    }
}

impl<T: Element> CompactExecutor<T> for OnWgpu<'_, T> {
    fn compact(&self, _plan: &CompactPlan, _lo: T, _hi: T) -> Result<CompactOutput<T>> {
        Err(self.exec.unavailable())
    }
}
