//! Refusals as Python's own exceptions.

use pyo3::exceptions::{PyMemoryError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use st_core::Error;

/// The exception for a refusal of the library's: a value that cannot be (`ValueError`), a type (`TypeError`), memory
/// (`MemoryError`), or a device (`RuntimeError`).
pub(crate) fn raised(error: &Error) -> PyErr {
    let text = match error {
        Error::KTooLarge { k, len, .. } => {
            format!(
                "k = {k} is greater than the {len} elements along the axis: ask for at most {len}"
            )
        }
        Error::RangeTooLong { start, end, len, .. } => format!(
            "ranks {start} to {end} were asked for, but there are {len} elements along the axis: stop may be at most \
             {len}"
        ),
        other => other.to_string(),
    };
    match error {
        Error::UnsupportedType { .. } | Error::DTypeMismatch { .. } => PyTypeError::new_err(text),
        Error::OutOfMemory { .. } | Error::DeviceMemory { .. } => PyMemoryError::new_err(text),
        Error::Unavailable { .. }
        | Error::DeviceLost { .. }
        | Error::Refused { .. }
        | Error::SelfTest { .. } => PyRuntimeError::new_err(text),
        _ => PyValueError::new_err(text),
    }
}

/// A number of things from Python: any integer that is not negative.
pub(crate) fn count(name: &str, value: &Bound<'_, PyAny>) -> PyResult<usize> {
    if let Ok(n) = value.extract::<usize>() {
        return Ok(n);
    }
    // What is an integer and no usize is negative, or more than any array can have.
    let integer = value.call_method0("__index__").map_err(|_| {
        let of = value.get_type().name().map_or_else(|_| "?".to_owned(), |name| name.to_string());
        PyTypeError::new_err(format!("{name} must be an integer, not {of}: use int({name})"))
    })?;
    Err(PyValueError::new_err(format!(
        "{name} = {integer}: give a number from 0 to the elements along the axis"
    )))
}
