//! Any bytes as a `.safetensors`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use st_cli::input::safetensors;

fuzz_target!(|data: &[u8]| {
    fuzz_support::judge(safetensors::parse(data, None));
    fuzz_support::judge(safetensors::parse(data, Some("x")));
});
