//! The tuner: this machine's devices measured, and what was found planned with from then on.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use pyo3::exceptions::{PyMemoryError, PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use st_core::backend::device_caps::Backend;
#[cfg(feature = "cuda")]
use st_core::tune::CudaDevice;
#[cfg(feature = "wgpu")]
use st_core::tune::WgpuDevice;
use st_core::tune::{
    self as tuner, Cell, CpuDevice, SessionError, Stoppable, TableFile, TuneError, Tuned,
};

use crate::device::Device;
use crate::error::raised;
use crate::state::{State, not_in_this_build, told};

type Tunable<'a> = dyn tuner::Device<Error = TuneError> + 'a;

/// Measures every sensible choice for some shapes (a JSON list; none: the device's usual ones) and keeps what is found in
/// a table under `home`; plans made from then on know of it. What was found, as JSON.
#[pyfunction]
#[pyo3(signature = (device, budget, shapes, home, fresh))]
pub(crate) fn tune(
    py: Python<'_>,
    device: &Bound<'_, PyAny>,
    budget: f64,
    shapes: Option<&str>,
    home: Option<PathBuf>,
    fresh: bool,
) -> PyResult<String> {
    let device = Device::parse(device)?;
    let Some(budget) = Duration::try_from_secs_f64(budget).ok().filter(|time| !time.is_zero())
    else {
        return Err(PyValueError::new_err(format!(
            "budget = {budget}: give seconds, more than 0 and finite"
        )));
    };
    let stopped = Mutex::default();
    let state = told(py)?;
    let found = py.detach(|| {
        let cells = |device: &Tunable<'_>| match shapes {
            Some(text) => Cell::list("shapes", text),
            None => Ok(Cell::usual(&device.caps(), device.is_software())),
        };
        with(state, device, &|device| {
            let cells = cells(device).map_err(|e| PyValueError::new_err(e.to_string()))?;
            session(state, device, &cells, (budget, fresh), home.as_ref(), &stopped)
        })
    });
    if let Some(interrupt) = stopped.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(interrupt);
    }
    let found = found?;
    // Of the usual shapes some are too much for a small device, and nobody asked for those.
    if shapes.is_some() && !found.no_memory.is_empty() {
        return Err(PyMemoryError::new_err(found.no_memory.join("; ")));
    }
    serde_json::to_string(&found).map_err(|e| PyRuntimeError::new_err(e.to_string()))
}

/// Hands out a device that was named; `auto` is the processor, as it is for the command.
fn with(
    state: &State,
    device: Device,
    work: &dyn Fn(&Tunable<'_>) -> PyResult<Tuned>,
) -> PyResult<Tuned> {
    let refused = |error| raised(&error);
    match device {
        Device::Auto | Device::Backend(Backend::Cpu, _) => {
            work(&CpuDevice::new(&state.cpu().map_err(refused)?.0))
        }
        #[cfg(feature = "cuda")]
        Device::Backend(Backend::Cuda, ordinal) => {
            let gpu = state.cuda(ordinal).map_err(refused)?;
            work(&CudaDevice::new(&gpu.exec).map_err(refused)?)
        }
        #[cfg(feature = "wgpu")]
        Device::Backend(backend @ (Backend::Wgpu | Backend::Mps), _) => {
            let gpu = state.wgpu(backend).map_err(refused)?;
            work(&WgpuDevice::new(&gpu.exec).map_err(refused)?)
        }
        Device::Backend(backend, _) => Err(raised(&not_in_this_build(backend))),
    }
}

/// Tunes, unless a signal ends it: then its exception is left in `stopped`.
fn session(
    state: &State,
    device: &Tunable<'_>,
    cells: &[Cell],
    limits: (Duration, bool),
    home: Option<&PathBuf>,
    stopped: &Mutex<Option<PyErr>>,
) -> PyResult<Tuned> {
    let usual = state.settings.home();
    let Some(folder) = home.map(PathBuf::as_path).or(usual) else {
        return Err(PyValueError::new_err(
            "there is no home directory: give home=, or set SPIRAL_HOME to a folder for tables",
        ));
    };
    let table = TableFile::new(&folder.join("tables"), device.caps(), device.versions());
    let is_stopped = || {
        let mut stopped = stopped.lock().unwrap_or_else(PoisonError::into_inner);
        if stopped.is_none() {
            *stopped = Python::attach(|py| py.check_signals()).err();
        }
        stopped.is_some()
    };
    let device = Stoppable::new(device, &is_stopped);
    let begun = Instant::now();
    let found = Tuned::session(&device, cells, limits, &table, &|| begun.elapsed(), &mut |_| ());
    let failed = |SessionError::Store(error)| PyOSError::new_err(error.to_string());
    let mut loaded = state.settings.load();
    if Some(folder) != usual {
        let kept = table.load().map_err(|e| PyOSError::new_err(e.to_string()))?;
        loaded.knowledge.add_table(kept.0);
    }
    // A table that is broken now, say; whoever plans next is told.
    state.faults().add(loaded.faults.iter().map(ToString::to_string));
    state.planner.set_knowledge(loaded.knowledge);
    found.map_err(failed)
}
