//! Any bytes as a `.npy`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use st_cli::input::npy;
use st_rank::DType;

fuzz_target!(|data: &[u8]| {
    fuzz_support::judge(npy::parse(data, None));
    // The one type that changes how a header is read.
    fuzz_support::judge(npy::parse(data, Some(DType::Bf16)));
});
