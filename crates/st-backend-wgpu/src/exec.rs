//! The executor. It obeys plans and chooses nothing.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use st_kernels::wgsl::Permutation;
use st_rank::{Backend, CompactPlan, DType, DeviceCaps, Error, RankPlan, Result};

use crate::device::{self, unavailable};
use crate::gpu::{ForTests, Gpu};
use crate::layout::{Dispatch, Layout};
use crate::on::WgpuInput;
use crate::{batches, look, self_test};

/// Runs plans through wgpu. Touches no device until it is first used; clones share what they open.
///
/// A kernel is tested before its first use on a device: it is given a small problem whose answer is
/// known. One that fails is refused from then on ([`Error::SelfTest`]); nothing else is run in its
/// place. [`prepare`](Self::prepare) does this ahead of time.
#[derive(Clone, Debug)]
pub struct WgpuExecutor {
    backend: Backend,
    software: Option<bool>,
    /// Its number among [`adapters`](crate::adapters), or a part of its name.
    adapter: Option<Arc<str>>,
    pub(crate) gpu: Arc<OnceLock<Result<Gpu>>>,
    subgroups: bool,
    self_test: bool,
    for_tests: ForTests,
    log: Option<Arc<Mutex<Vec<Launch>>>>,
}

/// A dispatch, for those who want to see that a plan is obeyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Launch {
    /// The stage and its constants.
    pub permutation: Permutation,
    /// Workgroups.
    pub workgroups: u64,
    /// Parts of each row.
    pub parts: u32,
}

impl Default for WgpuExecutor {
    /// The first adapter of any interface; a software one only if there is no other.
    fn default() -> Self {
        Self::of(Backend::Wgpu)
    }
}

impl WgpuExecutor {
    fn of(backend: Backend) -> Self {
        Self {
            backend,
            software: None,
            adapter: None,
            gpu: Arc::default(),
            subgroups: true,
            self_test: true,
            for_tests: ForTests::default(),
            log: None,
        }
    }

    /// Held to Metal.
    #[must_use]
    pub fn metal() -> Self {
        Self::of(Backend::Mps)
    }

    /// Held to a software adapter, as tests want it, or to a real one.
    #[must_use]
    pub fn with_software(mut self, software: bool) -> Self {
        self.software = Some(software);
        self.gpu = Arc::default();
        self
    }

    /// Held to one of several adapters: by its number among those that [`adapters`](crate::adapters) lists, from 0, or by a
    /// part of its name, small letters or capital ones. If there is none, the first use is refused with
    /// [`Error::Unavailable`], which says what there is.
    #[must_use]
    pub fn with_adapter(mut self, which: &str) -> Self {
        self.adapter = Some(which.into());
        self.gpu = Arc::default();
        self
    }

    /// The same device, planned for and run without subgroup operations.
    #[must_use]
    pub fn without_subgroups(mut self) -> Self {
        self.subgroups = false;
        self
    }

    /// The same device, with or without the test of each kernel before its first use (with, if not
    /// said). A kernel that was found wrong before stays refused.
    #[must_use]
    pub const fn with_self_test(mut self, self_test: bool) -> Self {
        self.self_test = self_test;
        self
    }

    /// A device of its own on which the kernels of a stage are wrong: for tests of the self-tests.
    #[doc(hidden)]
    #[must_use]
    pub fn with_miscompiled(mut self, stage: &'static str) -> Self {
        self.for_tests.miscompiled = Some(stage);
        self.gpu = Arc::default();
        self
    }

    /// A device of its own with the kernels that a GPU is given, whatever it is: for tests of these.
    #[doc(hidden)]
    #[must_use]
    pub fn with_unrolled_loops(mut self) -> Self {
        self.for_tests.unrolled = true;
        self.gpu = Arc::default();
        self
    }

    /// On a device and queue of the caller's, opened from an adapter with this information. Kernels
    /// use subgroups if the device was opened with `Features::SUBGROUP`, and all of its limits.
    ///
    /// The device's callbacks (loss, uncaptured errors) stay the caller's. If its limits are below
    /// what kernels need, every use is refused with [`Error::Unavailable`], which names the limit.
    #[must_use]
    pub fn on_device(device: wgpu::Device, queue: wgpu::Queue, info: &wgpu::AdapterInfo) -> Self {
        let this = Self::default();
        // The place is new, so that it is empty.
        let _ = this.gpu.set(Gpu::of(device, queue, Backend::Wgpu, info));
        this
    }

    /// The same, keeping a log of its dispatches.
    #[must_use]
    pub fn with_launch_log(mut self) -> Self {
        self.log = Some(Arc::default());
        self
    }

    /// Takes the log of what was dispatched since it was last taken.
    #[must_use]
    pub fn launches(&self) -> Vec<Launch> {
        let take = |log: &Arc<Mutex<Vec<Launch>>>| {
            std::mem::take(&mut *log.lock().unwrap_or_else(PoisonError::into_inner))
        };
        self.log.as_ref().map(take).unwrap_or_default()
    }

    /// The kernels that a plan is run with, each once: for tests that count them.
    ///
    /// # Errors
    /// Whatever a call would be refused with.
    #[doc(hidden)]
    pub fn kernels(&self, plan: &RankPlan) -> Result<Vec<Permutation>> {
        Ok(self_test::permutations(&self.laid_out(plan)?.1))
    }

    /// Opens the device: in a browser without blocking, and before everything else; natively at once, as
    /// the first use would.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if there is none.
    pub async fn open_async(&self) -> Result<()> {
        self.opened().await.map(|_| ())
    }

    pub(crate) async fn newly_opened(&self) -> Result<Gpu> {
        if !matches!(self.backend, Backend::Wgpu | Backend::Mps) {
            return Err(unavailable(self.backend, "it is not reached through wgpu"));
        }
        let adapter = device::choose(self.backend, self.software, self.adapter.as_deref()).await?;
        Gpu::open(&adapter, self.backend, self.for_tests).await
    }

    pub(crate) fn gpu(&self) -> Result<&Gpu> {
        match self.gpu.get() {
            Some(opened) => opened.as_ref().map_err(Clone::clone),
            None => self.open_now(),
        }
    }

    /// What the device can do.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if there is none.
    pub fn caps(&self) -> Result<DeviceCaps> {
        let caps = self.gpu()?.caps;
        Ok(caps.with_subgroup(caps.lane, caps.subgroups && self.subgroups))
    }

    /// The adapter's name, and whether a processor pretends to be it.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if there is none.
    pub fn adapter(&self) -> Result<(&str, bool)> {
        let gpu = self.gpu()?;
        Ok((&gpu.name, gpu.software))
    }

    /// The driver's name and version, as far as it tells.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if there is no device.
    pub fn driver(&self) -> Result<&str> {
        Ok(&self.gpu()?.driver)
    }

    /// The device and queue that it runs on, for buffers of the caller's beside it.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if there is none.
    pub fn device(&self) -> Result<(&wgpu::Device, &wgpu::Queue)> {
        let gpu = self.gpu()?;
        Ok((&gpu.device, &gpu.queue))
    }

    /// Buffers made on the device so far, by all executors that share it. Calls like earlier ones
    /// make none: uploads, readbacks, workspace and parameters are used again.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if there is no device.
    pub fn buffers_made(&self) -> Result<u64> {
        Ok(self.gpu()?.pool.made())
    }

    /// Binds the executor to its input: host memory (slices, vectors, arrays,
    /// [`Input`](st_rank::Input)), or a [`DeviceInput`](crate::DeviceInput).
    #[must_use]
    pub fn on<'a, X: WgpuInput + ?Sized>(&'a self, x: &'a X) -> X::Bound<'a> {
        x.bind(self)
    }

    /// As [`prepare`](Self::prepare), without blocking.
    ///
    /// # Errors
    /// As there.
    pub async fn prepare_async(&self, plan: &RankPlan) -> Result<()> {
        self.prepared(plan, look).await?;
        self.reserve(plan)
    }

    #[cfg(target_arch = "wasm32")]
    pub(crate) const fn backend(&self) -> Backend {
        self.backend
    }

    pub(crate) fn note(&self, dispatches: &[Dispatch]) {
        if let Some(log) = &self.log {
            let launches = dispatches.iter().map(|d| Launch {
                permutation: d.permutation,
                workgroups: d.workgroups,
                parts: d.params.parts,
            });
            log.lock().unwrap_or_else(PoisonError::into_inner).extend(launches);
        }
    }

    /// Refuses plans for other devices and types that the kernels cannot read.
    pub(crate) fn refuse(&self, plan: &DeviceCaps, dtype: DType) -> Result<()> {
        if plan.backend != self.backend {
            return Err(Error::WrongBackend { plan: plan.backend, executor: self.backend });
        }
        if !self.backend.reads(dtype) {
            return Err(Error::UnsupportedType { dtype, backend: self.backend });
        }
        Ok(())
    }

    /// The device, and how a plan is laid out on it, if it can be run there.
    pub(crate) fn laid_out(&self, plan: &RankPlan) -> Result<(&Gpu, Layout)> {
        self.refuse(&plan.caps, plan.problem.dtype)?;
        plan.problem.check()?;
        let (gpu, caps) = (self.gpu()?, self.caps_of(&plan.caps)?);
        st_kernels::check(&plan.choice, &plan.problem, &caps)?;
        let map = batches::map_of(&plan.problem);
        Ok((gpu, Layout::new(plan, &caps, gpu.most_lanes, map)))
    }

    /// What of the device a plan uses.
    pub(crate) fn caps_of(&self, plan: &DeviceCaps) -> Result<DeviceCaps> {
        let caps = self.caps()?;
        Ok(caps.with_subgroup(caps.lane, caps.subgroups && plan.subgroups))
    }

    /// Compiles the kernels of a plan and tests those that were not tested before.
    pub(crate) async fn prepared(
        &self,
        plan: &RankPlan,
        wait: crate::readback::Wait,
    ) -> Result<()> {
        self.opened().await?;
        let (gpu, layout) = self.laid_out(plan)?;
        if plan.problem.output_len() == 0 {
            return Ok(());
        }
        let permutations = self_test::permutations(&layout);
        gpu.compile(&permutations).await?;
        if self_test::needed(gpu, &permutations, self.self_test)? {
            let caps = self.caps_of(&plan.caps)?;
            self_test::selection(gpu, plan, &caps, &permutations, wait).await?;
        }
        Ok(())
    }

    /// Whether [`prepared`](Self::prepared) would do nothing.
    #[cfg(target_arch = "wasm32")]
    pub(crate) fn is_prepared(&self, plan: &RankPlan) -> Result<bool> {
        let (gpu, layout) = self.laid_out(plan)?;
        let permutations = self_test::permutations(&layout);
        let made = permutations.iter().all(|p| gpu.made(p).is_some());
        Ok(plan.problem.output_len() == 0
            || made && !self_test::needed(gpu, &permutations, self.self_test)?)
    }

    /// The same of a compaction's kernels.
    pub(crate) async fn prepared_compaction(
        &self,
        plan: &CompactPlan,
        wait: crate::readback::Wait,
    ) -> Result<()> {
        let gpu = self.opened().await?;
        let caps = self.caps_of(&plan.caps)?;
        st_kernels::gpu::check_compact(&plan.choice, &caps)?;
        let permutations = crate::compaction::permutations(plan);
        gpu.compile(&permutations).await?;
        if self_test::needed(gpu, &permutations, self.self_test)? {
            self_test::compaction(gpu, plan, &caps, &permutations, wait).await?;
        }
        Ok(())
    }
}
