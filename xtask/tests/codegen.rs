//! `cargo xtask codegen --check` passes over what the generator makes and fails over anything else.

use std::fs;
use std::path::Path;
use std::process::Command;

const FILES: [&str; 3] = [
    "tools/tuner/gen_generated_rs.py",
    "tools/tuner/tuner_results.json",
    "crates/st-core/src/backend/wgpu_heuristics_generated.rs",
];

/// Runs the task in another root.
fn codegen(root: &Path, more: &[&str]) -> (bool, String) {
    let out = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .arg("codegen")
        .args(more)
        .env("CARGO_MANIFEST_DIR", root.join("xtask"))
        .output()
        .expect("xtask runs");
    (out.status.success(), String::from_utf8_lossy(&out.stderr).into_owned())
}

#[test]
fn stale_files_are_found_and_made_anew() {
    let root = tempfile::tempdir().expect("a directory");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for file in FILES {
        let copy = root.path().join(file);
        fs::create_dir_all(copy.parent().expect("it is in one")).expect("a directory");
        fs::copy(source.join(file), copy).expect("a copy");
    }
    assert!(codegen(root.path(), &["--check"]).0, "the checked-in file is what is made");

    let results = root.path().join(FILES[1]);
    let text = fs::read_to_string(&results).expect("a text");
    fs::write(&results, text.replace("\"tile\": 512", "\"tile\": 256")).expect("written");
    let (passed, message) = codegen(root.path(), &["--check"]);
    assert!(!passed && message.contains("cargo xtask codegen"), "{message}");
    assert!(codegen(root.path(), &[]).0);
    let made = fs::read_to_string(root.path().join(FILES[2])).expect("a text");
    assert!(made.contains("tile: Some(256)"), "{made}");
    assert!(codegen(root.path(), &["--check"]).0);

    let by_hand = format!("{made}// a remark\n");
    fs::write(root.path().join(FILES[2]), by_hand).expect("written");
    assert!(!codegen(root.path(), &["--check"]).0, "edited by hand");

    // What cannot be read is refused by record, and nothing is written.
    fs::write(&results, r#"[{"rows": 1, "cols_min": 1, "cols_max": 2, "k_max": 1, "mk": 9}]"#)
        .expect("written");
    let (passed, message) = codegen(root.path(), &[]);
    assert!(!passed && message.contains("record 0: mk = 9"), "{message}");
    assert!(fs::read_to_string(root.path().join(FILES[2])).expect("a text").contains("a remark"));
}
