//! CUDA without a device: a driver and a compiler as libraries, made of `emulator/`, in which kernels are C++ for
//! this machine's processor.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The emulator's libraries.
#[derive(Clone, Debug)]
pub struct Emulator {
    /// Stands in for the driver, `libcuda`.
    pub driver: PathBuf,
    /// Stands in for NVRTC.
    pub nvrtc: PathBuf,
    /// A folder for compiled kernels: compiling takes longer than most tests.
    pub kernels: PathBuf,
}

/// Builds the emulator in a folder; once in a process.
///
/// # Panics
/// If there is no `g++`, or it does not take the sources.
#[must_use]
pub fn build(folder: &Path) -> Emulator {
    static BUILT: OnceLock<Emulator> = OnceLock::new();
    BUILT.get_or_init(|| built(folder)).clone()
}

fn built(folder: &Path) -> Emulator {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("emulator");
    let folder = folder.join("emulator");
    std::fs::create_dir_all(&folder).expect("a folder to build in");
    let library = |file: &str, name: &str| {
        // Several test programs may build it at the same time: each under a name of its own, then renamed.
        let (own, out) = (folder.join(format!("{name}.{}", std::process::id())), folder.join(name));
        let made = Command::new("g++")
            .args(["-O2", "-std=c++17", "-Wall", "-Wextra", "-shared", "-fPIC"])
            .arg(format!("-DEMULATOR=\"{}\"", source.display()))
            .arg(source.join(file))
            .arg("-o")
            .arg(&own)
            .output()
            .expect("g++ is installed: cargo xtask test sees to it");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        std::fs::rename(&own, &out).expect("it was made");
        out
    };
    Emulator {
        driver: library("driver.cpp", "libcuda.so"),
        nvrtc: library("nvrtc.cpp", "libnvrtc.so"),
        kernels: folder.join("kernels"),
    }
}
