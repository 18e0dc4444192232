//! Compiled kernels on disk: one file each, named by a hash of all that decides its content.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};
use st_kernels::cuda::{SOURCES, Unit};

/// A folder of compiled kernels. Processes may share it: files are written under another name and then renamed,
/// so that a file is there whole or not at all. A file that cannot be read or written is no error: the kernel is
/// compiled again, and [`Cache::report`] says why.
#[derive(Debug)]
pub(crate) struct Cache {
    folder: PathBuf,
    /// Why the last kernel was not kept.
    fault: Mutex<Option<String>>,
}

/// Compiled kernels on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptKernels {
    /// Where they are, or would be.
    pub folder: PathBuf,
    /// How many there are.
    pub kernels: usize,
    /// Why no more can be kept there, so that every process compiles those it needs: the folder is not to be written
    /// to, or full. None: they can be.
    pub fault: Option<String>,
}

/// Bytes that must find room where a kernel is to be kept: as many as most kernels have.
const ROOM: usize = 64 << 10;

impl Cache {
    pub(crate) const fn new(folder: PathBuf) -> Self {
        Self { folder, fault: Mutex::new(None) }
    }

    /// The file of a unit compiled by that NVRTC for that compute capability.
    fn file(&self, unit: &Unit, arch: (i32, i32), nvrtc: (i32, i32)) -> PathBuf {
        let mut hash = Sha256::new();
        for (name, text) in SOURCES {
            hash.update((name.len() as u64).to_le_bytes());
            hash.update(name);
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
        hash.update(format!("{} {:?} {arch:?} {nvrtc:?}", unit.file, unit.defines()));
        let name: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        self.folder.join(format!("{name}.cubin"))
    }

    /// What was kept. The hash of its content stands before it, so that half a file is a miss.
    pub(crate) fn get(&self, unit: &Unit, arch: (i32, i32), nvrtc: (i32, i32)) -> Option<Vec<u8>> {
        let file = fs::read(self.file(unit, arch, nvrtc)).ok()?;
        let (sum, image) = file.split_at_checked(32)?;
        (Sha256::digest(image)[..] == *sum).then(|| image.to_vec())
    }

    /// Keeps what was compiled.
    pub(crate) fn put(&self, unit: &Unit, arch: (i32, i32), nvrtc: (i32, i32), image: &[u8]) {
        let kept = || -> std::io::Result<()> {
            fs::create_dir_all(&self.folder)?;
            let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
            file.write_all(&Sha256::digest(image))?;
            file.write_all(image)?;
            file.persist(self.file(unit, arch, nvrtc))?;
            Ok(())
        };
        // Without it the next process compiles again.
        let fault = kept().err().map(|why| why.to_string());
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    /// What is there, and whether more can be.
    pub(crate) fn report(&self) -> KeptKernels {
        let kernels = fs::read_dir(&self.folder).map_or(0, |entries| {
            entries.flatten().filter(|e| e.path().extension().is_some_and(|x| x == "cubin")).count()
        });
        let met = self.fault.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let fault = self.try_room().err().map(|why| why.to_string()).or(met);
        KeptKernels { folder: self.folder.clone(), kernels, fault }
    }

    /// Writes a file that goes at once: into the folder, or into what it would be made in.
    fn try_room(&self) -> std::io::Result<()> {
        let there = self.folder.ancestors().find(|folder| folder.exists());
        // A relative path begins in the folder of the process.
        let there = there.filter(|folder| !folder.as_os_str().is_empty());
        let mut file = tempfile::tempfile_in(there.unwrap_or_else(|| ".".as_ref()))?;
        file.write_all(&[0; ROOM])
    }
}
