//! NumPy's arrays: how they lie, and places for results.
#![allow(unsafe_code, reason = "NumPy's arrays are known by pointers")]

use std::ffi::c_int;

use numpy::npyffi::{
    NPY_ARRAY_ALIGNED, NPY_ARRAY_C_CONTIGUOUS, NPY_ARRAY_WRITEABLE, NPY_TYPES, PY_ARRAY_API,
    PyArray_Descr, npy_intp,
};
use numpy::{PyArrayDescr, PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use st_core::DType;

use crate::device::Device;
use crate::index::IndexType;
use crate::result::pair;
use crate::select::{Ask, Places, Rows, run};

/// Axes of an array, at most: NumPy's own limit.
const MOST_AXES: usize = 64;

/// The element type of an array, if its bytes are in this machine's order. Truth values are bytes.
fn element_type(descr: &Bound<'_, PyArrayDescr>) -> Option<DType> {
    match (descr.kind(), descr.itemsize()) {
        (b'f', 2) => Some(DType::F16),
        (b'f', 4) => Some(DType::F32),
        (b'f', 8) => Some(DType::F64),
        (b'i', 1) => Some(DType::I8),
        (b'i', 2) => Some(DType::I16),
        (b'i', 4) => Some(DType::I32),
        (b'i', 8) => Some(DType::I64),
        (b'u' | b'b', 1) => Some(DType::U8),
        (b'u', 2) => Some(DType::U16),
        (b'u', 4) => Some(DType::U32),
        (b'u', 8) => Some(DType::U64),
        // NumPy has none of its own; those of others (ml_dtypes) go by this name.
        (_, 2) if descr.num() >= NPY_TYPES::NPY_USERDEF as c_int => {
            descr.typeobj().name().is_ok_and(|name| name == "bfloat16").then_some(DType::Bf16)
        }
        _ => None,
    }
}

fn refused_type(descr: &Bound<'_, PyArrayDescr>) -> PyErr {
    PyTypeError::new_err(format!(
        "cannot select from an array of {descr}: convert it with .astype to a float of 16 to 64 bits, bfloat16, an \
         integer or bool"
    ))
}

/// A selection along `axis` of a NumPy array: a `Selection`. `out` is a pair of arrays to write to.
#[pyfunction]
#[pyo3(signature = (x, kind, k, start, axis, sorted, nan_last, index, device, out))]
#[allow(clippy::too_many_arguments, reason = "it is called by the facade alone")]
pub(crate) fn select_array<'py>(
    py: Python<'py>,
    x: &Bound<'py, PyUntypedArray>,
    kind: u8,
    k: &Bound<'py, PyAny>,
    start: usize,
    axis: &Bound<'py, PyAny>,
    sorted: bool,
    nan_last: bool,
    index: u8,
    device: &Bound<'py, PyAny>,
    out: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let mut ask = Ask::new(kind, crate::error::count("k", k)?, start, sorted, nan_last, index)?;
    let device = Device::parse(device)?;
    let descr = x.dtype();
    let dtype = element_type(&descr).ok_or_else(|| refused_type(&descr))?;
    let axis = axis_of(axis, x.ndim())?;
    let last = x.ndim() - 1;
    if let Some(out) = &out {
        let (values, indices) = &places(out)?;
        let given = Given::new(x, ask.k, axis, values, indices)?;
        ask.index = given.index;
        given.fill(py, x, dtype, &ask, axis, device)?;
        return pair(values.clone(), indices.clone());
    }
    let moved = if axis == last { x.clone() } else { swapped(x, axis, last)? };
    let (rows, kept) = rows_of(&moved, dtype)?;
    let problem = ask.problem(&rows)?;
    let descr = kept.dtype();
    let values = empty_like(py, &moved, ask.k, descr)?;
    let indices = empty_like(py, &moved, ask.k, index_descr(py, ask.index)?)?;
    let places = Places { input: data(&kept), values: data(&values), indices: data(&indices) };
    // SAFETY: rows_of says how the kept array lies; both results were just made, of the problem's size.
    unsafe { run(py, &problem, ask.index, places, device) }?;
    if axis == last {
        return pair(values.into_any(), indices.into_any());
    }
    let back = |array: Bound<'py, PyUntypedArray>| {
        let back = swapped(&array, axis, last)?;
        back.call_method1("copy", ("C",))
    };
    pair(back(values)?, back(indices)?)
}

/// The caller's two places for results.
fn places<'py>(out: &Bound<'py, PyAny>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    out.extract().map_err(|_| {
        PyTypeError::new_err("out must be a pair of arrays, as a tuple: (values, indices)")
    })
}

/// The axis meant by a number, negative ones counted from the last.
fn axis_of(axis: &Bound<'_, PyAny>, axes: usize) -> PyResult<usize> {
    if axes == 0 {
        return Err(PyValueError::new_err(
            "cannot select from a single number: give an array with at least one axis",
        ));
    }
    let py = axis.py();
    let number: i64 = match axis.extract() {
        Ok(axis) => axis,
        Err(e) if e.is_instance_of::<PyTypeError>(py) => {
            return Err(PyTypeError::new_err("the axis must be an integer"));
        }
        // Beyond 64 bits, and so beyond every array.
        Err(_) => i64::MAX,
    };
    let from_first = if number < 0 { number + axes as i64 } else { number };
    if (0..axes as i64).contains(&from_first) {
        return Ok(from_first as usize);
    }
    Err(axis_error(py, number, axes))
}

fn swapped<'py>(
    x: &Bound<'py, PyUntypedArray>,
    a: usize,
    b: usize,
) -> PyResult<Bound<'py, PyUntypedArray>> {
    Ok(x.call_method1("swapaxes", (a, b))?.cast_into()?)
}

/// How the rows along the last axis lie, and the array in which they do: the one given, or a copy where
/// the elements of a row, or the rows, lie otherwise than one after another.
fn rows_of<'py>(
    x: &Bound<'py, PyUntypedArray>,
    dtype: DType,
) -> PyResult<(Rows, Bound<'py, PyUntypedArray>)> {
    let cols = *x.shape().last().unwrap_or(&1);
    let rows = x.shape()[..x.ndim() - 1].iter().product();
    let contiguous = Rows { rows, cols, stride: cols, dtype };
    let flags = flags(x);
    let native = x.dtype().is_native_byteorder().unwrap_or(true);
    if native && flags & NPY_ARRAY_ALIGNED != 0 {
        if flags & NPY_ARRAY_C_CONTIGUOUS != 0 {
            return Ok((contiguous, x.clone()));
        }
        if let Some(stride) = row_stride(x.shape(), x.strides(), dtype.size()) {
            return Ok((Rows { stride, ..contiguous }, x.clone()));
        }
    }
    let order = if native {
        x.dtype()
    } else {
        x.dtype().call_method1("newbyteorder", ("=",))?.cast_into()?
    };
    let copy = x.call_method1("astype", (order, "C"))?;
    Ok((contiguous, copy.cast_into()?))
}

/// Rows, columns and elements from row to row of an array with that shape, strides in bytes (none: one element after another)
/// and size of an element; nothing if it has no such distance.
#[pyfunction]
#[pyo3(signature = (shape, strides, itemsize))]
pub(crate) fn rows_along_last(
    shape: Vec<usize>,
    strides: Option<Vec<isize>>,
    itemsize: usize,
) -> Option<(usize, usize, usize)> {
    let (&cols, outer) = shape.split_last()?;
    let rows = outer.iter().try_fold(1usize, |n, &axis| n.checked_mul(axis))?;
    let stride = match strides {
        None => cols,
        Some(strides) if strides.len() == shape.len() => row_stride(&shape, &strides, itemsize)?,
        Some(_) => return None,
    };
    Some((rows, cols, stride))
}

/// Elements from row to row, if rows lie at one distance and their elements one after another.
pub(crate) fn row_stride(shape: &[usize], strides: &[isize], size: usize) -> Option<usize> {
    let (&cols, outer) = shape.split_last()?;
    let (&step, steps) = strides.split_last()?;
    if cols > 1 && step != size as isize {
        return None;
    }
    // Distance of the rows, and of what would come behind those looked at so far.
    let (mut distance, mut next) = (None, 0);
    for (&n, &step) in outer.iter().zip(steps).rev().filter(|(n, _)| **n > 1) {
        match distance {
            None => distance = Some(step),
            Some(_) if step != next => return None,
            Some(_) => {}
        }
        next = step.checked_mul(n as isize)?;
    }
    let distance = distance.unwrap_or((cols * size) as isize);
    let stride = usize::try_from(distance).ok()?;
    (stride.is_multiple_of(size) && stride / size >= cols).then_some(stride / size)
}

pub(crate) fn flags(x: &Bound<'_, PyUntypedArray>) -> c_int {
    // SAFETY: it is an array, alive and borrowed.
    unsafe { (*x.as_array_ptr()).fields.flags }
}

fn data<T>(x: &Bound<'_, PyUntypedArray>) -> *mut T {
    // SAFETY: as above.
    unsafe { (*x.as_array_ptr()).fields.data.cast() }
}

/// The dtype of indices.
fn index_descr<'py>(py: Python<'py>, index: IndexType) -> PyResult<Bound<'py, PyArrayDescr>> {
    Ok(match index {
        IndexType::I64 => numpy::dtype::<i64>(py),
        IndexType::I32 => numpy::dtype::<i32>(py),
        IndexType::U32 => numpy::dtype::<u32>(py),
        IndexType::U64 => numpy::dtype::<u64>(py),
    })
}

/// An array like `x` with k in place of its last axis; its elements are not set.
fn empty_like<'py>(
    py: Python<'py>,
    x: &Bound<'py, PyUntypedArray>,
    k: usize,
    descr: Bound<'py, PyArrayDescr>,
) -> PyResult<Bound<'py, PyUntypedArray>> {
    let axes = x.ndim();
    let mut shape = [0 as npy_intp; MOST_AXES];
    for (to, &n) in shape.iter_mut().zip(x.shape()) {
        *to = n as npy_intp;
    }
    shape[axes - 1] = npy_intp::try_from(k)
        .map_err(|_| PyValueError::new_err(format!("k = {k} is more than an array can have")))?;
    let descr: *mut PyArray_Descr = descr.into_ptr().cast();
    // SAFETY: the shape has as many numbers as there are axes, and the function takes the reference to the dtype. What
    // it gives is an array of ours, or null with an exception set.
    unsafe {
        let made = PY_ARRAY_API.PyArray_Empty(py, axes as c_int, shape.as_mut_ptr(), descr, 0);
        Ok(Bound::from_owned_ptr_or_err(py, made)?.cast_into_unchecked())
    }
}

/// The caller's own arrays for results.
struct Given<'a, 'py> {
    values: &'a Bound<'py, PyUntypedArray>,
    indices: &'a Bound<'py, PyUntypedArray>,
    index: IndexType,
}

impl<'a, 'py> Given<'a, 'py> {
    fn new(
        x: &Bound<'py, PyUntypedArray>,
        k: usize,
        axis: usize,
        values: &'a Bound<'py, PyAny>,
        indices: &'a Bound<'py, PyAny>,
    ) -> PyResult<Self> {
        let of = |what: &str,
                  array: &'a Bound<'py, PyAny>|
         -> PyResult<&'a Bound<'py, PyUntypedArray>> {
            let array = array.cast::<PyUntypedArray>().map_err(|_| {
                PyTypeError::new_err(format!("out: {what} must be a NumPy array, as the input is"))
            })?;
            let mut wanted = x.shape().to_vec();
            wanted[axis] = k;
            if array.shape() != wanted {
                return Err(PyValueError::new_err(format!(
                    "out: {what} has shape {:?}, but {wanted:?} is written",
                    array.shape()
                )));
            }
            if flags(array) & NPY_ARRAY_WRITEABLE == 0 {
                return Err(PyValueError::new_err(format!("out: {what} is read-only")));
            }
            Ok(array)
        };
        let (values, indices) = (of("values", values)?, of("indices", indices)?);
        let (given, wanted) = (values.dtype(), x.dtype());
        if !given.is_equiv_to(&native(&wanted)?) {
            return Err(PyTypeError::new_err(format!(
                "out: values has dtype {given}, but {wanted} is written"
            )));
        }
        let given = indices.dtype();
        let index =
            match (given.is_native_byteorder().unwrap_or(true), given.kind(), given.itemsize()) {
                (true, b'i', 8) => IndexType::I64,
                (true, b'i', 4) => IndexType::I32,
                (true, b'u', 8) => IndexType::U64,
                (true, b'u', 4) => IndexType::U32,
                _ => {
                    return Err(PyTypeError::new_err(format!(
                        "out: indices has dtype {given}: use int64, int32, uint64 or uint32"
                    )));
                }
            };
        Ok(Self { values, indices, index })
    }

    /// Selects into them: at once where they lie like results and overlap nothing, else through results that are
    /// copied when they are complete.
    fn fill(
        &self,
        py: Python<'py>,
        x: &Bound<'py, PyUntypedArray>,
        dtype: DType,
        ask: &Ask,
        axis: usize,
        device: Device,
    ) -> PyResult<()> {
        let last = x.ndim() - 1;
        let moved = if axis == last { x.clone() } else { swapped(x, axis, last)? };
        let (rows, kept) = rows_of(&moved, dtype)?;
        let problem = ask.problem(&rows)?;
        let input = (data::<u8>(&kept), rows.extent() * dtype.size());
        let parts = [self.values, self.indices]
            .map(|out| (data::<u8>(out), out.len() * out.dtype().itemsize()));
        let plain = |out: &Bound<'py, PyUntypedArray>| {
            flags(out) & (NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_ALIGNED)
                == NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_ALIGNED
        };
        let apart = !overlap(parts[0], parts[1]) && !parts.iter().any(|&part| overlap(input, part));
        if axis == last && plain(self.values) && plain(self.indices) && apart {
            let places = Places {
                input: data(&kept),
                values: data(self.values),
                indices: data(self.indices),
            };
            // SAFETY: as in `select_array`; their shapes and types were looked at when this was made, and nothing overlaps.
            return unsafe { run(py, &problem, ask.index, places, device) };
        }
        let values = empty_like(py, &moved, ask.k, kept.dtype())?;
        let indices = empty_like(py, &moved, ask.k, index_descr(py, ask.index)?)?;
        let places = Places { input: data(&kept), values: data(&values), indices: data(&indices) };
        // SAFETY: as in `select_array`.
        unsafe { run(py, &problem, ask.index, places, device) }?;
        for (to, from) in [(self.values, values), (self.indices, indices)] {
            let from = if axis == last { from } else { swapped(&from, axis, last)? };
            to.set_item(pyo3::types::PyEllipsis::get(py), from)?;
        }
        Ok(())
    }
}

/// The same dtype in this machine's order of bytes.
fn native<'py>(descr: &Bound<'py, PyArrayDescr>) -> PyResult<Bound<'py, PyArrayDescr>> {
    match descr.is_native_byteorder() {
        Some(false) => Ok(descr.call_method1("newbyteorder", ("=",))?.cast_into()?),
        _ => Ok(descr.clone()),
    }
}

/// Whether two pieces of memory, each an address and bytes, have some in common.
pub(crate) fn overlap((a, a_bytes): (*mut u8, usize), (b, b_bytes): (*mut u8, usize)) -> bool {
    let (a, b) = (a as usize, b as usize);
    a < b + b_bytes && b < a + a_bytes && a_bytes > 0 && b_bytes > 0
}

/// NumPy's own exception for an axis that is not there: a `ValueError` and an `IndexError`.
fn axis_error(py: Python<'_>, axis: i64, axes: usize) -> PyErr {
    let made = py
        .import("numpy.exceptions")
        .and_then(|module| module.getattr("AxisError"))
        .and_then(|class| class.call1((axis, axes)));
    made.map_or_else(|e| e, PyErr::from_value)
}
