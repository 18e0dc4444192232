//! Everything the command refuses, beyond what the libraries refuse themselves.

use std::io;
use std::path::PathBuf;

use crate::input::ReadError;
use crate::tensor::{AxisError, NoMemory};

/// Why nothing was selected, planned or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file's content was refused.
    #[error("{}: {source}", path.display())]
    Input {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ReadError,
    },
    /// An axis does not fit the array.
    #[error("{}: {source}", path.display())]
    Axis {
        /// The file.
        path: PathBuf,
        /// Why.
        source: AxisError,
    },
    /// The input cannot be opened or read.
    #[error("cannot read {}: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file that is no source of elements.
    #[error("cannot read {}: it is {found}; give a file or a pipe", path.display())]
    NotAFile {
        /// What was given.
        path: PathBuf,
        /// What it is.
        found: &'static str,
    },
    /// The output's name says no format.
    #[error(
        "cannot tell how to write {}: name it .npz (values and indices) or .json (the document of \
         --json)",
        path.display()
    )]
    OutputFormat {
        /// The name given.
        path: PathBuf,
    },
    /// The output would replace the input.
    #[error("{} is the input itself: give --out another name", path.display())]
    OutputIsInput {
        /// The name given.
        path: PathBuf,
    },
    /// The output cannot be written.
    #[error(
        "cannot write {}: {source}; name a file in a directory that can be written",
        path.display()
    )]
    Output {
        /// The name given.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Standard output cannot be written.
    #[error("cannot write to standard output: {0}")]
    Stdout(io::Error),
    /// `--start` and the kind do not go together.
    #[error("--start is for `range`, which needs it; other kinds say themselves where they begin")]
    StartNotUsed,
    /// Rules with faults in them.
    #[error("{0}")]
    Rules(st_core::rules::Diagnostics),
    /// Self-Rewrite's files.
    #[error(transparent)]
    Rewrite(#[from] st_core::rewrite::Error),
    /// Rules that are not in their canonical form.
    #[error("{}: not in its canonical form: run `spiral rules fmt {}`", path.display(), path.display())]
    NotFormatted {
        /// The file.
        path: PathBuf,
    },
    /// There is no place for tables.
    #[error("there is no home directory: set SPIRAL_HOME to a folder for rules and tables")]
    NoHome,
    /// A grid that makes no sense.
    #[error(transparent)]
    Grid(#[from] st_core::tune::GridError),
    /// The table cannot be read or written.
    #[error(transparent)]
    Table(#[from] st_core::tune::StoreError),
    /// A file is no table, or one of other kernels.
    #[error(transparent)]
    BadTable(#[from] st_core::tune::TableError),
    /// A table that cannot be used so.
    #[error("{why}")]
    TableRefused {
        /// Why, and what to do.
        why: String,
    },
    /// There is no table yet.
    #[error("there is no table {}: `spiral tune` makes one", path.display())]
    NoTable {
        /// Where it would be.
        path: PathBuf,
    },
    /// Tuning ended early.
    #[error(transparent)]
    Tuning(#[from] st_core::tune::SessionError),
    /// A device that this build cannot measure.
    #[error("this build cannot tune that device: use --device cpu, or a build with that backend")]
    NoTuner,
    /// Shapes that could not be measured, or whose results were wrong.
    #[error("{cells} shapes could not be measured: each says why")]
    NotMeasured {
        /// How many.
        cells: usize,
    },
    /// Choices that failed while tuning. What was right is in the table.
    #[error(
        "{choices} choices failed or gave a wrong result, and are not used; the others are in the table: please report what was printed above"
    )]
    FailedChoices {
        /// How many.
        choices: usize,
    },
    /// Hints cannot be shared.
    #[error("shared hints: {0}")]
    Hints(#[from] st_core::hints::Error),
    /// A table that does not say where it was measured.
    #[error(
        "{table}: it names no `device`: hints are shared between devices with the same fingerprint"
    )]
    NoDevice {
        /// The table.
        table: String,
    },
    /// A table that was pulled from others.
    #[error(
        "{table}: it came from others (`shared`): publishing it would count their measurements twice"
    )]
    NotOwn {
        /// The table.
        table: String,
    },
    /// Something that settings name is not usable.
    #[error("{0}")]
    Unhealthy(String),
    /// The instruction set asked for.
    #[error("{setting}: {source}")]
    Isa {
        /// Where it was asked for.
        setting: &'static str,
        /// Why it was refused.
        source: st_core::Error,
    },
    /// A setting of the processor for something else.
    #[error(
        "{flag} is of the processor here, and {device} says another device: leave one of them out"
    )]
    NotTheProcessor {
        /// The setting.
        flag: &'static str,
        /// What says the device.
        device: String,
    },
    /// The allocator refused.
    #[error(transparent)]
    NoMemory(#[from] NoMemory),
    /// The selection was refused.
    #[error(transparent)]
    Rank(#[from] st_core::Error),
}
