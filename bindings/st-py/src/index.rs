//! Indices as Python's libraries want them. Executors write `u32`.
#![allow(unsafe_code, reason = "results of Python's libraries are places in memory")]

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// An integer type for indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IndexType {
    I32,
    U32,
    I64,
    U64,
}

impl IndexType {
    /// By the code that the facade has for it.
    pub(crate) fn from_code(code: u8) -> PyResult<Self> {
        match code {
            0 => Ok(Self::I64),
            1 => Ok(Self::I32),
            2 => Ok(Self::U32),
            3 => Ok(Self::U64),
            _ => Err(PyValueError::new_err(format!("index type {code}: use 0 to 3"))),
        }
    }

    pub(crate) const fn is_wide(self) -> bool {
        matches!(self, Self::I64 | Self::U64)
    }

    /// Refuses rows whose columns it cannot count.
    pub(crate) fn check(self, cols: usize) -> PyResult<()> {
        if self == Self::I32 && cols > i32::MAX as usize + 1 {
            return Err(PyValueError::new_err(format!(
                "{cols} elements along the axis are too many for int32 indices: use index_dtype=\"int64\""
            )));
        }
        Ok(())
    }
}

/// Room for `len` indices that are to be 64 bits wide, used for 32 bits first: the upper half.
///
/// # Safety
/// `len` u64 may be written from `room` on, and nobody else uses them meanwhile.
pub(crate) unsafe fn narrow_part<'a>(room: *mut u64, len: usize) -> &'a mut [u32] {
    // SAFETY: the second half of the room has `len` u32, and is aligned as u32 are.
    unsafe { std::slice::from_raw_parts_mut(room.cast::<u32>().add(len), len) }
}

/// Widens what is in the [`narrow_part`], in place: a number is read before its place is written, because the
/// i-th is written at 8i to 8i + 8, and those after it lie from 4 (len + i + 1) on, which is no less.
///
/// # Safety
/// As there, and the narrow part has been written.
pub(crate) unsafe fn widen(room: *mut u64, len: usize) {
    let narrow = room.cast::<u32>();
    for i in 0..len {
        // SAFETY: both are within the room.
        unsafe {
            let index = narrow.add(len + i).read();
            room.add(i).write(u64::from(index));
        }
    }
}
