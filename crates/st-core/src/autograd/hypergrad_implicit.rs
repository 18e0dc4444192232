//! Hyper-gradients by the implicit function theorem.

pub use st_grad::{
    Asymmetry, Ending, HyperGrad, HyperGradError, Implicit, Solver, Used, asymmetry,
};
