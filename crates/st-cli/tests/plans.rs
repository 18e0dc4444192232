//! `spiral plan` and `spiral doctor`.

mod common;

use common::{Files, Ran, command, ran, spiral};
use serde_json::json;

fn plan(more: &[&str]) -> Ran {
    spiral(["plan"].iter().chain(more))
}

const SHAPE: [&str; 6] = ["--rows", "1024", "--cols", "65536", "-k", "100"];

#[test]
fn the_document_has_the_contracts_fields() {
    for more in [
        &["--device", "cpu"][..],
        &["--caps", "cpu,lane=16,cores=8,bandwidth=40000000000"],
        &["--caps", "wgpu,lane=32,subgroup=true,wg=256,smem=32768"],
        &["--caps", "cuda,lane=32,wg=1024"],
    ] {
        let args = [&["topk", "--json"], &SHAPE[..], more].concat();
        let got = plan(&args).json();
        let choice = got["choice"].as_object().unwrap();
        assert_eq!(choice.len(), 8);
        for field in ["mk", "mkd", "tile", "ctile", "wg", "kl", "ch"] {
            assert!(choice[field].is_u64(), "{field} {got}");
            assert!(got["sources"][field].is_string(), "{field} {got}");
        }
        assert!(choice["use_2ce"].is_boolean());
        assert!(got["sources"]["use_2ce"].is_string());
        assert!(got["notes"].is_array());
        assert!(got["predicted_us"].is_null() || got["predicted_us"].as_f64().unwrap() > 0.0);
        assert_eq!(got["problem"]["cols"], 65536);
        assert_eq!(got["kind"], "topk");
        assert!(got["caps"]["lane"].as_u64().unwrap() >= 1);
    }
    let got = plan(&[&["midk", "--json", "--caps", "wgpu,smem=32768"], &SHAPE[..]].concat()).json();
    assert_eq!(got["caps"]["shared_mem"], 32768);
    assert_eq!(got["device"], "wgpu");
}

#[test]
fn a_person_gets_one_line_or_the_reasons() {
    let ran = plan(&[&["bottomk", "--dtype", "bf16", "--device", "cpu"], &SHAPE[..]].concat());
    assert_eq!((ran.code, ran.stdout.lines().count()), (0, 1), "{ran:?}");
    assert!(ran.stdout.starts_with("bottomk k=100 of 1024x65536 bf16 on cpu"), "{ran:?}");
    let ran = plan(&[&["range", "--start", "7", "--explain"], &SHAPE[..]].concat());
    assert!(ran.stdout.contains("from rank 7") && ran.stdout.contains("use_2ce"), "{ran:?}");
}

#[test]
fn a_plan_explained_is_the_explanation() {
    let of = |args: &[&str]| spiral([args, &SHAPE, &["--json", "--device", "cpu"]].concat()).json();
    let (plan, mut explained) = (of(&["plan", "topk"]), of(&["plan", "topk", "--explain"]));
    assert_eq!(explained, of(&["explain", "topk"]));
    assert_eq!(explained["candidates"].as_array().map(Vec::len), Some(5), "{explained}");
    let fields = explained.as_object_mut().unwrap();
    for more in ["considered", "candidates", "hard", "soft", "table", "why"] {
        assert!(fields.remove(more).is_some(), "{more}");
        assert_eq!(plan[more], json!(null), "{more}");
    }
    assert_eq!(explained, plan);
}

/// Without other devices in the build; those that have some are tested on them.
#[cfg(not(any(feature = "wgpu", feature = "cuda")))]
#[test]
fn auto_says_what_it_took_and_why() {
    let ran = plan(&[&["topk"], &SHAPE[..]].concat());
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert!(lines.len() == 2 && lines[0].contains("on cpu"), "{ran:?}");
    assert!(lines[1].starts_with("  auto       takes cpu: cpu "), "{ran:?}");
    assert!(lines[1].ends_with(" us; this build has no other device"), "{ran:?}");
    for command in ["plan", "explain"] {
        let of = |device: &[&str]| {
            let args = [&[command, "topk", "--json"], &SHAPE[..], device].concat();
            spiral(args).json()
        };
        let auto = of(&[]);
        assert_eq!((&auto["device"], &auto["auto"]["device"]), (&json!("cpu"), &json!("cpu")));
        assert_eq!(auto["auto"]["others"], json!([]));
        assert!(auto["auto"]["cpu_us"].as_f64().unwrap() > 0.0, "{auto}");
        assert_eq!(of(&["--device", "auto"])["auto"]["why"], auto["auto"]["why"]);
        assert_eq!(of(&["--device", "cpu"])["auto"], json!(null), "it was named");
        assert_eq!(of(&["--caps", "cuda"])["auto"], json!(null), "it was described");
    }
}

#[test]
fn impossible_shapes_are_refused() {
    let shape = |cols, k| ["topk", "--rows", "2", "--cols", cols, "-k", k];
    plan(&shape("10", "11")).refused(&["k = 11", "length 10"]);
    plan(&shape("0", "1")).refused(&["k = 1"]);
    plan(&shape("4294967296", "1")).refused(&["4294967296", "split the rows"]);
    plan(&["topk", "--rows", "18446744073709551615", "--cols", "9", "-k", "1"])
        .refused(&["does not fit"]);
    plan(&["range", "--rows", "2", "--cols", "10", "-k", "5", "--start", "6"]).refused(&["6..11"]);
    assert_eq!(plan(&shape("0", "0")).code, 0);
}

/// The tests may run as root, who can read any folder: but not list a file.
#[test]
fn a_folder_of_tables_that_cannot_be_read_is_told_of() {
    let files = Files::new();
    let folder = files.put("tables", b"no folder").display().to_string();
    let there = |args: &[&str]| ran(command().env("SPIRAL_HOME", files.path("")).args(args));
    let plan =
        there(&["plan", "topk", "--rows", "8", "--cols", "64", "-k", "4", "--device", "cpu"]);
    let (doctor, list) = (there(&["doctor"]), there(&["tables", "list"]));
    for said in [&plan.stderr, &plan.stdout, &doctor.stdout, &list.stdout] {
        assert!(said.contains(&format!("cannot read the folder {folder}: ")), "{said}");
    }
    let listed = there(&["tables", "list", "--json"]).json();
    assert_eq!(listed[0]["file"], folder, "{listed}");
    assert!(listed[0]["refused"].as_str().is_some_and(|why| why.contains("SPIRAL_HOME")));
    there(&["tables", "export", "x.json", "--device", "cpu"]).refused(&["cannot read", &folder]);
}

#[test]
fn doctor_says_what_is_there() {
    let got = spiral(["doctor", "--json"]).json();
    assert_eq!(got["version"], env!("CARGO_PKG_VERSION"));
    let isa = &got["cpu"]["isa"];
    assert!(isa["available"].as_array().unwrap().contains(&json!("portable")));
    assert!(isa["available"].as_array().unwrap().contains(&isa["chosen"]));
    assert!(got["cpu"]["cores"].as_u64().unwrap() >= 1);
    assert!(got["cpu"]["read_bandwidth_bytes_per_second"].is_u64());
    let backends = got["backends"].as_array().unwrap();
    let names: Vec<&str> = backends.iter().map(|b| b["backend"].as_str().unwrap()).collect();
    assert_eq!(names, ["cpu", "wgpu", "cuda", "hip", "mps"]);
    for backend in backends {
        let cpu = backend["backend"] == "cpu";
        assert_eq!(backend["found"], cpu);
        assert!(cpu || backend["detail"].as_str().unwrap().contains("not in this build"));
    }
    let ran = spiral(["doctor"]);
    assert!(ran.stdout.contains("instruction set") && ran.stdout.contains("cuda"), "{ran:?}");
}
