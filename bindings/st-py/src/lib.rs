//! The native part of the Python package `spiraltorch`: conversions, and nothing that decides. What users call is in
//! `python/spiraltorch`, which has types and documentation.
//!
//! - `array`: NumPy's arrays. `host`: memory of other libraries on the host. `cuda`: memory on NVIDIA devices.
//! - `tensor`: plain calls on PyTorch's tensors, read through `dlpack`.
//! - `select`: a selection from host memory into the caller's places, with Python's lock released.
//! - `device`: which device `auto` takes. `state`: what a process keeps from call to call.
//! - `index`: indices in the types that Python's libraries want. `result`: named pairs. `report`: plans, explanations, devices as JSON.
//! - `tune`: the tuner, whose table the planner knows from then on.
//! - `hypergrad`: gradients by hyper-parameters over Python's functions.
//! - `error`: refusals as Python's exceptions.

#![deny(unsafe_code)]

mod array;
#[cfg_attr(feature = "cuda", path = "cuda.rs")]
#[cfg_attr(not(feature = "cuda"), path = "without_cuda.rs")]
mod cuda;
mod device;
mod dlpack;
mod error;
mod host;
mod hypergrad;
mod index;
mod launch;
mod report;
mod result;
mod select;
mod state;
mod tensor;
mod tune;

/// The extension module.
#[pyo3::pymodule(gil_used = false)]
mod _native {
    #[pymodule_export]
    use crate::array::{rows_along_last, select_array};
    #[pymodule_export]
    use crate::cuda::{DeviceMemory, cuda_allocate, cuda_select};
    #[pymodule_export]
    use crate::host::select_host;
    #[pymodule_export]
    use crate::hypergrad::{
        hypergrad_check, hypergrad_implicit, hypergrad_iterate, hypergrad_unrolled,
    };
    #[pymodule_export]
    use crate::report::{devices, doctor, explain, plan};
    #[pymodule_export]
    use crate::result::results_are;
    #[pymodule_export]
    use crate::state::{forked, nvrtc_at};
    #[pymodule_export]
    use crate::tensor::Tensors;
    #[pymodule_export]
    use crate::tune::tune;

    /// The version of the package.
    #[pymodule_export]
    #[allow(non_upper_case_globals, reason = "Python's name for it")]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}
