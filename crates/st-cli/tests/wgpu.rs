//! Selections on a WGPU device; without a GPU, on the software driver.

mod common;

use std::path::PathBuf;

use common::spiral;
use serde_json::json;

fn digits() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/data/digits.npy")
}

fn selected(kind: &[&str], device: &str) -> serde_json::Value {
    let file = digits();
    let args = [kind, &["--device", device, "--json", file.to_str().expect("UTF-8")]].concat();
    spiral(args).json()
}

#[test]
fn both_devices_give_the_same_bits() {
    for kind in [
        &["topk", "-k", "5"][..],
        &["bottomk", "-k", "7", "--unsorted"],
        &["midk", "-k", "1"],
        &["range", "--start", "3", "-k", "20", "--nan", "last"],
    ] {
        let (cpu, wgpu) = (selected(kind, "cpu"), selected(kind, "wgpu"));
        assert_eq!(cpu["values"], wgpu["values"], "{kind:?}");
        assert_eq!(cpu["indices"], wgpu["indices"], "{kind:?}");
        assert_eq!((&cpu["device"], &wgpu["device"]), (&"cpu".into(), &"wgpu".into()));
    }
    let auto = selected(&["topk", "-k", "5"], "auto");
    assert_eq!(
        (&auto["device"], &auto["auto"]["others"]),
        (&"cpu".into(), &json!([])),
        "not asked"
    );
}

/// Half of long rows in order: a GPU would save more than it takes to open it.
#[test]
fn auto_never_takes_a_software_adapter() {
    let shape = ["--rows", "4096", "--cols", "65536", "-k", "32768", "--device", "auto"];
    let of = |more: &[&str]| spiral([&["plan", "topk"], &shape[..], more].concat());
    let plan = of(&["--json"]).json();
    let other = &plan["auto"]["others"][0];
    assert_eq!(other["device"], "wgpu", "{plan}");
    if other["outcome"] == "is software" {
        assert_eq!((&plan["device"], &other["us"]), (&"cpu".into(), &json!(null)));
        assert!(of(&[]).stdout.contains("; wgpu is software"));
    } else {
        assert!(other["us"].as_f64().is_some(), "{plan}");
    }
    let wide = of(&["--json", "--dtype", "f64"]).json();
    assert_eq!(wide["auto"]["others"][0]["outcome"], "does not read f64");
}

/// Runs the command in a folder that is its home.
fn run_in(home: &common::Files, args: &[&str]) -> common::Ran {
    let folder = home.0.path();
    common::ran(common::command().env("SPIRAL_HOME", folder).current_dir(folder).args(args))
}

#[test]
fn a_table_of_another_driver_is_refused_where_the_device_is() {
    let home = common::Files::new();
    let run = |args: &[&str]| run_in(&home, args);
    std::fs::write(home.path("grid.json"), "[[4, 64, 2]]").unwrap();
    let tuned = run(&["tune", "--device", "wgpu", "--grid", "grid.json", "--budget", "3s", "-q"]);
    assert_eq!(tuned.code, 0, "{tuned:?}");
    assert_eq!(run(&["tables", "export", "mine.json", "--device", "wgpu"]).code, 0);
    let text = std::fs::read_to_string(home.path("mine.json")).unwrap();
    let mut table: serde_json::Value = serde_json::from_str(&text).unwrap();
    generated(&home.path("mine.json"), &table);
    let driver = table["device"]["driver"].as_u64().unwrap();
    table["device"]["driver"] = (driver + 1).into();
    std::fs::write(home.path("other.json"), table.to_string()).unwrap();
    std::fs::remove_dir_all(home.path("tables")).unwrap();
    run(&["tables", "import", "other.json"]).refused(&["another driver", "spiral tune"]);
    let own = run(&["tables", "import", "mine.json"]);
    assert!(own.stdout.contains("new records"), "{own:?}");
}

#[test]
fn a_type_that_the_device_does_not_read_is_no_fault_of_its_choices() {
    let home = common::Files::new();
    let run = |args: &[&str]| run_in(&home, args);
    std::fs::write(home.path("grid.json"), r#"[[4, 64, 2, "x", "f64"], [4, 64, 2]]"#).unwrap();
    let args = ["--device", "wgpu", "--grid", "grid.json", "--json"];
    let document = |ran: &common::Ran| -> serde_json::Value {
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.stderr.ends_with("1 shapes could not be measured: each says why\n"), "{ran:?}");
        serde_json::from_str(&ran.stdout).unwrap()
    };
    let tuned = document(&run(&[&["tune", "--budget", "3s"], &args[..]].concat()));
    let count = |key: &str| tuned[key].as_u64().unwrap();
    assert_eq!([count("measured"), count("refused"), count("failed")], [1, 1, 0], "{tuned}");
    let faults = tuned["faults"].as_array().unwrap();
    assert_eq!(faults.len(), 1, "{tuned}");
    let why = "wgpu cannot select from f64";
    assert!(faults[0].as_str().unwrap().contains(why), "{tuned}");
    let bench = document(&run(&[&["bench"], &args[..]].concat()));
    assert!(bench["cells"][0]["fault"].as_str().unwrap().contains(why), "{bench}");
}

/// The table can be compiled in: all that has a time, and nothing else.
fn generated(file: &std::path::Path, table: &serde_json::Value) {
    let generator =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tools/tuner/gen_generated_rs.py");
    let made = std::process::Command::new("python3").arg(generator).arg(file).output().unwrap();
    let rust = String::from_utf8(made.stdout).unwrap();
    let records = table["records"].as_array().unwrap();
    let timed = records.iter().filter(|r| r["median_us"].is_number()).count();
    assert!(timed > 1 && timed < records.len(), "{timed} of {}", records.len());
    assert!(rust.contains(&format!("{timed} records, {timed} of them with a measured time")));
    assert_eq!(rust.matches(".with_time(").count(), timed);
    assert!(rust.contains(&format!("= Some({});", table["versions"]["kernels"])), "{rust}");
}

#[test]
fn doctor_lists_adapters_and_says_which_are_software() {
    let report = spiral(["doctor", "--json"]).json();
    let wgpu = &report["backends"][1];
    assert_eq!((&wgpu["backend"], &wgpu["found"]), (&"wgpu".into(), &true.into()), "{report}");
    let detail = wgpu["detail"].as_str().expect("text");
    assert!(detail.contains("workgroups up to"), "{detail}");
    if detail.contains("llvmpipe") {
        assert!(detail.contains("software"), "{detail}");
    }
}

#[test]
fn the_environment_names_an_adapter() {
    let plan = |which: &str| {
        let args = ["plan", "topk", "--rows", "8", "--cols", "64", "-k", "3", "--device", "wgpu"];
        common::ran(common::command().env("SPIRAL_WGPU_ADAPTER", which).args(args))
    };
    assert!(plan("0").stdout.contains("mk"), "{:?}", plan("0").stdout);
    plan("no such card").refused(&["no such card", "there are 0: "]);
}

#[test]
fn what_is_not_there_is_refused() {
    let file = digits();
    let file = file.to_str().expect("UTF-8");
    if !cfg!(target_vendor = "apple") {
        spiral(["topk", "-k", "3", "--device", "mps", file]).refused(&["mps", "Metal"]);
    }
    spiral(["topk", "-k", "3", "--device", "cuda", file]).refused(&["cuda"]);
    let wide = ["topk", "-k", "3", "--device", "wgpu", "--shape", "2,4", "--dtype", "f64"];
    let raw = common::Files::new();
    let raw = raw.put("x.raw", &[0; 64]);
    let args = [&wide[..], &[raw.to_str().expect("UTF-8")]].concat();
    spiral(args).refused(&["f64", "wgpu"]);
}
