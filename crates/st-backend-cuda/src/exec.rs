//! The executor. It obeys plans and chooses nothing.

use std::ffi::c_void;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use st_kernels::cuda::Unit;
use st_rank::{Backend, DType, DeviceCaps, Error, RankPlan, Result};

use crate::device::{DeviceReport, Gpu, Places};
use crate::driver::Handle;
use crate::host::HostMemory;
use crate::layout::{Layout, Step};
use crate::resident::{CudaInput, WorkspaceSize};

/// Where CUDA's libraries are, and where compiled kernels are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Libraries {
    /// The driver's file; none: where the system has it.
    pub driver: Option<PathBuf>,
    /// NVRTC's file; none: where the system has it, the newest whose code the driver takes and that knows the device.
    pub nvrtc: Option<PathBuf>,
    /// A folder for compiled kernels, which processes may share; none: they are compiled in every process.
    pub cache: Option<PathBuf>,
}

/// Runs plans on an NVIDIA device. Touches none until it is first used; clones share what they open.
///
/// Kernels are compiled when they are first needed, which takes a second or two, unless
/// [`Libraries::cache`] has them; [`prepare`](Self::prepare) does it ahead of time.
#[derive(Clone, Debug)]
pub struct CudaExecutor {
    ordinal: u32,
    places: Places,
    opened: Arc<OnceLock<Result<Opened>>>,
    /// Held by whoever opens it.
    opening: Arc<Mutex<()>>,
    log: Option<Arc<Mutex<Vec<Launch>>>>,
}

/// An opened device, and what calls from the host use on it.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) host: Mutex<HostMemory>,
    pub(crate) gpu: Gpu,
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.host.get_mut().unwrap_or_else(PoisonError::into_inner).free(&self.gpu);
    }
}

/// A launch, for those who want to see that a plan is obeyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Launch {
    /// The file and its constants.
    pub unit: Unit,
    /// The kernel.
    pub kernel: &'static str,
    /// Blocks.
    pub blocks: u32,
    /// Shared memory of each, in bytes.
    pub shared_bytes: u32,
}

impl Default for CudaExecutor {
    /// The first device.
    fn default() -> Self {
        Self::new(0)
    }
}

/// Every device the driver has, or why there is none.
///
/// # Errors
/// [`Error::Unavailable`] without a driver.
pub fn devices(libraries: &Libraries) -> Result<Vec<DeviceReport>> {
    let count = Gpu::count(&places(libraries))?;
    (0..count).map(|n| CudaExecutor::new(n).with_libraries(libraries).report()).collect()
}

fn places(libraries: &Libraries) -> Places {
    let Libraries { driver, nvrtc, cache } = libraries.clone();
    Places { driver, nvrtc, cache }
}

impl CudaExecutor {
    /// The device of that number.
    #[must_use]
    pub fn new(ordinal: u32) -> Self {
        Self {
            ordinal,
            places: Places::default(),
            opened: Arc::default(),
            opening: Arc::default(),
            log: None,
        }
    }

    /// The same with libraries from elsewhere, and kernels kept on disk.
    #[must_use]
    pub fn with_libraries(mut self, libraries: &Libraries) -> Self {
        self.places = places(libraries);
        self.opened = Arc::default();
        self
    }

    /// On a context and a stream of the caller's, which may be null for the context's own stream: what is
    /// launched goes there, in order with the caller's work. (Of `cudarc`: `context.cu_ctx()` and
    /// `stream.cu_stream()`; of PyTorch: the stream's `cuda_stream`, in its device's primary context.)
    ///
    /// # Errors
    /// [`Error::Unavailable`] without a driver.
    ///
    /// # Safety
    /// Both are the CUDA driver's, belong together, and outlive the executor and its clones.
    #[allow(unsafe_code, reason = "handles of the caller's")]
    pub unsafe fn on_stream(
        context: *mut c_void,
        stream: *mut c_void,
        libraries: &Libraries,
    ) -> Result<Self> {
        let this = Self::new(0).with_libraries(libraries);
        // SAFETY: the caller's promise is the same.
        let gpu = unsafe { Gpu::adopt(context, stream, &this.places) }?;
        // The place is new, so that it is empty.
        let _ = this.opened.set(Ok(Opened { gpu, host: Mutex::default() }));
        Ok(this)
    }

    /// The same, keeping a log of its launches.
    #[must_use]
    pub fn with_launch_log(mut self) -> Self {
        self.log = Some(Arc::default());
        self
    }

    /// Takes the log of what was launched since it was last taken.
    #[must_use]
    pub fn launches(&self) -> Vec<Launch> {
        let take = |log: &Arc<Mutex<Vec<Launch>>>| {
            std::mem::take(&mut *log.lock().unwrap_or_else(PoisonError::into_inner))
        };
        self.log.as_ref().map(take).unwrap_or_default()
    }

    pub(crate) fn opened(&self) -> Result<&Opened> {
        let _alone = match self.opened.get() {
            Some(opened) => return opened.as_ref().map_err(Clone::clone),
            None => self.opening.lock().unwrap_or_else(PoisonError::into_inner),
        };
        if self.opened.get().is_none() {
            let opened = Gpu::open(self.ordinal, &self.places);
            // There may be memory for it later; a driver that is not there will not come.
            if let Err(why @ Error::DeviceMemory { .. }) = &opened {
                return Err(why.clone());
            }
            let _ = self.opened.set(opened.map(|gpu| Opened { gpu, host: Mutex::default() }));
        }
        self.opened.get().expect("it was set").as_ref().map_err(Clone::clone)
    }

    pub(crate) fn gpu(&self) -> Result<&Gpu> {
        Ok(&self.opened()?.gpu)
    }

    /// What the device can do.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if there is none.
    pub fn caps(&self) -> Result<DeviceCaps> {
        Ok(self.gpu()?.caps)
    }

    /// The device, its driver and NVRTC, and what is kept of compiled kernels.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if there is none.
    pub fn report(&self) -> Result<DeviceReport> {
        Ok(self.gpu()?.report())
    }

    /// Binds the executor to its input: host memory (slices, vectors, arrays,
    /// [`Input`](st_rank::Input)), or a [`DeviceInput`](crate::DeviceInput).
    #[must_use]
    pub fn on<'a, X: CudaInput + ?Sized>(&'a self, x: &'a X) -> X::Bound<'a> {
        x.bind(self)
    }

    /// Compiles and loads the kernels of a plan, which its first run would.
    ///
    /// # Errors
    /// Whatever a run would be refused with, but for the input.
    pub fn prepare(&self, plan: &RankPlan) -> Result<()> {
        let layout = self.laid_out(plan)?;
        let gpu = self.gpu()?;
        gpu.compile_ahead(&layout.units());
        let _current = gpu.current()?;
        for step in layout.steps(&crate::params::Addresses::default()) {
            gpu.function(&step.unit, step.kernel)?;
        }
        Ok(())
    }

    /// Compiles what plans need that was not compiled before, on all processors. Plans that cannot be run are left
    /// out, and what fails says so where it is used.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if there is no device.
    pub fn compile_ahead(&self, plans: &[RankPlan]) -> Result<()> {
        let gpu = self.gpu()?;
        let mut units: Vec<Unit> = plans
            .iter()
            .filter_map(|plan| self.laid_out(plan).ok())
            .flat_map(|layout| layout.units())
            .collect();
        units.sort_unstable();
        units.dedup();
        gpu.compile_ahead(&units);
        Ok(())
    }

    /// Waits until all that was put onto the executor's stream has ended.
    ///
    /// # Errors
    /// What the driver says of work that failed.
    pub fn wait(&self) -> Result<()> {
        let gpu = self.gpu()?;
        let _current = gpu.current()?;
        gpu.wait(gpu.stream)
    }

    /// The workspace that a plan's runs from device memory need.
    ///
    /// # Errors
    /// Whatever a run would be refused with, but for the input.
    pub fn workspace(&self, plan: &RankPlan) -> Result<WorkspaceSize> {
        let layout = self.laid_out(plan)?;
        Ok(WorkspaceSize { zeroed: layout.zeroed, scratch: layout.scratch })
    }

    /// Refuses plans for other devices.
    pub(crate) fn refuse(&self, plan: &DeviceCaps, dtype: DType, input: DType) -> Result<()> {
        if plan.backend != Backend::Cuda {
            return Err(Error::WrongBackend { plan: plan.backend, executor: Backend::Cuda });
        }
        if dtype != input {
            return Err(Error::DTypeMismatch { plan: dtype, input });
        }
        Ok(())
    }

    /// How a plan is laid out, if it can be run on the device.
    pub(crate) fn laid_out(&self, plan: &RankPlan) -> Result<Layout> {
        self.refuse(&plan.caps, plan.problem.dtype, plan.problem.dtype)?;
        plan.problem.check()?;
        st_kernels::check(&plan.choice, &plan.problem, &self.caps()?)?;
        Ok(Layout::new(&plan.problem, &plan.choice, self.gpu()?.shape()))
    }

    /// Launches on a stream. The context is current.
    pub(crate) fn launch(&self, stream: Handle, steps: &[Step]) -> Result<()> {
        let gpu = self.gpu()?;
        for step in steps {
            gpu.launch_step(stream, step)?;
        }
        if let Some(log) = &self.log {
            let launches = steps.iter().map(|step| Launch {
                unit: step.unit,
                kernel: step.kernel,
                blocks: step.blocks,
                shared_bytes: step.shared,
            });
            log.lock().unwrap_or_else(PoisonError::into_inner).extend(launches);
        }
        Ok(())
    }
}
