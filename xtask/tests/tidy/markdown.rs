//! What the documents say is there: links lead to files, the README's example is the one that the
//! library's tests run, its main command is the one that `cargo xtask test` runs.

use super::{Source, check, root, sample, sources};

/// The targets of a document's links, less those to the web.
fn links(text: &str) -> Vec<&str> {
    let after = text.split("](").skip(1);
    let targets = after.filter_map(|rest| rest.split([')', ' ']).next());
    let files = targets.filter(|target| !target.contains("://") && !target.starts_with("mailto:"));
    files.map(|target| target.split('#').next().unwrap_or(target)).collect()
}

fn faults(source: &Source, exists: impl Fn(&str) -> bool) -> Vec<String> {
    if !source.path.ends_with(".md") {
        return Vec::new();
    }
    let dir = source.path.rsplit_once('/').map_or("", |(dir, _)| dir);
    let dead = links(&source.text).into_iter().filter(|link| {
        let path = if dir.is_empty() { (*link).to_owned() } else { format!("{dir}/{link}") };
        !link.is_empty() && !exists(&path)
    });
    dead.map(|link| format!("{}: no such file: {link}", source.path)).collect()
}

#[test]
fn links_lead_to_files() {
    let root = root();
    check(|source| faults(source, |path| root.join(path).exists()));
}

#[test]
fn dead_links_are_found() {
    let of = |text| faults(&sample("docs/a.md", text), |path| path == "docs/b.md");
    assert_eq!(of("[b](b.md) [part](b.md#part) [here](#part) [web](https://x.y/z)"), [""; 0]);
    assert_eq!(of("[c](c.md)"), ["docs/a.md: no such file: c.md"]);
}

fn text(path: &str) -> &'static str {
    let source = sources().iter().find(|source| source.path == path);
    &source.unwrap_or_else(|| panic!("{path} is not there")).text
}

/// The text of the first code block that opens with `fence`.
fn block<'a>(text: &'a str, fence: &str) -> Option<&'a str> {
    Some(text.split_once(&format!("{fence}\n"))?.1.split_once("```")?.0)
}

#[test]
fn the_readmes_example_is_a_tested_one() {
    let library = text("crates/st-core/src/lib.rs");
    let docs: Vec<_> = library.lines().filter_map(|line| line.strip_prefix("//!")).collect();
    // Rustdoc runs the lines behind `#` without showing them.
    let shown = docs.iter().map(|line| line.strip_prefix(' ').unwrap_or(line));
    let shown: String =
        shown.filter(|line| !line.starts_with("# ")).map(|line| format!("{line}\n")).collect();
    let readme = text("README.md");
    let example = block(readme, "```rust").expect("README.md has a Rust example");
    assert_eq!(block(&shown, "```"), Some(example), "README.md against st-core's documentation");
}

#[test]
fn the_readmes_commands_are_run() {
    let (readme, tests) = (text("README.md"), text("xtask/src/test.rs"));
    let main = "run --release -p st-cli -- topk examples/data/digits.npy -k 5";
    assert!(readme.contains(&format!("\ncargo {main}\n")), "README.md has the main command");
    assert!(readme.contains("\ncargo xtask test\n"), "README.md has the test command");
    assert!(tests.contains(main), "xtask test runs the main command");
}
