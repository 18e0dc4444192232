//! Hyper-gradients of a fixed number of steps.

pub use st_grad::{Checkpoints, HyperGradError, Memory, Unrolled, UnrolledGrad};
