//! The CPU kernels' tests under tools that see every access to memory.

use crate::error::{Error, Result};
use crate::setup;
use crate::shell::{cargo, shell, target_dir};
use serde_json::Value;
use std::path::PathBuf;

/// The crate with the unsafe code.
const KERNELS: &str = "st-backend-cpu";

/// What the compiler builds for here.
pub(crate) fn host() -> Result<String> {
    let version = shell("rustc").arg("-vV").read()?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| Error::Other("rustc does not say its host".into()))
}

/// `cargo xtask asan`. The stable compiler has the sanitizer's runtime, but lets it be asked for
/// only when told to behave as a nightly one.
pub(crate) fn asan() -> Result<()> {
    cargo()
        .words("test --tests -p")
        .arg(KERNELS)
        .arg("--target")
        // A target of its own name keeps the flags away from build scripts and macros.
        .arg(host()?)
        .arg("--target-dir")
        .arg(target_dir().join("asan"))
        .env("RUSTFLAGS", "-Zsanitizer=address")
        .env("RUSTC_BOOTSTRAP", "1")
        .run()
}

/// `cargo xtask valgrind`. Valgrind knows no AVX-512, so the instruction sets are forced.
pub(crate) fn valgrind() -> Result<()> {
    setup::need(setup::VALGRIND)?;
    let isas: &[&str] =
        if cfg!(target_arch = "x86_64") { &["portable", "avx2"] } else { &["portable"] };
    for binary in test_binaries()? {
        for isa in isas {
            shell("valgrind")
                .words("--quiet --error-exitcode=9 --leak-check=full")
                .words("--errors-for-leak-kinds=definite --show-leak-kinds=definite")
                .arg(&binary)
                .env("SPIRAL_CPU_ISA", isa)
                // Everything is some fifty times slower there: a tenth of the cases.
                .env("SPIRAL_CONFORMANCE", "smoke")
                .env("PROPTEST_CASES", "16")
                .run()?;
        }
    }
    Ok(())
}

/// Builds the kernels' tests and gives the programs.
fn test_binaries() -> Result<Vec<PathBuf>> {
    let messages = cargo()
        .words("test --no-run --tests --message-format json-render-diagnostics -p")
        .arg(KERNELS)
        .read()?;
    let programs = messages.lines().filter_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        message.get("executable")?.as_str().map(PathBuf::from)
    });
    let programs: Vec<_> = programs.collect();
    if programs.is_empty() {
        return Err(Error::Other(format!("{KERNELS} has no test programs")));
    }
    Ok(programs)
}
