//! PyTorch's tensors, past PyTorch's own Python: what they are is asked through DLPack, results are made by one call each.
//!
//! This is for plain calls, which are most: whatever is unusual gets `None`, and the facade does it the long way, or
//! refuses it in its words.
#![allow(unsafe_code, reason = "tensors are places in memory")]

use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyString, PyTuple};
use pyo3::{ffi, intern};
use st_core::DType;
use st_core::ops::rank_entry::Problem;

use crate::array::{overlap, row_stride};
use crate::cuda;
use crate::device::Device;
use crate::dlpack::{CUDA, Exchange, HOST, Lie, MOST_AXES};
use crate::launch::Launch;
use crate::result::pair;
use crate::select::{Ask, Places, Rows, run};
use crate::state::state;

/// A type of elements: DLPack's, ours, PyTorch's.
struct Type {
    element: (u8, u8),
    dtype: DType,
    object: Py<PyAny>,
}

/// What is known of PyTorch.
#[pyclass(frozen, module = "spiraltorch._native")]
pub(crate) struct Tensors {
    /// Of tensors that are read, and of those that are written to.
    read: Exchange,
    write: Exchange,
    types: Vec<Type>,
    /// By the facade's code.
    index_types: Vec<Py<PyAny>>,
    /// Make a tensor of (shape, strides, dtype): on the host, on the current CUDA device.
    empty_on_host: Py<PyAny>,
    empty_on_cuda: Option<Py<PyAny>>,
    /// How many of PyTorch's dispatch modes are on, which want to see what is called.
    modes: Py<PyAny>,
    /// Makes a workspace; see [`cuda::select`].
    workspace: Py<PyAny>,
    /// What the last results were made of.
    recent: Mutex<Option<Recent>>,
}

/// What tensors of results are made of: arguments of the functions that do, kept because calls are often alike.
struct Recent {
    shape: [usize; MOST_AXES],
    axes: usize,
    element: (u8, u8),
    index: u8,
    values: Py<PyTuple>,
    indices: Py<PyTuple>,
}

/// A plain call.
struct Asked<'a> {
    x: Lie,
    of: &'a Type,
    ask: Ask,
    problem: Problem,
    device: Device,
}

#[pymethods]
impl Tensors {
    /// From two tables of DLPack's functions, `types` as (DLPack's code, its bits, our name, PyTorch's type), types of
    /// indices, and functions that make tensors.
    #[new]
    #[pyo3(signature = (read, write, types, index_types, empty_on_host, empty_on_cuda, modes, workspace))]
    #[allow(clippy::too_many_arguments, reason = "it is called by the facade alone")]
    fn new(
        read: &Bound<'_, PyCapsule>,
        write: &Bound<'_, PyCapsule>,
        types: Vec<(u8, u8, String, Py<PyAny>)>,
        index_types: Vec<Py<PyAny>>,
        empty_on_host: Py<PyAny>,
        empty_on_cuda: Option<Py<PyAny>>,
        modes: Py<PyAny>,
        workspace: Py<PyAny>,
    ) -> PyResult<Self> {
        let types = types.into_iter().filter_map(|(code, bits, name, object)| {
            Some(Type { element: (code, bits), dtype: DType::from_name(&name)?, object })
        });
        Ok(Self {
            read: Exchange::new(read)?,
            write: Exchange::new(write)?,
            types: types.collect(),
            index_types,
            empty_on_host,
            empty_on_cuda,
            modes,
            workspace,
            recent: Mutex::default(),
        })
    }

    /// A selection along the last axis of a tensor (not of a subclass's): a `Selection`, or nothing if the call is not a
    /// plain one.
    #[allow(clippy::too_many_arguments, reason = "it is called by the facade alone")]
    fn select<'py>(
        &self,
        py: Python<'py>,
        x: &Bound<'py, PyAny>,
        kind: u8,
        k: &Bound<'py, PyAny>,
        start: usize,
        dim: &Bound<'py, PyAny>,
        sorted: bool,
        nan_last: bool,
        index: u8,
        device: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let asked = self.asked(x, (kind, k, start, sorted, nan_last), dim, index, device)?;
        let Some(asked) = asked else { return Ok(None) };
        let empty = match asked.x.device.0 {
            HOST => &self.empty_on_host,
            _ => match &self.empty_on_cuda {
                Some(empty) => empty,
                None => return Ok(None),
            },
        };
        let Some([of_values, of_indices]) = self.results(py, &asked, index)? else {
            return Ok(None);
        };
        let (values, indices) =
            (empty.bind(py).call1(of_values)?, empty.bind(py).call1(of_indices)?);
        let (Some(to), Some(at)) = (self.write.lie(&values), self.write.lie(&indices)) else {
            return Ok(None);
        };
        // They are made on the current device, which need not be the tensor's.
        if to.device != asked.x.device || at.device != asked.x.device {
            return Ok(None);
        }
        self.run(py, &asked, to.address, at.address)?;
        pair(values, indices).map(Some)
    }

    /// The same into two tensors; says whether it was done.
    #[allow(clippy::too_many_arguments, reason = "it is called by the facade alone")]
    fn select_into<'py>(
        &self,
        py: Python<'py>,
        x: &Bound<'py, PyAny>,
        kind: u8,
        k: &Bound<'py, PyAny>,
        start: usize,
        dim: &Bound<'py, PyAny>,
        sorted: bool,
        nan_last: bool,
        device: &Bound<'py, PyAny>,
        values: &Bound<'py, PyAny>,
        indices: &Bound<'py, PyAny>,
    ) -> PyResult<bool> {
        let (Some(to), Some(at)) = (self.write.lie(values), self.write.lie(indices)) else {
            return Ok(false);
        };
        let index = match at.element {
            (0, 64) => 0,
            (0, 32) => 1,
            (1, 32) => 2,
            (1, 64) => 3,
            _ => return Ok(false),
        };
        let asked = self.asked(x, (kind, k, start, sorted, nan_last), dim, index, device)?;
        let Some(asked) = asked else { return Ok(false) };
        let places = [(values, &to), (indices, &at)];
        for (place, lie) in places {
            let as_asked = lie.shape().split_last().is_some_and(|(&k, outer)| {
                k == asked.problem.k && *outer == asked.x.shape()[..outer.len()]
            });
            let fits = as_asked && lie.shape().len() == asked.x.shape().len();
            if !fits || lie.device != asked.x.device || !lie.is_contiguous() {
                return Ok(false);
            }
            if !is_whole(place, lie, lie.len())? {
                return Ok(false);
            }
        }
        let extent = |lie: &Lie, elements: usize| {
            (lie.address as *mut u8, elements * usize::from(lie.element.1.div_ceil(8)))
        };
        let input = extent(&asked.x, extent_of(&asked.problem));
        let [to_bytes, at_bytes] = places.map(|(_, lie)| extent(lie, lie.len()));
        if to.element != asked.x.element
            || overlap(input, to_bytes)
            || overlap(input, at_bytes)
            || overlap(to_bytes, at_bytes)
        {
            return Ok(false);
        }
        self.run(py, &asked, to.address, at.address)?;
        Ok(true)
    }
}

impl Tensors {
    /// What is asked, if it is plain: the last axis, rows at one distance with their elements one after another, a whole
    /// tensor on the host or on an NVIDIA device that is open, shapes and names that can be, nobody who wants gradients or
    /// looks on. (What is inside of `torch.func`'s transforms has no memory that DLPack could tell of.)
    fn asked<'py>(
        &self,
        x: &Bound<'py, PyAny>,
        (kind, k, start, sorted, nan_last): (u8, &Bound<'py, PyAny>, usize, bool, bool),
        dim: &Bound<'py, PyAny>,
        index: u8,
        device: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Asked<'_>>> {
        let Some(lie) = self.read.lie(x) else { return Ok(None) };
        let Some(of) = self.types.iter().find(|of| of.element == lie.element) else {
            return Ok(None);
        };
        let (Ok(k), Ok(dim), Ok(device)) =
            (k.extract::<usize>(), dim.extract::<isize>(), Device::parse(device))
        else {
            return Ok(None);
        };
        let Some((&cols, outer)) = lie.shape().split_last() else { return Ok(None) };
        if dim != -1 && dim != outer.len() as isize {
            return Ok(None);
        }
        let Some(stride) = row_stride(lie.shape(), lie.strides(), 1) else { return Ok(None) };
        let rows = Rows { rows: outer.iter().product(), cols, stride, dtype: of.dtype };
        let ask = Ask::new(kind, k, start, sorted, nan_last, index)?;
        let Ok(problem) = ask.problem(&rows) else { return Ok(None) };
        let is_here = match lie.device {
            (HOST, _) => true,
            (CUDA, ordinal) => device == Device::Auto && state().has_cuda(ordinal.cast_unsigned()),
            _ => false,
        };
        let py = x.py();
        if !is_here
            || x.getattr(intern!(py, "requires_grad"))?.is_truthy()?
            || call(x, intern!(py, "is_neg"))?.is_truthy()?
            || self.modes.bind(py).call0()?.is_truthy()?
            || !is_whole(x, &lie, rows.extent())?
        {
            return Ok(None);
        }
        Ok(Some(Asked { x: lie, of, ask, problem, device }))
    }

    /// What values and indices are made of: shape (that of the input, with k in place of the last axis), strides (one
    /// element after another) and type.
    fn results<'py>(
        &self,
        py: Python<'py>,
        asked: &Asked<'_>,
        index: u8,
    ) -> PyResult<Option<[Bound<'py, PyTuple>; 2]>> {
        let axes = asked.x.shape().len();
        let mut shape = [0; MOST_AXES];
        shape[..axes].copy_from_slice(asked.x.shape());
        shape[axes - 1] = asked.problem.k;
        let element = asked.of.element;
        // The lock is not held while Python makes objects: what it collects then may call us.
        let recent = || self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = recent().as_ref().filter(|last| {
            (last.shape, last.axes, last.element, last.index) == (shape, axes, element, index)
        }) {
            return Ok(Some([&last.values, &last.indices].map(|made| made.bind(py).clone())));
        }
        let Some(index_type) = self.index_types.get(usize::from(index)) else { return Ok(None) };
        let (mut strides, mut next) = ([0; MOST_AXES], 1usize);
        for (stride, &length) in strides[..axes].iter_mut().zip(&shape[..axes]).rev() {
            *stride = next;
            // Of axes without elements as PyTorch has it.
            next = next.saturating_mul(length.max(1));
        }
        let numbers = |list: &[usize]| PyTuple::new(py, list);
        let (lengths, strides) = (numbers(&shape[..axes])?, numbers(&strides[..axes])?);
        let of = |object: &Py<PyAny>| (&lengths, &strides, object).into_pyobject(py);
        let made = [of(&asked.of.object)?, of(index_type)?];
        let [values, indices] = made.each_ref().map(|made| made.clone().unbind());
        let last = recent().replace(Recent { shape, axes, element, index, values, indices });
        drop(last);
        Ok(Some(made))
    }

    /// Selects into places that fit.
    fn run(
        &self,
        py: Python<'_>,
        asked: &Asked<'_>,
        values: usize,
        indices: usize,
    ) -> PyResult<()> {
        let Asked { x, ask, problem, device, .. } = asked;
        if x.device.0 == HOST {
            let places = Places {
                input: x.address as *const u8,
                values: values as *mut u8,
                indices: indices as *mut u8,
            };
            // SAFETY: the caller holds the tensors; `asked` has seen that the input is whole, and the results are as large as
            // the problem says.
            return unsafe { run(py, problem, ask.index, places, *device) };
        }
        let launch = Launch {
            ordinal: x.device.1.cast_unsigned(),
            stream: Some(self.read.current_stream(py, x.device)?),
            problem: *problem,
            is_wide: ask.index.is_wide(),
            input: x.address as u64,
            values: values as u64,
            indices: indices as u64,
        };
        cuda::select(py, &launch, self.workspace.bind(py), true)
    }
}

/// Elements from the first of the first row to the last of the last.
const fn extent_of(problem: &Problem) -> usize {
    let Problem { rows, cols, row_stride, dtype, .. } = *problem;
    Rows { rows, cols, stride: row_stride, dtype }.extent()
}

/// Whether so many elements from a tensor's first on are in its storage, which may have been made smaller, or be gone.
fn is_whole(x: &Bound<'_, PyAny>, lie: &Lie, elements: usize) -> PyResult<bool> {
    let py = x.py();
    let bytes = call(x, intern!(py, "untyped_storage"))?.len()?;
    let offset: usize = call(x, intern!(py, "storage_offset"))?.extract()?;
    let size = usize::from(lie.element.1.div_ceil(8));
    Ok(elements == 0 || (offset + elements) * size <= bytes)
}

/// A method without arguments, for which no object is made.
fn call<'py>(x: &Bound<'py, PyAny>, name: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: both are objects, the list of arguments is empty and ends with null; what is given is ours, or null with an
    // exception set.
    unsafe {
        let none: *mut ffi::PyObject = std::ptr::null_mut();
        let given = ffi::PyObject_CallMethodObjArgs(x.as_ptr(), name.as_ptr(), none);
        Bound::from_owned_ptr_or_err(x.py(), given)
    }
}
