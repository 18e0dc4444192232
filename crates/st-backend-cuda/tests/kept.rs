//! Kernels on disk, on the emulator: folders that cannot be written to, files that are not what they were, several who
//! write at once.

mod common;

use std::path::{Path, PathBuf};
use std::process::Stdio;

use common::own::{Own, alone, is_alone, passed};
use sha2::{Digest, Sha256};
use st_backend_cuda::{CudaExecutor, KeptKernels};
use st_plan::{Knowledge, plan};
use st_rank::{Error, Problem, RankKExecutor, RankKind, Result};

/// Bytes of the hash that stands before what is kept.
const SUM: usize = 32;

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

fn write(file: &Path, image: &[u8]) {
    let content = [&Sha256::digest(image)[..], image].concat();
    std::fs::write(file, content).expect("it is written");
}

#[test]
fn a_byte_that_is_another() {
    let own = own(None);
    select(&own.executor()).expect("it is compiled");
    let (file, whole) = file(&own);
    for at in [0, SUM - 1, SUM, whole.len() / 2, whole.len() - 1] {
        let mut broken = whole.clone();
        broken[at] ^= 1;
        std::fs::write(&file, &broken).expect("it is written");
        own.set("images", 0);
        select(&own.executor()).expect("it is compiled again");
        assert_eq!(own.get("images"), 1, "byte {at}: the driver never saw it");
        let again = std::fs::read(&file).expect("it is read");
        assert!(again != broken && Sha256::digest(&again[SUM..])[..] == again[..SUM], "kept again");
    }
}

#[test]
fn an_image_that_the_driver_refuses() {
    let own = own(None);
    select(&own.executor()).expect("it is compiled");
    let (file, _) = file(&own);
    for ahead in [false, true] {
        write(&file, &[7; 4096]);
        own.set("images", 0);
        let exec = own.executor();
        if ahead {
            let problem = Problem::new(RankKind::TopK, 1, 64, 5);
            let plan = plan(&problem, &exec.caps().expect("a device"), &Knowledge::default());
            exec.compile_ahead(&[plan]).expect("a device");
        }
        select(&exec).expect("it is compiled again");
        assert_eq!(own.get("images"), 2, "what was kept, and what was compiled");
        let again = std::fs::read(&file).expect("it is read");
        assert_eq!(&again[SUM..SUM + 4], b"\x7fELF", "and kept in its place");
    }
    // It takes none, whether kept or compiled now.
    own.set("images_fail", 200);
    for (kept, images) in [(true, 2), (false, 1)] {
        if !kept {
            std::fs::remove_file(&file).expect("it goes");
        }
        let exec = own.executor();
        own.set("images", 0);
        let why = select(&exec).expect_err("the driver takes none");
        assert!(matches!(why, Error::Refused { .. }), "{why}");
        assert_eq!(own.get("images"), images, "once more, and not again and again");
        std::fs::remove_file(&file).expect("it was kept");
        own.set("images_fail", 0);
        select(&exec).expect("nothing of it is left");
        own.set("images_fail", 200);
    }
    // What does not come of the image is not compiled again.
    own.set("images_fail", 2);
    own.set("images", 0);
    let why = select(&own.executor()).expect_err("no memory");
    assert!(matches!(why, Error::DeviceMemory { .. }), "{why}");
    assert_eq!(own.get("images"), 1);
}

/// Where a process that is one of several keeps kernels.
const SHARED: &str = "ST_TEST_KERNELS";

#[test]
fn several_write_at_once() {
    if is_alone() {
        let folder = std::env::var_os(SHARED).map(PathBuf::from);
        return select(&own(folder).executor()).expect("it is compiled, or read");
    }
    let own = own(None);
    let folder = own.libraries.cache.as_deref().expect("a folder");
    let processes: Vec<_> = (0..3)
        .map(|_| {
            let mut again = alone("several_write_at_once");
            let again = again.env(SHARED, folder).stdout(Stdio::piped()).stderr(Stdio::piped());
            again.spawn().expect("it is run")
        })
        .collect();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| select(&own.executor()).expect("it is compiled, or read"));
        }
    });
    processes.into_iter().for_each(passed);
    let (_, content) = file(&own);
    assert_eq!(Sha256::digest(&content[SUM..])[..], content[..SUM]);
    own.set("images", 0);
    select(&own.executor()).expect("it is read");
    assert_eq!(own.get("images"), 1);
}
