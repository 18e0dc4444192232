//! NVRTC, the compiler that is loaded at run time.
#![allow(unsafe_code, reason = "a library is called through pointers")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::ptr;

use libloading::Library;
use st_kernels::cuda::{SOURCES, Unit};
use st_rank::{Error, Result};

use crate::driver::unavailable;

type Program = *mut c_void;

macro_rules! functions {
    ($($field:ident = $name:literal ($($arg:ty),*);)*) => {
        pub(crate) struct Nvrtc {
            _library: Library,
            _builtins: Option<Library>,
            $($field: unsafe extern "C" fn($($arg),*) -> c_int,)*
            /// Its version.
            pub(crate) version: (i32, i32),
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

fn refused(device: &str, name: &str, defines: &[String], log: &str) -> Error {
    Error::Refused {
        device: device.to_owned(),
        what: format!("to compile {name} ({defines:?}): {log}"),
    }
}

impl Nvrtc {
    /// Loads it, from that file or from where the system has it.
    pub(crate) fn load(path: Option<&Path>) -> Result<Self> {
        let mut why = String::new();
        for place in places(path) {
            // SAFETY: NVRTC's initialisers are run by every program that uses it.
            match unsafe { Library::new(&place) } {
                Ok(library) => return Self::of(library, builtins(&place)),
                Err(error) if why.is_empty() => why = error.to_string(),
                Err(_) => {}
            }
        }
        Err(unavailable(format!("NVRTC cannot be loaded: {why}")))
    }

    /// Machine code of a unit for that compute capability; PTX if this NVRTC does not know it.
    pub(crate) fn compile(&self, unit: &Unit, arch: (i32, i32), device: &str) -> Result<Vec<u8>> {
        self.compile_text(unit.file, unit.source(), &unit.defines(), arch, device)
    }

    /// The same for a compute capability that this NVRTC knows.
    pub(crate) fn compile_for(&self, unit: &Unit, (major, minor): (i32, i32)) -> Result<Vec<u8>> {
        let (defines, arch) = (unit.defines(), format!("sm_{major}{minor}"));
        self.image(unit.file, unit.source(), &defines, &arch, true)
            .map_err(|log| refused(&arch, unit.file, &defines, &log))
    }

    /// The compute capabilities that it knows, in ascending order.
    pub(crate) fn capabilities(&self) -> Result<Vec<(i32, i32)>> {
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
        (major, minor): (i32, i32),
        device: &str,
    ) -> Result<Vec<u8>> {
        match self.image(name, text, defines, &format!("sm_{major}{minor}"), true) {
            Ok(image) => Ok(image),
            // A device newer than the compiler: the driver compiles for it, from a form that it reads.
            Err(_) if (major, minor) > (9, 0) => {
                self.image(name, text, defines, "compute_90", false)
            }
            Err(log) => Err(log),
        }
        .map_err(|log| refused(device, name, defines, &log))
    }

    fn image(
        &self,
        name: &str,
        text: &str,
        defines: &[String],
        arch: &str,
        binary: bool,
    ) -> Result<Vec<u8>, String> {
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
            let code = (self.compile)(program, options.len() as c_int, options.as_ptr());
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
            let result = if code != 0 {
                let log = read(self.log_size, self.log);
                let text =
                    CStr::from_bytes_until_nul(&log).map(CStr::to_string_lossy).unwrap_or_default();
                Err(format!("NVRTC's code {code}: {text}"))
            } else if binary {
                Ok(read(self.cubin_size, self.cubin))
            } else {
                Ok(read(self.ptx_size, self.ptx))
            };
            (self.destroy)(&raw mut program);
            result.and_then(|image| {
                if image.is_empty() { Err("NVRTC gave no code".to_owned()) } else { Ok(image) }
            })
        }
    }
}
