//! Tidiness as a test: `cargo test -p xtask --test tidy`.
//!
//! Each check is a function from a file's path and text to what is wrong with it. It is run over
//! every file of ours, and over bad samples that it must find fault with.

#![expect(clippy::print_stdout, reason = "it prints the list of long files")]

mod length;
mod markdown;
mod places;
mod prints;
mod unsafety;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// A text file of the project.
struct Source {
    /// Relative to the root, with `/`.
    path: String,
    text: String,
}

impl Source {
    fn has_extension(&self, list: &[&str]) -> bool {
        self.path.rsplit_once('.').is_some_and(|(_, extension)| list.contains(&extension))
    }
}

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// Every text file in the work tree that git would not ignore.
fn sources() -> &'static [Source] {
    static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(read_sources);
    &SOURCES
}

/// Git is asked with an empty repository of our own, so that the answer is the same in a clone, in
/// an unpacked archive and in a tree that belongs to another user.
fn read_sources() -> Vec<Source> {
    let (root, git_dir) = (root(), Path::new(env!("CARGO_TARGET_TMPDIR")).join("tidy.git"));
    let git = |args: &[&str]| {
        let out = Command::new("git").args(args).current_dir(&root).output();
        let out = out.expect("git is there: `cargo xtask setup` installs it");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).expect("paths are UTF-8")
    };
    let git_dir = git_dir.to_str().expect("paths are UTF-8");
    git(&["init", "--quiet", "--bare", git_dir]);
    let dir = format!("--git-dir={git_dir}");
    let files = git(&[&dir, "--work-tree=.", "ls-files", "-z", "--others", "--exclude-standard"]);
    let read = |path: &str| {
        let text = String::from_utf8(fs::read(root.join(path)).ok()?).ok()?;
        Some(Source { path: path.to_owned(), text })
    };
    files.split_terminator('\0').filter_map(read).collect()
}

/// Runs a check over every file.
fn check(fault: impl Fn(&Source) -> Vec<String>) {
    let faults: Vec<_> = sources().iter().flat_map(fault).collect();
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

/// A file that is not there, to try a check on.
fn sample(path: &str, text: &str) -> Source {
    Source { path: path.to_owned(), text: text.to_owned() }
}

#[test]
fn the_files_are_found() {
    let sources = sources();
    for path in ["Cargo.toml", "xtask/src/main.rs", "crates/st-core/src/lib.rs"] {
        assert!(sources.iter().any(|source| source.path == path), "{path} is not among the files");
    }
    assert!(!sources.iter().any(|source| source.path.starts_with("target/")));
}
