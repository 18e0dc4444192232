//! Gradients by hyper-parameters over Python's functions: each is called with arrays of the caller's shapes, and what it
//! raises comes through as it is.

use numpy::npyffi::NPY_ARRAY_ALIGNED;
use numpy::{PyArray1, PyArrayDyn, PyArrayMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use st_core::autograd::hypergrad::{
    Checkpoints, Ending, HyperGrad, HyperGradError, Implicit, MapFn, Outcome, OuterFn, Solver,
    Unrolled, UnrolledGrad, check_vjp, iterate,
};

use crate::array::flags;

type Array<'py> = Bound<'py, PyArrayDyn<f64>>;

/// The user's functions, and the shapes of what they are given.
struct Functions<'py> {
    step: Bound<'py, PyAny>,
    vjp: Option<Bound<'py, PyAny>>,
    jvp: Option<Bound<'py, PyAny>>,
    outer: Option<Bound<'py, PyAny>>,
    z: Vec<usize>,
    params: Vec<usize>,
}

impl<'py> Functions<'py> {
    fn py(&self) -> Python<'py> {
        self.step.py()
    }

    fn z(&self, z: &[f64]) -> PyResult<Array<'py>> {
        PyArray1::from_slice(self.py(), z).reshape(self.z.clone())
    }

    fn params(&self, params: &[f64]) -> PyResult<Array<'py>> {
        PyArray1::from_slice(self.py(), params).reshape(self.params.clone())
    }

    /// Lets signals and other threads have their turn. Functions of Python's do so themselves, but the user's may all be of C.
    fn others_turn(&self) -> PyResult<()> {
        self.py().detach(|| ());
        self.py().check_signals()
    }

    fn step(&self, z: &[f64], params: &[f64], out: &mut [f64]) -> PyResult<()> {
        self.others_turn()?;
        let next = self.step.call1((self.z(z)?, self.params(params)?))?;
        fill("step", &next, &self.z, out)
    }

    fn vjp(
        &self,
        z: &[f64],
        params: &[f64],
        v: &[f64],
        z_bar: &mut [f64],
        params_bar: &mut [f64],
    ) -> PyResult<()> {
        self.others_turn()?;
        let Some(vjp) = &self.vjp else {
            return Err(PyRuntimeError::new_err("there is no vjp to be called"));
        };
        let given = vjp.call1((self.z(z)?, self.params(params)?, self.z(v)?))?;
        let [by_z, by_params] = parts("vjp", "(z_bar, params_bar)", &given)?;
        fill("vjp: z_bar", &by_z, &self.z, z_bar)?;
        fill("vjp: params_bar", &by_params, &self.params, params_bar)
    }

    fn jvp(
        &self,
        z: &[f64],
        params: &[f64],
        dz: &[f64],
        dparams: &[f64],
        out: &mut [f64],
    ) -> PyResult<()> {
        self.others_turn()?;
        let Some(jvp) = &self.jvp else {
            return Err(PyRuntimeError::new_err("there is no jvp to be called"));
        };
        let arguments = (self.z(z)?, self.params(params)?, self.z(dz)?, self.params(dparams)?);
        fill("jvp", &jvp.call1(arguments)?, &self.z, out)
    }

    fn outer(
        &self,
        z: &[f64],
        params: &[f64],
        z_bar: &mut [f64],
        params_bar: &mut [f64],
    ) -> PyResult<f64> {
        self.others_turn()?;
        let Some(outer) = &self.outer else {
            return Err(PyRuntimeError::new_err("there is no outer loss to be called"));
        };
        let given = outer.call1((self.z(z)?, self.params(params)?))?;
        let [value, by_z, by_params] = parts("outer", "(value, dE/dz, dE/dparams)", &given)?;
        fill("outer: dE/dz", &by_z, &self.z, z_bar)?;
        // None: the loss looks at the state alone.
        if !by_params.is_none() {
            fill("outer: dE/dparams", &by_params, &self.params, params_bar)?;
        }
        value.extract().map_err(|_| PyTypeError::new_err("outer: the value must be a number"))
    }

    fn map(&self) -> MapFn<'_> {
        let (dim, params) = (self.z.iter().product(), self.params.iter().product());
        let map = MapFn::new(
            dim,
            params,
            |z, l, out| raised(self.step(z, l, out)),
            |z, l, v, z_bar, l_bar| raised(self.vjp(z, l, v, z_bar, l_bar)),
        );
        if self.jvp.is_none() {
            return map;
        }
        map.with_jvp(|z, l, dz, dl, out| raised(self.jvp(z, l, dz, dl, out)))
    }

    fn loss(&self) -> OuterFn<'_> {
        OuterFn::new(|z, l, z_bar, l_bar| raised(self.outer(z, l, z_bar, l_bar)))
    }
}

fn raised<T>(result: PyResult<T>) -> Outcome<T> {
    result.map_err(Into::into)
}

/// The parts of what a function returned.
fn parts<'py, const N: usize>(
    function: &str,
    wanted: &str,
    given: &Bound<'py, PyAny>,
) -> PyResult<[Bound<'py, PyAny>; N]> {
    given
        .cast::<PyTuple>()
        .ok()
        .and_then(|tuple| tuple.iter().collect::<Vec<_>>().try_into().ok())
        .ok_or_else(|| PyTypeError::new_err(format!("{function} must return a tuple {wanted}")))
}

/// Copies an array of real numbers of that shape.
fn fill(what: &str, given: &Bound<'_, PyAny>, shape: &[usize], out: &mut [f64]) -> PyResult<()> {
    let array = numbers(what, given)?;
    if array.shape() != shape {
        return Err(PyValueError::new_err(format!(
            "{what} has shape {:?}, but {shape:?} is wanted",
            array.shape()
        )));
    }
    let array = array.try_readonly()?;
    for (to, from) in out.iter_mut().zip(array.as_array()) {
        *to = *from;
    }
    Ok(())
}

/// An array of `float64`, made of whatever has real numbers.
fn numbers<'py>(what: &str, given: &Bound<'py, PyAny>) -> PyResult<Array<'py>> {
    if let Ok(array) = given.cast::<PyArrayDyn<f64>>() {
        // A field of a structured array may lie at distances that are no whole numbers: those are copied below.
        if flags(array.as_untyped()) & NPY_ARRAY_ALIGNED != 0 {
            return Ok(array.clone());
        }
    }
    let py = given.py();
    let array = py.import(intern!(py, "numpy"))?.call_method1(intern!(py, "asarray"), (given,))?;
    let dtype = array.cast::<PyUntypedArray>()?.dtype();
    // A complex number would lose its imaginary part in silence.
    if !matches!(numpy::PyArrayDescrMethods::kind(&dtype), b'f' | b'i' | b'u' | b'b') {
        return Err(PyTypeError::new_err(format!("{what} has dtype {dtype}: give real numbers")));
    }
    Ok(array.call_method1(intern!(py, "astype"), ("float64",))?.cast_into()?)
}

/// State and hyper-parameters as they are given, in a row each, with the functions that take them in their shapes.
type Given<'py> = (Array<'py>, Array<'py>);

fn row(array: &Array<'_>) -> PyResult<Vec<f64>> {
    Ok(array.try_readonly()?.as_array().iter().copied().collect())
}

fn given<'py>(z: &Bound<'py, PyAny>, params: &Bound<'py, PyAny>) -> PyResult<Given<'py>> {
    Ok((numbers("z", z)?, numbers("params", params)?))
}

/// The solver by its name. `restart` is GMRES's, `terms` Neumann's.
fn solver(
    name: &str,
    restart: Option<usize>,
    terms: Option<usize>,
    dim: usize,
) -> PyResult<Solver> {
    let refused = |what: &str| Err(PyValueError::new_err(what.to_owned()));
    if restart.is_some() && name != "gmres" {
        return refused("restart goes with solver=\"gmres\"");
    }
    if terms.is_some() && name != "neumann" {
        return refused("terms go with solver=\"neumann\"");
    }
    Ok(match name {
        "auto" => Solver::Auto,
        "cg" => Solver::Cg,
        "cgnr" => Solver::Cgnr,
        "bicgstab" => Solver::BiCgStab,
        // As `auto` does: without a restart as long as vectors for it are few.
        "gmres" => {
            Solver::Gmres { restart: restart.unwrap_or(if dim <= 256 { dim.max(1) } else { 64 }) }
        }
        "neumann" => terms.map_or(Solver::Neumann, Solver::NeumannTerms),
        other => {
            return Err(PyValueError::new_err(format!(
                "solver = {other:?}: use \"auto\", \"cg\", \"cgnr\", \"bicgstab\", \"gmres\" or \"neumann\""
            )));
        }
    })
}

/// The hyper-gradient at a fixed point, as a dictionary.
#[pyfunction]
#[pyo3(signature = (step, vjp, jvp, outer, z, params, how, tolerance, fixed_point_tolerance, max_iterations, keep_partial))]
#[allow(clippy::too_many_arguments, reason = "it is called by the facade alone")]
pub(crate) fn hypergrad_implicit<'py>(
    py: Python<'py>,
    step: Bound<'py, PyAny>,
    vjp: Bound<'py, PyAny>,
    jvp: Option<Bound<'py, PyAny>>,
    outer: Bound<'py, PyAny>,
    z: &Bound<'py, PyAny>,
    params: &Bound<'py, PyAny>,
    how: (String, Option<usize>, Option<usize>),
    tolerance: f64,
    fixed_point_tolerance: f64,
    max_iterations: Option<usize>,
    keep_partial: bool,
) -> PyResult<Bound<'py, PyDict>> {
    let (z, params) = given(z, params)?;
    let (vjp, outer) = (Some(vjp), Some(outer));
    let functions =
        Functions { step, vjp, jvp, outer, z: z.shape().to_vec(), params: params.shape().to_vec() };
    let (name, restart, terms) = how;
    let mut implicit = Implicit::new()
        .solver(solver(&name, restart, terms, z.len())?)
        .tolerance(tolerance)
        .fixed_point_tolerance(fixed_point_tolerance)
        .keep_partial(keep_partial);
    if let Some(most) = max_iterations {
        implicit = implicit.max_iterations(most);
    }
    let found = implicit
        .gradient(&functions.map(), &functions.loss(), &row(&z)?, &row(&params)?)
        .map_err(|error| exception(&functions, error))?;
    implicit_document(py, &functions, &found)
}

fn implicit_document<'py>(
    py: Python<'py>,
    functions: &Functions<'py>,
    found: &HyperGrad,
) -> PyResult<Bound<'py, PyDict>> {
    let document = PyDict::new(py);
    document.set_item("value", functions.params(&found.value)?)?;
    document.set_item("adjoint", functions.z(&found.adjoint)?)?;
    document.set_item("outer", found.outer)?;
    document.set_item("residual", found.residual)?;
    document.set_item("peak_residual", found.peak_residual)?;
    document.set_item("fixed_point_residual", found.fixed_point_residual)?;
    document.set_item("iterations", found.iterations)?;
    document.set_item("products", found.products)?;
    document.set_item("solver", found.solver.to_string())?;
    let (ending, terms) = match found.ending {
        Ending::Converged => ("converged", None),
        Ending::Truncated { terms } => ("truncated", Some(terms)),
        _ => ("partial", None),
    };
    document.set_item("ending", ending)?;
    document.set_item("terms", terms)?;
    Ok(document)
}

/// The gradient through so many steps, as a dictionary.
#[pyfunction]
#[pyo3(signature = (step, vjp, jvp, outer, z0, params, steps, forward, truncate, checkpoints))]
#[allow(clippy::too_many_arguments, reason = "it is called by the facade alone")]
pub(crate) fn hypergrad_unrolled<'py>(
    py: Python<'py>,
    step: Bound<'py, PyAny>,
    vjp: Option<Bound<'py, PyAny>>,
    jvp: Option<Bound<'py, PyAny>>,
    outer: Bound<'py, PyAny>,
    z0: &Bound<'py, PyAny>,
    params: &Bound<'py, PyAny>,
    steps: usize,
    forward: bool,
    truncate: Option<usize>,
    checkpoints: (String, usize),
) -> PyResult<Bound<'py, PyDict>> {
    let (z, params) = given(z0, params)?;
    let outer = Some(outer);
    let functions =
        Functions { step, vjp, jvp, outer, z: z.shape().to_vec(), params: params.shape().to_vec() };
    let mut unrolled = Unrolled::new(steps).checkpoints(match &*checkpoints.0 {
        "all" => Checkpoints::All,
        "sqrt" => Checkpoints::Sqrt,
        _ => Checkpoints::Every(checkpoints.1),
    });
    if let Some(steps) = truncate {
        unrolled = unrolled.truncate(steps);
    }
    let (map, loss, z, l) = (functions.map(), functions.loss(), row(&z)?, row(&params)?);
    let found = if forward {
        unrolled.forward(&map, &loss, &z, &l)
    } else {
        unrolled.reverse(&map, &loss, &z, &l)
    };
    let found = found.map_err(|error| exception(&functions, error))?;
    let UnrolledGrad {
        value,
        initial,
        outer,
        state,
        steps,
        truncated_to,
        fixed_point_residual,
        memory,
    } = found;
    let document = PyDict::new(py);
    document.set_item("value", functions.params(&value)?)?;
    document.set_item("initial", initial.map(|initial| functions.z(&initial)).transpose()?)?;
    document.set_item("outer", outer)?;
    document.set_item("state", functions.z(&state)?)?;
    document.set_item("steps", steps)?;
    document.set_item("truncated_to", truncated_to)?;
    document.set_item("fixed_point_residual", fixed_point_residual)?;
    document.set_item("peak_states", memory.peak_states)?;
    document.set_item("peak_numbers", memory.peak_numbers)?;
    document.set_item("steps_made", memory.steps)?;
    Ok(document)
}

/// Where the inner loop ends, as a dictionary.
#[pyfunction]
pub(crate) fn hypergrad_iterate<'py>(
    py: Python<'py>,
    step: Bound<'py, PyAny>,
    z0: &Bound<'py, PyAny>,
    params: &Bound<'py, PyAny>,
    tolerance: f64,
    max_steps: usize,
) -> PyResult<Bound<'py, PyDict>> {
    let (z, params) = given(z0, params)?;
    let (z_shape, params_shape) = (z.shape().to_vec(), params.shape().to_vec());
    let functions =
        Functions { step, vjp: None, jvp: None, outer: None, z: z_shape, params: params_shape };
    let found = iterate(&functions.map(), &row(&z)?, &row(&params)?, tolerance, max_steps)
        .map_err(|error| exception(&functions, error))?;
    let document = PyDict::new(py);
    document.set_item("state", functions.z(&found.state)?)?;
    document.set_item("steps", found.steps)?;
    document.set_item("last_step", found.last_step)?;
    document.set_item("converged", found.converged)?;
    Ok(document)
}

/// How far products are from the update's derivatives: (state, params, forward).
#[pyfunction]
#[pyo3(signature = (step, vjp, jvp, z, params))]
pub(crate) fn hypergrad_check<'py>(
    step: Bound<'py, PyAny>,
    vjp: Bound<'py, PyAny>,
    jvp: Option<Bound<'py, PyAny>>,
    z: &Bound<'py, PyAny>,
    params: &Bound<'py, PyAny>,
) -> PyResult<(f64, f64, Option<f64>)> {
    let (z, params) = given(z, params)?;
    let (z_shape, params_shape) = (z.shape().to_vec(), params.shape().to_vec());
    let functions =
        Functions { step, vjp: Some(vjp), jvp, outer: None, z: z_shape, params: params_shape };
    let found = check_vjp(&functions.map(), &row(&z)?, &row(&params)?)
        .map_err(|error| exception(&functions, error))?;
    Ok((found.state, found.params, found.forward))
}

/// A refusal as an exception of the facade's, with what is known of it; what a user's function raised as it was.
fn exception(functions: &Functions<'_>, error: HyperGradError) -> PyErr {
    let py = functions.py();
    // Advice that names settings names Python's.
    let text = match &error {
        HyperGradError::NotSymmetric { asymmetry, residual, .. } => format!(
            "conjugate gradients ended with relative residual {residual:.3e} because I - J is not symmetric (a probe finds \
             {asymmetry:.3e}): use solver=\"auto\", \"gmres\", \"bicgstab\" or \"cgnr\""
        ),
        HyperGradError::NotAFixedPoint { residual, allowed } => format!(
            "z is no fixed point: |step(z) - z| is {residual:.3e}, allowed is {allowed:.1e}: iterate further, or raise \
             fixed_point_tol and take the error into account"
        ),
        other => other.to_string(),
    };
    let known = PyDict::new(py);
    let made = (|| -> PyResult<PyErr> {
        let class = match error {
            HyperGradError::User { source, .. } => {
                return Ok(match source.downcast::<PyErr>() {
                    Ok(own) => *own,
                    Err(_) => PyRuntimeError::new_err(text.clone()),
                });
            }
            HyperGradError::Shape { .. } | HyperGradError::Setting { .. } => {
                return Ok(PyValueError::new_err(text.clone()));
            }
            HyperGradError::NotConverged { solver, iterations, residual, tolerance, partial } => {
                known.set_item("solver", solver.to_string())?;
                known.set_item("iterations", iterations)?;
                known.set_item("residual", residual)?;
                known.set_item("tolerance", tolerance)?;
                set_partial(py, functions, &known, partial.as_deref())?;
                "NotConverged"
            }
            HyperGradError::Diverged { solver, iteration, residual, partial } => {
                known.set_item("solver", solver.to_string())?;
                known.set_item("iterations", iteration)?;
                known.set_item("residual", residual)?;
                set_partial(py, functions, &known, partial.as_deref())?;
                "Diverged"
            }
            HyperGradError::Breakdown { solver, iteration, residual, .. } => {
                known.set_item("solver", solver.to_string())?;
                known.set_item("iterations", iteration)?;
                known.set_item("residual", residual)?;
                "Breakdown"
            }
            HyperGradError::IndefiniteOperator { iteration, curvature } => {
                known.set_item("iterations", iteration)?;
                known.set_item("curvature", curvature)?;
                "IndefiniteOperator"
            }
            HyperGradError::NotSymmetric { asymmetry, iterations, residual, partial } => {
                known.set_item("asymmetry", asymmetry)?;
                known.set_item("iterations", iterations)?;
                known.set_item("residual", residual)?;
                set_partial(py, functions, &known, partial.as_deref())?;
                "NotSymmetric"
            }
            HyperGradError::NotAFixedPoint { residual, allowed } => {
                known.set_item("residual", residual)?;
                known.set_item("tolerance", allowed)?;
                "NotAFixedPoint"
            }
            HyperGradError::NonFinite { site, iteration } => {
                known.set_item("where", site.to_string())?;
                known.set_item("iterations", iteration)?;
                "NonFinite"
            }
            HyperGradError::Unsupported { .. } => "Unsupported",
            HyperGradError::WrongProduct { site, got, expected, error, tolerance } => {
                known.set_item("where", site.to_string())?;
                known.set_item("got", got)?;
                known.set_item("expected", expected)?;
                known.set_item("residual", error)?;
                known.set_item("tolerance", tolerance)?;
                "WrongProduct"
            }
            _ => "HyperGradError",
        };
        let class = py.import("spiraltorch.hypergrad")?.getattr(class)?;
        Ok(PyErr::from_value(class.call1((text.clone(), known.clone()))?))
    })();
    made.unwrap_or_else(|error| error)
}

fn set_partial<'py>(
    py: Python<'py>,
    functions: &Functions<'py>,
    known: &Bound<'py, PyDict>,
    partial: Option<&HyperGrad>,
) -> PyResult<()> {
    match partial {
        Some(found) => known.set_item("partial", implicit_document(py, functions, found)?),
        None => Ok(()),
    }
}
