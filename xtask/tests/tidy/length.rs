//! Hand-written files are short: no file over 1,000 lines; one over 500 has its reason written in
//! `long_files.txt`; half of all files have fewer than 200.

use super::{Source, sample, sources};

const HARD: usize = 1_000;
const SOFT: usize = 500;
const MEDIAN: usize = 200;
const LANGUAGES: &[&str] = &["rs", "py", "sh", "wgsl", "cu", "cuh", "h", "c", "cpp", "js", "ts"];

fn lengths(sources: &[Source]) -> Vec<(&str, usize)> {
    let ours = sources.iter().filter(|source| source.has_extension(LANGUAGES));
    ours.map(|source| (source.path.as_str(), source.text.lines().count())).collect()
}

/// The files that may be over the soft limit: `path: reason` on each line.
fn allowed(list: &str) -> Vec<(&str, &str)> {
    let lines = list.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines.map(|line| line.split_once(": ").unwrap_or((line, ""))).collect()
}

fn faults(sources: &[Source], list: &str) -> Vec<String> {
    let lengths = lengths(sources);
    let allowed = allowed(list);
    let mut faults = Vec::new();
    for &(path, lines) in &lengths {
        let reason = allowed.iter().find(|entry| entry.0 == path).map(|entry| entry.1);
        if lines > HARD {
            faults.push(format!("{path}: {lines} lines; the limit is {HARD}: split it"));
        } else if lines > SOFT && reason.is_none_or(str::is_empty) {
            faults.push(format!(
                "{path}: {lines} lines; over {SOFT} needs a reason in long_files.txt"
            ));
        }
    }
    for (path, _) in allowed {
        if !lengths.iter().any(|&(other, lines)| other == path && lines > SOFT) {
            faults.push(format!("long_files.txt: {path} is not a file of over {SOFT} lines"));
        }
    }
    let mut sorted: Vec<_> = lengths.iter().map(|length| length.1).collect();
    sorted.sort_unstable();
    if let Some(&median) = sorted.get(sorted.len() / 2).filter(|&&median| median >= MEDIAN) {
        faults.push(format!("the median file has {median} lines; it should be under {MEDIAN}"));
    }
    faults
}

#[test]
fn files_are_short() {
    let sources = sources();
    for (path, lines) in lengths(sources).into_iter().filter(|length| length.1 > SOFT) {
        println!("over {SOFT} lines: {path} ({lines})");
    }
    let faults = faults(sources, include_str!("long_files.txt"));
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn long_files_are_found() {
    let file = |path, lines| sample(path, &"x\n".repeat(lines));
    let short = || (0..3).map(|_| file("short.rs", 10));

    let of = |source, list| faults(&short().chain([source]).collect::<Vec<_>>(), list);
    assert_eq!(of(file("a.rs", 500), ""), [""; 0]);
    assert_eq!(of(file("a.rs", 501), "# why\n\na.rs: a table\n"), [""; 0]);
    assert_eq!(of(file("data.npy", 5_000), ""), [""; 0]);
    assert_eq!(of(file("a.rs", 501), "").len(), 1);
    assert_eq!(of(file("a.rs", 501), "a.rs\n").len(), 1, "an entry without a reason");
    assert_eq!(of(file("a.py", 1_001), "a.py: a table\n").len(), 1);
    assert_eq!(of(file("a.rs", 500), "a.rs: a table\n").len(), 1, "an entry of no use");
    assert_eq!(faults(&[file("a.rs", 199), file("b.rs", 199)], ""), [""; 0]);
    assert_eq!(faults(&[file("a.rs", 199), file("b.rs", 200)], "").len(), 1, "the median");
}
