//! The driver's functions. We load them ourselves, and not through a crate of bindings: those we know panic
//! where a library or a symbol is missing, and the few that we need have had the same interface since CUDA 11.
#![allow(unsafe_code, reason = "a driver is called through pointers")]

use std::ffi::{CStr, c_char, c_int, c_uint, c_ulonglong, c_void};
use std::path::Path;
use std::ptr;

use libloading::Library;
use st_rank::{Backend, Error, Result};

use crate::launch::LaunchConfig;

/// What the driver calls a `CUresult`.
pub(crate) type Code = c_int;
/// An address on a device.
pub(crate) type Address = u64;
/// A context, stream, module, function, event or graph of the driver's.
pub(crate) type Handle = *mut c_void;

const OUT_OF_MEMORY: Code = 2;
const NO_DEVICE: Code = 100;
const INVALID_DEVICE: Code = 101;
/// The driver is shut down; a context was destroyed.
const ENDED: [Code; 2] = [4, 709];
/// Codes that every later call of the process gets again: memory errors that cannot be corrected, of a link and from
/// another device too, illegal addresses, time limits, assertions, stacks, instructions, misalignment, address spaces, program
/// counters, failed launches, memory of tensors that was not given back, a lost service that shares the device, and another
/// device on which work depends.
const STICKY: [Code; 15] =
    [214, 220, 226, 700, 702, 710, 714, 715, 716, 717, 718, 719, 721, 810, 911];

type LaunchWith =
    unsafe extern "C" fn(*const LaunchConfig, Handle, *mut *mut c_void, *mut *mut c_void) -> Code;

macro_rules! functions {
    ($($field:ident = $name:literal ($($arg:ty),*);)*) => {
        /// The functions that are called.
        pub(crate) struct Driver {
            // Never unloaded while its functions are there.
            _library: Library,
            /// `cuLaunchKernelEx`; drivers before CUDA 11.8 have none.
            pub(crate) launch_with: Option<LaunchWith>,
            $(pub(crate) $field: unsafe extern "C" fn($($arg),*) -> Code,)*
        }

        impl Driver {
            fn of(library: Library) -> Result<Self> {
                $(
                    // SAFETY: the driver's symbols have the types that its documentation gives them, and
                    // the library lives as long as the copies of its pointers.
                    let $field = unsafe {
                        *library
                            .get::<unsafe extern "C" fn($($arg),*) -> Code>(concat!($name, "\0").as_bytes())
                            .map_err(|_| unavailable(concat!("the driver has no ", $name)))?
                    };
                )*
                // SAFETY: as above.
                let launch_with = unsafe { library.get::<LaunchWith>(b"cuLaunchKernelEx\0") };
                let launch_with = launch_with.ok().map(|symbol| *symbol);
                Ok(Self { launch_with, _library: library, $($field,)* })
            }
        }
    };
}

functions! {
    init = "cuInit" (c_uint);
    version = "cuDriverGetVersion" (*mut c_int);
    device_count = "cuDeviceGetCount" (*mut c_int);
    device_get = "cuDeviceGet" (*mut c_int, c_int);
    device_name = "cuDeviceGetName" (*mut c_char, c_int, c_int);
    device_attribute = "cuDeviceGetAttribute" (*mut c_int, c_int, c_int);
    primary_retain = "cuDevicePrimaryCtxRetain" (*mut Handle, c_int);
    primary_release = "cuDevicePrimaryCtxRelease_v2" (c_int);
    context_push = "cuCtxPushCurrent_v2" (Handle);
    context_pop = "cuCtxPopCurrent_v2" (*mut Handle);
    context_device = "cuCtxGetDevice" (*mut c_int);
    memory_info = "cuMemGetInfo_v2" (*mut usize, *mut usize);
    allocate = "cuMemAlloc_v2" (*mut Address, usize);
    free = "cuMemFree_v2" (Address);
    upload = "cuMemcpyHtoDAsync_v2" (Address, *const c_void, usize, Handle);
    download = "cuMemcpyDtoHAsync_v2" (*mut c_void, Address, usize, Handle);
    set_bytes = "cuMemsetD8Async" (Address, u8, usize, Handle);
    stream_create = "cuStreamCreate" (*mut Handle, c_uint);
    stream_destroy = "cuStreamDestroy_v2" (Handle);
    stream_wait = "cuStreamSynchronize" (Handle);
    module_load = "cuModuleLoadData" (*mut Handle, *const c_void);
    module_unload = "cuModuleUnload" (Handle);
    module_function = "cuModuleGetFunction" (*mut Handle, Handle, *const c_char);
    function_set = "cuFuncSetAttribute" (Handle, c_int, c_int);
    launch = "cuLaunchKernel" (
        Handle, c_uint, c_uint, c_uint, c_uint, c_uint, c_uint, c_uint, Handle, *mut *mut c_void, *mut *mut c_void
    );
    event_create = "cuEventCreate" (*mut Handle, c_uint);
    event_destroy = "cuEventDestroy_v2" (Handle);
    event_record = "cuEventRecord" (Handle, Handle);
    event_wait = "cuEventSynchronize" (Handle);
    // Its newer form is not in drivers before 12.8; this one is in all.
    event_elapsed = "cuEventElapsedTime" (*mut f32, Handle, Handle);
    capture_begin = "cuStreamBeginCapture_v2" (Handle, c_int);
    capture_state = "cuStreamIsCapturing" (Handle, *mut c_int);
    capture_end = "cuStreamEndCapture" (Handle, *mut Handle);
    graph_instantiate = "cuGraphInstantiateWithFlags" (*mut Handle, Handle, c_ulonglong);
    graph_launch = "cuGraphLaunch" (Handle, Handle);
    graph_destroy = "cuGraphDestroy" (Handle);
    graph_exec_destroy = "cuGraphExecDestroy" (Handle);
    error_name = "cuGetErrorName" (Code, *mut *const c_char);
    error_text = "cuGetErrorString" (Code, *mut *const c_char);
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver").finish_non_exhaustive()
    }
}

/// No CUDA here, and why.
pub(crate) fn unavailable(why: impl Into<String>) -> Error {
    Error::Unavailable {
        backend: Backend::Cuda,
        why: why.into(),
        advice: "install the NVIDIA driver and NVRTC (the wheel nvidia-cuda-nvrtc has it), or use wgpu or \
                 the cpu",
    }
}

impl Driver {
    /// Loads the driver, from that file or from where the system has it, and starts it.
    pub(crate) fn load(path: Option<&Path>) -> Result<Self> {
        let names: Vec<&Path> = match path {
            Some(path) => vec![path],
            None if cfg!(windows) => vec![Path::new("nvcuda.dll")],
            None => vec![Path::new("libcuda.so.1"), Path::new("libcuda.so")],
        };
        let mut why = String::new();
        for name in names {
            // SAFETY: the driver's initialisers are run by every program that uses CUDA.
            match unsafe { Library::new(name) } {
                Ok(library) => {
                    let driver = Self::of(library)?;
                    // SAFETY: it takes no pointers.
                    return match unsafe { (driver.init)(0) } {
                        0 => Ok(driver),
                        code => Err(unavailable(format!(
                            "the driver did not start: {}",
                            driver.say(code)
                        ))),
                    };
                }
                Err(error) => why = format!("the driver cannot be loaded: {error}"),
            }
        }
        Err(unavailable(why))
    }

    /// What a code means, in the driver's words.
    pub(crate) fn say(&self, code: Code) -> String {
        let text = |function: unsafe extern "C" fn(Code, *mut *const c_char) -> Code| {
            let mut text = ptr::null();
            // SAFETY: it stores the address of a string that lives as long as the driver, or leaves null.
            let found = unsafe { function(code, &raw mut text) } == 0 && !text.is_null();
            // SAFETY: as above.
            found.then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
        };
        match (text(self.error_name), text(self.error_text)) {
            (Some(name), Some(text)) => format!("{name}, {text}"),
            _ => format!("code {code}"),
        }
    }

    /// What came of a call, as an error of the device of that name.
    pub(crate) fn checked(&self, device: &str, what: &str, code: Code) -> Result<()> {
        if code == 0 {
            return Ok(());
        }
        let device = device.to_owned();
        match code {
            OUT_OF_MEMORY => Err(Error::DeviceMemory { device, what: what.to_owned() }),
            NO_DEVICE | INVALID_DEVICE => Err(unavailable(self.say(code))),
            code if STICKY.contains(&code) || ENDED.contains(&code) => Err(Error::DeviceLost {
                device,
                why: format!("{what}: {}", self.say(code)),
                advice: if ENDED.contains(&code) {
                    "make a new executor, on a context that is alive"
                } else {
                    "no call of this process can use it any more: start the process anew (under compute-sanitizer it \
                     names the kernel), or use the cpu"
                },
            }),
            code => Err(Error::Refused { device, what: format!("{what}: {}", self.say(code)) }),
        }
    }
}
