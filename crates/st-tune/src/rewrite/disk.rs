//! Files of a home that several processes write: locked, read anew, replaced whole.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::Error;
use crate::files::{self, resolved};

/// The longest file that is read, in bytes.
const MOST_BYTES: u64 = 64 << 20;

/// Where everything lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The folder of Self-Rewrite's own files, in the home.
    pub folder: PathBuf,
    /// The file of rules.
    pub rules: PathBuf,
}

impl Files {
    /// Those of a home, with that file of rules.
    #[must_use]
    pub fn new(home: &Path, rules: &Path) -> Self {
        Self { folder: home.join("rewrite"), rules: rules.to_owned() }
    }

    /// The evidence of a device.
    #[must_use]
    pub fn evidence(&self, device: &str) -> PathBuf {
        self.folder.join(format!("evidence-{device}.json"))
    }

    /// What was written to the rules, so that it can be taken back.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.folder.join("journal.json")
    }

    /// Holds evidence, journal and rules against other processes.
    ///
    /// # Errors
    /// Folders that cannot be made, a lock that others hold for longer than `wait`.
    pub fn lock(&self, wait: Duration) -> Result<Locks, Error> {
        fs::create_dir_all(&self.folder).map_err(Error::at(&self.folder))?;
        let own = lock(&self.folder.join("lock"), wait)?;
        let rules = resolved(&self.rules).map_err(Error::at(&self.rules))?;
        if let Some(folder) = rules.parent() {
            fs::create_dir_all(folder).map_err(Error::at(folder))?;
        }
        let mut beside = rules.into_os_string();
        beside.push(".lock");
        Ok(Locks { _own: own, _rules: lock(Path::new(&beside), wait)? })
    }
}

/// Held until it is dropped, or the process ends.
#[derive(Debug)]
pub struct Locks {
    _own: File,
    _rules: File,
}

fn lock(path: &Path, wait: Duration) -> Result<File, Error> {
    let begun = Instant::now();
    let file = File::options().create(true).append(true).open(path).map_err(Error::at(path))?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if begun.elapsed() < wait => {
                thread::sleep(Duration::from_millis(5));
            }
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Locked { path: path.to_owned(), waited: wait });
            }
            Err(TryLockError::Error(source)) => return Err(Error::at(path)(source)),
        }
    }
}

/// The content of a file; none if there is none.
///
/// # Errors
/// What the system says, and files of more than 64 MiB.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    let length = match fs::metadata(path) {
        Ok(found) => found.len(),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::at(path)(e)),
    };
    if length > MOST_BYTES {
        let why = format!("{length} bytes are more than the {MOST_BYTES} that are read");
        return Err(Error::at(path)(io::Error::other(why)));
    }
    fs::read(path).map(Some).map_err(Error::at(path))
}

/// Replaces a file's content: all of it or, on an error, nothing. Links are followed and permissions stay.
///
/// # Errors
/// What the system says.
pub fn replace(path: &Path, content: &[u8]) -> Result<(), Error> {
    files::replace(path, content).map_err(Error::at(path))
}

/// Removes a file.
///
/// # Errors
/// What the system says.
pub fn remove(path: &Path) -> Result<(), Error> {
    let path = resolved(path).map_err(Error::at(path))?;
    fs::remove_file(&path).map_err(Error::at(&path))
}

/// Moves a file that cannot be used out of the way, and says where it is then.
///
/// # Errors
/// What the system says.
pub fn set_aside(path: &Path) -> Result<PathBuf, Error> {
    let aside = aside(path);
    fs::rename(path, &aside).map_err(Error::at(path))?;
    Ok(aside)
}

/// Where a file that cannot be used is moved to.
pub(super) fn aside(path: &Path) -> PathBuf {
    let mut aside = path.as_os_str().to_owned();
    aside.push(".unreadable");
    aside.into()
}
