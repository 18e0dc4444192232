//! The file of `--out`.

use std::path::{Path, PathBuf};

use super::replacement::Replacement;
use super::{Report, json, npz};
use crate::error::Error;

#[derive(Clone, Copy, Debug)]
enum Format {
    Npz,
    Json,
}

/// Where a result goes.
#[derive(Debug)]
pub(crate) struct Destination {
    /// As it was given.
    name: PathBuf,
    place: Replacement,
    format: Format,
}

impl Destination {
    /// Makes sure, before any work is done, that a file can be put there.
    pub(crate) fn check(name: &Path, input: &Path) -> Result<Self, Error> {
        let extension = name.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
        let format = match extension.as_deref() {
            Some("npz") => Format::Npz,
            Some("json") => Format::Json,
            _ => return Err(Error::OutputFormat { path: name.to_owned() }),
        };
        if let (Ok(output), Ok(input)) = (name.canonicalize(), input.canonicalize())
            && output == input
        {
            return Err(Error::OutputIsInput { path: name.to_owned() });
        }
        let place = Replacement::check(name)
            .map_err(|source| Error::Output { path: name.to_owned(), source })?;
        Ok(Self { name: name.to_owned(), place, format })
    }

    /// The name given.
    pub(crate) fn name(&self) -> &Path {
        &self.name
    }

    /// Writes a result.
    pub(crate) fn write(&self, report: &Report<'_>) -> Result<(), Error> {
        let written = self.place.write(|out| match self.format {
            Format::Npz => npz::write(out, report),
            Format::Json => json::write(out, report),
        });
        written.map_err(|source| Error::Output { path: self.name.clone(), source })
    }
}
