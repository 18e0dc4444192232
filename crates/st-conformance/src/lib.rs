//! One conformance suite, run by every backend.
//!
//! - [`oracle`]: what the contract says the answer is, by sorting whole rows, naively.
//! - [`value`]: how the oracle compares elements: as the values they are, never through the code
//!   maps of `st_rank::order`, so that a slip there cannot hide itself.
//! - [`pattern`] and [`cases`]: the inputs and questions, a function of a seed alone.
//! - [`choices`]: settings of the CPU kernels to force upon an executor.
//! - [`backend`]: what a backend tells the suite; [`suite!`] expands to the tests.
//! - [`emulator`]: CUDA without a device.
//! - [`null`]: an executor without a device, which logs what it would launch.
//! - [`raw`]: random problems for property tests and fuzzing.
//!
//! `SPIRAL_CONFORMANCE=full` asks every k in every way, `smoke` a tenth of the usual questions;
//! `SPIRAL_CONFORMANCE_CASE=n` repeats one case of a failed test.

#![forbid(unsafe_code)]

pub mod backend;
pub mod cases;
pub mod choices;
mod compaction;
pub mod compactions;
pub mod cover;
pub mod emulator;
pub mod inputs;
mod layouts;
pub mod null;
pub mod oracle;
mod outputs;
pub mod pattern;
pub mod permutations;
mod ranks;
pub mod raw;
mod refusals;
mod report;
pub mod rng;
mod session;
mod trace;
pub mod value;
pub mod verdict;

pub use backend::{Backend, Executor, Level};
pub use null::NullExecutor;
pub use st_rank::for_dtype;
pub use value::Value;

/// The tests, which [`suite!`](crate::suite!) calls for each element type.
pub mod tests {
    pub use crate::compaction::compaction;
    pub use crate::layouts::layouts;
    pub use crate::outputs::outputs;
    pub use crate::ranks::ranks;
    pub use crate::refusals::refusals;
}

/// The whole suite for one backend: five tests for each element type.
///
/// Takes an expression that gives a reference to a [`Backend`], and the types it must do; without
/// a list, all twelve. A type that is not listed is not tested, so the list is the claim.
///
/// ```ignore
/// st_conformance::suite!(crate::common::backend());
/// st_conformance::suite!(crate::common::wgpu(), [f32, f16, bf16, i32, u32]);
/// ```
#[macro_export]
macro_rules! suite {
    ($backend:expr) => {
        $crate::suite!($backend, [f32, f16, bf16, i32, u32, f64, i64, u64, i8, u8, i16, u16]);
    };
    ($backend:expr, [$($t:ident),+ $(,)?]) => {
        $($crate::suite!(@type $t $backend);)+
    };
    (@type f32 $b:expr) => { $crate::suite!(@tests f32, f32_ranks f32_layouts f32_outputs f32_compaction f32_refusals, $b); };
    (@type f16 $b:expr) => { $crate::suite!(@tests f16, f16_ranks f16_layouts f16_outputs f16_compaction f16_refusals, $b); };
    (@type bf16 $b:expr) => { $crate::suite!(@tests bf16, bf16_ranks bf16_layouts bf16_outputs bf16_compaction bf16_refusals, $b); };
    (@type f64 $b:expr) => { $crate::suite!(@tests f64, f64_ranks f64_layouts f64_outputs f64_compaction f64_refusals, $b); };
    (@type i8 $b:expr) => { $crate::suite!(@tests i8, i8_ranks i8_layouts i8_outputs i8_compaction i8_refusals, $b); };
    (@type i16 $b:expr) => { $crate::suite!(@tests i16, i16_ranks i16_layouts i16_outputs i16_compaction i16_refusals, $b); };
    (@type i32 $b:expr) => { $crate::suite!(@tests i32, i32_ranks i32_layouts i32_outputs i32_compaction i32_refusals, $b); };
    (@type i64 $b:expr) => { $crate::suite!(@tests i64, i64_ranks i64_layouts i64_outputs i64_compaction i64_refusals, $b); };
    (@type u8 $b:expr) => { $crate::suite!(@tests u8, u8_ranks u8_layouts u8_outputs u8_compaction u8_refusals, $b); };
    (@type u16 $b:expr) => { $crate::suite!(@tests u16, u16_ranks u16_layouts u16_outputs u16_compaction u16_refusals, $b); };
    (@type u32 $b:expr) => { $crate::suite!(@tests u32, u32_ranks u32_layouts u32_outputs u32_compaction u32_refusals, $b); };
    (@type u64 $b:expr) => { $crate::suite!(@tests u64, u64_ranks u64_layouts u64_outputs u64_compaction u64_refusals, $b); };
    (@tests $t:ident, $ranks:ident $layouts:ident $outputs:ident $compaction:ident $refusals:ident, $b:expr) => {
        #[test]
        fn $ranks() { $crate::tests::ranks::<$crate::value::types::$t, _>($b); }
        #[test]
        fn $layouts() { $crate::tests::layouts::<$crate::value::types::$t, _>($b); }
        #[test]
        fn $outputs() { $crate::tests::outputs::<$crate::value::types::$t, _>($b); }
        #[test]
        fn $compaction() { $crate::tests::compaction::<$crate::value::types::$t, _>($b); }
        #[test]
        fn $refusals() { $crate::tests::refusals::<$crate::value::types::$t, _>($b); }
    };
}
