//! Memory on NVIDIA devices: PyTorch's tensors, CuPy's arrays, and memory of our own where a library has no allocator.
#![allow(unsafe_code, reason = "addresses of another library's")]

use std::ffi::c_void;
use std::sync::PoisonError;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use st_core::Error;
use st_core::backend::cuda_exec::{self, DeviceInput, DeviceOutput, Workspace, WorkspaceSize};

use crate::error::{count, raised};
use crate::host::rows;
use crate::select::Ask;
use crate::state::state;

/// An address on a device and the bytes there.
type Part = (u64, u64);

/// Launches a selection on a stream (none: one of our own, and waits). Gives nothing when that is done, or the sizes of
/// the workspace (zeroed, any) that it needs, if what was given is less: then nothing was launched.
///
/// The facade vouches for addresses and stream: it has the arrays.
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
    zeroed: Part,
    scratch: Part,
) -> PyResult<Option<(u64, u64)>> {
    let (kind, k, start, sorted, nan_last) = ask;
    let ask = Ask::new(kind, count("k", &k)?, start, sorted, nan_last, index)?;
    let rows = rows(lie, dtype)?;
    let problem = ask.problem(&rows)?;
    if problem.output_len() == 0 {
        return Ok(None);
    }
    let launched = py.detach(|| -> Result<Option<(u64, u64)>, Error> {
        let state = state();
        let gpu = state.cuda(ordinal)?;
        let plan = state.planner.plan(&problem, &gpu.caps);
        let size = gpu.exec.workspace(&plan)?;
        if size.zeroed > zeroed.1 || size.scratch > scratch.1 {
            return Ok(Some((size.zeroed, size.scratch)));
        }
        let given = WorkspaceSize { zeroed: zeroed.1, scratch: scratch.1 };
        // SAFETY: the facade holds the arrays that these are the addresses of, and their libraries free no memory before
        // the work that was put onto its stream has ended. It is no part of the package's interface.
        let (input, out, space) = unsafe {
            let out = DeviceOutput::new(values, indices);
            (
                DeviceInput::new(address, rows.extent(), rows.dtype),
                if ask.index.is_wide() { out.with_wide_indices() } else { out },
                Workspace::new(zeroed.0, scratch.0, given),
            )
        };
        let bound = gpu.exec.on(&input);
        let _alone = gpu.launching.lock().unwrap_or_else(PoisonError::into_inner);
        match stream {
            // SAFETY: the stream is one of PyTorch's or CuPy's, which use the device's primary context, as the executor does.
            Some(stream) => unsafe {
                bound.launch_on(stream as *mut c_void, &plan, &out, &space)?;
            },
            None => {
                bound.launch(&plan, &out, &space)?;
                gpu.exec.wait()?;
            }
        }
        Ok(None)
    });
    launched.map_err(|e| raised(&e))
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
