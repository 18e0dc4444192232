//! Only programs print, and only where they mean to.

use super::{Source, check, sample};

/// Where printing is the purpose: tests, the suite that tests run (which prints what it skips),
/// tools, benchmarks, examples. The command line writes through its own writer.
fn may_print(path: &str) -> bool {
    let tools = [
        "xtask/",
        "fuzz/",
        "examples/",
        "crates/st-bench/",
        "crates/st-conformance/",
        "bindings/st-py/bench/",
    ];
    tools.iter().any(|room| path.starts_with(room))
        || ["/tests/", "/examples/", "/benches/"].iter().any(|part| path.contains(part))
}

fn faults(source: &Source) -> Vec<String> {
    let (comment, words): (_, &[&str]) = match &source.path {
        path if may_print(path) => return Vec::new(),
        path if path.ends_with(".rs") => {
            ("//", &["println!", "print!", "eprintln!", "eprint!", "dbg!"])
        }
        path if path.ends_with(".py") => ("#", &["print(", "breakpoint(", "pdb"]),
        _ => return Vec::new(),
    };
    let mut faults = Vec::new();
    for (number, line) in source.text.lines().enumerate() {
        let code = line.split(comment).next().unwrap_or(line);
        for word in words.iter().filter(|word| has_word(code, word)) {
            faults.push(format!("{}:{}: {word}", source.path, number + 1));
        }
    }
    faults
}

/// Whether `word` occurs in `code`, not as the end of a longer word.
fn has_word(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        !code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_')
    })
}

#[test]
fn nothing_prints_by_the_way() {
    check(faults);
}

#[test]
fn stray_prints_are_found() {
    let of = |path, text| faults(&sample(path, text));
    assert_eq!(of("crates/a/src/b.rs", "fn f() {\n    println!(\"{x}\");\n}").len(), 1);
    assert_eq!(of("crates/a/src/b.rs", "let y = dbg!(x);")[0], "crates/a/src/b.rs:1: dbg!");
    assert_eq!(of("crates/a/src/b.rs", "eprintln!()")[0], "crates/a/src/b.rs:1: eprintln!");
    assert_eq!(of("bindings/a/b.py", "    print(x)").len(), 1);
    for (path, text) in [
        ("crates/a/src/b.rs", "/// println!(\"{x}\");"),
        ("crates/a/src/b.rs", "blueprint!(x)"),
        ("crates/a/tests/b.rs", "println!()"),
        ("xtask/src/main.rs", "println!()"),
        ("bindings/a/b.py", "x = 1  # print(x)"),
        ("a.md", "println!()"),
    ] {
        assert_eq!(of(path, text), [""; 0], "{path}: {text}");
    }
}
