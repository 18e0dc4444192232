//! A device with its stream; `modules`: its compiled kernels.
#![allow(unsafe_code, reason = "a driver is called through pointers")]

mod modules;

use std::collections::HashMap;
use std::ffi::{CStr, c_int};
use std::path::PathBuf;
use std::ptr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use st_kernels::cuda::Unit;
use st_rank::{DeviceCaps, Error, Result};

use crate::cache::{Cache, KeptKernels};
use crate::driver::{Address, Driver, Handle, unavailable};
use crate::nvrtc::{Nvrtc, Version};
use crate::shape::Device;
use modules::{Image, Module};

// The driver's numbers of what it can be asked of a device.
const MAX_THREADS: c_int = 1;
const WARP: c_int = 10;
const MULTIPROCESSORS: c_int = 16;
const MEMORY_KHZ: c_int = 36;
const MEMORY_BITS: c_int = 37;
const L2_BYTES: c_int = 38;
const CAPABILITY_MAJOR: c_int = 75;
const CAPABILITY_MINOR: c_int = 76;
const SHARED_BYTES: c_int = 97;
/// What of the memory's nominal rate a kernel that only reads reaches: 4.3 of 4.9 TB/s on an H200.
const REACHED: f64 = 0.88;
/// A stream that waits for no other.
const NON_BLOCKING: u32 = 1;

/// What was found of a device.
#[derive(Clone, Debug)]
pub struct DeviceReport {
    /// Its number.
    pub ordinal: u32,
    /// Its name.
    pub name: String,
    /// Compute capability.
    pub capability: (i32, i32),
    /// The newest CUDA that the driver knows, as 1000 x major + 10 x minor.
    pub driver: i32,
    /// NVRTC's version, or why there is none.
    pub nvrtc: Result<(i32, i32)>,
    /// Where compiled kernels are kept, and how many there are; none: nowhere.
    pub cache: Option<KeptKernels>,
    /// What it can do.
    pub caps: DeviceCaps,
}

/// Whose context and stream.
enum Owner {
    /// The device's primary context, held by us, and a stream of our own.
    Us(c_int),
    /// The caller's.
    Caller,
}

pub(crate) struct Gpu {
    pub(crate) driver: Arc<Driver>,
    nvrtc: Arc<OnceLock<Result<Nvrtc>>>,
    nvrtc_path: Option<PathBuf>,
    cache: Option<Cache>,
    context: Handle,
    pub(crate) stream: Handle,
    owner: Owner,
    pub(crate) ordinal: u32,
    pub(crate) name: String,
    pub(crate) caps: DeviceCaps,
    pub(crate) capability: (i32, i32),
    /// Whether kernels are launched before what they follow has ended, and wait for that themselves; once one is loaded.
    pub(crate) follows: OnceLock<bool>,
    /// See [`Self::made_for`].
    made_for: OnceLock<Version>,
    /// Why nothing can be done on it any more, which not all that the driver says later would tell.
    lost: OnceLock<Error>,
    units: Mutex<HashMap<Unit, Module>>,
    /// Compiled ahead and not loaded yet.
    images: Mutex<HashMap<Unit, Image>>,
}

// SAFETY: the driver's handles may be used from any thread; tables are behind a mutex.
unsafe impl Send for Gpu {}
// SAFETY: as above.
unsafe impl Sync for Gpu {}

impl std::fmt::Debug for Gpu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gpu")
            .field("name", &self.name)
            .field("caps", &self.caps)
            .finish_non_exhaustive()
    }
}

/// Where things are that devices are opened with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places {
    pub(crate) driver: Option<PathBuf>,
    pub(crate) nvrtc: Option<PathBuf>,
    pub(crate) cache: Option<PathBuf>,
}

/// A context that is current on this thread until this is dropped.
pub(crate) struct Current<'a> {
    driver: &'a Driver,
}

impl Drop for Current<'_> {
    fn drop(&mut self) {
        let mut popped = ptr::null_mut();
        // SAFETY: it was pushed when this was made.
        let _ = unsafe { (self.driver.context_pop)(&raw mut popped) };
    }
}

/// The version of CUDA that a driver is for: 1000 times the major one and 10 times the minor one; 0 if it does not say.
fn version(driver: &Driver) -> i32 {
    let mut version = 0;
    // SAFETY: it writes the number.
    let _ = unsafe { (driver.version)(&raw mut version) };
    version
}

impl Gpu {
    /// Opens a device by its number.
    pub(crate) fn open(ordinal: u32, places: &Places) -> Result<Self> {
        let driver = Arc::new(Driver::load(places.driver.as_deref())?);
        let mut count = 0;
        // SAFETY: it writes the number.
        driver.checked("the driver", "to count devices", unsafe {
            (driver.device_count)(&raw mut count)
        })?;
        let wanted = c_int::try_from(ordinal).unwrap_or(c_int::MAX);
        if wanted >= count {
            return Err(unavailable(format!(
                "device {ordinal} was asked for and there are {count}"
            )));
        }
        let mut device = 0;
        // SAFETY: it writes the device.
        driver.checked("the driver", "a device", unsafe {
            (driver.device_get)(&raw mut device, wanted)
        })?;
        let mut context = ptr::null_mut();
        // SAFETY: it writes the context, which is held until this is dropped.
        let code = unsafe { (driver.primary_retain)(&raw mut context, device) };
        driver.checked("the driver", "a context", code)?;
        let mut gpu =
            Self::of(driver, context, ptr::null_mut(), device, Owner::Us(device), places)?;
        gpu.stream = {
            let _current = gpu.current()?;
            let mut stream = ptr::null_mut();
            // SAFETY: it writes the stream, which is destroyed when this is dropped.
            let code = unsafe { (gpu.driver.stream_create)(&raw mut stream, NON_BLOCKING) };
            gpu.checked("a stream", code)?;
            stream
        };
        Ok(gpu)
    }

    /// On a context and a stream of the caller's.
    ///
    /// # Safety
    /// Both are the driver's, belong together and outlive this.
    pub(crate) unsafe fn adopt(context: Handle, stream: Handle, places: &Places) -> Result<Self> {
        let driver = Arc::new(Driver::load(places.driver.as_deref())?);
        let mut device = 0;
        {
            // SAFETY: the caller says that it is a context.
            let code = unsafe { (driver.context_push)(context) };
            driver.checked("the driver", "the caller's context", code)?;
            let _current = Current { driver: &driver };
            // SAFETY: it writes the current context's device.
            let code = unsafe { (driver.context_device)(&raw mut device) };
            driver.checked("the driver", "the caller's device", code)?;
        }
        Self::of(driver, context, stream, device, Owner::Caller, places)
    }

    fn of(
        driver: Arc<Driver>,
        context: Handle,
        stream: Handle,
        device: c_int,
        owner: Owner,
        places: &Places,
    ) -> Result<Self> {
        let mut text = [0u8; 128];
        // SAFETY: it writes a text of at most so many bytes, its end included.
        let code =
            unsafe { (driver.device_name)(text.as_mut_ptr().cast(), text.len() as c_int, device) };
        driver.checked("the driver", "a device's name", code)?;
        let name = CStr::from_bytes_until_nul(&text).map(CStr::to_string_lossy).unwrap_or_default();
        let ask = |attribute| {
            let mut value = 0;
            // SAFETY: it writes the number. What a driver does not know is 0.
            let code = unsafe { (driver.device_attribute)(&raw mut value, attribute, device) };
            if code == 0 { u32::try_from(value).unwrap_or(0) } else { 0 }
        };
        // Two transfers for each cycle of the memory's clock.
        let nominal = 2.0 * f64::from(ask(MEMORY_KHZ)) * 1e3 * f64::from(ask(MEMORY_BITS)) / 8.0;
        let caps = DeviceCaps::cuda(ask(WARP).max(1), ask(MAX_THREADS))
            .with_shared_mem(ask(SHARED_BYTES))
            .with_cores(ask(MULTIPROCESSORS))
            .with_bandwidth((nominal * REACHED) as u64)
            .with_l2(ask(L2_BYTES).into())
            .with_names(&name, &format!("CUDA {}", version(&driver)));
        let capability = (ask(CAPABILITY_MAJOR).cast_signed(), ask(CAPABILITY_MINOR).cast_signed());
        Ok(Self {
            nvrtc: Arc::default(),
            nvrtc_path: places.nvrtc.clone(),
            cache: places.cache.clone().map(Cache::new),
            context,
            stream,
            owner,
            ordinal: device.cast_unsigned(),
            name: name.into_owned(),
            caps,
            capability,
            made_for: OnceLock::new(),
            follows: OnceLock::new(),
            lost: OnceLock::new(),
            units: Mutex::default(),
            images: Mutex::default(),
            driver,
        })
    }

    /// What kernels are made for.
    pub(crate) fn shape(&self) -> Device {
        Device::new(self.caps.cores_or_assumed(), self.caps.shared_mem.into(), self.made_for())
    }

    /// The compute capability of their code: the device's, or the newest that an older NVRTC knows.
    pub(crate) fn made_for(&self) -> Version {
        let made = || self.nvrtc().and_then(|nvrtc| nvrtc.makes(self.capability));
        *self.made_for.get_or_init(|| made().unwrap_or(self.capability))
    }

    pub(crate) fn report(&self) -> DeviceReport {
        let driver = version(&self.driver);
        DeviceReport {
            ordinal: self.ordinal,
            name: self.name.clone(),
            capability: self.capability,
            driver,
            nvrtc: self.nvrtc().map(|nvrtc| nvrtc.version),
            cache: self.cache.as_ref().map(Cache::report),
            caps: self.caps,
        }
    }

    /// The newest CUDA that the driver knows: major and minor version, if it says.
    pub(crate) fn driver_version(&self) -> Option<Version> {
        let version = version(&self.driver);
        (version > 0).then_some((version / 1000, version % 1000 / 10))
    }

    /// How many devices the driver has.
    pub(crate) fn count(places: &Places) -> Result<u32> {
        let driver = Driver::load(places.driver.as_deref())?;
        let mut count = 0;
        // SAFETY: it writes the number.
        driver.checked("the driver", "to count devices", unsafe {
            (driver.device_count)(&raw mut count)
        })?;
        Ok(u32::try_from(count).unwrap_or(0))
    }

    pub(crate) fn checked(&self, what: &str, code: c_int) -> Result<()> {
        let done = self.driver.checked(&self.name, what, code);
        if let Err(why @ Error::DeviceLost { .. }) = &done {
            self.lost.get_or_init(|| why.clone());
        }
        done
    }

    /// Makes the context current on this thread, unless it was lost.
    pub(crate) fn current(&self) -> Result<Current<'_>> {
        if let Some(why) = self.lost.get() {
            return Err(why.clone());
        }
        // SAFETY: the context is alive as long as this is.
        self.checked("its context", unsafe { (self.driver.context_push)(self.context) })?;
        Ok(Current { driver: &self.driver })
    }

    /// Sets bytes on a stream to zero. The context is current.
    pub(crate) fn clear(&self, stream: Handle, at: Address, bytes: u64) -> Result<()> {
        if bytes == 0 {
            return Ok(());
        }
        // SAFETY: whoever calls this owns the bytes.
        let code = unsafe { (self.driver.set_bytes)(at, 0, bytes as usize, stream) };
        self.checked("to clear a workspace", code)
    }

    /// Whether what is put onto a stream goes into a graph, or would be refused because of another stream's. The context
    /// is current.
    pub(crate) fn is_captured(&self, stream: Handle) -> bool {
        let mut state = 0;
        // SAFETY: whoever calls this has the stream; it writes the number.
        let code = unsafe { (self.driver.capture_state)(stream, &raw mut state) };
        code != 0 || state != 0
    }

    /// Waits for a stream. The context is current.
    pub(crate) fn wait(&self, stream: Handle) -> Result<()> {
        // SAFETY: the stream is alive.
        self.checked("to end its work", unsafe { (self.driver.stream_wait)(stream) })
    }

    /// Bytes that are free.
    pub(crate) fn free_bytes(&self) -> Result<u64> {
        let (mut free, mut all) = (0, 0);
        // SAFETY: it writes both numbers.
        let code = unsafe { (self.driver.memory_info)(&raw mut free, &raw mut all) };
        self.checked("how much memory is free", code)?;
        Ok(free as u64)
    }
}

impl Drop for Gpu {
    fn drop(&mut self) {
        let units = std::mem::take(self.units.get_mut().unwrap_or_else(PoisonError::into_inner));
        // What was in a lost context went with it.
        if let Ok(current) = self.current() {
            for module in units.values() {
                // SAFETY: nobody launches its functions any more: launches hold this.
                let _ = unsafe { (current.driver.module_unload)(module.handle) };
            }
            if let (Owner::Us(_), false) = (&self.owner, self.stream.is_null()) {
                // SAFETY: it is ours, and nothing is put on it any more.
                let _ = unsafe { (current.driver.stream_destroy)(self.stream) };
            }
        }
        if let Owner::Us(device) = self.owner {
            // SAFETY: it was retained when this was made.
            let _ = unsafe { (self.driver.primary_release)(device) };
        }
    }
}
