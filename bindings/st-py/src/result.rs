//! What selections give: the facade's class of named pairs.
#![allow(unsafe_code, reason = "a tuple is filled in place")]

use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyTuple, PyType};

/// A class of tuples.
static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();

/// Tells what results are: once, a class of tuples with nothing beside their elements.
#[pyfunction]
#[pyo3(signature = (class_))]
pub(crate) fn results_are(py: Python<'_>, class_: &Bound<'_, PyType>) -> PyResult<()> {
    if !class_.is_subclass_of::<PyTuple>()? {
        return Err(pyo3::exceptions::PyTypeError::new_err("results are tuples"));
    }
    // The first stays.
    let _ = CLASS.set(py, class_.clone().unbind());
    Ok(())
}

/// A result. It is made in place: by way of Python it would take two tuples more, and a tenth of a short call.
pub(crate) fn pair<'py>(
    values: Bound<'py, PyAny>,
    indices: Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = values.py();
    let class =
        CLASS.get(py).ok_or_else(|| PyRuntimeError::new_err("use the package spiraltorch"))?;
    // SAFETY: it is a class of tuples, as was seen when it was told; what is made has room for two elements, all empty, and
    // is ours alone until both are set. Setting takes the references, also where it fails.
    unsafe {
        let made = ffi::PyType_GenericAlloc(class.as_ptr().cast(), 2);
        let made = Bound::from_owned_ptr_or_err(py, made)?;
        for (at, part) in [values, indices].into_iter().enumerate() {
            if ffi::PyTuple_SetItem(made.as_ptr(), at as ffi::Py_ssize_t, part.into_ptr()) != 0 {
                return Err(PyErr::fetch(py));
            }
        }
        Ok(made)
    }
}
