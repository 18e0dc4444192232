//! The executor. It obeys plans and chooses nothing.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use st_rank::{
    Backend, CompactExecutor, CompactOutput, CompactPlan, DeviceCaps, Element, Error, ExecuteInto,
    HostInput, HostOutput, Input, RankKExecutor, RankOutput, RankPlan, Result,
};

use crate::compaction;
use crate::device::{self, unavailable};
use crate::gpu::Gpu;
use crate::layout::{Dispatch, Layout, key_map, reads};
use crate::run;

/// Runs plans through wgpu. Touches no device until it is first used; clones share what they open.
#[derive(Clone, Debug)]
pub struct WgpuExecutor {
    backend: Backend,
    software: Option<bool>,
    gpu: Arc<OnceLock<Result<Gpu>>>,
    subgroups: bool,
    log: Option<Arc<Mutex<Vec<Launch>>>>,
}

/// A dispatch, for those who want to see that a plan is obeyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Launch {
    /// The stage and its constants.
    pub permutation: st_kernels::wgsl::Permutation,
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
        Self { backend, software: None, gpu: Arc::default(), subgroups: true, log: None }
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

    /// The same device, planned for and run without subgroup operations.
    #[must_use]
    pub fn without_subgroups(mut self) -> Self {
        self.subgroups = false;
        self
    }

    /// On a device and queue of the caller's, opened from an adapter with this information. Kernels
    /// use subgroups if the device was opened with them.
    #[must_use]
    pub fn on_device(device: wgpu::Device, queue: wgpu::Queue, info: &wgpu::AdapterInfo) -> Self {
        let this = Self::default();
        let gpu = Gpu::of(device, queue, Backend::Wgpu, info);
        // The place is new, so that it is empty.
        let _ = this.gpu.set(Ok(gpu));
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

    pub(crate) fn gpu(&self) -> Result<&Gpu> {
        let opened = self.gpu.get_or_init(|| {
            if !matches!(self.backend, Backend::Wgpu | Backend::Mps) {
                return Err(unavailable(self.backend, "it is not reached through wgpu"));
            }
            pollster::block_on(async {
                let adapter = device::choose(self.backend, self.software).await?;
                Gpu::open(&adapter, self.backend).await
            })
        });
        opened.as_ref().map_err(Clone::clone)
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

    /// Binds the executor to its input.
    #[must_use]
    pub fn on<'a, X: HostInput + ?Sized>(&'a self, x: &'a X) -> OnWgpu<'a, X::Elem> {
        OnWgpu { exec: self, input: x.input() }
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

    /// The device, and what of it a plan uses, if it can be run over an input.
    pub(crate) fn ready<T: Element>(
        &self,
        plan: &RankPlan,
        input: Input<'_, T>,
    ) -> Result<(&Gpu, DeviceCaps)> {
        self.refuse(&plan.caps, T::DTYPE)?;
        plan.problem.check()?;
        plan.problem.check_input(T::DTYPE, input.values.len(), input.lengths)?;
        let (gpu, caps) = (self.gpu()?, self.caps()?);
        let caps = caps.with_subgroup(caps.lane, caps.subgroups && plan.caps.subgroups);
        st_kernels::check(&plan.choice, &plan.problem, &caps)?;
        Ok((gpu, caps))
    }

    /// Refuses plans for other devices and types that the kernels cannot read.
    pub(crate) fn refuse(&self, plan: &DeviceCaps, dtype: st_rank::DType) -> Result<()> {
        if plan.backend != self.backend {
            return Err(Error::WrongBackend { plan: plan.backend, executor: self.backend });
        }
        if !reads(dtype) {
            return Err(Error::UnsupportedType { dtype, backend: self.backend });
        }
        Ok(())
    }
}

/// A [`WgpuExecutor`] bound to its input.
#[derive(Clone, Copy, Debug)]
pub struct OnWgpu<'a, T> {
    exec: &'a WgpuExecutor,
    input: Input<'a, T>,
}

impl<T: Element> RankKExecutor for OnWgpu<'_, T> {
    type Output = RankOutput<T>;

    fn execute(&self, plan: &RankPlan) -> Result<RankOutput<T>> {
        let mut out = RankOutput::default();
        self.execute_into(plan, &mut out)?;
        Ok(out)
    }
}

impl<T: Element, O: HostOutput<T> + ?Sized> ExecuteInto<O> for OnWgpu<'_, T> {
    fn execute_into(&self, plan: &RankPlan, out: &mut O) -> Result<()> {
        let &Self { exec, input } = self;
        let (gpu, caps) = exec.ready::<T>(plan, input)?;
        let k = plan.problem.k;
        if plan.problem.output_len() == 0 {
            out.slots(0)?;
            return Ok(());
        }
        let map = key_map::<T>(plan.problem.kind.direction(), plan.problem.nan);
        let layout = Layout::new(plan, &caps, gpu.most_lanes, map);
        exec.note(&layout.dispatches(0, plan.problem.rows as u64, 0));
        // Results are complete before the caller's memory is touched.
        let mut batches = Vec::new();
        run::run(gpu, &layout, input, |row0, values, indices| {
            batches.push((row0, values.to_vec(), indices.to_vec()));
        })?;
        let (all_values, all_indices) = out.slots(plan.problem.output_len())?;
        for (row0, values, indices) in batches {
            let at = row0 * k;
            for (place, word) in all_values[at..].iter_mut().zip(values) {
                *place = run::from_word(word);
            }
            all_indices[at..at + indices.len()].copy_from_slice(&indices);
        }
        Ok(())
    }
}

impl<T: Element> CompactExecutor<T> for OnWgpu<'_, T> {
    fn compact(&self, plan: &CompactPlan, lo: T, hi: T) -> Result<CompactOutput<T>> {
        let &Self { exec, input } = self;
        exec.refuse(&plan.caps, T::DTYPE)?;
        plan.problem.check()?;
        plan.problem.check_input(T::DTYPE, input.values.len(), input.lengths)?;
        compaction::run(exec, plan, input, lo, hi)
    }
}
