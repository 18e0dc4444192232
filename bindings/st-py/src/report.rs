//! Plans, explanations and what is there, as JSON: the facade makes objects of it.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use serde::Serialize;
use serde_json::{Value, json};
use st_core::DType;
use st_core::backend::auto::Why;
use st_core::backend::cuda_exec;
use st_core::backend::device_caps::{self, Backend, DeviceCaps};
use st_core::backend::wgpu_exec;
use st_core::doctor::{Report, Words};
use st_core::ops::rank_entry::{self, NanOrder, Problem};

use crate::device::{Chosen, Device, choose};
use crate::error::{count, raised};
use crate::select::kind_of;
use crate::state::{State, state, told};

type Shape<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>, Bound<'py, PyAny>);

/// The problem in words: kind, (rows, cols, k), first rank, type, order.
fn problem(
    kind: u8,
    shape: &Shape<'_>,
    start: &Bound<'_, PyAny>,
    dtype: &str,
    nan_last: bool,
    sorted: bool,
) -> PyResult<Problem> {
    let (rows, cols, k) = shape;
    let kind = kind_of(kind, count("start", start)?)?;
    let dtype = DType::from_name(dtype).ok_or_else(|| {
        let names: Vec<&str> = DType::ALL.iter().map(|d| d.name()).collect();
        PyValueError::new_err(format!("dtype = {dtype:?}: use one of {}", names.join(", ")))
    })?;
    let problem = Problem::new(kind, count("rows", rows)?, count("cols", cols)?, count("k", k)?)
        .with_dtype(dtype)
        .with_nan(if nan_last { NanOrder::Last } else { NanOrder::Greatest })
        .with_sorted(sorted);
    problem.check().map_err(|e| raised(&e))?;
    Ok(problem)
}

/// The device to plan for: one that is described, one that is there, or what `auto` takes, and why it is that one.
fn caps_of(
    state: &State,
    problem: &Problem,
    device: &Bound<'_, PyAny>,
    caps: Option<&str>,
) -> PyResult<(DeviceCaps, Option<Why>)> {
    let named = Device::parse(device)?;
    if let Some(text) = caps {
        if named != Device::Auto {
            return Err(PyValueError::new_err(format!(
                "device = {device} and caps = {text:?}: give one of them, the device to plan for"
            )));
        }
        let caps = device_caps::parse(text)
            .map_err(|why| PyValueError::new_err(format!("caps = {text:?}: {why}")))?;
        return Ok((caps, None));
    }
    let Chosen { device, auto, .. } = choose(state, problem, named).map_err(|e| raised(&e))?;
    Ok((device.caps(state).map_err(|e| raised(&e))?, auto))
}

/// Kind, device, and why that one at the top, as `spiral plan --json` has them.
fn document(
    problem: &Problem,
    (caps, auto): (&DeviceCaps, Option<&Why>),
    rest: &impl Serialize,
    text: &str,
) -> PyResult<String> {
    let mut document = json!({
        "kind": problem.kind.name(),
        "device": caps.backend.name(),
        "auto": auto,
        "text": text,
    });
    let rest = serde_json::to_value(rest).map_err(|e| PyTypeError::new_err(e.to_string()))?;
    if let (Value::Object(all), Value::Object(rest)) = (&mut document, rest) {
        all.extend(rest);
    }
    Ok(document.to_string())
}

/// A plan, as JSON.
#[pyfunction]
#[pyo3(signature = (kind, shape, start, dtype, nan_last, sorted, device, caps))]
#[allow(clippy::too_many_arguments, reason = "it is called by the facade alone")]
pub(crate) fn plan(
    py: Python<'_>,
    kind: u8,
    shape: Shape<'_>,
    start: &Bound<'_, PyAny>,
    dtype: &str,
    nan_last: bool,
    sorted: bool,
    device: &Bound<'_, PyAny>,
    caps: Option<&str>,
) -> PyResult<String> {
    let problem = problem(kind, &shape, start, dtype, nan_last, sorted)?;
    let state = told(py)?;
    let (caps, auto) = caps_of(state, &problem, device, caps)?;
    let plan = state.planner.plan(&problem, &caps);
    document(&problem, (&caps, auto.as_ref()), &plan, &plan.to_string())
}

/// A plan with the reasons for it, as JSON.
#[pyfunction]
#[pyo3(signature = (kind, shape, start, dtype, nan_last, sorted, device, caps, top))]
#[allow(clippy::too_many_arguments, reason = "it is called by the facade alone")]
pub(crate) fn explain(
    py: Python<'_>,
    kind: u8,
    shape: Shape<'_>,
    start: &Bound<'_, PyAny>,
    dtype: &str,
    nan_last: bool,
    sorted: bool,
    device: &Bound<'_, PyAny>,
    caps: Option<&str>,
    top: &Bound<'_, PyAny>,
) -> PyResult<String> {
    let problem = problem(kind, &shape, start, dtype, nan_last, sorted)?;
    let top = count("top", top)?.min(1000);
    let state = told(py)?;
    let (caps, auto) = caps_of(state, &problem, device, caps)?;
    let why =
        state.planner.with_knowledge(|known| rank_entry::explain(&problem, &caps, known, top));
    document(&problem, (&caps, auto.as_ref()), &why, &why.plan.to_string())
}

/// The devices that this wheel can use here, as JSON: a list.
#[pyfunction]
pub(crate) fn devices(py: Python<'_>) -> String {
    py.detach(|| Value::from(found(state())).to_string())
}

fn found(state: &State) -> Vec<Value> {
    let mut list = Vec::new();
    if let Ok((exec, caps)) = state.cpu() {
        let name = format!("{} threads, {}", caps.max_workgroup, exec.isa().name());
        list.push(device("cpu", &name, false, caps));
    }
    if cuda_exec::IN_THIS_BUILD {
        for found in cuda_exec::devices(&state.libraries()).unwrap_or_default() {
            list.push(device(&format!("cuda:{}", found.ordinal), &found.name, false, &found.caps));
        }
    }
    if wgpu_exec::IN_THIS_BUILD {
        for found in wgpu_exec::adapters(Backend::Wgpu) {
            let name = format!("{} ({})", found.name, found.interface);
            list.push(device("wgpu", &name, found.software, &found.caps));
        }
    }
    list
}

fn device(device: &str, name: &str, software: bool, caps: &DeviceCaps) -> Value {
    json!({"device": device, "name": name, "software": software, "caps": caps})
}

/// What this process has and what is wrong with it, as JSON.
#[pyfunction]
pub(crate) fn doctor(py: Python<'_>) -> String {
    py.detach(|| {
        let state = state();
        let (settings, loaded) = (&state.settings, state.settings.load());
        let cpu = state.cpu().map(|(exec, _)| exec);
        let report = Report::new(WORDS, cpu, &state.libraries(), settings, &loaded);
        let text = report.to_string();
        let mut document = serde_json::to_value(&report).unwrap_or_default();
        document["text"] = Value::from(text.trim_end());
        document["devices"] = Value::from(found(state));
        document.to_string()
    })
}

const WORDS: Words = Words {
    program: "spiraltorch",
    absent: "not in this build: use device=\"cpu\" or \"auto\", or st.plan(.., caps=..) to see what would be planned",
};
