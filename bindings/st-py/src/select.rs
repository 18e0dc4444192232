//! A selection from host memory: where it runs, and how results get into the caller's places.
#![allow(unsafe_code, reason = "arrays of Python's libraries are places in memory")]

use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use st_core::backend::device_caps::Backend;
use st_core::ops::rank_entry::{
    NanOrder, Problem, RankKind, RankOutputMut, RankPlan, execute_rank_into,
};
use st_core::{DType, Element, Error};

use crate::device::{Chosen, Device, choose};
use crate::error::raised;
use crate::index::{self, IndexType};
use crate::state::{State, told};

/// What is asked of a selection, but for the array.
#[derive(Clone, Copy)]
pub(crate) struct Ask {
    pub(crate) kind: RankKind,
    pub(crate) k: usize,
    pub(crate) sorted: bool,
    pub(crate) nan: NanOrder,
    pub(crate) index: IndexType,
}

impl Ask {
    pub(crate) fn new(
        kind: u8,
        k: usize,
        start: usize,
        sorted: bool,
        nan_last: bool,
        index: u8,
    ) -> PyResult<Self> {
        let kind = kind_of(kind, start)?;
        let nan = if nan_last { NanOrder::Last } else { NanOrder::Greatest };
        Ok(Self { kind, k, sorted, nan, index: IndexType::from_code(index)? })
    }

    /// The problem over rows that lie like that. Refuses impossible shapes.
    pub(crate) fn problem(&self, rows: &Rows) -> PyResult<Problem> {
        let problem = Problem::new(self.kind, rows.rows, rows.cols, self.k)
            .with_dtype(rows.dtype)
            .with_nan(self.nan)
            .with_sorted(self.sorted)
            .with_row_stride(rows.stride);
        problem.check().map_err(|e| raised(&e))?;
        self.index.check(rows.cols)?;
        Ok(problem)
    }
}

/// A kind by the code that the facade has for it.
pub(crate) fn kind_of(code: u8, start: usize) -> PyResult<RankKind> {
    match code {
        0 => Ok(RankKind::TopK),
        1 => Ok(RankKind::BottomK),
        2 => Ok(RankKind::MidK),
        3 => Ok(RankKind::Range { start }),
        _ => Err(PyValueError::new_err(format!("kind {code}: use 0 to 3"))),
    }
}

/// How rows lie in memory.
#[derive(Clone, Copy)]
pub(crate) struct Rows {
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    /// Elements from row to row.
    pub(crate) stride: usize,
    pub(crate) dtype: DType,
}

impl Rows {
    /// Elements from the first of the first row to the last of the last.
    pub(crate) const fn extent(&self) -> usize {
        if self.rows == 0 || self.cols == 0 {
            return 0;
        }
        (self.rows - 1) * self.stride + self.cols
    }
}

/// Addresses on the host: the rows, and places for `rows x k` values and indices. Nobody may free them meanwhile; the
/// places overlap nothing.
#[derive(Clone, Copy)]
pub(crate) struct Places {
    pub(crate) input: *const u8,
    pub(crate) values: *mut u8,
    pub(crate) indices: *mut u8,
}

// SAFETY: they are addresses; whoever made them keeps what they point to.
unsafe impl Send for Places {}

/// Elements that are selected from in less time than others could use Python's lock: giving it up and taking it back would
/// be a tenth of such a call. (It takes a microsecond or two, and waits for nobody.)
const SHORT: usize = 2048;

/// Selects, with Python's lock released unless it is done at once.
///
/// # Safety
/// The addresses are aligned and lead to as many elements as problem and index type say; see [`Places`].
pub(crate) unsafe fn run(
    py: Python<'_>,
    problem: &Problem,
    index: IndexType,
    places: Places,
    device: Device,
) -> PyResult<()> {
    let state = told(py)?;
    if problem.output_len() == 0 {
        // There is nothing to write; a device that is not there is refused all the same.
        return choose(state, problem, device).map(|_| ()).map_err(|e| raised(&e));
    }
    let work = move || {
        let places = places;
        catch_unwind(AssertUnwindSafe(|| {
            st_core::for_dtype!(problem.dtype, T => {
                // SAFETY: the caller's promise.
                unsafe { typed::<T>(state, problem, index, places, device) }
            })
        }))
    };
    let is_on_host = matches!(device, Device::Auto | Device::Backend(Backend::Cpu, _));
    let is_short = is_on_host && problem.rows.saturating_mul(problem.cols) <= SHORT;
    let done = if is_short { work() } else { py.detach(work) };
    match done {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(raised(&error)),
        Err(_) => Err(PyRuntimeError::new_err(
            "the selection was given up: if another thread wrote to the array during the call, copy it first; if \
             not, this is an error of ours, please tell us of it",
        )),
    }
}

unsafe fn typed<T: Element>(
    state: &State,
    problem: &Problem,
    index: IndexType,
    places: Places,
    device: Device,
) -> Result<(), Error> {
    let Chosen { device, plan, .. } = choose(state, problem, device)?;
    let (rows, len) = (problem.rows, problem.output_len());
    let extent = (rows - 1) * problem.row_stride + problem.cols;
    // SAFETY: the rows are the caller's, who keeps them. Another thread of Python's may write to them, and then some
    // number is selected that was there at some time; see `run`.
    let input = unsafe { std::slice::from_raw_parts(places.input.cast::<T>(), extent) };
    // SAFETY: the place has room for as many, and nobody else has it.
    let values = unsafe { std::slice::from_raw_parts_mut(places.values.cast::<T>(), len) };
    if index.is_wide() {
        let room = places.indices.cast::<u64>();
        // SAFETY: the place has room for as many 64-bit indices, and nobody else has it.
        unsafe {
            let indices = index::narrow_part(room, len);
            on(state, device, &plan, input, values, indices)?;
            index::widen(room, len);
        }
        return Ok(());
    }
    // SAFETY: the same for 32 bits.
    let indices = unsafe { std::slice::from_raw_parts_mut(places.indices.cast::<u32>(), len) };
    on(state, device, &plan, input, values, indices)
}

fn on<T: Element>(
    state: &State,
    device: Device,
    plan: &RankPlan,
    input: &[T],
    values: &mut [T],
    indices: &mut [u32],
) -> Result<(), Error> {
    let mut out = RankOutputMut { values, indices };
    match device {
        Device::Auto | Device::Backend(Backend::Cpu, _) => {
            execute_rank_into(&state.cpu()?.0.on(input), plan, &mut out)
        }
        Device::Backend(Backend::Cuda, ordinal) => {
            execute_rank_into(&state.cuda(ordinal)?.exec.on(input), plan, &mut out)
        }
        Device::Backend(backend, _) => {
            execute_rank_into(&state.wgpu(backend)?.exec.on(input), plan, &mut out)
        }
    }
}
