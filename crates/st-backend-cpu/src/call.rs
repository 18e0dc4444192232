//! One call, as the threads see it: the input as lanes, the output in rows, and what is wanted.

use core::marker::PhantomData;
use core::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use st_rank::order::CodeMap;
use st_rank::{Choice, Element, Input, Problem};

use crate::isa::{Isa, dispatch};
use crate::packed::{LaneJob, Packs};
use crate::row::finish::{Target, finish};
use crate::row::{Context, Part, collect};
use crate::scratch::Scratch;
use crate::simd::{Job, Simd, Vectors};
use crate::split;
use crate::team::Team;
use crate::workspace::Workspace;

/// The elements as the signed integers of their width. `L` must be the lane type of `T`.
pub(crate) fn lanes_of<T: Element, L: Packs>(values: &[T]) -> &[L] {
    assert!(size_of::<T>() == size_of::<L>() && align_of::<T>() == align_of::<L>());
    // SAFETY: `Element` is sealed: its types are numbers without padding, of the size and
    // alignment just checked, and every bit pattern is a value of both types.
    unsafe { core::slice::from_raw_parts(values.as_ptr().cast(), values.len()) }
}

/// As [`lanes_of`], for writing.
pub(crate) fn lanes_of_mut<T: Element, L: Packs>(values: &mut [T]) -> &mut [L] {
    assert!(size_of::<T>() == size_of::<L>() && align_of::<T>() == align_of::<L>());
    // SAFETY: as in `lanes_of`.
    unsafe { core::slice::from_raw_parts_mut(values.as_mut_ptr().cast(), values.len()) }
}

/// Slices of rows that several threads write, each row by one of them.
pub(crate) struct RowsOut<'a, L> {
    values: *mut L,
    indices: *mut u32,
    rows: usize,
    k: usize,
    life: PhantomData<&'a mut [L]>,
}

// SAFETY: the pointers are to memory borrowed for 'a, and `row` hands out disjoint parts of it.
unsafe impl<L: Send> Sync for RowsOut<'_, L> {}

impl<'a, L> RowsOut<'a, L> {
    pub(crate) fn new(values: &'a mut [L], indices: &'a mut [u32], rows: usize, k: usize) -> Self {
        assert!(values.len() == rows * k && indices.len() == rows * k);
        let (values, indices) = (values.as_mut_ptr(), indices.as_mut_ptr());
        Self { values, indices, rows, k, life: PhantomData }
    }

    /// # Safety
    /// No two slices of the same row may live at the same time.
    #[allow(clippy::mut_from_ref, reason = "disjointness is the caller's promise")]
    pub(crate) unsafe fn row(&self, row: usize) -> (&mut [L], &mut [u32]) {
        assert!(row < self.rows);
        let at = row * self.k;
        // SAFETY: rows x k elements are borrowed, the row is one of them, and by the caller's
        // promise nobody else has it.
        unsafe {
            (
                core::slice::from_raw_parts_mut(self.values.add(at), self.k),
                core::slice::from_raw_parts_mut(self.indices.add(at), self.k),
            )
        }
    }
}

/// What is asked of the threads.
pub(crate) struct Call<'a, L: Packs> {
    pub(crate) bits: &'a [L],
    pub(crate) lengths: Option<&'a [u32]>,
    pub(crate) problem: Problem,
    pub(crate) choice: Choice,
    pub(crate) map: CodeMap<L>,
    /// 32-bit lanes of the instruction set.
    pub(crate) lane: u32,
}

impl<'a, L: Packs> Call<'a, L> {
    pub(crate) fn new<T: Element>(
        input: &Input<'a, T>,
        problem: Problem,
        choice: Choice,
        lane: u32,
    ) -> Self {
        let map = CodeMap::for_encoding(T::ENCODING, problem.kind.direction(), problem.nan);
        Self { bits: lanes_of(input.values), lengths: input.lengths, problem, choice, map, lane }
    }

    /// The elements of a row.
    #[inline(always)]
    pub(crate) fn row(&self, row: usize) -> &'a [L] {
        let n = self.lengths.map_or(self.problem.cols, |lengths| lengths[row] as usize);
        &self.bits[row * self.problem.row_stride..][..n]
    }

    /// The ranks wanted of a row of `n` elements.
    #[inline(always)]
    pub(crate) fn ranks(&self, n: usize) -> Range<usize> {
        self.problem.kind.ranks(n, self.problem.k)
    }

    #[inline(always)]
    pub(crate) fn context<S: Vectors<L>>(&self, s: S) -> Context<L, S::V> {
        Context::new(s, self.map, &self.choice, self.lane)
    }
}

/// Input bytes a thread takes at a time: enough to make taking free, few enough to share evenly.
const CHUNK_BYTES: usize = 1 << 17;

/// Runs a call with one command or two.
pub(crate) fn select<L: Packs>(
    isa: Isa,
    team: &Team,
    call: &Call<'_, L>,
    out: &RowsOut<'_, L>,
    space: &mut Workspace,
) {
    if call.choice.use_2ce {
        return split::run(isa, team, call, out, space);
    }
    let (problem, threads) = (&call.problem, call.choice.wg as usize);
    space.reserve(threads, 0);
    let row_bytes = problem.cols.max(1) * size_of::<L>();
    let fair = problem.rows.div_ceil(4 * threads);
    let chunk = (CHUNK_BYTES / row_bytes).min(fair).max(1);
    let next = AtomicUsize::new(0);
    team.run(threads, &|thread| {
        let mut arena = space.thread(thread);
        while let Some(i) = take(&next, problem.rows.div_ceil(chunk)) {
            let rows = i * chunk..((i + 1) * chunk).min(problem.rows);
            dispatch(isa, Rows { call, rows, out, scratch: L::scratch(&mut arena) });
        }
    });
}

/// The next of `n` units, if any are left.
pub(crate) fn take(next: &AtomicUsize, n: usize) -> Option<usize> {
    let unit = next.fetch_add(1, Ordering::Relaxed);
    (unit < n).then_some(unit)
}

/// Selects whole rows, one after the other.
struct Rows<'a, 'b, L: Packs> {
    call: &'a Call<'b, L>,
    rows: Range<usize>,
    out: &'a RowsOut<'b, L>,
    scratch: &'a mut Scratch<L>,
}

impl<L: Packs> Job for Rows<'_, '_, L> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        L::with(s, self);
    }
}

impl<L: Packs> LaneJob<L> for Rows<'_, '_, L> {
    type Out = ();
    #[inline(always)]
    fn run<S: Vectors<L> + Simd>(self, s: S) {
        let ctx = self.call.context(s);
        for row in self.rows {
            let bits = self.call.row(row);
            prefetch_ahead(s, bits);
            let ranks = self.call.ranks(bits.len());
            let skipped = collect(s, &ctx, Part { bits, base: 0 }, ranks.clone(), self.scratch);
            // SAFETY: the rows of a job are given to no other job.
            let (values, indices) = unsafe { self.out.row(row) };
            let ranks = ranks.start - skipped..ranks.end - skipped;
            write_row(s, self.call, bits, ranks, self.scratch, values, indices);
        }
    }
}

/// How far ahead of a short row memory is asked for, in bytes. Between two such rows there is more
/// work than the processor looks ahead, so that it would find the next row too late.
const AHEAD: usize = 2048;

#[inline(always)]
fn prefetch_ahead<L: Packs, S: Simd>(s: S, row: &[L]) {
    /// Bytes of a cache line.
    const LINE: usize = 64;
    let bytes = size_of_val(row);
    if bytes <= AHEAD {
        for at in (0..bytes).step_by(LINE) {
            s.prefetch(row.as_ptr().cast::<u8>().wrapping_add(AHEAD + at));
        }
    }
}

/// Writes the candidates of the given ranks as a row of output, padded where they are fewer.
#[inline(always)]
pub(crate) fn write_row<L: Packs, S: Simd + Vectors<L>>(
    s: S,
    call: &Call<'_, L>,
    row: &[L],
    ranks: Range<usize>,
    scratch: &mut Scratch<L>,
    values: &mut [L],
    indices: &mut [u32],
) {
    let wanted = ranks.len();
    if wanted > 0 {
        let sorted = call.problem.sorted;
        let (values, indices) = (&mut values[..wanted], &mut indices[..wanted]);
        finish(s, ranks, scratch, &mut Target { map: call.map, row, sorted, values, indices });
    }
    if wanted < values.len() {
        values[wanted..].fill(L::default());
        indices[wanted..].fill(u32::MAX);
    }
}
