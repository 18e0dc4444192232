//! An array as it lies in a file ([`Tensor`]), and its rows along one axis ([`RowLayout`]).

mod number;
mod rows;

use core::fmt;
use std::borrow::Cow;

use bytemuck::Pod;
use st_core::{DType, Element};

pub use self::number::{Number, Scalar};
pub use self::rows::{AxisError, RowLayout};

/// The order of the elements in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The last axis is contiguous.
    C,
    /// The first axis is contiguous.
    Fortran,
}

/// The bytes of the elements: of the file where they lie as they are, else unpacked.
#[derive(Debug)]
pub enum Bytes<'a> {
    /// Part of the input.
    Borrowed(&'a [u8]),
    /// Unpacked, and aligned for every element type.
    Owned(AlignedBytes),
}

impl Bytes<'_> {
    fn get(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Owned(owned) => owned.as_slice(),
        }
    }
}

/// Bytes at an address that suits every element type.
#[derive(Debug)]
pub struct AlignedBytes {
    words: Vec<u64>,
    len: usize,
}

impl AlignedBytes {
    /// Zeros.
    ///
    /// # Errors
    /// The allocator refuses.
    pub fn zeroed(len: usize) -> Result<Self, NoMemory> {
        let words = zeroed(len.div_ceil(size_of::<u64>())).map_err(|_| NoMemory(len))?;
        Ok(Self { words, len })
    }

    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.words)[..self.len]
    }

    /// The bytes.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut bytemuck::cast_slice_mut(&mut self.words)[..self.len]
    }
}

/// The allocator refused so many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no memory for {0} bytes: select from a smaller array, or along an axis that lies in rows")]
pub struct NoMemory(pub usize);

fn zeroed<T: Pod>(len: usize) -> Result<Vec<T>, NoMemory> {
    let mut v = Vec::new();
    v.try_reserve_exact(len).map_err(|_| NoMemory(len.saturating_mul(size_of::<T>())))?;
    v.resize(len, T::zeroed());
    Ok(v)
}

/// The elements of that shape, if they fit the address space. Empty axes are left out of the test,
/// as NumPy does, so that every other product of axes is known to fit too.
#[must_use]
pub fn element_count(shape: &[usize], dtype: DType) -> Option<usize> {
    let filled = shape.iter().filter(|&&n| n > 0).try_fold(1usize, |a, &n| a.checked_mul(n))?;
    filled.checked_mul(dtype.size()).filter(|&bytes| bytes <= isize::MAX as usize)?;
    Some(if shape.contains(&0) { 0 } else { filled })
}

/// An array in the words of its file: readers have made sure that the bytes are as many as type
/// and shape say.
#[derive(Debug)]
pub struct Tensor<'a> {
    /// Element type.
    pub dtype: DType,
    /// Length of each axis.
    pub shape: Vec<usize>,
    /// Order of the elements.
    pub order: Order,
    /// Whether the bytes of each element are in the other order than this machine's.
    pub swapped: bool,
    /// The elements.
    pub bytes: Bytes<'a>,
}

impl Tensor<'_> {
    /// The elements, without a copy if they can be read where they are.
    ///
    /// # Errors
    /// No memory for a copy.
    ///
    /// # Panics
    /// If `T` is not the tensor's type.
    pub fn elements<T: Element + Pod>(&self) -> Result<Cow<'_, [T]>, NoMemory> {
        assert_eq!(T::DTYPE, self.dtype, "the caller dispatches on the type");
        let bytes = self.bytes.get();
        if !self.swapped
            && let Ok(elements) = bytemuck::try_cast_slice(bytes)
        {
            return Ok(Cow::Borrowed(elements));
        }
        let mut copy: Vec<T> = zeroed(bytes.len() / size_of::<T>())?;
        let out: &mut [u8] = bytemuck::cast_slice_mut(&mut copy);
        out.copy_from_slice(bytes);
        if self.swapped {
            out.chunks_exact_mut(size_of::<T>()).for_each(<[u8]>::reverse);
        }
        Ok(Cow::Owned(copy))
    }
}

/// A shape as NumPy writes it.
#[derive(Clone, Copy, Debug)]
pub struct Shape<'a>(pub &'a [usize]);

impl fmt::Display for Shape<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(")?;
        for (i, n) in self.0.iter().enumerate() {
            write!(f, "{}{n}", if i > 0 { ", " } else { "" })?;
        }
        f.write_str(if self.0.len() == 1 { ",)" } else { ")" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_that_overflow_are_refused_even_where_they_are_empty() {
        assert_eq!(element_count(&[1 << 40, 1 << 40, 0], DType::U8), None);
        assert_eq!(element_count(&[1 << 40, 0], DType::U8), Some(0));
        assert_eq!(element_count(&[], DType::U8), Some(1));
        assert_eq!(element_count(&[1 << 61], DType::F64), None);
    }
}
