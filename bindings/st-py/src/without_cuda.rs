//! Without the CUDA backend: the same functions, which refuse.

use pyo3::prelude::*;
use st_core::backend::device_caps::Backend;
use st_core::ops::rank_entry::Problem;

use crate::error::raised;
use crate::state::not_in_this_build;

fn refused() -> PyErr {
    raised(&not_in_this_build(Backend::Cuda))
}

/// See `cuda.rs`.
#[derive(Clone, Copy)]
#[expect(dead_code, reason = "nothing is launched")]
pub(crate) struct Launch {
    pub(crate) ordinal: u32,
    pub(crate) stream: Option<usize>,
    pub(crate) problem: Problem,
    pub(crate) is_wide: bool,
    pub(crate) input: u64,
    pub(crate) values: u64,
    pub(crate) indices: u64,
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
