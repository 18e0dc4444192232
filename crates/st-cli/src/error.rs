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
        "cannot write {}: {source}; give --out a name in a directory that can be written",
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
    /// The allocator refused.
    #[error(transparent)]
    NoMemory(#[from] NoMemory),
    /// The selection was refused.
    #[error(transparent)]
    Rank(#[from] st_core::Error),
}
