//! The emulator with faults: its libraries copied, so that a test's settings are its alone.
#![allow(unsafe_code, reason = "a library's numbers are read and set")]

use std::ffi::c_int;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};

use libloading::Library;
use st_backend_cuda::{CudaExecutor, Libraries};

/// The emulator's driver and NVRTC in a folder of a test's own, which goes with this.
pub(crate) struct Own {
    pub(crate) libraries: Libraries,
    pub(crate) folder: PathBuf,
    driver: Library,
}

impl Own {
    /// Also where other tests run on a device: faults are the emulator's.
    pub(crate) fn new() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let emulator = st_conformance::emulator::build(temporary);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let folder = temporary.join(format!("own-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let driver = folder.join("libcuda.so.1");
        std::fs::copy(&emulator.driver, &driver).expect("a copy");
        // SAFETY: it is the emulator's, which is made to be loaded.
        let loaded = unsafe { Library::new(&driver) }.expect("the driver");
        let libraries = Libraries {
            driver: Some(driver),
            nvrtc: Some(emulator.nvrtc),
            cache: Some(emulator.kernels),
        };
        Self { libraries, folder, driver: loaded }
    }

    /// An executor on it.
    pub(crate) fn executor(&self) -> CudaExecutor {
        CudaExecutor::default().with_libraries(&self.libraries)
    }

    fn place(&self, name: &str) -> *mut c_int {
        // SAFETY: the emulator's settings are all of this type.
        *unsafe { self.driver.get::<*mut c_int>(format!("st_emulated_{name}\0").as_bytes()) }
            .expect("a setting of the emulator")
    }

    /// Sets one of the driver's settings.
    pub(crate) fn set(&self, name: &str, value: c_int) {
        // SAFETY: it lives as long as the library, and nothing runs on the driver meanwhile.
        unsafe { self.place(name).write_volatile(value) };
    }

    /// What one of them is now.
    pub(crate) fn get(&self, name: &str) -> c_int {
        // SAFETY: as above.
        unsafe { self.place(name).read_volatile() }
    }
}

/// Set where a test is run by itself, in a process of its own.
const ALONE: &str = "ST_TEST_ALONE";

pub(crate) fn is_alone() -> bool {
    std::env::var_os(ALONE).is_some()
}

/// A process that runs a test of this program by itself.
pub(crate) fn alone(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this"));
    command.args(["--exact", test, "--nocapture"]).env(ALONE, "1");
    command
}

/// Waits for it: the test was run, and passed.
pub(crate) fn passed(process: Child) {
    let done = process.wait_with_output().expect("it ends");
    let said = [done.stdout, done.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
    assert!(done.status.success() && said[0].contains("1 passed"), "{}{}", said[0], said[1]);
}

impl Drop for Own {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
