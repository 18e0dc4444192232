//! `cargo xtask test` and `cargo xtask check`.

use crate::error::{Error, Result};
use crate::report::Report;
use crate::shell::{cargo, root, shell, target_dir};
use crate::{codegen, fuzz, memory, setup, wheel};
use std::path::{Path, PathBuf};

/// Why a component of the toolchain cannot be used, if so. A toolchain may come without them.
fn without(component: &str) -> Option<&'static str> {
    let there = cargo().arg(component).arg("--version").works();
    (!there).then_some("the toolchain has no such component")
}

fn formatting(report: &mut Report) {
    let obstacle = without("fmt");
    report.step_unless(obstacle, "formatting", || cargo().words("fmt --all --check").run());
}

fn clippy(report: &mut Report) {
    let obstacle = without("clippy");
    report.step_unless(obstacle, "clippy", || {
        cargo().words("clippy --workspace --all-targets -- -D warnings").run()
    });
}

/// `cargo xtask check`.
pub(crate) fn check() -> Result<()> {
    let mut report = Report::default();
    formatting(&mut report);
    clippy(&mut report);
    report.step("tidiness and crate graph", || cargo().words("test -p xtask").run());
    report.step("generated files", || codegen::codegen(true));
    report.finish()
}

/// What the library may be built with beyond its default, each alone.
const FEATURES: &[&str] = &["logic", "kdsl"];

/// The same for the library alone: rewriting of rules, the tuner, devices, and hints that machines share.
const DEVICES: &[&str] = &["rewrite", "tune", "wgpu", "mps", "cuda", "kv-redis"];

/// What runs in browsers.
const BROWSER: &str = "wasm32-unknown-unknown";

/// `cargo xtask test`.
pub(crate) fn test(quick: bool, all: bool) -> Result<()> {
    let mut report = Report::default();
    if !report.step("setup", || setup::setup(all)) {
        return report.finish();
    }
    formatting(&mut report);
    clippy(&mut report);
    // The tidiness and crate-graph tests are among these, and so are the documentation's examples.
    report.step("Rust tests", || cargo().words("test --workspace --no-fail-fast").run());
    let obstacle =
        (!cfg!(target_os = "linux")).then_some("its package is installed on Linux alone");
    report.step_unless(obstacle, "CUDA kernels by NVRTC", || nvrtc(all));
    report.step("generated files", || codegen::codegen(true));
    report.step("documentation", || {
        cargo().words("doc --workspace --no-deps").env("RUSTDOCFLAGS", "-D warnings").run()
    });

    let left_out = quick.then_some("--quick");
    // A build of everything unifies the features of everything: this one shows that the library
    // needs none of them.
    report.step_unless(left_out, "st-core alone", || {
        cargo().words("build --release -p st-core").run()
    });
    report.step_unless(left_out, "st-core with each feature", || {
        FEATURES.iter().try_for_each(|features| {
            cargo().words("check --tests -p st-plan -p st-core --features").arg(features).run()
        })?;
        DEVICES.iter().try_for_each(|device| {
            cargo().words("check --tests -p st-core --features").arg(device).run()
        })
    });
    report.step_unless(left_out.or_else(no_browser), "the library for browsers", || {
        cargo().words("check -p st-core --features wgpu --target").arg(BROWSER).run()
    });
    // One build for all three: each set of features has its own of everything below it.
    report.step_unless(left_out, "spiral on WGPU, CUDA's emulator and Redis", || {
        cargo()
            .words("test -p st-cli -p st-core --lib --test builds --test wgpu --test cuda --test hints --test rewrite --features")
            .arg("st-cli/wgpu,st-cli/cuda,st-cli/kv-redis,st-core/kdsl")
            .run()
    });
    report.step_unless(left_out, "README's main command", || {
        cargo().words("run --release -p st-cli -- topk examples/data/digits.npy -k 5").run()
    });
    report.step_unless(left_out, "Python tests", python);
    match left_out {
        Some(why) => report.skip("the wheel", why),
        None => wheel::steps(&mut report, if all { "release" } else { "dev" }),
    }

    let left_out = (!all).then_some("only with --all");
    report.step_unless(left_out, "CPU kernels in release", || {
        cargo().words("test --release -p st-backend-cpu -p st-core").run()
    });
    report.step_unless(left_out, "WGPU kernels, ten times the questions", || {
        cargo()
            .words("test -p st-backend-wgpu --test conformance")
            .env("SPIRAL_CONFORMANCE", "quick")
            .run()
    });
    report.step_unless(left_out, "WGPU kernels, every permutation", || {
        cargo()
            .words("test -p st-backend-wgpu --test permutations -- --nocapture")
            .env("SPIRAL_PERMUTATIONS", "full")
            .run()
    });
    report.step_unless(left_out, "AddressSanitizer", memory::asan);
    report.step_unless(left_out, "valgrind", memory::valgrind);
    report.step_unless(left_out, "fuzzing", || fuzz::fuzz(Some("all"), 120));
    report.finish()
}

/// Why nothing can be built for browsers, if their standard library is not there and cannot be had.
fn no_browser() -> Option<&'static str> {
    let there = || {
        let folder = shell("rustc").words("--print target-libdir --target").arg(BROWSER).read();
        folder.is_ok_and(|folder| Path::new(folder.trim()).is_dir())
    };
    let had = there() || (shell("rustup").words("target add").arg(BROWSER).works() && there());
    (!had).then_some("there is no standard library for browsers, and rustup cannot add it")
}

/// The kernels by the real compiler, which the Python environment has. The whole workspace is named, so that nothing is built
/// again for other features.
fn nvrtc(all: bool) -> Result<()> {
    let code = "import nvidia.cu13, pathlib; print(pathlib.Path(*nvidia.cu13.__path__) / 'lib/libnvrtc.so.13')";
    let library = shell(".venv/bin/python").arg("-c").arg(code).read()?;
    cargo()
        .words("test --workspace --test nvrtc -- --ignored --nocapture")
        .env("SPIRAL_NVRTC", library.trim())
        .env("SPIRAL_PERMUTATIONS", if all { "full" } else { "pairs" })
        .run()
}

/// The program that the Python tests run.
fn spiral() -> PathBuf {
    target_dir().join("release/spiral")
}

/// Python tests of a tool that stands beside them; they need nothing but Python.
const TOOLS: &str = "crates/st-bench/peers";

/// Runs pytest over ours and every crate's Python tests, with the program's path in
/// `SPIRAL_BIN`, and the tools' tests.
fn python() -> Result<()> {
    cargo().words("build --release -p st-cli").run()?;
    let crates = root().join("crates");
    let mut places = vec!["xtask/python".to_owned()];
    for entry in crates.read_dir().map_err(crate::error::at(&crates))?.flatten() {
        let place = format!("crates/{}/tests/python", entry.file_name().to_string_lossy());
        if root().join(&place).is_dir() {
            places.push(place);
        }
    }
    places.sort();
    // In their own folder: they import the tool that they are about.
    shell(".venv/bin/python").words("-m unittest discover -s").arg(TOOLS).run()?;
    let spiral = spiral();
    if !spiral.exists() {
        return Err(Error::Other(format!("{} was not built", spiral.display())));
    }
    shell(".venv/bin/python")
        .words("-m pytest -ra -s -p no:cacheprovider --import-mode=importlib")
        .args(places)
        .env("SPIRAL_BIN", spiral)
        .run()
}
