//! NVRTC, the compiler that is loaded at run time.
#![allow(unsafe_code, reason = "a library is called through pointers")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::ptr;

use libloading::Library;
use st_kernels::cuda::{SOURCES, Unit};
use st_rank::{Backend, Error, Result};

use crate::driver::unavailable;

type Program = *mut c_void;

macro_rules! functions {
    ($($field:ident = $name:literal ($($arg:ty),*);)*) => {
        pub(crate) struct Nvrtc {
            _library: Library,
            _builtins: Option<Library>,
            $($field: unsafe extern "C" fn($($arg),*) -> c_int,)*
            /// Its version.
            pub(crate) version: Version,
        }

        impl Nvrtc {
            fn of(library: Library, builtins: Option<Library>) -> Result<Self> {
                $(
                    // SAFETY: the symbols have the types that NVRTC's documentation gives them, and the library
                    // lives as long as the copies of its pointers.
                    let $field = unsafe {
                        *library
                            .get::<unsafe extern "C" fn($($arg),*) -> c_int>(concat!($name, "\0").as_bytes())
                            .map_err(|_| unavailable(concat!("NVRTC has no ", $name)))?
                    };
                )*
                let mut this = Self {
                    _library: library,
                    _builtins: builtins,
                    $($field,)*
                    version: (0, 0),
                };
                let (mut major, mut minor) = (0, 0);
                // SAFETY: it writes the two numbers.
                if unsafe { (this.get_version)(&raw mut major, &raw mut minor) } == 0 {
                    this.version = (major, minor);
                }
                Ok(this)
            }
        }
    };
}

functions! {
    get_version = "nvrtcVersion" (*mut c_int, *mut c_int);
    count_known = "nvrtcGetNumSupportedArchs" (*mut c_int);
    get_known = "nvrtcGetSupportedArchs" (*mut c_int);
    create = "nvrtcCreateProgram" (
        *mut Program, *const c_char, *const c_char, c_int, *const *const c_char, *const *const c_char
    );
    destroy = "nvrtcDestroyProgram" (*mut Program);
    compile = "nvrtcCompileProgram" (Program, c_int, *const *const c_char);
    log_size = "nvrtcGetProgramLogSize" (Program, *mut usize);
    log = "nvrtcGetProgramLog" (Program, *mut c_char);
    cubin_size = "nvrtcGetCUBINSize" (Program, *mut usize);
    cubin = "nvrtcGetCUBIN" (Program, *mut c_char);
    ptx_size = "nvrtcGetPTXSize" (Program, *mut usize);
    ptx = "nvrtcGetPTX" (Program, *mut c_char);
}

impl std::fmt::Debug for Nvrtc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nvrtc").field("version", &self.version).finish_non_exhaustive()
    }
}

/// Where NVRTC may be: there, or as the system names it, newest first, or where its toolkit is put.
fn places(path: Option<&Path>) -> Vec<PathBuf> {
    if let Some(path) = path {
        return vec![path.to_owned()];
    }
    if cfg!(windows) {
        return ["nvrtc64_130_0.dll", "nvrtc64_120_0.dll", "nvrtc64_112_0.dll"]
            .map(PathBuf::from)
            .to_vec();
    }
    let names = ["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so.11.2", "libnvrtc.so"];
    let folders = ["", "/usr/local/cuda/lib64/"];
    let joined = folders
        .iter()
        .flat_map(|folder| names.map(|name| PathBuf::from(format!("{folder}{name}"))));
    joined.collect()
}

/// The library of built-in functions that stands beside an NVRTC. NVRTC asks the system for it by its name, which finds it
/// where the system looks, or loaded already; it does not look beside itself, where Python's packages have it.
fn builtins(nvrtc: &Path) -> Option<Library> {
    let folder = nvrtc.parent().filter(|folder| !folder.as_os_str().is_empty())?;
    let names = folder.read_dir().ok()?.flatten().map(|entry| entry.file_name());
    let mut own = names.filter(|name| name.to_string_lossy().starts_with("libnvrtc-builtins.so."));
    // SAFETY: the library is data and functions for NVRTC; its initialisers are run by every program that uses that.
    own.find_map(|name| unsafe { Library::new(folder.join(name)) }.ok())
}

/// A compute capability, major and minor, or a version.
pub(crate) type Version = (i32, i32);

/// What code is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    /// The newest CUDA that the driver knows, if it says.
    pub(crate) driver: Option<Version>,
    /// The device's compute capability.
    pub(crate) capability: Version,
}

/// A driver that takes no code of an NVRTC of that version.
pub(crate) fn driver_too_old(driver: Version, nvrtc: Version) -> Error {
    Error::Unavailable {
        backend: Backend::Cuda,
        why: format!(
            "the driver is for CUDA {}.{} and takes no code of NVRTC {}.{}",
            driver.0, driver.1, nvrtc.0, nvrtc.1
        ),
        advice: match driver.0 {
            // Within a major version it is the driver that is to be newer.
            major if major >= nvrtc.0 => {
                "update the driver, or install NVRTC of the driver's version (nvidia-cuda-nvrtc-cu12==12.4.* is \
                 that of CUDA 12.4)"
            }
            12 => {
                "update the driver, or install NVRTC for CUDA 12 (the wheel nvidia-cuda-nvrtc-cu12)"
            }
            11 => {
                "update the driver, or install NVRTC for CUDA 11 (the wheel nvidia-cuda-nvrtc-cu11)"
            }
            _ => "update the driver",
        },
    }
}

/// What is made for a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Code {
    /// Machine code of that compute capability.
    Machine(Version),
    /// PTX of that one, of which the driver makes machine code for any later device.
    Ptx(Version),
}

impl Code {
    /// For a device of compute capability `own`, by a compiler that knows those: its machine code, or PTX of the newest
    /// before it; none for a device older than all of them.
    fn of(own: Version, known: &[Version]) -> Option<Self> {
        if known.contains(&own) {
            return Some(Self::Machine(own));
        }
        known.iter().copied().filter(|&other| other < own).max().map(Self::Ptx)
    }
}

fn refused(device: &str, name: &str, defines: &[String], log: &str) -> Error {
    Error::Refused {
        device: device.to_owned(),
        what: format!("to compile {name} ({defines:?}): {log}"),
    }
}

impl Nvrtc {
    /// Loads it, from that file or from where the system has it: of several the newest that does for a device, if one
    /// is given.
    pub(crate) fn load(path: Option<&Path>, target: Option<Target>) -> Result<Self> {
        let (mut missing, mut unfit) = (None, None);
        for place in places(path) {
            // SAFETY: NVRTC's initialisers are run by every program that uses it.
            let found = match unsafe { Library::new(&place) } {
                Ok(library) => Self::of(library, builtins(&place)),
                Err(error) => {
                    let why = || unavailable(format!("NVRTC cannot be loaded: {error}"));
                    missing.get_or_insert_with(why);
                    continue;
                }
            };
            let fit = found.and_then(|found| match target {
                Some(target) => found.check(target).map(|()| found),
                None => Ok(found),
            });
            match fit {
                Ok(found) => return Ok(found),
                // An older one may do.
                Err(why) => unfit = unfit.or(Some(why)),
            }
        }
        Err(unfit.or(missing).unwrap_or_else(|| unavailable("NVRTC is nowhere looked for")))
    }

    /// The compute capability of what it makes for a device of that one.
    pub(crate) fn makes(&self, own: Version) -> Result<Version> {
        let known = self.capabilities()?;
        match Code::of(own, &known) {
            Some(Code::Machine(made) | Code::Ptx(made)) => Ok(made),
            None => Err(self.too_old(own, &known)),
        }
    }

    /// Refuses a driver older than this by a major version, which does not take its machine code, and a device older
    /// than those it knows.
    fn check(&self, target: Target) -> Result<()> {
        if let Some(driver) = target.driver
            && driver.0 < self.version.0
        {
            return Err(driver_too_old(driver, self.version));
        }
        self.makes(target.capability).map(|_| ())
    }

    /// Machine code of a unit for that compute capability; PTX if this NVRTC does not know it.
    pub(crate) fn compile(&self, unit: &Unit, own: Version, device: &str) -> Result<Vec<u8>> {
        self.compile_text(unit.file, unit.source(), &unit.defines(), own, device)
    }

    /// Machine code of a unit, whatever this NVRTC says of that compute capability.
    pub(crate) fn compile_for(&self, unit: &Unit, own: Version) -> Result<Vec<u8>> {
        let (defines, (major, minor)) = (unit.defines(), own);
        self.image(unit.file, unit.source(), &defines, Code::Machine(own))
            .map_err(|log| refused(&format!("sm_{major}{minor}"), unit.file, &defines, &log))
    }

    /// The compute capabilities that it knows, in ascending order.
    pub(crate) fn capabilities(&self) -> Result<Vec<Version>> {
        let what = |code| Error::Refused {
            device: "NVRTC".to_owned(),
            what: format!("to say what devices it knows: its code {code}"),
        };
        let mut count = 0;
        // SAFETY: it writes the number.
        let code = unsafe { (self.count_known)(&raw mut count) };
        let mut known = match usize::try_from(count) {
            Ok(count) if code == 0 => vec![0; count],
            _ => return Err(what(code)),
        };
        // SAFETY: there is room for as many as it said.
        match unsafe { (self.get_known)(known.as_mut_ptr()) } {
            0 => Ok(known.into_iter().map(|both| (both / 10, both % 10)).collect()),
            code => Err(what(code)),
        }
    }

    /// The same of any text, which may include our headers.
    pub(crate) fn compile_text(
        &self,
        name: &str,
        text: &str,
        defines: &[String],
        own: Version,
        device: &str,
    ) -> Result<Vec<u8>> {
        let known = self.capabilities()?;
        let code = Code::of(own, &known).ok_or_else(|| self.too_old(own, &known))?;
        self.image(name, text, defines, code).map_err(|log| refused(device, name, defines, &log))
    }

    fn too_old(&self, own: Version, known: &[Version]) -> Error {
        let ((major, minor), (own_major, own_minor)) = (self.version, own);
        let makes = known.first().map_or_else(
            || "for no device".to_owned(),
            |oldest| format!("for compute capability {}.{} and later", oldest.0, oldest.1),
        );
        Error::Unavailable {
            backend: Backend::Cuda,
            why: format!(
                "NVRTC {major}.{minor} makes code {makes}, and this device's is {own_major}.{own_minor}"
            ),
            advice: "install an older NVRTC (the wheel nvidia-cuda-nvrtc-cu12 has one), or use wgpu or the cpu",
        }
    }

    fn image(
        &self,
        name: &str,
        text: &str,
        defines: &[String],
        code: Code,
    ) -> Result<Vec<u8>, String> {
        let arch = match code {
            Code::Machine((major, minor)) => format!("sm_{major}{minor}"),
            Code::Ptx((major, minor)) => format!("compute_{major}{minor}"),
        };
        let owned =
            |text: &str| CString::new(text).map_err(|_| "a text with a zero byte".to_owned());
        let headers = SOURCES.iter().filter(|(name, _)| name.ends_with(".cuh"));
        let (mut names, mut texts) = (Vec::new(), Vec::new());
        for (name, text) in headers {
            names.push(owned(name)?);
            texts.push(owned(text)?);
        }
        let (source, name) = (owned(text)?, owned(name)?);
        let mut options = vec![
            owned(&format!("-arch={arch}"))?,
            owned("-std=c++17")?,
            owned("--device-int128")?,
            // Each mode of a file leaves functions of the others unused.
            owned("-diag-suppress=177")?,
        ];
        for define in defines {
            options.push(owned(&format!("-D{define}"))?);
        }
        let pointers =
            |texts: &[CString]| texts.iter().map(|text| text.as_ptr()).collect::<Vec<_>>();
        let (names, texts, options) = (pointers(&names), pointers(&texts), pointers(&options));
        let mut program = ptr::null_mut();
        // SAFETY: every pointer is to a text that ends with a zero byte and outlives the calls; the counts are
        // those of the lists; sizes are asked for before texts are read.
        unsafe {
            let count = names.len() as c_int;
            let (texts, names) = (texts.as_ptr(), names.as_ptr());
            if (self.create)(&raw mut program, source.as_ptr(), name.as_ptr(), count, texts, names)
                != 0
            {
                return Err("NVRTC takes no program".to_owned());
            }
            let status = (self.compile)(program, options.len() as c_int, options.as_ptr());
            let read =
                |size: unsafe extern "C" fn(Program, *mut usize) -> c_int,
                 text: unsafe extern "C" fn(Program, *mut c_char) -> c_int| {
                    let mut bytes = 0;
                    let mut out = Vec::new();
                    if size(program, &raw mut bytes) == 0 {
                        out.resize(bytes, 0u8);
                        if text(program, out.as_mut_ptr().cast()) != 0 {
                            out.clear();
                        }
                    }
                    out
                };
            let result = if status != 0 {
                let log = read(self.log_size, self.log);
                let text =
                    CStr::from_bytes_until_nul(&log).map(CStr::to_string_lossy).unwrap_or_default();
                Err(format!("NVRTC's code {status}: {text}"))
            } else {
                Ok(match code {
                    Code::Machine(_) => read(self.cubin_size, self.cubin),
                    Code::Ptx(_) => read(self.ptx_size, self.ptx),
                })
            };
            (self.destroy)(&raw mut program);
            result.and_then(|image| {
                if image.is_empty() { Err("NVRTC gave no code".to_owned()) } else { Ok(image) }
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Code::{self, Machine, Ptx};

    #[test]
    fn ptx_is_made_where_a_device_is_not_known_and_is_of_the_newest_before_it() {
        let known = [(7, 5), (8, 0), (8, 9), (9, 0), (10, 0), (12, 1)];
        for own in known {
            assert_eq!(Code::of(own, &known), Some(Machine(own)));
        }
        for (own, newest) in [
            ((13, 0), (12, 1)),
            ((12, 2), (12, 1)),
            ((11, 0), (10, 0)),
            ((9, 1), (9, 0)),
            ((8, 6), (8, 0)),
        ] {
            assert_eq!(Code::of(own, &known), Some(Ptx(newest)), "{own:?}");
        }
        assert_eq!(Code::of((7, 0), &known), None);
        assert_eq!(Code::of((9, 0), &[]), None);
    }
}
