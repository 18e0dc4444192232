//! A file that is replaced only by a complete one.

use std::fs::{self, Permissions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// A place for a file, with what was found there.
#[derive(Debug)]
pub(crate) struct Replacement {
    /// What is replaced: the target, if the name is a link.
    path: PathBuf,
    /// Of the file to be replaced.
    permissions: Option<Permissions>,
}

impl Replacement {
    /// Makes sure, before any work is done, that a file can be put there.
    pub(crate) fn check(name: &Path) -> io::Result<Self> {
        let (path, permissions) = match fs::metadata(name) {
            Ok(found) => {
                let path = name.canonicalize()?;
                if !found.is_file() {
                    return Err(io::Error::other("it is there and is no file"));
                }
                if found.permissions().readonly() {
                    return Err(io::Error::other("it is there and is read-only"));
                }
                (path, Some(found.permissions()))
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => (name.to_owned(), None),
            Err(e) => return Err(e),
        };
        let this = Self { path, permissions };
        // Made and removed again: interrupted work leaves nothing behind.
        this.temporary()?;
        Ok(this)
    }

    /// Writes beside the place, then moves there.
    pub(crate) fn write(
        &self,
        write: impl FnOnce(&mut BufWriter<&mut fs::File>) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut file = self.temporary()?;
        let mut out = BufWriter::with_capacity(1 << 20, file.as_file_mut());
        write(&mut out)?;
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
