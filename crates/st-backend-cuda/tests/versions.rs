//! Drivers older than NVRTC: an older NVRTC is taken if there is one, and else it is said what to do.

mod common;

use std::path::PathBuf;
use std::process::Stdio;

use common::own::{Own, alone, is_alone, passed};
use st_backend_cuda::CudaExecutor;
use st_conformance::{oracle, verdict};
use st_plan::{Knowledge, plan};
use st_rank::{Error, Input, MergeKind, Problem, RankKExecutor, RankKind, RankPlan, Result};

/// Runs a test of this file again, where the system has these versions of NVRTC: its loader reads where libraries are
/// when a process begins.
fn among(test: &str, versions: &[&str]) {
    let own = Own::new();
    for version in versions {
        let nvrtc = own.libraries.nvrtc.as_ref().expect("the emulator's");
        std::fs::copy(nvrtc, own.folder.join(format!("libnvrtc.so.{version}"))).expect("a copy");
    }
    let mut again = alone(test);
    let again = again.env("LD_LIBRARY_PATH", &own.folder);
    passed(again.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it is run"));
}

/// An executor that looks for NVRTC as the system has it, or in that file, on a driver of that version.
fn executor(version: i32, nvrtc: Option<PathBuf>) -> (Own, CudaExecutor) {
    let mut own = Own::new();
    own.libraries.nvrtc = nvrtc;
    own.set("version", version);
    let exec = own.executor();
    (own, exec)
}

/// The emulator's NVRTC as a file of that version, of its own: those before are loaded.
fn of_version(files: &Own, version: &str) -> PathBuf {
    let nvrtc = files.folder.join(format!("libnvrtc.so.{version}"));
    let emulated = files.libraries.nvrtc.as_ref().expect("the emulator's");
    std::fs::copy(emulated, &nvrtc).expect("a copy");
    nvrtc
}

fn select(exec: &CudaExecutor) -> Result<Vec<u32>> {
    let x = [1.0f32, 5.0, 3.0, 4.0];
    let problem = Problem::new(RankKind::TopK, 1, 4, 2);
    let plan = plan(&problem, &exec.caps()?, &Knowledge::default());
    exec.on(&x).execute(&plan).map(|out| out.indices)
}

/// That the driver is too old, with both versions and these words of advice.
fn refused(exec: &CudaExecutor, words: [&str; 3]) {
    let why = select(exec).expect_err("the driver is too old");
    assert!(matches!(why, Error::Unavailable { .. }), "{why:?}");
    let said = why.to_string();
    assert!(words.iter().all(|words| said.contains(words)), "{said}");
}

#[test]
fn the_newest_that_the_driver_takes() {
    if !is_alone() {
        return among("the_newest_that_the_driver_takes", &["12", "13"]);
    }
    for (driver, nvrtc) in [(12_020, (12, 0)), (13_000, (13, 0)), (13_010, (13, 0)), (0, (13, 0))] {
        let (_own, exec) = executor(driver, None);
        assert_eq!(exec.report().expect("a device").nvrtc, Ok(nvrtc), "driver {driver}");
        assert_eq!(select(&exec), Ok(vec![1, 3]), "driver {driver}");
    }
    let (_own, exec) = executor(11_040, None);
    let advice = "nvidia-cuda-nvrtc-cu11";
    refused(&exec, ["CUDA 11.4", "NVRTC 13.0", advice]);
}

/// They go into graphs as what they are since CUDA 12.3, and are made for compute capability 9.0, which NVRTC knows since 11.8.
#[test]
fn kernels_that_wait_themselves_for_what_they_follow() {
    let files = Own::new();
    for (driver, version, launches) in
        [(12_020, "12.0", 0), (12_030, "12.1", 1), (13_000, "11.8", 1), (13_000, "11.2", 0)]
    {
        let (own, exec) = executor(driver, Some(of_version(&files, version)));
        assert_eq!(select(&exec), Ok(vec![1, 3]), "driver {driver}, NVRTC {version}");
        assert_eq!(own.get("following"), launches, "driver {driver}, NVRTC {version}");
    }
}

/// So are clusters of blocks; for older code the last of a row's blocks merges the lists.
#[test]
fn clusters_are_for_code_that_has_them() {
    let files = Own::new();
    let x: Vec<f32> = (0u64..1 << 16).map(|i| (i * 40_503 % 65_537) as f32).collect();
    let problem = Problem::new(RankKind::TopK, 1, x.len(), 50);
    let want = oracle::rank(Input::new(&x), &problem);
    for (version, blocks) in [("11.8", 4), ("11.2", 1)] {
        let (_own, exec) = executor(13_000, Some(of_version(&files, version)));
        let exec = exec.with_launch_log();
        let caps = exec.caps().expect("the device is there");
        let mut choice = plan(&problem, &caps, &Knowledge::default()).choice;
        (choice.mk, choice.use_2ce, choice.ch) = (MergeKind::Filter, false, 1 << 14);
        let got = exec.on(&x).execute(&RankPlan::by_hand(problem, caps, choice)).expect("it runs");
        verdict::rank(50, &want, &got).unwrap_or_else(|why| panic!("NVRTC {version}: {why}"));
        let launched: Vec<u32> = exec.launches().iter().map(|l| l.unit.cluster).collect();
        assert_eq!(launched, [blocks], "NVRTC {version}, {choice}");
    }
}

#[test]
fn none_that_the_driver_takes() {
    if !is_alone() {
        return among("none_that_the_driver_takes", &["13"]);
    }
    let (_own, exec) = executor(12_040, None);
    refused(&exec, ["CUDA 12.4", "NVRTC 13.0", "nvidia-cuda-nvrtc-cu12"]);
    let report = exec.report().expect("the device is there");
    assert!(matches!(report.nvrtc, Err(Error::Unavailable { .. })), "{report:?}");
}

/// A file that is named is the only one that is looked at.
#[test]
fn one_that_is_named() {
    let (_own, exec) = executor(12_040, Own::new().libraries.nvrtc.clone());
    refused(&exec, ["CUDA 12.4", "NVRTC 13.0", "update the driver"]);
}

/// Machine code of a newer minor version is taken, PTX is not.
#[test]
fn minor_versions() {
    let files = Own::new();
    let newer = of_version(&files, "12.8");
    let (own, exec) = executor(12_040, Some(newer.clone()));
    assert_eq!(select(&exec), Ok(vec![1, 3]));
    for code in [200, 209, 222] {
        let (own, exec) = executor(12_040, Some(newer.clone()));
        own.set("images_fail", code);
        refused(&exec, ["CUDA 12.4", "NVRTC 12.8", "nvidia-cuda-nvrtc-cu12==12.4.*"]);
    }
    // What is wrong with an image is not the version's fault where the driver is as new.
    own.set("version", 12_080);
    own.set("images_fail", 200);
    let why = select(&own.executor()).expect_err("it takes none");
    assert!(matches!(why, Error::Refused { .. }), "{why}");
}
