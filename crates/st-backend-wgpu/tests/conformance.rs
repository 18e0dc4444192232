//! The conformance suite, on the first adapter there is, with subgroups and without.

mod common;

st_conformance::suite!(crate::common::wgpu(), [f32, f16, bf16, i32, u32]);
