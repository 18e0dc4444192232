//! Installing what the tests need, and nothing that is already there.

use crate::error::{Error, Result, at};
use crate::shell::{root, shell};
use std::fs;
use std::path::{Path, PathBuf};

/// A tool that some task needs, and the Debian package it is in.
struct Tool {
    package: &'static str,
    present: fn() -> bool,
}

fn python_can(code: &str) -> bool {
    shell("python3").arg("-c").arg(code).works()
}

fn library(name: &str) -> bool {
    python_can(&format!("import ctypes; ctypes.CDLL('{name}')"))
}

/// What `cargo xtask test` needs beyond the Rust toolchain and its linker.
const TEST: &[Tool] = &[
    // The tidiness test asks it which files are ours.
    Tool { package: "git", present: || shell("git").arg("--version").works() },
    Tool { package: "python3", present: || shell("python3").arg("--version").works() },
    // Debian's Python has no pip of its own, and cannot make an environment that has.
    Tool { package: "python3-venv", present: || python_can("import ensurepip, venv") },
    // A Vulkan driver for machines without a GPU, and the loader that finds it.
    Tool { package: "libvulkan1", present: || library("libvulkan.so.1") },
    Tool {
        package: "mesa-vulkan-drivers",
        present: || Path::new("/usr/share/vulkan/icd.d").is_dir(),
    },
    // The CUDA kernels are tested as C++ for the processor.
    Tool { package: CXX, present: || shell("g++").arg("--version").works() },
    // Hints are shared with a real server, which the tests start on a port of their own.
    Tool { package: "redis-server", present: || shell("redis-server").arg("--version").works() },
    Tool { package: "ca-certificates", present: || Path::new("/etc/ssl/certs").is_dir() },
];

/// libFuzzer is C++, too; the crate that carries it builds it.
pub(crate) const CXX: &str = "g++";
pub(crate) const VALGRIND: &str = "valgrind";
pub(crate) const DEBOOTSTRAP: &str = "debootstrap";

const MORE: &[Tool] = &[
    Tool { package: VALGRIND, present: || shell("valgrind").arg("--version").works() },
    Tool { package: DEBOOTSTRAP, present: || shell("debootstrap").arg("--version").works() },
];

/// `cargo xtask setup`.
pub(crate) fn setup(all: bool) -> Result<()> {
    debian(TEST.iter().chain(if all { MORE } else { &[] }))?;
    venv(".venv", "xtask/python/requirements.txt", &["--no-deps"])?;
    Ok(())
}

/// Installs one of the packages that only some tasks need.
pub(crate) fn need(package: &str) -> Result<()> {
    debian(TEST.iter().chain(MORE).filter(|tool| tool.package == package))
}

fn debian<'a>(tools: impl Iterator<Item = &'a Tool>) -> Result<()> {
    let missing: Vec<_> = tools.filter(|tool| !(tool.present)()).map(|tool| tool.package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages = missing.join(" ");
    if !shell("apt-get").arg("--version").works() {
        return Err(Error::Missing { packages, why: "there is no apt-get here" });
    }
    if shell("id").arg("-u").read()?.trim() != "0" {
        return Err(Error::Missing { packages, why: "only root can do so here" });
    }
    shell("apt-get").words("update -q").run()?;
    shell("apt-get")
        .words("install -q -y --no-install-recommends")
        .args(missing)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .run()
}

/// Makes the Python environment `name` in the root, or brings it up to date with a list of
/// requirements; gives its interpreter. Quick when nothing changed: the environment keeps a copy
/// of the list that it was made from.
pub(crate) fn venv(name: &str, requirements: &str, options: &[&str]) -> Result<PathBuf> {
    let dir = root().join(name);
    let python = dir.join("bin/python");
    let list = root().join(requirements);
    let wanted = fs::read_to_string(&list).map_err(at(&list))?;
    let stamp = dir.join("requirements.txt");
    if python.exists() && fs::read_to_string(&stamp).is_ok_and(|made| made == wanted) {
        return Ok(python);
    }
    shell("python3").words("-m venv --clear").arg(&dir).run()?;
    shell(&python)
        .words("-m pip install --quiet --disable-pip-version-check")
        .args(options)
        .arg("-r")
        .arg(&list)
        .run()?;
    fs::write(&stamp, wanted).map_err(at(&stamp))?;
    Ok(python)
}
