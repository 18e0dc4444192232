//! Any bytes as a `.npz`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use st_cli::input::npz;

fuzz_target!(|data: &[u8]| {
    fuzz_support::judge(npz::parse(data, None, None));
    // Archives with several members are refused without a name.
    for name in ["x", "arr_0"] {
        fuzz_support::judge(npz::parse(data, Some(name), None));
    }
});
