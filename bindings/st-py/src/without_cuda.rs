//! Without the CUDA backend: the same functions, which refuse.

use pyo3::prelude::*;
use st_core::backend::device_caps::Backend;

use crate::error::raised;
use crate::launch::Launch;
use crate::state::not_in_this_build;

fn refused() -> PyErr {
    raised(&not_in_this_build(Backend::Cuda))
}

/// Refused: see `cuda.rs`.
pub(crate) fn select(
    _py: Python<'_>,
    _launch: &Launch,
    _workspace: &Bound<'_, PyAny>,
    _keep: bool,
) -> PyResult<()> {
    Err(refused())
}

/// Refused: see `cuda.rs`.
#[pyfunction]
#[pyo3(signature = (*_args))]
pub(crate) fn cuda_select(_args: &Bound<'_, PyAny>) -> PyResult<()> {
    Err(refused())
}

/// Never made in this build.
#[pyclass(frozen, module = "spiraltorch._native")]
pub(crate) struct DeviceMemory {}

/// Refused: see `cuda.rs`.
#[pyfunction]
pub(crate) fn cuda_allocate(_ordinal: u32, _bytes: u64) -> PyResult<DeviceMemory> {
    Err(refused())
}
