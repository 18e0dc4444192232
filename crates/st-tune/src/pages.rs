//! Memory of inputs.

use std::io;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use memmap2::MmapMut;
use st_rank::Element;

/// Elements in large pages where the system has them, as NumPy's arrays are: the small ones of a `Vec` make reading what no
/// cache holds up to twice as slow, and other choices the best.
#[derive(Debug)]
pub struct Pages<T> {
    map: MmapMut,
    elements: usize,
    of: PhantomData<T>,
}

impl<T: Element> Pages<T> {
    /// So many zeros.
    ///
    /// # Errors
    /// There is not so much memory.
    pub fn new(elements: usize) -> io::Result<Self> {
        // Nothing that a slice has is larger.
        let bytes = elements.checked_mul(size_of::<T>());
        let bytes = bytes.filter(|&bytes| isize::try_from(bytes).is_ok());
        let bytes = bytes.ok_or(io::ErrorKind::OutOfMemory)?;
        // A mapping of nothing is an error.
        let map = MmapMut::map_anon(bytes.max(1))?;
        // A system that has none says so; its pages do.
        #[cfg(target_os = "linux")]
        let _ = map.advise(memmap2::Advice::HugePage);
        Ok(Self { map, elements, of: PhantomData })
    }

    /// A copy.
    ///
    /// # Errors
    /// There is not so much memory.
    pub fn of(values: &[T]) -> io::Result<Self> {
        let mut pages = Self::new(values.len())?;
        pages.copy_from_slice(values);
        Ok(pages)
    }
}

impl<T: Element> Deref for Pages<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        bytemuck::cast_slice(&self.map[..self.elements * size_of::<T>()])
    }
}

impl<T: Element> DerefMut for Pages<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        bytemuck::cast_slice_mut(&mut self.map[..self.elements * size_of::<T>()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_hold_what_they_are_given() {
        let values: Vec<u16> = (0..70_001u32).map(|i| i as u16).collect();
        let mut pages = Pages::of(&values).unwrap();
        assert_eq!(*pages, *values);
        pages[3] = 9;
        assert_eq!((pages[2], pages[3], pages.len()), (2, 9, values.len()));
        assert!(Pages::<f64>::new(0).unwrap().is_empty());
    }

    #[test]
    fn what_no_memory_holds_is_an_error() {
        for elements in [usize::MAX, usize::MAX / 8, isize::MAX as usize / 8] {
            let why = Pages::<f64>::new(elements).unwrap_err();
            assert_eq!(why.kind(), io::ErrorKind::OutOfMemory, "{elements}: {why}");
        }
    }
}
