//! What holds for every program: no panic, printing and parsing are inverse, values are right,
//! edits keep the rest.

mod common;
#[path = "common/tree.rs"]
mod tree;

use common::{SCHEMA, variables};
use proptest::prelude::*;
use st_kdsl::{Program, Rules, Type, Value, decode};
use tree::{Choices, space, text, tree as grow, worth};

/// Everything one can do with a text.
fn exercise(source: &str) {
    let Ok(program) = Program::parse("fuzz", source) else { return };
    let printed = program.to_string();
    let again = Program::parse("fuzz", &printed).unwrap();
    assert_eq!(again, program, "{printed}");
    assert_eq!(again.to_string(), printed);
    let comments = |s: &str| s.matches('#').count();
    assert_eq!(comments(source), comments(&printed));
    edits(&program);
    if let Ok(rules) = Rules::check(&program, &SCHEMA, &[0, 2]) {
        let mut assigned = [None; 8];
        let vars = variables(3.0, 1000.0, 7.0, false);
        let outcome = rules.eval(&vars, &mut assigned);
        for vote in &outcome.votes {
            let _ = vote.applies(&vars, &[Value::Number(1.0); 8]);
            assert!(vote.weight.is_finite());
        }
        assert!(outcome.assignments.iter().all(|a| assigned[a.field] == Some(a.value)));
    }
}

fn edits(program: &Program) {
    let kinds = |p: &Program| p.statements().iter().map(|s| s.kind.clone()).collect::<Vec<_>>();
    let before = kinds(program);
    let new = "soft(tile, 7, 0.5, c > 3)";
    let new_kind = kinds(&Program::parse("new", new).unwrap()).remove(0);

    let appended = program.append("why\n\nbecause", new).unwrap();
    let mut want = before.clone();
    want.push(new_kind.clone());
    assert_eq!(kinds(&appended), want);
    assert!(appended.text().ends_with('\n'));
    // The new statement's removal takes its comments with it and leaves what was there, but for a
    // `;` and a line end that were missing.
    let removed = appended.remove(before.len()).unwrap();
    assert_eq!(kinds(&removed), before);

    for i in 0..before.len().min(5) {
        let mut want = before.clone();
        want.remove(i);
        assert_eq!(kinds(&program.remove(i).unwrap()), want, "{:?} {i}", program.text());
        let mut want = before.clone();
        want[i] = new_kind.clone();
        let replaced = program.replace(i, new).unwrap();
        assert_eq!(kinds(&replaced), want);
        let span = program.statements()[i].span;
        assert!(replaced.text().starts_with(&program.text()[..span.start as usize]));
        assert!(replaced.text().ends_with(&program.text()[span.end as usize..]));
    }
}

/// A random well-formed program.
fn program(bytes: &[u8]) -> String {
    let mut g = Choices(bytes);
    let mut out = String::new();
    space(&mut g, &mut out);
    for _ in 0..g.below(6) {
        let depth = g.below(4);
        let number = grow(Type::Number, depth, &mut g);
        let flag = grow(Type::Bool, depth, &mut g);
        match g.below(5) {
            0 => {
                out.push_str("wg:");
                text(&number, &mut g, &mut out);
            }
            1 => {
                out.push_str("use_2ce :");
                text(&flag, &mut g, &mut out);
            }
            kind @ (2 | 3) => {
                out.push_str(if kind == 2 { "soft(mk," } else { "penalty ( mk," });
                text(&number, &mut g, &mut out);
                out.push_str(",1");
                if g.below(2) == 1 {
                    out.push(',');
                    text(&flag, &mut g, &mut out);
                }
                out.push(')');
            }
            _ => {
                out.push_str("penalty_if(");
                text(&flag, &mut g, &mut out);
                out.push(',');
                text(&number, &mut g, &mut out);
                out.push(')');
            }
        }
        space(&mut g, &mut out);
        out.push(';');
        for _ in 0..g.below(3) {
            space(&mut g, &mut out);
        }
    }
    if g.below(3) == 1
        && let Some(at) = out.rfind(';')
    {
        out.remove(at);
    }
    out
}

const TOKENS: &[&str] = &[
    "tile",
    "mk",
    "use_2ce",
    "c",
    "sg",
    "soft",
    "penalty",
    "penalty_if",
    "sel",
    "log2",
    "min",
    "band",
    "true",
    ":",
    ":",
    ";",
    ";",
    ";",
    ",",
    ",",
    "(",
    "(",
    ")",
    ")",
    "||",
    "&&",
    "!",
    "==",
    "<",
    "+",
    "-",
    "*",
    "/",
    "%",
    "1",
    "2.5",
    "1e309",
    ".5",
    "=",
    "&",
    "# c\n",
    "\n",
    "\n\n",
    " ",
    "\u{e9}",
    "\0",
    "tile:1;",
    "soft(tile,1,1);",
    "\r\n",
];

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(text) = decode("fuzz", &bytes) {
            exercise(text);
        }
        exercise(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn random_text_never_panics(text in ".{0,60}") {
        exercise(&text);
        exercise(&format!("tile: {text};"));
    }

    #[test]
    fn random_tokens_never_panic(picks in proptest::collection::vec(0..TOKENS.len(), 0..40)) {
        let pieces: Vec<_> = picks.iter().map(|&i| TOKENS[i]).collect();
        exercise(&pieces.concat());
        exercise(&pieces.join(" "));
    }

    #[test]
    fn programs_survive_printing_and_edits(
        bytes in proptest::collection::vec(any::<u8>(), 0..400),
    ) {
        let source = program(&bytes);
        Rules::compile("generated", &source, &SCHEMA, &[])
            .unwrap_or_else(|e| panic!("{source}\n{e}"));
        exercise(&source);
    }

    #[test]
    fn values_are_those_of_a_plain_evaluator(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        bool in any::<bool>(),
    ) {
        let mut g = Choices(&bytes);
        let ty = if bool { Type::Bool } else { Type::Number };
        let expression = grow(ty, 6, &mut g);
        let mut source = if bool { "use_2ce:" } else { "wg:" }.to_owned();
        text(&expression, &mut g, &mut source);
        let rules = Rules::compile("values", &source, &SCHEMA, &[])
            .unwrap_or_else(|e| panic!("{source}\n{e}"));
        let vars = variables(1024.0, 65536.0, 100.0, true);
        let outcome = rules.eval(&vars, &mut [None; 8]);
        let want = worth(&expression, &vars);
        prop_assert_eq!(outcome.assignments.first().map(|a| a.value), want, "{}", source);
        prop_assert_eq!(outcome.notes.len(), usize::from(want.is_none()));
    }

    /// A condition gives the same for a candidate as it does with constants in its place.
    #[test]
    fn a_candidate_is_read_field_by_field(tile in 0u32..5, wg in 0u32..5, two in any::<bool>()) {
        let rules = common::compile(
            "tile: 99; soft(kl, 1, 1, tile * 2 > wg && (use_2ce || tile == wg))",
        );
        let mut candidate = [Value::Number(0.0); 8];
        candidate[2] = Value::Number(tile.into());
        candidate[5] = Value::Number(wg.into());
        candidate[4] = Value::Bool(two);
        let outcome = rules.eval(&[], &mut [None; 8]);
        let want = tile * 2 > wg && (two || tile == wg);
        prop_assert_eq!(outcome.votes[0].applies(&[], &candidate), Ok(want));
    }
}
