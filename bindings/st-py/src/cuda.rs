//! Memory on NVIDIA devices: PyTorch's tensors, CuPy's arrays, and memory of our own where a library has no allocator.
#![allow(unsafe_code, reason = "addresses of another library's")]

use std::ffi::c_void;
use std::sync::PoisonError;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use st_core::Error;
use st_core::backend::cuda_exec::{
    self, DeviceInput, DeviceOutput, Wanted, Workspace, WorkspaceSize,
};
use st_core::ops::rank_entry::Problem;

use crate::error::{count, raised};
use crate::host::rows;
use crate::launch::Launch;
use crate::select::{Ask, Rows};
use crate::state::{Space, state, told};

/// Launches a selection on a stream, in a workspace that is kept for the stream, unless `keep` is false or the launch goes
/// into a graph. Where there is none that is large enough, `workspace(ordinal, zeroed, scratch)` makes one of so many
/// bytes: two pairs of an address, which is a multiple of 256, and the bytes there, of which the first are zero when
/// the stream gets there; and whatever keeps them.
pub(crate) fn select(
    py: Python<'_>,
    launch: &Launch,
    workspace: &Bound<'_, PyAny>,
    keep: bool,
) -> PyResult<()> {
    told(py)?;
    if launch.problem.output_len() == 0 {
        return Ok(());
    }
    let first = py.detach(|| launch.attempt(None, keep)).map_err(|e| raised(&e))?;
    let Some(size) = first else { return Ok(()) };
    let made = workspace.call1((launch.ordinal, size.zeroed, size.scratch))?;
    let (zeroed, scratch, _owner) = made.extract()?;
    let space = Space { zeroed, scratch, _owner };
    let again = py.detach(|| launch.attempt(Some(space), keep)).map_err(|e| raised(&e))?;
    match again {
        None => Ok(()),
        Some(size) => Err(PyValueError::new_err(format!("a workspace of {size:?} was asked for"))),
    }
}

impl Launch {
    /// Nothing when it is launched; else the size of the workspace that is wanted and was not there.
    fn attempt(&self, given: Option<Space>, keep: bool) -> Result<Option<WorkspaceSize>, Error> {
        let state = state();
        let gpu = state.cuda(self.ordinal)?;
        let plan = state.planner.plan(&self.problem, &gpu.caps);
        let Problem { rows, cols, row_stride: stride, dtype, .. } = self.problem;
        let extent = Rows { rows, cols, stride, dtype }.extent();
        // SAFETY: the facade holds the arrays that these are the addresses of, and their libraries free no memory before
        // the work that was put onto its stream has ended. It is no part of the package's interface.
        let (input, out) = unsafe {
            let out = DeviceOutput::new(self.values, self.indices);
            let out = if self.is_wide { out.with_wide_indices() } else { out };
            (DeviceInput::new(self.input, extent, dtype), out)
        };
        // Held while the launches of a call are put onto a stream: others share its workspace, and are right one after
        // another.
        let mut spaces = gpu.spaces.lock().unwrap_or_else(PoisonError::into_inner);
        let mut larger = WorkspaceSize::default();
        let mut keeps = keep;
        let mut space = |wanted: Wanted<'_>| {
            let size = wanted.size;
            larger = size;
            if size == WorkspaceSize::default() {
                keeps = false;
                return Some(Space::NONE);
            }
            keeps = keep && !wanted.is_captured();
            if let Some(space) = &given {
                return Some(space.parts());
            }
            let kept = spaces.get(&self.stream).filter(|_| keeps)?.parts();
            // One that replaces it is as large in each part.
            larger.zeroed = larger.zeroed.max(kept.0.1);
            larger.scratch = larger.scratch.max(kept.1.1);
            (size.zeroed <= kept.0.1 && size.scratch <= kept.1.1).then_some(kept)
        };
        let choose = |wanted: Wanted<'_>| {
            let ((zeroed, zeroed_bytes), (scratch, scratch_bytes)) = space(wanted)?;
            let size = WorkspaceSize { zeroed: zeroed_bytes, scratch: scratch_bytes };
            // SAFETY: as above: the library that made it keeps it until the stream's work has ended, and launches of others
            // in it come before or after on the same stream.
            Some(unsafe { Workspace::new(zeroed, scratch, size) })
        };
        let bound = gpu.exec.on(&input);
        let stream = self.stream.map(|stream| stream as *mut c_void);
        // SAFETY: the stream is one of PyTorch's or CuPy's, which use the device's primary context, as the executor does.
        let launched = unsafe { bound.launch_with(stream, &plan, &out, choose) };
        match launched {
            // What was launched of it may have left no zeros.
            Err(error) => {
                spaces.remove(&self.stream);
                Err(error)
            }
            Ok(Some(_)) => Ok(Some(larger)),
            Ok(None) => {
                if self.stream.is_none() {
                    gpu.exec.wait()?;
                }
                if let Some(space) = given.filter(|_| keeps) {
                    spaces.insert(self.stream, space);
                }
                Ok(None)
            }
        }
    }
}

/// [`select`] for the facade: rows that lie so, of that type, at an address.
#[pyfunction]
#[allow(clippy::too_many_arguments, reason = "it is called by the facade alone")]
pub(crate) fn cuda_select(
    py: Python<'_>,
    ordinal: u32,
    stream: Option<usize>,
    address: u64,
    lie: (usize, usize, usize),
    dtype: &str,
    ask: (u8, Bound<'_, PyAny>, usize, bool, bool),
    index: u8,
    values: u64,
    indices: u64,
    workspace: &Bound<'_, PyAny>,
    keep: bool,
) -> PyResult<()> {
    let (kind, k, start, sorted, nan_last) = ask;
    let ask = Ask::new(kind, count("k", &k)?, start, sorted, nan_last, index)?;
    let problem = ask.problem(&rows(lie, dtype)?)?;
    let is_wide = ask.index.is_wide();
    let launch = Launch { ordinal, stream, problem, is_wide, input: address, values, indices };
    select(py, &launch, workspace, keep)
}

/// Memory on a device, freed with this object.
#[pyclass(frozen, module = "spiraltorch._native")]
pub(crate) struct DeviceMemory {
    memory: cuda_exec::DeviceMemory,
}

#[pymethods]
impl DeviceMemory {
    /// Where it begins.
    #[getter]
    fn address(&self) -> u64 {
        self.memory.address()
    }

    /// Its first bytes, copied to the host.
    fn read<'py>(&self, py: Python<'py>, length: usize) -> PyResult<Bound<'py, PyBytes>> {
        if length as u64 > self.memory.bytes() {
            return Err(PyValueError::new_err(format!(
                "{length} bytes were asked for, and there are {}",
                self.memory.bytes()
            )));
        }
        PyBytes::new_with(py, length, |bytes| {
            py.detach(|| self.memory.read(bytes)).map_err(|e| raised(&e))
        })
    }
}

/// Memory on a device, all zero.
#[pyfunction]
pub(crate) fn cuda_allocate(py: Python<'_>, ordinal: u32, bytes: u64) -> PyResult<DeviceMemory> {
    let made = py.detach(|| {
        let gpu = state().cuda(ordinal)?;
        cuda_exec::DeviceMemory::zeroed(&gpu.exec, bytes)
    });
    made.map(|memory| DeviceMemory { memory }).map_err(|e| raised(&e))
}
