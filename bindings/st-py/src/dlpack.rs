//! DLPack's table of C functions (`__dlpack_c_exchange_api__`), by which a library says what one of its arrays is in a
//! tenth of the time that the array's attributes take. The structures are those of DLPack's header, version 1.
#![allow(unsafe_code, reason = "another library's functions, and addresses from them")]

use std::ffi::{CStr, c_int, c_void};
use std::ptr;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

/// The name of the table's capsule.
const NAME: &CStr = c"dlpack_exchange_api";
/// The version of the structures below; they are stable within it.
const MAJOR: u32 = 1;
/// Arrays with more axes are left to others.
pub(crate) const MOST_AXES: usize = 8;

pub(crate) const HOST: c_int = 1;
pub(crate) const CUDA: c_int = 2;

#[repr(C)]
struct DlTensor {
    data: *mut c_void,
    device_kind: c_int,
    device: i32,
    axes: i32,
    code: u8,
    bits: u8,
    lanes: u16,
    shape: *mut i64,
    strides: *mut i64,
    byte_offset: u64,
}

type OfObject = unsafe extern "C" fn(*mut c_void, *mut DlTensor) -> c_int;
type CurrentStream = unsafe extern "C" fn(c_int, i32, *mut *mut c_void) -> c_int;

#[repr(C)]
struct Table {
    major: u32,
    minor: u32,
    before: *const c_void,
    allocate: *const c_void,
    managed_of_object: *const c_void,
    object_of_managed: *const c_void,
    of_object: Option<OfObject>,
    current_stream: Option<CurrentStream>,
}

/// What a library says of its arrays.
pub(crate) struct Exchange {
    of_object: OfObject,
    current_stream: CurrentStream,
    /// Whose table it is.
    _capsule: Py<PyCapsule>,
}

/// An array as it lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lie {
    pub(crate) address: usize,
    /// DLPack's kind of device, and its number.
    pub(crate) device: (c_int, i32),
    /// DLPack's code of the type, and its bits.
    pub(crate) element: (u8, u8),
    axes: usize,
    shape: [usize; MOST_AXES],
    strides: [isize; MOST_AXES],
}

impl Lie {
    pub(crate) fn shape(&self) -> &[usize] {
        &self.shape[..self.axes]
    }

    /// Elements from one to the next along each axis.
    pub(crate) fn strides(&self) -> &[isize] {
        &self.strides[..self.axes]
    }

    pub(crate) fn len(&self) -> usize {
        self.shape().iter().product()
    }

    /// Whether its elements lie one after another, in row-major order.
    pub(crate) fn is_contiguous(&self) -> bool {
        let mut next = 1;
        for (&n, &step) in self.shape().iter().zip(self.strides()).rev() {
            if n != 1 && step != next {
                return false;
            }
            next *= n as isize;
        }
        true
    }
}

impl Exchange {
    /// From a library's capsule.
    pub(crate) fn new(capsule: &Bound<'_, PyCapsule>) -> PyResult<Self> {
        let table = capsule.pointer_checked(Some(NAME))?.cast::<Table>();
        // SAFETY: a capsule of this name has such a table, of which the version comes first in all versions; it lives as
        // long as the process.
        let version = unsafe { (&raw const (*table.as_ptr()).major).read() };
        if version != MAJOR {
            return Err(PyValueError::new_err(format!(
                "DLPack's functions of version {version}: those of {MAJOR} are known"
            )));
        }
        // SAFETY: as above, and the rest is of that version.
        let table = unsafe { table.as_ref() };
        let (Some(of_object), Some(current_stream)) = (table.of_object, table.current_stream)
        else {
            return Err(PyValueError::new_err("DLPack's functions are there only in part"));
        };
        Ok(Self { of_object, current_stream, _capsule: capsule.clone().unbind() })
    }

    /// How an array of the library's lies; none for what cannot be said so, or has many axes.
    pub(crate) fn lie(&self, x: &Bound<'_, PyAny>) -> Option<Lie> {
        let mut told = DlTensor {
            data: ptr::null_mut(),
            device_kind: 0,
            device: 0,
            axes: 0,
            code: 0,
            bits: 0,
            lanes: 0,
            shape: ptr::null_mut(),
            strides: ptr::null_mut(),
            byte_offset: 0,
        };
        // SAFETY: the facade gives arrays of the library whose table it is; it writes the structure, or sets an exception.
        if unsafe { (self.of_object)(x.as_ptr().cast(), &raw mut told) } != 0 {
            drop(PyErr::take(x.py()));
            return None;
        }
        let axes = usize::try_from(told.axes).ok().filter(|&n| n <= MOST_AXES)?;
        if told.lanes != 1 || axes > 0 && (told.shape.is_null() || told.strides.is_null()) {
            return None;
        }
        let (mut shape, mut strides) = ([0; MOST_AXES], [0; MOST_AXES]);
        for axis in 0..axes {
            // SAFETY: both have as many numbers as there are axes, and live until the library is asked for something else.
            let (n, step) = unsafe { (told.shape.add(axis).read(), told.strides.add(axis).read()) };
            shape[axis] = usize::try_from(n).ok()?;
            strides[axis] = isize::try_from(step).ok()?;
        }
        Some(Lie {
            address: (told.data as usize).checked_add(usize::try_from(told.byte_offset).ok()?)?,
            device: (told.device_kind, told.device),
            element: (told.code, told.bits),
            axes,
            shape,
            strides,
        })
    }

    /// The stream that the library would use now on a device.
    pub(crate) fn current_stream(&self, py: Python<'_>, device: (c_int, i32)) -> PyResult<usize> {
        let mut stream = ptr::null_mut();
        // SAFETY: it writes the stream's handle, or sets an exception.
        if unsafe { (self.current_stream)(device.0, device.1, &raw mut stream) } != 0 {
            return Err(PyErr::fetch(py));
        }
        Ok(stream as usize)
    }
}
