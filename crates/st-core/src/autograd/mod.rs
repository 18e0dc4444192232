//! Gradients by hyper-parameters: Ameba Hypergrad. The implementation is the crate `st-grad`, for
//! those who want nothing else; here are the paths of the founding document.

pub mod hypergrad;
pub mod hypergrad_implicit;
pub mod hypergrad_unrolled;
