//! What can stop a task.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("`{line}` failed: {status}")]
    Failed { line: String, status: ExitStatus },

    #[error("`{line}` could not be started: {source}")]
    NotStarted { line: String, source: io::Error },

    #[error("{packages} must be installed and {why}; install it, then run this again")]
    Missing { packages: String, why: &'static str },

    #[error("{path}: {source}")]
    File { path: PathBuf, source: io::Error },

    #[error("{target} is not what {generator} makes: run `cargo xtask codegen`")]
    Stale { target: &'static str, generator: &'static str },

    #[error("{0}")]
    Other(String),

    #[error("{failed} steps failed")]
    Steps { failed: usize },
}

pub(crate) type Result<T> = core::result::Result<T, Error>;

/// Adds the path to an I/O error.
pub(crate) fn at(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::File { path: path.into(), source }
}
