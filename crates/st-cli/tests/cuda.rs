//! Selections with `--device cuda`, on the emulator.

mod common;

use std::path::{Path, PathBuf};

use common::{Ran, command, ran};
use st_conformance::emulator;

fn digits() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/data/digits.npy")
}

fn spiral(args: &[&str]) -> Ran {
    let emulator = emulator::build(Path::new(env!("CARGO_TARGET_TMPDIR")));
    let mut command = command();
    command.env("SPIRAL_CUDA_DRIVER", emulator.driver).env("SPIRAL_NVRTC", emulator.nvrtc);
    command.env("SPIRAL_HOME", env!("CARGO_TARGET_TMPDIR"));
    ran(command.args(args))
}

#[test]
fn both_devices_give_the_same_bits() {
    let file = digits();
    let file = file.to_str().expect("UTF-8");
    for kind in [
        &["topk", "-k", "5"][..],
        &["bottomk", "-k", "7", "--unsorted"],
        &["midk", "-k", "1"],
        &["range", "--start", "3", "-k", "20", "--nan", "last"],
    ] {
        let of = |device| spiral(&[kind, &["--device", device, "--json", file]].concat()).json();
        let (cpu, cuda) = (of("cpu"), of("cuda"));
        assert_eq!(cpu["values"], cuda["values"], "{kind:?}");
        assert_eq!(cpu["indices"], cuda["indices"], "{kind:?}");
        assert_eq!((&cpu["device"], &cuda["device"]), (&"cpu".into(), &"cuda".into()));
    }
}

#[test]
fn doctor_says_what_there_is() {
    let report = spiral(&["doctor", "--json"]).json();
    let cuda = &report["backends"][2];
    assert_eq!((&cuda["backend"], &cuda["found"]), (&"cuda".into(), &true.into()), "{report}");
    let detail = cuda["detail"].as_str().expect("text");
    for part in [
        "emulated device 0",
        "emulated device 1",
        "capability 9.0",
        "NVRTC 13.0",
        "kernels kept in",
    ] {
        assert!(detail.contains(part), "{part}: {detail}");
    }
}

#[test]
fn what_is_not_there_is_refused() {
    let file = digits();
    let file = file.to_str().expect("UTF-8");
    let emulator = emulator::build(Path::new(env!("CARGO_TARGET_TMPDIR")));
    let with = |driver: &Path, nvrtc: &Path| {
        let mut command = command();
        command.env("SPIRAL_CUDA_DRIVER", driver).env("SPIRAL_NVRTC", nvrtc);
        ran(command.args(["topk", "-k", "3", "--device", "cuda", file]))
    };
    let nowhere = Path::new("/nonexistent/libcuda.so");
    with(nowhere, &emulator.nvrtc).refused(&[
        "no cuda device",
        "driver cannot be loaded",
        "install",
    ]);
    with(&emulator.driver, nowhere).refused(&[
        "no cuda device",
        "NVRTC cannot be loaded",
        "install",
    ]);
    // A library that is something else.
    with(&emulator.nvrtc, &emulator.nvrtc).refused(&["no cuda device", "has no cuInit"]);
}
