//! The bytes of a file, mapped where that can be done.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use memmap2::Mmap;

use crate::error::Error;

/// The bytes of an input.
#[derive(Debug)]
pub(crate) enum Source {
    Mapped(Mmap),
    Read(Vec<u8>),
}

impl Source {
    /// Maps a file; reads a pipe to its end.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let refused = |source| Error::Open { path: path.to_owned(), source };
        // Looked at before it is opened: opening some devices has effects, and a directory's own
        // message says less than ours.
        let kind = std::fs::metadata(path).map_err(refused)?.file_type();
        if kind.is_dir() {
            return Err(Error::NotAFile { path: path.to_owned(), found: "a directory" });
        }
        if !kind.is_file() && !is_pipe(kind) {
            return Err(Error::NotAFile { path: path.to_owned(), found: "a device" });
        }
        let mut file = File::open(path).map_err(refused)?;
        if kind.is_file() && file.metadata().map_err(refused)?.len() > 0 {
            return map(&file).map(Self::Mapped).map_err(refused);
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(refused)?;
        Ok(Self::Read(bytes))
    }

    /// The bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Read(bytes) => bytes,
        }
    }
}

#[cfg(unix)]
fn is_pipe(kind: std::fs::FileType) -> bool {
    std::os::unix::fs::FileTypeExt::is_fifo(&kind)
}

#[cfg(not(unix))]
fn is_pipe(_: std::fs::FileType) -> bool {
    false
}

#[allow(unsafe_code, reason = "mapping a file is unsafe by nature; this is the only place")]
fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: the mapping is private and only read. That nobody truncates or rewrites the file
    // meanwhile is up to the user, as with every program that maps its input: elements are read as
    // plain bit patterns, every one of which is valid, and no length is taken from the mapping
    // twice.
    unsafe { Mmap::map(file) }
}
