//! Unsafe code is in the CPU kernels, in the Python package (arrays of other libraries are addresses), where a file is mapped to memory, in the benchmark that
//! measures how fast memory can be read, and in tests that count allocations: nowhere else. (That
//! each unsafe block says why it is sound is a lint.)

use super::{Source, check, sample};

/// The crates that call on instruction sets or a driver, and the place that compiles shaders.
const KERNELS: &[&str] = &[
    "crates/st-backend-cpu/",
    "crates/st-backend-cuda/",
    "crates/st-bench/",
    "bindings/st-py/src/",
    "crates/st-backend-wgpu/src/gpu.rs",
    "crates/st-backend-wgpu/src/multiprocessors.rs",
];

fn faults(source: &Source) -> Vec<String> {
    let maps_files = source.text.contains("memmap2");
    let counts = source.path.contains("/tests/") && source.text.contains("GlobalAlloc");
    let kernels = KERNELS.iter().any(|room| source.path.starts_with(room));
    if !source.path.ends_with(".rs") || kernels || maps_files || counts {
        return Vec::new();
    }
    let lines = source.text.lines().enumerate();
    let is_unsafe = |line: &str| {
        let code = line.split("//").next().unwrap_or(line);
        ["{", "fn ", "impl ", "extern "].iter().any(|what| code.contains(&format!("unsafe {what}")))
    };
    let found = lines.filter(|(_, line)| is_unsafe(line));
    found.map(|(at, _)| format!("{}:{}: unsafe code", source.path, at + 1)).collect()
}

#[test]
fn unsafe_code_is_in_its_places() {
    check(faults);
}

#[test]
fn unsafe_code_is_found() {
    // Put together here, so that this file does not contain it.
    let block = ["unsafe", "{ read(p) }"].join(" ");
    let of = |path, text: &str| faults(&sample(path, text));
    assert_eq!(of("crates/a/src/b.rs", &block), ["crates/a/src/b.rs:1: unsafe code"]);
    assert_eq!(of("crates/a/src/b.rs", &["unsafe", "fn f() {"].join(" ")).len(), 1);
    assert_eq!(of("crates/a/src/b.rs", &format!("// {block}")), [""; 0]);
    assert_eq!(of("crates/a/src/b.rs", "#![forbid(unsafe_code)]"), [""; 0]);
    assert_eq!(of("crates/a/src/b.rs", &format!("use memmap2::Mmap;\n{block}")), [""; 0]);
    assert_eq!(of("crates/st-backend-cpu/src/b.rs", &block), [""; 0]);
    assert_eq!(
        of("crates/a/tests/b.rs", &format!("use std::alloc::GlobalAlloc;\n{block}")),
        [""; 0]
    );
    assert_eq!(of("crates/a/src/b.rs", &format!("use std::alloc::GlobalAlloc;\n{block}")).len(), 1);
}
