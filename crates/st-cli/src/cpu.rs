//! The executor of the command line's settings. The only place that reads the environment.

use st_core::backend::cpu_exec::{CpuExecutor, Isa};

use crate::args::CpuArgs;
use crate::error::Error;

/// The variable that sets the same as `--isa`.
const ISA_VARIABLE: &str = "SPIRAL_CPU_ISA";

/// The CPU with the instruction set of `--isa`, else of the environment, else the best there is.
pub(crate) fn executor(args: &CpuArgs) -> Result<CpuExecutor, Error> {
    let variable = std::env::var_os(ISA_VARIABLE).filter(|v| !v.is_empty());
    let (setting, name) = match (&args.isa, variable) {
        (Some(flag), _) => ("--isa", Some(flag.clone())),
        (None, Some(v)) => (ISA_VARIABLE, Some(v.to_string_lossy().into_owned())),
        (None, None) => ("the best instruction set", None),
    };
    let refused = |source| Error::Isa { setting, source };
    let isa = match name {
        Some(name) => Isa::from_name(&name).map_err(refused)?,
        None => Isa::available().first().copied().unwrap_or(Isa::Portable),
    };
    CpuExecutor::new(isa, args.threads).map_err(refused)
}
