//! The examples of `docs/rules.md` compile, fail, and give what they say.

mod common;

use common::{SCHEMA, variables};
use st_kdsl::ast::StatementKind;
use st_kdsl::{Program, Rules};

const DOCS: &str = include_str!("../../../docs/rules.md");

/// The blocks of a kind, each with its line in the page.
fn blocks(kind: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (i, line) in DOCS.lines().enumerate() {
        if line == "```" {
            found.extend(open.take());
        } else if let Some((_, text)) = &mut open {
            text.push_str(line);
            text.push('\n');
        } else if line.strip_prefix("```") == Some(kind) {
            open = Some((i + 2, String::new()));
        }
    }
    assert!(!found.is_empty());
    found
}

#[test]
fn examples_give_what_they_say() {
    let mut checked = 0;
    for (line, text) in blocks("spiralk") {
        let name = format!("docs/rules.md:{line}");
        let program = Program::parse(&name, &text).unwrap_or_else(|e| panic!("{e}"));
        let rules = Rules::check(&program, &SCHEMA, &[]).unwrap_or_else(|e| panic!("{e}"));
        let mut assigned = [None; 8];
        rules.eval(&variables(1024.0, 65536.0, 100.0, true), &mut assigned);
        for statement in program.statements() {
            let said = statement.trailing.as_deref().and_then(|c| c.strip_prefix("# = "));
            if let (Some(said), StatementKind::Assign { field, .. }) = (said, &statement.kind) {
                let value = assigned[SCHEMA.field(&field.name).unwrap()];
                assert_eq!(value.map(|v| v.to_string()).as_deref(), Some(said), "{name} {text}");
                checked += 1;
            }
        }
    }
    assert!(checked > 20, "only {checked} values are stated");
}

#[test]
fn bad_examples_are_refused() {
    for (line, text) in blocks("spiralk-error") {
        assert!(Rules::compile("docs/rules.md", &text, &SCHEMA, &[]).is_err(), "line {line}");
    }
}

#[test]
fn all_names_are_in_the_tables() {
    let functions = st_kdsl::ast::Function::ALL.map(|f| f.name());
    let names = SCHEMA.fields.iter().chain(SCHEMA.variables).map(|n| n.name);
    for name in names.chain(functions) {
        let listed = DOCS.lines().any(|l| {
            l.starts_with('|')
                && (l.contains(&format!("`{name}`")) || l.contains(&format!("`{name}(")))
        });
        assert!(listed, "{name} is not in a table");
    }
}
