//! What programs mean: operators, functions, fields, votes, notes.

mod common;

use common::{SCHEMA, compile, truth, value, variables};
use st_kdsl::{Program, Rules, Value};

fn vars() -> Vec<Value> {
    variables(1024.0, 65536.0, 100.0, true)
}

fn notes(text: &str) -> Vec<String> {
    compile(text).eval(&vars(), &mut [None; 8]).notes.iter().map(|n| n.to_string()).collect()
}

#[test]
fn operators() {
    for (text, want) in [
        ("1 + 2 * 3", 7.0),
        ("10 - 4 - 3", 3.0),
        ("64 / 4 / 2", 8.0),
        ("(1 + 2) * 3", 9.0),
        ("-2 * 3", -6.0),
        ("--2", 2.0),
        ("2 - -2", 4.0),
        ("-7 % 4", -3.0),
        ("7 % -4", 3.0),
        ("5.5 % 2", 1.5),
        ("1e3 + 1E-1 + 15.0", 1015.1),
    ] {
        assert_eq!(value(text), Some(want), "{text}");
    }
    for (text, want) in [
        ("1 < 2 && 2 < 3", true),
        ("true || false && false", true),
        ("!true || true", true),
        ("!(true || true)", false),
        ("1 + 1 == 2", true),
        ("true != false", true),
        ("(1 < 2) == true", true),
        ("-0 == 0", true),
        ("k <= 100 && k >= 100 && !(k != 100)", true),
    ] {
        assert_eq!(truth(text), Some(want), "{text}");
    }
}

#[test]
fn functions() {
    for (text, want) in [
        ("sel(sg, 1, 2)", 1.0),
        ("sel(!sg, 1, sel(cuda, 2, 3))", 3.0),
        ("log2(c)", 16.0),
        ("min(3, 1, 2)", 1.0),
        ("max(3, 1, 2, 9, 4)", 9.0),
        ("clamp(5, 1, 3)", 3.0),
        ("clamp(0, 1, 3)", 1.0),
        ("clamp(2, 3, 1)", 1.0),
        ("abs(-3)", 3.0),
        ("floor(-1.5)", -2.0),
        ("ceil(1.2)", 2.0),
    ] {
        assert_eq!(value(text), Some(want), "{text}");
    }
    assert_eq!(truth("band(k, 100, 100)"), Some(true));
    assert_eq!(truth("band(k, 101, 200)"), Some(false));
    assert_eq!(truth("sel(sg, true, false)"), Some(true));
}

#[test]
fn only_what_is_needed_is_evaluated() {
    assert_eq!(value("sel(true, 1, 1/0)"), Some(1.0));
    assert_eq!(value("sel(false, 1/0, 2)"), Some(2.0));
    assert_eq!(truth("false && 1/0 > 0"), Some(false));
    assert_eq!(truth("true || 1/0 > 0"), Some(true));
    assert_eq!(truth("true && 1/0 > 0"), None);
    assert_eq!(truth("1 == 1 && false && 1/0 > 0 || true"), Some(true));
}

#[test]
fn what_is_not_finite_voids_its_statement() {
    assert_eq!(
        notes("tile: 4;\nwg: 1 +\n 1/(r-1024);"),
        ["rules.kdsl:3:3: division by zero; the statement is left out"]
    );
    assert_eq!(notes("wg: log2(0)").len(), 1);
    assert_eq!(notes("wg: log2(-1)").len(), 1);
    assert_eq!(notes("wg: 1e308*10").len(), 1);
    assert_eq!(notes("wg: 5%0").len(), 1);
    assert_eq!(notes("wg: min(1e308+1e308, 1)").len(), 1);
    // Reading what was voided voids too; an earlier value stays.
    assert_eq!(notes("tile: 1/0; ctile: tile; wg: ctile; kl: 3").len(), 3);
    assert_eq!(notes("tile: 8; tile: 1/0; ctile: tile").len(), 1);
    assert_eq!(
        notes("soft(tile, 1/0, 1); soft(tile, 1, 1/0); penalty(tile, 1, 1, 1/0 > 1)").len(),
        3
    );
    // A rule whose condition is false is not evaluated further.
    assert_eq!(notes("soft(tile, 1/0, 1/0, false)").len(), 0);
}

#[test]
fn a_later_assignment_replaces_an_earlier_one() {
    let rules = compile("tile: 4; ctile: tile; tile: 8; wg: tile; mk: 1;");
    let mut assigned = [None; 8];
    let outcome = rules.eval(&vars(), &mut assigned);
    let got: Vec<_> = outcome.assignments.iter().map(|a| (a.field, a.value)).collect();
    assert_eq!(got, [(2, 8.0), (3, 4.0), (5, 8.0), (0, 1.0)].map(|(i, x)| (i, Value::Number(x))));
}

#[test]
fn programs_follow_one_another() {
    let first = compile("tile: 512; wg: 1/0");
    let before: Vec<usize> = first.assigns().iter().collect();
    let second = Rules::compile("b", "ctile: tile/2; kl: wg", &SCHEMA, &before).unwrap();
    assert!(Rules::compile("b", "ctile: tile/2", &SCHEMA, &[]).is_err());
    let mut assigned = [None; 8];
    first.eval(&vars(), &mut assigned);
    let outcome = second.eval(&vars(), &mut assigned);
    assert_eq!(assigned[3], Some(Value::Number(256.0)));
    assert_eq!(
        outcome.notes[0].to_string(),
        "b:1:20: `wg` has no value: its assignment was left out; the statement is left out"
    );
}

#[test]
fn votes_and_their_conditions() {
    let rules = compile(
        "tile: 512;
         soft(mk, 2, 0.5);
         soft(mk, tile / 512, 0.5, sg);
         soft(mk, 3, 0.5, !sg);
         penalty(use_2ce, true, 0.25, tile > c / 64);
         penalty_if(tile * 4 > smem && !use_2ce, 0.1 * tile / 512);
         penalty_if(1 / (tile - 1024) > 0, 1);
         penalty_if(false, 1);",
    );
    let vars = vars();
    let outcome = rules.eval(&vars, &mut [None; 8]);
    assert_eq!(outcome.notes, []);
    let votes = outcome.votes;
    let seen: Vec<_> = votes.iter().map(|v| (v.line, v.field, v.value, v.weight)).collect();
    assert_eq!(
        seen,
        [
            (2, Some(0), Some(Value::Number(2.0)), 0.5),
            (3, Some(0), Some(Value::Number(1.0)), 0.5),
            (5, Some(4), Some(Value::Bool(true)), -0.25),
            (6, None, None, -0.1),
            (7, None, None, -1.0),
        ]
    );
    let candidate = |tile: f64, two: bool| {
        let mut fields = [Value::Number(0.0); 8];
        fields[2] = Value::Number(tile);
        fields[4] = Value::Bool(two);
        fields
    };
    assert_eq!(votes[3].fields().iter().collect::<Vec<_>>(), [2, 4]);
    let applies = |at: usize, candidate: &[Value]| votes[at].applies(&vars, candidate).unwrap();
    assert!(applies(0, &candidate(1.0, false)));
    // In the condition `tile` is the candidate's, not the 512 assigned.
    assert!(!applies(2, &candidate(1024.0, false)));
    assert!(applies(2, &candidate(1025.0, false)));
    assert!(applies(3, &candidate(16384.0, false)));
    assert!(!applies(3, &candidate(16384.0, true)));
    assert!(applies(4, &candidate(1025.0, true)));
    // Division by zero: it says nothing, and why.
    let note = votes[4].applies(&vars, &candidate(1024.0, true)).unwrap_err();
    assert_eq!((note.line, note.message.as_str()), (7, "division by zero"));
    // Too few values: no panic.
    assert!(votes[4].applies(&vars, &[]).is_err());
}

#[test]
fn wrong_slices_void_and_do_not_panic() {
    let rules = compile("tile: c; ctile: tile; use_2ce: sg; wg: 1");
    let outcome = rules.eval(&[], &mut []);
    assert_eq!(outcome.notes.len(), 3);
    assert_eq!(outcome.assignments.len(), 1);
    let nan = vec![Value::Number(f64::NAN); 20];
    assert_eq!(rules.eval(&nan, &mut [None; 8]).notes.len(), 3);
}

#[test]
fn rules_are_plain_data() {
    fn plain<T: Clone + Send + Sync + PartialEq + std::fmt::Debug + 'static>(_: &T) {}
    let rules = compile("tile: 4");
    plain(&rules);
    assert_eq!(rules.clone(), rules);
    assert!(Rules::empty("none", &SCHEMA).is_empty());
    assert!(compile(" ;; # nothing\n;").is_empty());
}

#[test]
fn odd_texts_that_are_fine() {
    for text in [
        "",
        "\u{feff}",
        "\u{feff}tile: 1",
        "tile: 1\r\n;\r\nwg: 2\r\n",
        "# \u{e9}\u{1f600}\0",
        ";;;",
    ] {
        assert!(Program::parse("odd", text).is_ok(), "{text:?}");
    }
    assert_eq!(
        common::field("soft: 1; tile: 2".get(9..).unwrap(), "tile"),
        Some(Value::Number(2.0))
    );
    assert!(Program::parse("odd", "soft: 1; penalty: 2").is_ok());
}
