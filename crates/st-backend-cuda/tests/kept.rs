//! Kernels on disk, on the emulator: folders that cannot be written to.

mod common;

use std::path::PathBuf;

use common::own::Own;
use st_backend_cuda::{CudaExecutor, KeptKernels};
use st_plan::{Knowledge, plan};
use st_rank::{Problem, RankKExecutor, RankKind, Result};

/// An emulator that keeps kernels in a folder of its own, which is empty, or at another path.
fn own(at: Option<PathBuf>) -> Own {
    let mut own = Own::new();
    own.libraries.cache = Some(at.unwrap_or_else(|| own.folder.join("kernels")));
    own
}

/// A selection by one kernel.
fn select(exec: &CudaExecutor) -> Result<()> {
    let x: Vec<f32> = (0..64u8).map(|i| f32::from(i.wrapping_mul(37) % 64)).collect();
    let problem = Problem::new(RankKind::TopK, 1, 64, 5);
    let out = exec.on(&x).execute(&plan(&problem, &exec.caps()?, &Knowledge::default()))?;
    assert_eq!(out.values, [63.0, 62.0, 61.0, 60.0, 59.0]);
    Ok(())
}

fn kept(exec: &CudaExecutor) -> KeptKernels {
    exec.report().expect("a device").cache.expect("a folder")
}

/// The one file, and what is in it.
fn file(own: &Own) -> (PathBuf, Vec<u8>) {
    let folder = own.libraries.cache.as_deref().expect("a folder");
    let mut files = std::fs::read_dir(folder).expect("it is there").flatten();
    let file = files.next().expect("a file").path();
    assert!(files.next().is_none(), "one kernel, and nothing that was begun");
    let content = std::fs::read(&file).expect("it is read");
    (file, content)
}

#[test]
fn a_folder_that_cannot_be() {
    let files = Own::new();
    let path = files.folder.join("libcuda.so.1/below/a/file");
    let own = own(Some(path.clone()));
    let exec = own.executor();
    for when in ["before", "after"] {
        let KeptKernels { folder, kernels, fault } = kept(&exec);
        assert_eq!((folder, kernels), (path.clone(), 0), "{when}");
        let why = fault.expect("it cannot be made");
        assert!(why.to_lowercase().contains("not a directory"), "{when}: {why}");
        select(&exec).expect("it is compiled");
    }
    assert!(files.folder.join("libcuda.so.1").is_file());
}

#[test]
fn a_file_that_cannot_be_written() {
    let own = own(None);
    let exec = own.executor();
    assert_eq!(kept(&exec).fault, None, "the folder is to be made");
    assert!(!own.folder.join("kernels").exists(), "and was not by asking");
    select(&exec).expect("it is compiled");
    assert_eq!((kept(&exec).kernels, kept(&exec).fault), (1, None));
    let (file, _) = file(&own);
    // Another file in the folder could be.
    std::fs::remove_file(&file).expect("it goes");
    std::fs::create_dir(&file).expect("a folder in its place");
    let exec = own.executor();
    assert_eq!(kept(&exec).fault, None, "not met yet");
    select(&exec).expect("it is compiled");
    assert!(kept(&exec).fault.is_some(), "remembered");
}
