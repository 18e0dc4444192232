//! The device that was named, to be measured, and the cells that are.

use std::fs;
use std::path::Path;

#[cfg(feature = "cuda")]
use st_core::tune::CudaDevice;
#[cfg(feature = "wgpu")]
use st_core::tune::WgpuDevice;
use st_core::tune::{Cell, CpuDevice, Device, TuneError};

use crate::args::{CpuArgs, Device as Named};
use crate::error::Error;
use crate::exec::Exec;

/// Opens a device and hands it out; `auto` is the processor, for what is measured is one device and not one selection.
pub(crate) fn with<R>(
    named: Named,
    cpu: &CpuArgs,
    use_it: impl FnOnce(&dyn Device<Error = TuneError>) -> Result<R, Error>,
) -> Result<R, Error> {
    let advice = "use --device cpu, or a build with that backend";
    match Exec::open(named, cpu, advice)? {
        Exec::Cpu(exec) => use_it(&CpuDevice::new(&exec)),
        #[cfg(feature = "wgpu")]
        Exec::Wgpu { exec, .. } => use_it(&WgpuDevice::new(&exec)?),
        #[cfg(feature = "cuda")]
        Exec::Cuda { exec, .. } => use_it(&CudaDevice::new(&exec)?),
        // Without their features these are refused when they are opened.
        #[allow(unreachable_patterns, reason = "depends on the features")]
        _ => Err(Error::NoTuner),
    }
}

/// The cells of a file, or the device's usual ones.
pub(crate) fn cells(
    grid: Option<&Path>,
    device: &dyn Device<Error = TuneError>,
) -> Result<Vec<Cell>, Error> {
    let Some(file) = grid else { return Ok(Cell::usual(&device.caps(), device.is_software())) };
    let text =
        fs::read_to_string(file).map_err(|source| Error::Open { path: file.to_owned(), source })?;
    Ok(Cell::list(&file.display().to_string(), &text)?)
}
