//! What a process keeps from call to call: the planner and the executors.
#![allow(unsafe_code, reason = "a pointer that a fork sets back")]

use std::collections::HashMap;
use std::path::PathBuf;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use pyo3::prelude::*;
use st_core::backend::cpu_exec::{CpuExecutor, Isa};
use st_core::backend::cuda_exec::{self, CudaExecutor, Libraries};
use st_core::backend::device_caps::{Backend, DeviceCaps};
use st_core::backend::wgpu_exec::{self, WgpuExecutor};
use st_core::hints;
use st_core::ops::rank_entry::Planner;
use st_core::settings::Settings;
use st_core::{Error, Result};

/// The planner, the processor, and GPUs that were opened.
pub(crate) struct State {
    pub(crate) planner: Planner,
    pub(crate) cpu: Result<(CpuExecutor, DeviceCaps)>,
    pub(crate) settings: Settings,
    faults: Faults,
    wgpu: OnceLock<Result<Gpu<WgpuExecutor>>>,
    /// Whether there is one without GL.
    has_usual_wgpu: OnceLock<bool>,
    metal: OnceLock<Result<Gpu<WgpuExecutor>>>,
    /// NVRTC as Python has it, where the environment names no other.
    nvrtc: Mutex<Option<PathBuf>>,
    cuda: Mutex<HashMap<u32, &'static Result<Gpu<CudaExecutor>>>>,
}

/// An executor of a device that was found.
pub(crate) struct Gpu<E> {
    pub(crate) exec: E,
    pub(crate) caps: DeviceCaps,
    /// The adapter is a program for the processor.
    pub(crate) software: bool,
    /// What launches on a stream of the caller's (none: on the executor's own) work in.
    #[cfg_attr(
        not(feature = "cuda"),
        expect(dead_code, reason = "nothing is launched on the caller's streams")
    )]
    pub(crate) spaces: Mutex<HashMap<Option<usize>, Space>>,
}

/// An address on a device and the bytes there.
pub(crate) type Part = (u64, u64);

/// A workspace in another library's memory.
#[cfg_attr(not(feature = "cuda"), allow(dead_code, reason = "nothing is launched"))]
pub(crate) struct Space {
    /// Zeros, between launches.
    pub(crate) zeroed: Part,
    pub(crate) scratch: Part,
    /// What keeps it.
    pub(crate) _owner: Py<PyAny>,
}

#[cfg(feature = "cuda")]
impl Space {
    /// The parts of one that has nothing.
    pub(crate) const NONE: (Part, Part) = ((0, 0), (0, 0));

    pub(crate) const fn parts(&self) -> (Part, Part) {
        (self.zeroed, self.scratch)
    }
}

static STATE: AtomicPtr<State> = AtomicPtr::new(ptr::null_mut());

/// The process that used us first, and with whose drivers devices were opened.
static FIRST_PROCESS: AtomicU32 = AtomicU32::new(0);

/// Forgets what a fork does not bring along: the child has none of its parent's threads, and locks may be held by
/// them. The memory is left alone.
#[pyfunction]
pub(crate) fn forked() {
    STATE.store(ptr::null_mut(), Ordering::Release);
}

/// Where Python's packages have NVRTC; devices that are opened from now on use it.
#[pyfunction]
pub(crate) fn nvrtc_at(path: PathBuf) {
    *state().nvrtc.lock().unwrap_or_else(PoisonError::into_inner) = Some(path);
}

/// The state of this process, made when it is first asked for.
pub(crate) fn state() -> &'static State {
    let there = STATE.load(Ordering::Acquire);
    // SAFETY: what is stored was leaked, and so is never freed.
    if let Some(state) = unsafe { there.as_ref() } {
        return state;
    }
    FIRST_PROCESS.compare_exchange(0, std::process::id(), Ordering::AcqRel, Ordering::Relaxed).ok();
    let made = Box::into_raw(Box::new(State::new()));
    match STATE.compare_exchange(ptr::null_mut(), made, Ordering::AcqRel, Ordering::Acquire) {
        // SAFETY: as above; it is leaked now.
        Ok(_) => unsafe { &*made },
        Err(other) => {
            // SAFETY: ours was given to nobody, the other was leaked.
            unsafe {
                drop(Box::from_raw(made));
                &*other
            }
        }
    }
}

/// The same, for whoever plans with it: what is wrong with rules, tables and variables is said before, once in a process, each
/// as a `RuntimeWarning`. (With `filterwarnings("error")` it is raised, and those that are left are by later calls.)
pub(crate) fn told(py: Python<'_>) -> PyResult<&'static State> {
    let state = state();
    if state.faults.are_untold.load(Ordering::Acquire) {
        state.faults.tell(py)?;
    }
    Ok(state)
}

/// What was to be known and is not.
#[derive(Default)]
pub(crate) struct Faults {
    /// Looked at by every call.
    are_untold: AtomicBool,
    /// All of them, and how many were told.
    all: Mutex<(Vec<String>, usize)>,
}

impl Faults {
    /// Those that are not among them are to be told.
    pub(crate) fn add(&self, faults: impl IntoIterator<Item = String>) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        for fault in faults {
            if !all.0.contains(&fault) {
                all.0.push(fault);
            }
        }
        self.are_untold.store(all.0.len() > all.1, Ordering::Release);
    }

    fn next(&self) -> Option<String> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let next = all.0.get(all.1).cloned();
        all.1 = all.0.len().min(all.1 + 1);
        self.are_untold.store(all.0.len() > all.1, Ordering::Release);
        next
    }

    /// Nothing is locked meanwhile: what is done with a warning is Python code, which may select.
    #[cold]
    fn tell(&self, py: Python<'_>) -> PyResult<()> {
        while let Some(fault) = self.next() {
            py.import("spiraltorch._report")?.call_method1("warn", (fault,))?;
        }
        Ok(())
    }
}

impl State {
    fn new() -> Self {
        let settings = Settings::from_env();
        let cpu = cpu(&settings).map(|exec| {
            let caps = exec.caps();
            (exec, caps)
        });
        let loaded = settings.load();
        let faults = Faults::default();
        faults.add(loaded.faults.iter().map(ToString::to_string));
        // Such a build has nobody who would ask for them, and so nobody else who says so.
        if settings.redis_url().is_some() && !hints::IN_THIS_BUILD {
            let why = hints::Error::NotInThisBuild;
            faults.add([format!("planned without shared hints: {why}")]);
        }
        Self {
            planner: Planner::new(loaded.knowledge),
            cpu,
            settings,
            faults,
            wgpu: OnceLock::new(),
            has_usual_wgpu: OnceLock::new(),
            metal: OnceLock::new(),
            nvrtc: Mutex::default(),
            cuda: Mutex::default(),
        }
    }

    /// Those of what was read again.
    pub(crate) const fn faults(&self) -> &Faults {
        &self.faults
    }

    pub(crate) fn cpu(&self) -> Result<&(CpuExecutor, DeviceCaps)> {
        self.cpu.as_ref().map_err(Clone::clone)
    }

    /// The adapter of wgpu, or of Metal, that the environment names, or the first.
    pub(crate) fn wgpu(&self, backend: Backend) -> Result<&Gpu<WgpuExecutor>> {
        in_first_process(backend)?;
        let place = match backend {
            Backend::Mps => &self.metal,
            _ => &self.wgpu,
        };
        let open = || {
            if !wgpu_exec::IN_THIS_BUILD {
                return Err(not_in_this_build(backend));
            }
            let exec = self.settings.wgpu(backend);
            let caps = exec.caps()?;
            let (_, software) = exec.adapter()?;
            Ok(Gpu { exec, caps, software, spaces: Mutex::default() })
        };
        place.get_or_init(open).as_ref().map_err(Clone::clone)
    }

    /// The same unasked: only where wgpu finds an adapter without GL, which a process should not open by the way
    /// (`st_backend_wgpu::device`).
    pub(crate) fn usual_wgpu(&self, backend: Backend) -> Result<&Gpu<WgpuExecutor>> {
        in_first_process(backend)?;
        let is_there = || !wgpu_exec::adapters(backend).is_empty();
        let is_usual = !wgpu_exec::IN_THIS_BUILD
            || backend == Backend::Mps
            || self.was_looked_for(backend)
            || *self.has_usual_wgpu.get_or_init(is_there);
        if is_usual {
            return self.wgpu(backend);
        }
        Err(Error::Unavailable {
            backend,
            why: "no adapter of Vulkan, Metal or DirectX 12 was found".to_owned(),
            advice: "name the device to have GL looked at, too",
        })
    }

    /// Whether an NVIDIA device was looked for already.
    pub(crate) fn has_cuda(&self, ordinal: u32) -> bool {
        self.cuda.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&ordinal)
    }

    /// Whether the first device of a backend was looked for already.
    pub(crate) fn was_looked_for(&self, backend: Backend) -> bool {
        match backend {
            Backend::Cuda => self.has_cuda(0),
            Backend::Wgpu => self.wgpu.get().is_some(),
            Backend::Mps => self.metal.get().is_some(),
            _ => false,
        }
    }

    /// CUDA's libraries: those of the environment, else of Python's packages, else of the system.
    pub(crate) fn libraries(&self) -> Libraries {
        let mut libraries = self.settings.cuda().clone();
        if libraries.nvrtc.is_none() {
            libraries.nvrtc = self.nvrtc.lock().unwrap_or_else(PoisonError::into_inner).clone();
        }
        libraries
    }

    /// An NVIDIA device by its number.
    pub(crate) fn cuda(&self, ordinal: u32) -> Result<&'static Gpu<CudaExecutor>> {
        in_first_process(Backend::Cuda)?;
        let mut devices = self.cuda.lock().unwrap_or_else(PoisonError::into_inner);
        let device = devices.entry(ordinal).or_insert_with(|| {
            let open = || {
                if !cuda_exec::IN_THIS_BUILD {
                    return Err(not_in_this_build(Backend::Cuda));
                }
                let exec = CudaExecutor::new(ordinal).with_libraries(&self.libraries());
                let caps = exec.caps()?;
                Ok(Gpu { exec, caps, software: false, spaces: Mutex::default() })
            };
            // A device is opened once in a process, and kept.
            Box::leak(Box::new(open()))
        });
        device.as_ref().map_err(Clone::clone)
    }
}

/// Drivers of GPUs do not survive a fork.
fn in_first_process(backend: Backend) -> Result<()> {
    if FIRST_PROCESS.load(Ordering::Acquire) == std::process::id() {
        return Ok(());
    }
    Err(Error::Unavailable {
        backend,
        why: "this process was forked from one that had used spiraltorch, and drivers do not survive that"
            .to_owned(),
        advice: "start processes with multiprocessing's \"spawn\", or use device=\"cpu\" here",
    })
}

pub(crate) fn not_in_this_build(backend: Backend) -> Error {
    Error::Unavailable {
        backend,
        why: format!("this wheel was built without the {backend} backend"),
        advice: "use device=\"cpu\" or \"auto\", or build the wheel with that feature",
    }
}

fn cpu(settings: &Settings) -> Result<CpuExecutor> {
    match settings.cpu_isa() {
        Some((_, name)) => CpuExecutor::new(Isa::from_name(name)?, None),
        None => Ok(CpuExecutor::default()),
    }
}
