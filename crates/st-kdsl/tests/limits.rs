//! Nothing hangs, recurses out of stack, or panics.

mod common;

use std::time::{Duration, Instant};

use common::{SCHEMA, value, variables};
use st_kdsl::{Program, Rules, Value};

const MB: usize = 1 << 20;

#[test]
fn deep_nesting_is_an_error() {
    let n = 10_000;
    let sel = format!("{}1{}", "sel(sg, ".repeat(n), ", 2)".repeat(n));
    for (text, deep) in [
        (format!("wg: {}1{}", "(".repeat(n), ")".repeat(n)), true),
        (format!("wg: {}", "(".repeat(n)), true),
        (format!("use_2ce: {}true", "!".repeat(n)), true),
        (format!("wg: {}1", "-".repeat(n)), true),
        (format!("wg: {sel}"), true),
        (format!("wg: {}1", "abs(-(".repeat(n)), true),
        (format!("wg: {}1{}", "(".repeat(256), ")".repeat(256)), false),
        (format!("wg: {}1{}", "(".repeat(257), ")".repeat(257)), true),
        (format!("wg: {}1", "-".repeat(256)), false),
        (format!("wg: {}1", "-".repeat(257)), true),
        // Side by side is not deep.
        (format!("wg: {}1", "-(-1) + ".repeat(n)), false),
    ] {
        match Rules::compile("deep", &text, &SCHEMA, &[]) {
            Ok(rules) => {
                assert!(!deep);
                assert_eq!(rules.eval(&[], &mut [None; 8]).assignments.len(), 1);
            }
            Err(error) => {
                assert!(deep, "{error}");
                assert_eq!(error.first().message, "nested deeper than 256");
            }
        }
    }
}

#[test]
fn long_chains_are_fine() {
    let n = 100_000;
    assert_eq!(value(&format!("1{}", "+1".repeat(n))), Some(n as f64 + 1.0));
    assert_eq!(value(&format!("r{}", "-r*1".repeat(n))), Some(1024.0 - 1024.0 * n as f64));
    assert_eq!(value(&format!("max(1{})", ", 2".repeat(n))), Some(2.0));
    assert_eq!(common::truth(&format!("true{}", "&&true".repeat(n))), Some(true));
    assert_eq!(common::truth(&format!("false{}", "||false".repeat(n))), Some(false));
    assert_eq!(common::truth(&format!("false{}", "&&true||false".repeat(n))), Some(false));
}

/// The deepest tree allowed, with every precedence level inside each parenthesis.
#[test]
fn the_deepest_tree_works() {
    let text =
        format!("use_2ce: {}true{}", "false||true&&1==2-1*sel(".repeat(256), ",1,0)".repeat(256));
    let rules = Rules::compile("deep", &text, &SCHEMA, &[]).unwrap();
    let mut assigned = [None; 8];
    rules.eval(&variables(1.0, 1.0, 1.0, true), &mut assigned);
    assert!(assigned[4].is_some());
    let program = Program::parse("deep", &text).unwrap();
    assert_eq!(Program::parse("deep", &program.to_string()).unwrap(), program);
}

#[test]
fn a_megabyte_of_anything_takes_no_time() {
    let fill = |piece: &str| piece.repeat(MB / piece.len());
    let inputs = [
        fill("a"),
        fill("1"),
        fill("tile: 4;"),
        fill("tile: 4;\n"),
        fill("tiel: 4;"),
        fill("tile: ;"),
        fill("tile: 4; # x\n"),
        fill("# x\n"),
        fill("#"),
        fill(";"),
        fill("\n"),
        fill(" "),
        fill("\0"),
        fill("("),
        fill(")"),
        fill("!"),
        fill("-"),
        fill("\u{e9}"),
        fill("\u{1f600};"),
        fill("# \u{1f600}\r\n\r\n"),
        format!("tile: {}1", fill("1+")),
        format!("tile: {}1", fill("zebra+")),
        format!("tile: {}1", fill("tile+")),
        format!("tile: {}1", fill("r<k+")),
        format!("tile: {}1", fill("(r)*")),
        format!("tile: min({}1)", fill("k,")),
        format!("tile: 1{}", fill("/0")),
        format!("use_2ce: {}sg", fill("sg||")),
        format!("use_2ce: {}sg", fill("sg==")),
        format!("{}: 1", fill("a")),
        format!("{}(1)", fill("a")),
        format!("tile: {}", fill("9")),
        format!("tile: 0.{}1", fill("0")),
        format!("tile: 1e{}", fill("0")),
        format!("tile:{}1", fill("\n#\n")),
        fill("soft(tile, 1024, 0.15, tile > 13.0 && (log2(c) <= 15.0));\n"),
        fill("wg: ((((((((1))))))));"),
        fill("soft("),
        fill("a:b:"),
    ];
    let vars = variables(1024.0, 65536.0, 100.0, true);
    for text in &inputs {
        let start = Instant::now();
        match Program::parse("big", text) {
            Ok(program) => {
                let printed = program.to_string();
                assert!(Program::parse("big", &printed).unwrap() == program);
                match Rules::check(&program, &SCHEMA, &[]) {
                    Ok(rules) => {
                        let outcome = rules.eval(&vars, &mut [None; 8]);
                        let candidate = [Value::Number(64.0); 8];
                        outcome.votes.iter().for_each(|v| {
                            let _ = v.applies(&vars, &candidate);
                        });
                    }
                    Err(error) => assert!(error.to_string().len() < 20_000),
                }
            }
            Err(error) => assert!(error.to_string().len() < 20_000),
        }
        let spent = start.elapsed();
        let shown: String = text.chars().take(20).collect();
        assert!(spent < Duration::from_secs(5), "{shown:?} took {spent:?}");
    }
}

#[test]
fn a_text_that_is_too_large_is_refused() {
    let error = Program::parse("huge", &" ".repeat(st_kdsl::MAX_BYTES + 1)).unwrap_err();
    assert!(error.to_string().contains("4194305 bytes"));
}
