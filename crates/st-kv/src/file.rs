//! A store in a folder, which machines may share: one file for each device, replaced as a whole under a lock.

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::memory::{Map, changed, listed};
use crate::store::{
    Change, Entries, MOST_BYTES, MOST_TIME, SCHEMA, Store, StoreError, check_device,
};

/// How often a lock that another holds is tried again.
const AGAIN: Duration = Duration::from_millis(5);

/// A store in a folder. Whoever reads sees a whole file, old or new; whoever writes holds the device's lock.
#[derive(Clone, Debug)]
pub struct FileStore {
    folder: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Document {
    schema: u32,
    entries: Map,
}

impl FileStore {
    /// The store in a folder, which is made when something is first written.
    #[must_use]
    pub const fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    fn file(&self, device: &str, end: &str) -> PathBuf {
        self.folder.join(format!("{device}.hints{SCHEMA}.{end}"))
    }

    fn read(&self, device: &str) -> Result<Map, StoreError> {
        let path = self.file(device, "json");
        let failed = |source| StoreError::File { path: path.clone(), source };
        let length = match fs::metadata(&path) {
            Ok(found) => found.len(),
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Map::new()),
            Err(e) => return Err(failed(e)),
        };
        if length > MOST_BYTES as u64 {
            return Err(StoreError::TooLarge { place: path.display().to_string() });
        }
        let bytes = fs::read(&path).map_err(failed)?;
        let not = |why: String| StoreError::NotHints { path: path.clone(), why };
        let document: Document = serde_json::from_slice(&bytes).map_err(|e| not(e.to_string()))?;
        match document.schema {
            SCHEMA => Ok(document.entries),
            other => Err(not(format!("schema {other}"))),
        }
    }

    fn write(&self, device: &str, entries: Map) -> Result<(), StoreError> {
        let path = self.file(device, "json");
        let failed = |source| StoreError::File { path: path.clone(), source };
        let document = Document { schema: SCHEMA, entries };
        let mut text = serde_json::to_vec_pretty(&document).map_err(|e| failed(e.into()))?;
        text.push(b'\n');
        if text.len() > MOST_BYTES {
            return Err(StoreError::TooLarge { place: path.display().to_string() });
        }
        let mut whole = tempfile::NamedTempFile::new_in(&self.folder).map_err(failed)?;
        whole.write_all(&text).and_then(|()| whole.as_file().sync_all()).map_err(failed)?;
        whole.persist(&path).map_err(|e| failed(e.error))?;
        Ok(())
    }

    /// Holds the device's lock while acting.
    fn locked<T>(
        &self,
        device: &str,
        act: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        check_device(device)?;
        fs::create_dir_all(&self.folder)
            .map_err(|source| StoreError::File { path: self.folder.clone(), source })?;
        let path = self.file(device, "lock");
        let failed = |source| StoreError::File { path: path.clone(), source };
        let lock = File::create(&path).map_err(failed)?;
        let start = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(e)) => return Err(failed(e)),
                Err(TryLockError::WouldBlock) if start.elapsed() >= MOST_TIME => {
                    return Err(StoreError::Late { place: self.place(), after: MOST_TIME });
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(AGAIN),
            }
        }
        // The lock goes with the file.
        act()
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Store for FileStore {
    fn entries(&mut self, device: &str) -> Result<Entries, StoreError> {
        check_device(device)?;
        listed(&self.read(device)?, self.place(), device)
    }

    fn update(
        &mut self,
        device: &str,
        keys: &[String],
        change: &mut Change<'_>,
    ) -> Result<(), StoreError> {
        self.locked(device, || {
            let mut map = self.read(device)?;
            match changed(&mut map, keys, change)? {
                true => self.write(device, map),
                false => Ok(()),
            }
        })
    }

    fn clear(&mut self, device: &str) -> Result<u64, StoreError> {
        self.locked(device, || {
            // What cannot be read is to go, too.
            let entries = self.read(device).map_or(1, |map| map.len() as u64);
            let path = self.file(device, "json");
            match fs::remove_file(&path) {
                Ok(()) => Ok(entries),
                Err(e) if e.kind() == ErrorKind::NotFound => Ok(0),
                Err(source) => Err(StoreError::File { path, source }),
            }
        })
    }

    fn place(&self) -> String {
        self.folder.display().to_string()
    }
}
