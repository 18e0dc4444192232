//! What a backend implements, and the host's inputs and outputs.

use crate::Result;
use crate::dtype::Element;
use crate::error::Error;
use crate::plan::{CompactPlan, RankPlan};

/// An executor bound to its input (`exec.on(&x)`): it can run a plan, and chooses nothing.
pub trait RankKExecutor {
    /// Where results go when the caller gives no place: values and indices on the host, or that
    /// backend's own buffers.
    type Output;

    /// Whether a call takes as long as its work: results lie on the host when it returns. Self-Rewrite times no others,
    /// such as those that put work into a queue.
    const RETURNS_WHEN_DONE: bool = false;

    /// Runs the plan.
    ///
    /// # Errors
    /// Whatever [`Error`] lists; nothing is written then.
    fn execute(&self, plan: &RankPlan) -> Result<Self::Output>;

    /// The bytes of a result, by which two of them are compared; asked of executors that return when the work is done.
    fn written(&self, _out: &Self::Output) -> Vec<u8> {
        Vec::new()
    }
}

/// An executor that can write into places of the caller's, of type `O`.
pub trait ExecuteInto<O: ?Sized> {
    /// As [`RankKExecutor::RETURNS_WHEN_DONE`].
    const RETURNS_WHEN_DONE: bool = false;

    /// Runs the plan and writes into `out`.
    ///
    /// # Errors
    /// Whatever [`Error`] lists; `out` is left as it was then.
    fn execute_into(&self, plan: &RankPlan, out: &mut O) -> Result<()>;

    /// The bytes that the plan has written into `out`: as [`RankKExecutor::written`].
    fn written(&self, _plan: &RankPlan, _out: &mut O) -> Vec<u8> {
        Vec::new()
    }
}

/// Host memory to select from. Rows, columns and stride are the plan's.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a, T> {
    /// The elements, row after row at the plan's row stride.
    pub values: &'a [T],
    /// The length of each row, for a ragged plan.
    pub lengths: Option<&'a [u32]>,
}

impl<'a, T: Element> Input<'a, T> {
    /// Rows of full length.
    #[must_use]
    pub const fn new(values: &'a [T]) -> Self {
        Self { values, lengths: None }
    }

    /// Rows with lengths of their own.
    #[must_use]
    pub const fn ragged(values: &'a [T], lengths: &'a [u32]) -> Self {
        Self { values, lengths: Some(lengths) }
    }
}

/// What `exec.on(&x)` takes from the host: slices, vectors, arrays, and [`Input`] for ragged rows.
pub trait HostInput {
    /// The element type.
    type Elem: Element;
    /// The elements and lengths.
    fn input(&self) -> Input<'_, Self::Elem>;
}

impl<T: Element> HostInput for [T] {
    type Elem = T;
    fn input(&self) -> Input<'_, T> {
        Input::new(self)
    }
}

impl<T: Element> HostInput for Vec<T> {
    type Elem = T;
    fn input(&self) -> Input<'_, T> {
        Input::new(self)
    }
}

impl<T: Element, const N: usize> HostInput for [T; N] {
    type Elem = T;
    fn input(&self) -> Input<'_, T> {
        Input::new(self)
    }
}

impl<T: Element> HostInput for Input<'_, T> {
    type Elem = T;
    fn input(&self) -> Input<'_, T> {
        *self
    }
}

impl<X: HostInput + ?Sized> HostInput for &X {
    type Elem = X::Elem;
    fn input(&self) -> Input<'_, X::Elem> {
        (**self).input()
    }
}

/// A result on the host: both `rows x k`, row-major.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RankOutput<T> {
    /// The elements selected, bit for bit those of the input.
    pub values: Vec<T>,
    /// Their column indices; `u32::MAX` for padding.
    pub indices: Vec<u32>,
}

/// Slices of the caller's to write into: both exactly `rows x k` long.
#[derive(Debug)]
pub struct RankOutputMut<'a, T> {
    /// Receives the elements selected.
    pub values: &'a mut [T],
    /// Receives their column indices.
    pub indices: &'a mut [u32],
}

/// A place on the host that can hand out slices of a wanted length.
pub trait HostOutput<T> {
    /// Makes room for `len` results, keeping what memory there is.
    ///
    /// # Errors
    /// [`Error::OutputLength`] for slices of another length, [`Error::OutOfMemory`].
    fn slots(&mut self, len: usize) -> Result<(&mut [T], &mut [u32])>;

    /// The bytes of so many results that were written here; none if there are not so many.
    fn bytes(&mut self, len: usize) -> Vec<u8>
    where
        T: Element,
    {
        self.slots(len).map_or_else(|_| Vec::new(), |(values, indices)| bytes_of(values, indices))
    }
}

impl<T: Element> RankOutput<T> {
    /// Values and indices as bytes, to be compared bit by bit: NaN and zeros too.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        bytes_of(&self.values, &self.indices)
    }
}

fn bytes_of<T: Element>(values: &[T], indices: &[u32]) -> Vec<u8> {
    [bytemuck::cast_slice::<T, u8>(values), bytemuck::cast_slice(indices)].concat()
}

impl<T: Element> HostOutput<T> for RankOutput<T> {
    fn slots(&mut self, len: usize) -> Result<(&mut [T], &mut [u32])> {
        // Both are reserved before either changes, so that a refusal leaves the caller's data.
        reserve(&mut self.values, len, "the values")?;
        reserve(&mut self.indices, len, "the indices")?;
        self.values.resize(len, T::default());
        self.indices.resize(len, 0);
        Ok((&mut self.values, &mut self.indices))
    }
}

impl<T: Element> HostOutput<T> for RankOutputMut<'_, T> {
    fn slots(&mut self, want: usize) -> Result<(&mut [T], &mut [u32])> {
        for (what, got) in [("values", self.values.len()), ("indices", self.indices.len())] {
            if got != want {
                return Err(Error::OutputLength { what, got, want });
            }
        }
        Ok((self.values, self.indices))
    }
}

fn reserve<X>(v: &mut Vec<X>, len: usize, what: &'static str) -> Result<()> {
    v.try_reserve_exact(len.saturating_sub(v.len()))
        .map_err(|_| Error::OutOfMemory { what, elements: len })
}

/// An executor bound to its input that can compact ranges of values.
pub trait CompactExecutor<T: Element> {
    /// Of each row, the elements `lo <= x <= hi` in the order of this crate (NaN greatest, zeros
    /// equal), in column order.
    ///
    /// # Errors
    /// Whatever [`Error`] lists.
    fn compact(&self, plan: &CompactPlan, lo: T, hi: T) -> Result<CompactOutput<T>>;
}

/// What a compaction kept, row after row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CompactOutput<T> {
    /// `rows + 1` offsets: row r has `values[offsets[r]..offsets[r + 1]]`.
    pub offsets: Vec<usize>,
    /// The elements kept, bit for bit those of the input.
    pub values: Vec<T>,
    /// Their column indices, ascending within a row.
    pub indices: Vec<u32>,
}

impl<T> CompactOutput<T> {
    /// How many elements of that row were kept.
    #[must_use]
    pub fn count(&self, row: usize) -> usize {
        self.offsets[row + 1] - self.offsets[row]
    }
}
