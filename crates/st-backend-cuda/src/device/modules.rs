//! A device's kernels: from disk or compiled, and loaded.

use std::collections::HashMap;
use std::ffi::{CString, c_int};
use std::ptr;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use st_kernels::cuda::Unit;
use st_rank::{Error, Result};

use super::Gpu;
use crate::driver::Handle;
use crate::nvrtc::{Nvrtc, Target, driver_too_old};

/// The attribute of a function by which it may have more shared memory than 48 KiB.
const FUNCTION_SHARED: c_int = 8;
/// Codes for an image that is none to the driver: broken, not for the device, PTX that is wrong or too new.
const NOT_TAKEN: [c_int; 4] = [200, 209, 218, 222];

/// A unit as the driver has loaded it.
pub(super) struct Module {
    pub(super) handle: Handle,
    functions: HashMap<&'static str, Handle>,
}

/// Machine code that is not loaded yet.
pub(super) struct Image {
    code: Vec<u8>,
    /// Whether it is from disk.
    kept: bool,
}

impl Gpu {
    pub(crate) fn nvrtc(&self) -> Result<&Nvrtc> {
        let target = Target { driver: self.driver_version(), capability: self.capability };
        let load = || Nvrtc::load(self.nvrtc_path.as_deref(), Some(target));
        self.nvrtc.get_or_init(load).as_ref().map_err(Clone::clone)
    }

    /// A kernel of a unit: loaded before, or from disk, or compiled. The context is current.
    pub(crate) fn function(&self, unit: &Unit, name: &'static str) -> Result<Handle> {
        let mut units = self.units.lock().unwrap_or_else(PoisonError::into_inner);
        if !units.contains_key(unit) {
            units.insert(*unit, Module { handle: self.module(unit)?, functions: HashMap::new() });
        }
        let module = units.get_mut(unit).expect("it was put there");
        if let Some(&function) = module.functions.get(name) {
            return Ok(function);
        }
        let function = self.symbol(module.handle, name)?;
        let most = c_int::try_from(self.caps.shared_mem).unwrap_or(0);
        // SAFETY: the function is the module's.
        let code = unsafe { (self.driver.function_set)(function, FUNCTION_SHARED, most) };
        self.checked("shared memory for a kernel", code)?;
        module.functions.insert(name, function);
        Ok(function)
    }

    /// A kernel of a text that is not ours; it is loaded as long as the context is. The context is current.
    pub(crate) fn foreign(
        &self,
        file: &str,
        text: &str,
        defines: &[String],
        name: &str,
    ) -> Result<Handle> {
        let image = self.nvrtc()?.compile_text(file, text, defines, self.capability, &self.name)?;
        let module = self.loaded(&image)?;
        self.symbol(module, name)
    }

    fn symbol(&self, module: Handle, name: &str) -> Result<Handle> {
        let symbol = CString::new(name).expect("our names have no zero bytes");
        let mut function = ptr::null_mut();
        // SAFETY: the module is loaded, and the name ends with a zero byte.
        let code =
            unsafe { (self.driver.module_function)(&raw mut function, module, symbol.as_ptr()) };
        self.checked(name, code)?;
        Ok(function)
    }

    fn loaded(&self, image: &[u8]) -> Result<Handle> {
        let mut module = ptr::null_mut();
        // SAFETY: the image is what NVRTC made, whole.
        let code = unsafe { (self.driver.module_load)(&raw mut module, image.as_ptr().cast()) };
        // Of one major version drivers take newer machine code, but not newer PTX.
        if let (true, Some(driver), Ok(nvrtc)) =
            (NOT_TAKEN.contains(&code), self.driver_version(), self.nvrtc())
            && driver < nvrtc.version
        {
            return Err(driver_too_old(driver, nvrtc.version));
        }
        self.checked("to load a kernel", code)?;
        Ok(module)
    }

    fn module(&self, unit: &Unit) -> Result<Handle> {
        let ahead = self.images.lock().unwrap_or_else(PoisonError::into_inner).remove(unit);
        let image = match ahead {
            Some(image) => image,
            None => self.image(unit)?,
        };
        match self.loaded(&image.code) {
            // A file that is whole and not what it says: written by another program, or by a driver's bug.
            Err(Error::Refused { .. } | Error::Unavailable { .. }) if image.kept => {
                self.loaded(&self.compiled(unit)?.code)
            }
            done => done,
        }
    }

    /// Machine code of a unit, from disk or compiled.
    fn image(&self, unit: &Unit) -> Result<Image> {
        // Without NVRTC what is on disk would still do, but which of its versions made it is not known.
        let version = self.nvrtc()?.version;
        let cache = self.cache.as_ref();
        match cache.and_then(|cache| cache.get(unit, self.capability, version)) {
            Some(code) => Ok(Image { code, kept: true }),
            None => self.compiled(unit),
        }
    }

    /// Machine code of a unit, compiled now, and kept in the place of what was.
    fn compiled(&self, unit: &Unit) -> Result<Image> {
        let nvrtc = self.nvrtc()?;
        let code = nvrtc.compile(unit, self.capability, &self.name)?;
        if let Some(cache) = &self.cache {
            cache.put(unit, self.capability, nvrtc.version, &code);
        }
        Ok(Image { code, kept: false })
    }

    /// Compiles units on all processors. What fails says so where it is used.
    pub(crate) fn compile_ahead(&self, units: &[Unit]) {
        let loaded = self.units.lock().unwrap_or_else(PoisonError::into_inner);
        let missing: Vec<Unit> =
            units.iter().filter(|unit| !loaded.contains_key(unit)).copied().collect();
        drop(loaded);
        if missing.is_empty() {
            return;
        }
        let next = AtomicUsize::new(0);
        let work = || {
            while let Some(unit) = missing.get(next.fetch_add(1, Ordering::Relaxed)) {
                if let Ok(image) = self.image(unit) {
                    // Another thread may have been faster.
                    if self.units.lock().unwrap_or_else(PoisonError::into_inner).contains_key(unit)
                    {
                        continue;
                    }
                    self.images.lock().unwrap_or_else(PoisonError::into_inner).insert(*unit, image);
                }
            }
        };
        let threads =
            std::thread::available_parallelism().map_or(1, usize::from).min(missing.len());
        std::thread::scope(|scope| {
            (0..threads).for_each(|_| {
                scope.spawn(work);
            });
        });
    }
}
