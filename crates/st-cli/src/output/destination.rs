//! The file of `--out`: checked before the work, replaced only by a complete one.

use std::fs::{self, Permissions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

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
    /// What is replaced: the target, if the name is a link.
    path: PathBuf,
    format: Format,
    /// Of the file to be replaced.
    permissions: Option<Permissions>,
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
        let refused = |source| Error::Output { path: name.to_owned(), source };
        let (path, permissions) = match fs::metadata(name) {
            Ok(found) => {
                let path = name.canonicalize().map_err(refused)?;
                if input.canonicalize().is_ok_and(|input| input == path) {
                    return Err(Error::OutputIsInput { path: name.to_owned() });
                }
                if !found.is_file() {
                    return Err(refused(io::Error::other("it is there and is no file")));
                }
                if found.permissions().readonly() {
                    return Err(refused(io::Error::other("it is there and is read-only")));
                }
                (path, Some(found.permissions()))
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => (name.to_owned(), None),
            Err(e) => return Err(refused(e)),
        };
        let this = Self { name: name.to_owned(), path, format, permissions };
        // Made and removed again: an interrupted selection leaves nothing behind.
        this.temporary().map_err(refused)?;
        Ok(this)
    }

    /// The name given.
    pub(crate) fn name(&self) -> &Path {
        &self.name
    }

    /// Writes a result beside its place, then moves it there.
    pub(crate) fn write(&self, report: &Report<'_>) -> Result<(), Error> {
        self.replace(report).map_err(|source| Error::Output { path: self.name.clone(), source })
    }

    fn replace(&self, report: &Report<'_>) -> io::Result<()> {
        let mut file = self.temporary()?;
        let mut out = BufWriter::with_capacity(1 << 20, file.as_file_mut());
        match self.format {
            Format::Npz => npz::write(&mut out, report)?,
            Format::Json => json::write(&mut out, report)?,
        }
        out.flush()?;
        drop(out);
        if let Some(permissions) = &self.permissions {
            file.as_file().set_permissions(permissions.clone())?;
        }
        // Data first, name second: a crash must not leave the name on half a file.
        file.as_file().sync_all()?;
        file.persist(&self.path).map_err(|e| e.error)?;
        Ok(())
    }

    fn temporary(&self) -> io::Result<NamedTempFile> {
        let directory = match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let mut builder = tempfile::Builder::new();
        builder.prefix(".spiral-").suffix(".tmp");
        // Temporary files are private unless told otherwise; this one becomes a usual file.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        builder.tempfile_in(directory).map_err(without_path)
    }
}

/// The system's word alone: the name of a temporary file, which `tempfile` appends and offers no
/// way around, means nothing to the user.
fn without_path(error: io::Error) -> io::Error {
    let text = error.to_string();
    let word = text.split_once(" at path ").map_or(&*text, |(word, _)| word);
    io::Error::new(error.kind(), word)
}
