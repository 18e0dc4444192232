//! Selections with `--device cuda`, on the emulator.

mod common;

use std::path::{Path, PathBuf};

use common::{Files, Ran, command, ran};
use serde_json::json;
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

/// The emulated device says that it is a large one.
#[test]
fn auto_takes_the_device_that_is_expected_to_be_done_first() {
    let of = |cols, k, more: &[&str]| {
        spiral(&[&["plan", "topk", "--rows", "4096", "--cols", cols, "-k", k], more].concat())
    };
    let large = of("65536", "32768", &["--json"]).json();
    let auto = &large["auto"];
    // The build, and the machine, may have other devices too.
    let others = auto["others"].as_array().expect("a list");
    let cuda = others.iter().find(|other| other["device"] == "cuda").expect("the device");
    let us = cuda["us"].as_f64().expect("a time");
    let (cpu_us, copies_us) = (auto["cpu_us"].as_f64(), auto["copies_us"].as_f64());
    assert!(Some(us) < cpu_us && Some(us) > copies_us, "{large}");
    if others.iter().all(|other| other["us"].as_f64().is_none_or(|other| other >= us)) {
        assert_eq!((&large["device"], &auto["device"]), (&json!("cuda"), &json!("cuda")));
        let text = of("65536", "32768", &[]).stdout;
        assert!(
            text.contains(" on cuda") && text.contains("  auto       takes cuda: cpu "),
            "{text}"
        );
    }
    let small = of("64", "1", &["--json"]).json();
    assert_eq!((&small["device"], &small["auto"]["others"]), (&json!("cpu"), &json!([])));
}

#[test]
fn auto_runs_on_what_it_took() {
    let files = Files::new();
    let rows: Vec<u8> =
        (0..64u32 << 13).flat_map(|i| i.wrapping_mul(0x9E37_79B9).to_le_bytes()).collect();
    let file = files.put("x.raw", &rows);
    let file = file.to_str().expect("UTF-8");
    let args = ["topk", "-k", "4096", "--shape", "64,8192", "--dtype", "u32", "--json", file];
    let auto = spiral(&args).json();
    assert_ne!(auto["device"], "cpu", "{}", auto["auto"]);
    assert_eq!(
        (&auto["device"], &auto["plan"]["caps"]["backend"]),
        (&auto["auto"]["device"], &auto["device"])
    );
    let cpu = spiral(&[&args[..], &["--device", "cpu"]].concat()).json();
    assert_eq!((&auto["values"], &auto["indices"]), (&cpu["values"], &cpu["indices"]));
}

/// What others measured on the device that is weighed counts there.
#[cfg(feature = "kv-redis")]
#[test]
fn auto_hears_what_is_shared_for_the_device() {
    let files = Files::new();
    let url = format!("file://{}", files.path("shared").display());
    let emulator = emulator::build(Path::new(env!("CARGO_TARGET_TMPDIR")));
    let run = |args: &[&str]| {
        let mut command = command();
        command.env("SPIRAL_CUDA_DRIVER", &emulator.driver).env("SPIRAL_NVRTC", &emulator.nvrtc);
        ran(command.env("SPIRAL_HOME", files.path("home")).env("REDIS_URL", &url).args(args))
    };
    let shape = ["topk", "--rows", "4096", "--cols", "65536", "-k", "32768", "--json"];
    let of = |command, device: &str| run(&[&[command], &shape[..], &["--device", device]].concat());
    let plan = of("plan", "cuda").json();
    let record = json!({
        "rows": 4096, "cols_min": 65536, "cols_max": 131_071, "k_max": 32768, "cols": 65536, "k": 32768,
        "kind": "topk", "dtype": "f32", "choice": plan["choice"],
        "median_us": 7.0, "spread": 0.02, "samples": 15});
    let table = json!({"schema": 1, "device": plan["caps"], "records": [record]});
    let table = files.put("measured.json", table.to_string().as_bytes());
    let pushed = run(&["hints", "push", table.to_str().expect("UTF-8"), "--json"]).json();
    assert_eq!(pushed["pushed"][0]["published"], 1, "{pushed}");
    let auto = of("explain", "auto").json();
    assert_eq!((&auto["device"], &auto["table"]["origin"]), (&json!("cuda"), &json!("shared")));
    let others = auto["auto"]["others"].as_array().expect("a list");
    let cuda = others.iter().find(|other| other["device"] == "cuda").expect("the device");
    let alone =
        cuda["us"].as_f64().zip(auto["auto"]["copies_us"].as_f64()).map(|(us, copies)| us - copies);
    assert!(alone.is_some_and(|us| us < 20.0), "the measured time: {auto}");
}

/// A selection for which the device would be opened, and is not there: it is done elsewhere, and that is said.
#[test]
fn auto_says_what_is_not_there() {
    let mut command = command();
    command.env("SPIRAL_CUDA_DRIVER", "/nonexistent/libcuda.so");
    let shape = ["plan", "topk", "--rows", "4096", "--cols", "65536", "-k", "32768"];
    let ran = ran(command.args(shape));
    assert!(ran.code == 0 && !ran.stdout.contains(" on cuda"), "{ran:?}");
    let (_, why) = ran.stdout.split_once("; cuda is not there: ").expect("why");
    assert!(why.contains("driver"), "{ran:?}");
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
