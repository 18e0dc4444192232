//! The executor of the command line's settings.

use st_core::backend::cpu_exec::{CpuExecutor, Isa};
use st_core::settings::Settings;

use crate::args::CpuArgs;
use crate::error::Error;

/// The CPU with the instruction set of `--isa`, else of the environment, else the best there is.
pub(crate) fn executor(args: &CpuArgs) -> Result<CpuExecutor, Error> {
    let settings = Settings::from_env();
    let (setting, name) = match (&args.isa, settings.cpu_isa()) {
        (Some(flag), _) => ("--isa", Some(flag.as_str())),
        (None, Some((variable, isa))) => (variable, Some(isa)),
        (None, None) => ("the best instruction set", None),
    };
    let refused = |source| Error::Isa { setting, source };
    let isa = match name {
        Some(name) => Isa::from_name(name).map_err(refused)?,
        None => Isa::available().first().copied().unwrap_or(Isa::Portable),
    };
    CpuExecutor::new(isa, args.threads).map_err(refused)
}

/// Refuses settings of the processor where something else says which device it is.
pub(crate) fn without(args: &CpuArgs, device: &str) -> Result<(), Error> {
    let given = [(args.threads.is_some(), "--threads"), (args.isa.is_some(), "--isa")];
    match given.into_iter().find(|(is_given, _)| *is_given) {
        Some((_, flag)) => Err(Error::NotTheProcessor { flag, device: device.to_owned() }),
        None => Ok(()),
    }
}
