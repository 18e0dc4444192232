//! A browser may not block: what does is in the files that are not there in one.

use std::fs;
use std::path::Path;

/// Files that `lib.rs` has natively only.
const NATIVE: [&str; 2] = ["native.rs", "timing.rs"];

const BLOCKING: [&str; 5] = ["block_on", "wait_indefinitely", "PollType::Wait", ".recv(", "sleep("];

fn faults(name: &str, text: &str) -> Vec<String> {
    let code = text.lines().map(|line| line.split("//").next().unwrap_or(line));
    let found = code.enumerate().filter(|(_, code)| BLOCKING.iter().any(|b| code.contains(b)));
    found.map(|(at, _)| format!("{name}:{}: it blocks", at + 1)).collect()
}

#[test]
fn what_blocks_is_native_only() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let lib = fs::read_to_string(src.join("lib.rs")).expect("it is there");
    let mut seen = 0;
    for entry in fs::read_dir(&src).expect("it is there") {
        let path = entry.expect("it can be read").path();
        let name = path.file_name().expect("a file").to_string_lossy().into_owned();
        if !name.ends_with(".rs") {
            continue;
        }
        if NATIVE.contains(&name.as_str()) {
            let module = name.trim_end_matches(".rs");
            let gate = "#[cfg(not(target_arch = \"wasm32\"))]\n";
            let gated = ["", "pub "].map(|vis| format!("{gate}{vis}mod {module};"));
            assert!(gated.iter().any(|gated| lib.contains(gated)), "{name} is not native only");
            continue;
        }
        let text = fs::read_to_string(&path).expect("it can be read");
        assert_eq!(faults(&name, &text), [""; 0]);
        seen += 1;
    }
    assert!(seen > 10, "{seen} files");
}

#[test]
fn what_blocks_is_found() {
    assert_eq!(faults("a.rs", "fn f() {\n    pollster::block_on(g())\n}"), ["a.rs:2: it blocks"]);
    assert_eq!(faults("a.rs", "device.poll(PollType::wait_indefinitely());").len(), 1);
    assert_eq!(faults("a.rs", "// block_on is not used"), [""; 0]);
}
