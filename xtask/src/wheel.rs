//! The Python wheel: built, audited, and tested where nothing else of ours is installed.

use std::env;
use std::fs;
use std::path::PathBuf;

use crate::error::{Error, Result, at};
use crate::report::Report;
use crate::setup;
use crate::shell::{root, shell, target_dir};

const MANIFEST: &str = "bindings/st-py/Cargo.toml";
const REQUIREMENTS: &str = "bindings/st-py/tests/requirements.txt";

/// The CPythons that one wheel serves, each with the name of its step.
const PYTHONS: [(&str, &str); 4] = [
    ("3.11", "the wheel on CPython 3.11"),
    ("3.12", "the wheel on CPython 3.12"),
    ("3.13", "the wheel on CPython 3.13"),
    ("3.14", "the wheel on CPython 3.14"),
];

/// What is run in an environment that has the wheel, NumPy and nothing else: the founding document's example.
const EXAMPLE: &str = "\
import numpy as np, spiraltorch as st, sys
x = np.random.default_rng(0).standard_normal((8, 65536), dtype=np.float32)
vals, idx = st.topk2d(x, k=1024, device=\"auto\")
assert (vals == -np.sort(-x, axis=1)[:, :1024]).all() and (np.take_along_axis(x, idx, 1) == vals).all()
print(sys.version.split()[0], np.__version__, st.__version__, st.plan(\"topk\", 8, 65536, 1024))";

/// `cargo xtask wheel`.
pub(crate) fn wheel(profile: &'static str) -> Result<()> {
    let mut report = Report::default();
    steps(&mut report, profile);
    report.finish()
}

/// Builds the wheel with a profile, and tests it. The profile of tests has overflow checks and debug assertions, and takes
/// the dependencies as other tests have built them.
pub(crate) fn steps(report: &mut Report, profile: &'static str) {
    let mut wheel = None;
    report.step("the wheel", || {
        wheel = Some(build(profile)?);
        Ok(())
    });
    let Some(wheel) = wheel else { return };
    report.step("the wheel's tests", || tests(&wheel));
    for (version, name) in PYTHONS {
        match interpreter(version) {
            Some(python) => {
                report.step(name, || clean(version, &python, &wheel));
            }
            None => report.skip(name, format!("there is no python{version}")),
        }
    }
}

fn environment() -> Result<PathBuf> {
    setup::venv(".venv-wheel", REQUIREMENTS, &["--no-deps"])
}

/// The wheel's file.
fn build(profile: &str) -> Result<PathBuf> {
    let python = environment()?;
    let folder = target_dir().join("wheels").join(profile);
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(at(&folder))?;
    }
    shell(&python)
        .words("-m maturin build --quiet -m")
        .args([MANIFEST, "--profile", profile, "--out"])
        .arg(&folder)
        .run()?;
    let entries = fs::read_dir(&folder).map_err(at(&folder))?;
    let mut wheels = entries.flatten().map(|entry| entry.path());
    let wheel = wheels
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .ok_or_else(|| Error::Other(format!("no wheel was built in {}", folder.display())))?;
    shell(&python).words("-m abi3audit --strict").arg(&wheel).run()?;
    let bytes = fs::metadata(&wheel).map_err(at(&wheel))?.len();
    println!("{} has {:.1} MB", wheel.display(), bytes as f64 / 1e6);
    Ok(wheel)
}

fn tests(wheel: &PathBuf) -> Result<()> {
    let python = environment()?;
    install(&python, wheel)?;
    shell(&python)
        .words("-W ignore -m pytest -ra -p no:cacheprovider --durations=5 bindings/st-py/tests")
        .run()
}

fn install(python: &PathBuf, wheel: &PathBuf) -> Result<()> {
    shell(python)
        .words("-m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall")
        .arg(wheel)
        .run()
}

/// A CPython of that version, on the path or where pyenv has it.
fn interpreter(version: &str) -> Option<PathBuf> {
    let on_path = PathBuf::from(format!("python{version}"));
    let of_pyenv = env::home_dir()
        .and_then(|home| fs::read_dir(home.join(".pyenv/versions")).ok())
        .into_iter()
        .flat_map(|entries| entries.flatten())
        .map(|entry| entry.path().join(format!("bin/python{version}")));
    let works = |python: &PathBuf| shell(python).words("-c").arg("import ensurepip, venv").works();
    std::iter::once(on_path).chain(of_pyenv).find(works)
}

/// In an environment made for it: `pip install` fetches NumPy, and the founding example runs.
fn clean(version: &str, python: &PathBuf, wheel: &PathBuf) -> Result<()> {
    let dir = target_dir().join("wheels").join(format!("python{version}"));
    let own = dir.join("bin/python");
    shell(python).words("-m venv --clear").arg(&dir).run()?;
    shell(&own)
        .words("-m pip install --quiet --disable-pip-version-check")
        .arg(root().join(wheel))
        .run()?;
    shell(&own).words("-W error -c").arg(EXAMPLE).run()?;
    fs::remove_dir_all(&dir).map_err(at(&dir))
}
