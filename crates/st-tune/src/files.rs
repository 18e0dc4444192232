//! Files that are replaced whole: whoever reads one finds all of the old or all of the new.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What a name stands for, if it is a link; the name itself where nothing is.
pub(crate) fn resolved(path: &Path) -> io::Result<PathBuf> {
    match path.canonicalize() {
        Ok(path) => Ok(path),
        // Of a link to nothing the target is what will be written.
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let target = fs::read_link(path).ok();
            Ok(target.map_or_else(
                || path.to_owned(),
                |target| {
                    path.parent().map_or_else(|| target.clone(), |folder| folder.join(&target))
                },
            ))
        }
        Err(e) => Err(e),
    }
}

/// Replaces a file's content: all of it or, on an error, nothing. Links are followed and permissions stay.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let path = resolved(path)?;
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".spiral-").suffix(".tmp");
    // Temporary files are private unless told otherwise; this one becomes a usual file.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(content)?;
    match fs::metadata(&path) {
        Ok(found) if found.permissions().readonly() => {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is read-only"));
        }
        Ok(found) => file.as_file().set_permissions(found.permissions())?,
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(e),
    }
    // Data first, name second: a crash must not leave the name on half a file.
    file.as_file().sync_all()?;
    file.persist(&path).map_err(|e| e.error)?;
    // The name too must outlast a crash; not every system lets folders be opened.
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
    Ok(())
}
