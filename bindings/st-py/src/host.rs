//! Memory on the host that another library keeps: PyTorch's tensors, say.
#![allow(unsafe_code, reason = "addresses of another library's")]

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use st_core::DType;

use crate::device::Device;
use crate::error::count;
use crate::select::{Ask, Places, Rows, run};

/// How rows lie, from what the facade knows of an array: rows, columns, elements from row to row, and the name of their
/// type.
pub(crate) fn rows(lie: (usize, usize, usize), dtype: &str) -> PyResult<Rows> {
    let (rows, cols, stride) = lie;
    let dtype = DType::from_name(dtype)
        .ok_or_else(|| PyTypeError::new_err(format!("cannot select from {dtype}")))?;
    Ok(Rows { rows, cols, stride, dtype })
}

/// A selection from rows at an address into places at two others. `lie`: rows, columns and elements from row to row.
///
/// The facade vouches for the addresses: it has the arrays, and has made the results.
#[pyfunction]
#[allow(clippy::too_many_arguments, reason = "it is called by the facade alone")]
pub(crate) fn select_host(
    py: Python<'_>,
    address: usize,
    lie: (usize, usize, usize),
    dtype: &str,
    ask: (u8, Bound<'_, PyAny>, usize, bool, bool),
    index: u8,
    device: &Bound<'_, PyAny>,
    values: usize,
    indices: usize,
) -> PyResult<()> {
    let (kind, k, start, sorted, nan_last) = ask;
    let ask = Ask::new(kind, count("k", &k)?, start, sorted, nan_last, index)?;
    let problem = ask.problem(&rows(lie, dtype)?)?;
    let places = Places {
        input: address as *const u8,
        values: values as *mut u8,
        indices: indices as *mut u8,
    };
    // SAFETY: the facade holds the arrays that these are the addresses of, for as long as the call lasts; it is no part
    // of the package's interface.
    unsafe { run(py, &problem, ask.index, places, Device::parse(device)?) }
}
