//! A device's table on disk.
//!
//! It is only ever replaced whole, under a lock, by itself with more records: whoever reads it finds a complete table,
//! and whoever is killed loses at most what it had not added yet.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use st_plan::Table;
use st_plan::table::{Record, Versions};
use st_rank::DeviceCaps;

use crate::files::replace;

/// Where a device's table is, and what measures it.
#[derive(Debug)]
pub struct TableFile {
    path: PathBuf,
    caps: DeviceCaps,
    versions: Versions,
}

/// The table's file cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("the table {}: {source}: give a folder that can be written, as SPIRAL_HOME", path.display())]
pub struct StoreError {
    /// The file.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

impl TableFile {
    /// The table of a device in a folder of tables; nothing is touched yet.
    #[must_use]
    pub fn new(folder: &Path, caps: DeviceCaps, versions: Versions) -> Self {
        Self { path: folder.join(format!("{}.json", caps.fingerprint())), caps, versions }
    }

    /// The file's name.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The table as it is; without records if there is none. What is there and cannot be used (other kernels, another
    /// driver, rubbish) is put aside under another name when records are added; the second value says why.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn load(&self) -> Result<(Table, Option<String>), StoreError> {
        let name = self.path.display().to_string();
        let empty = || Table::measured(&name, self.caps, &[]).with_versions(self.versions.clone());
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok((empty(), None)),
            Err(e) => return Err(self.error(e)),
        };
        let text = String::from_utf8_lossy(&text);
        Ok(match Table::from_json(&name, &text, self.caps.backend) {
            Err(why) => (empty(), Some(why.to_string())),
            Ok(table) => match table.refusal(&self.caps) {
                Some(why) => (empty(), Some(why)),
                None => (table.with_versions(self.versions.clone()), None),
            },
        })
    }

    /// Adds records to what is there, and gives the whole. Of a record that is there already the one of more samples
    /// stays.
    ///
    /// # Errors
    /// The folder cannot be made, or the file cannot be locked, read or replaced.
    pub fn add(&self, records: &[Record]) -> Result<Table, StoreError> {
        self.change(|table| table.merged(records))
    }

    /// Puts a device's table in the place of what is there.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn change(&self, change: impl FnOnce(Table) -> Table) -> Result<Table, StoreError> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(|e| self.error(e))?;
        let _lock = lock(&self.path.with_extension("lock")).map_err(|e| self.error(e))?;
        let (table, refused) = self.load()?;
        if refused.is_some() {
            let aside = self.path.with_extension("json.old");
            fs::rename(&self.path, aside).map_err(|e| self.error(e))?;
        }
        let table = change(table);
        replace(&self.path, table.to_json().as_bytes()).map_err(|e| self.error(e))?;
        Ok(table)
    }

    fn error(&self, source: io::Error) -> StoreError {
        StoreError { path: self.path.clone(), source }
    }
}

/// Waits for the lock that a file stands for; it ends when the value is dropped, or the process.
fn lock(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    file.lock()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use st_plan::table::Partial;
    use st_rank::MergeKind;

    use super::*;

    const CAPS: DeviceCaps = DeviceCaps::cpu(16, 2).with_names("a processor", "");

    fn record(rows: u32) -> Record {
        let choice = Partial { mk: Some(MergeKind::Filter), ..Partial::NONE };
        Record {
            samples: 3,
            ..Record::new(rows, 10, 20, 5).with_choice(choice).with_time(7.0, 15, 4)
        }
    }

    fn versions() -> Versions {
        Versions { kernels: st_kernels::version(CAPS.backend), ..Versions::default() }
    }

    #[test]
    fn records_of_all_who_add_stay() {
        let dir = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for writer in 0..8 {
                let file = TableFile::new(&dir.path().join("tables"), CAPS, versions());
                scope.spawn(move || {
                    for i in 0..10 {
                        file.add(&[record(1 + 10 * writer + i), record(1)]).unwrap();
                    }
                });
            }
        });
        let file = TableFile::new(&dir.path().join("tables"), CAPS, versions());
        let (table, refused) = file.load().unwrap();
        assert_eq!((table.records().len(), refused), (80, None));
        assert_eq!(table.skipped().len(), 0);
    }

    #[test]
    fn what_cannot_be_used_is_put_aside() {
        let dir = tempfile::tempdir().unwrap();
        let file = TableFile::new(dir.path(), CAPS, versions());
        for (text, part) in [
            ("{\"schema\": 1, \"dev".to_owned(), "not JSON"),
            (
                Table::measured("t", CAPS, &[record(3)])
                    .with_versions(Versions { kernels: 17, ..versions() })
                    .to_json(),
                "kernels 17",
            ),
        ] {
            fs::write(file.path(), &text).unwrap();
            let (table, refused) = file.load().unwrap();
            assert!(table.records().is_empty() && refused.unwrap().contains(part));
            assert_eq!(file.add(&[record(9)]).unwrap().records().len(), 1);
            assert_eq!(fs::read_to_string(file.path().with_extension("json.old")).unwrap(), text);
        }
        assert_eq!(file.load().unwrap().0.records().len(), 1);
    }
}
