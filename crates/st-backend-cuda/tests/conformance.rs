//! The conformance suite: on the emulator, or with `SPIRAL_CUDA=device` on the first device.

mod common;

st_conformance::suite!(crate::common::cuda());
