//! What bad programs are told. `SPIRAL_BLESS=1 cargo test --test goldens` writes the files anew.

mod common;

use std::path::Path;

use common::SCHEMA;
use st_kdsl::{Rules, decode};

const BAD: &[(&str, &[u8])] = &[
    ("misspelt_field", b"mk: 1;\n\ntiel: 4;\n"),
    ("misspelt_variable", b"use_2ce: wgpuu;"),
    ("misspelt_function", b"tile: logg2(c);"),
    ("misspelt_statement", b"sfot(tile, 4, 0.5);"),
    ("unknown_field", b"zebra: 4;"),
    ("unknown_name", b"tile: zebra + 1;"),
    ("unknown_function", b"tile: sqrt(c);"),
    ("variable_assigned", b"k: 4;"),
    ("function_as_statement", b"sel(sg, 1, 2);"),
    ("function_without_call", b"tile: log2 + 1;"),
    ("statement_in_expression", b"tile: 4\n;ctile: soft(tile, 4, 1);"),
    ("equals_assigns", b"tile = 4;"),
    ("equals_compares", b"use_2ce: k = 4;"),
    ("single_and", b"use_2ce: sg & cuda;"),
    ("chained", b"use_2ce: 1 < k < 10;"),
    ("chained_equal", b"use_2ce: sg == k < 10;"),
    ("read_before_assigned", b"ctile: tile / 2;\ntile: 4;"),
    ("read_itself", b"tile: tile / 2;"),
    ("number_for_bool", b"use_2ce: 1;"),
    ("bool_for_number", b"tile: sg;"),
    ("bool_operand", b"tile: 2 * (k > 3);"),
    ("number_condition", b"tile: sel(k, 1, 2);"),
    ("sel_of_two_types", b"tile: sel(sg, 1, cuda);"),
    ("compare_two_types", b"use_2ce: sg == 1;"),
    ("not_a_number", b"use_2ce: !k;"),
    ("bool_argument", b"tile: min(1, 2, sg);"),
    ("bool_weight", b"soft(tile, 4, sg);"),
    ("number_vote_condition", b"soft(tile, 4, 1, tile);"),
    ("few_arguments", b"tile: clamp(4, 1);"),
    ("no_arguments", b"tile: min();"),
    ("soft_too_few", b"soft(tile, 4);"),
    ("soft_too_many", b"soft(tile, 4, 1, sg, 2);"),
    ("soft_not_a_field", b"soft(4, 4, 1);"),
    ("missing_semicolon", b"tile: 4\nctile: 2;"),
    ("missing_parenthesis", b"tile: (4 + 2;"),
    ("extra_parenthesis", b"tile: 4 + 2);"),
    ("tuple", b"tile: (1, 2);"),
    ("ends_early", b"tile: 4 +"),
    ("missing_value", b"tile: ;"),
    ("missing_colon", b"tile 4;"),
    ("number_statement", b"4: tile;"),
    ("leading_dot", b"tile: .5;"),
    ("trailing_dot", b"tile: 5.;"),
    ("empty_exponent", b"tile: 1e+;"),
    ("separated_number", b"tile: 1_000;"),
    ("infinite_number", b"tile: 1e309;"),
    ("nul_byte", b"tile: 4\0;"),
    ("escape_character", b"tile: \x1b[31m4;"),
    ("not_ascii_operator", "# \u{3bb}\ntile:\t1; use_2ce: k \u{2264} 4;".as_bytes()),
    ("wide_characters", "tile: 1; \u{5217}: 4;".as_bytes()),
    ("no_break_space", "tile:\u{a0}4;".as_bytes()),
    ("tabs", b"\ttile:\t4; wg:\tlane + q;"),
    ("crlf", b"tile: 4;\r\nwg: q;\r\n"),
    ("byte_order_mark", b"\xef\xbb\xbftiel: 4;"),
    ("not_utf8", b"tile: 4;\n# caf\xe9\n"),
    ("several", b"tiel: 4; ctile: (2; wg: ; kl: 4;\nch: 1 2;"),
];

fn told(bytes: &[u8]) -> String {
    let result = decode("rules.kdsl", bytes)
        .and_then(|text| Rules::compile("rules.kdsl", text, &SCHEMA, &[]));
    match result {
        Ok(_) => "accepted\n".to_owned(),
        Err(e) => format!("{e}\n"),
    }
}

#[test]
fn bad_programs_are_told_what_to_do() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens");
    let bless = std::env::var_os("SPIRAL_BLESS").is_some();
    let mut wrong = Vec::new();
    for (name, bytes) in BAD {
        let path = folder.join(format!("{name}.txt"));
        let got = told(bytes);
        assert!(got.contains("rules.kdsl:") && got.contains(": error: "), "{name}: {got}");
        if bless {
            std::fs::write(&path, &got).unwrap();
        }
        let want = std::fs::read_to_string(&path).unwrap_or_default();
        if got != want {
            wrong.push(format!("{name}: got\n{got}want\n{want}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let files = std::fs::read_dir(&folder).unwrap().count();
    assert_eq!(files, BAD.len(), "a golden file without its program");
}

#[test]
fn long_lines_are_cut_and_the_caret_stays_right() {
    let text = format!("tile: {} + quux + {};", "r + ".repeat(500) + "1", "c + ".repeat(500) + "1");
    let error = Rules::compile("f", &text, &SCHEMA, &[]).unwrap_err();
    let shown = error.to_string();
    let lines: Vec<_> = shown.lines().collect();
    assert!(lines[0].starts_with(&format!("f:1:{}: ", text.find("quux").unwrap() + 1)));
    assert!(lines[2].len() < 160 && lines[2].starts_with("1 | ..."));
    assert_eq!(lines[2].find("quux"), lines[3].find('^'));
    assert_eq!(lines[3].matches('^').count(), 4);
}

#[test]
fn only_the_first_errors_are_kept() {
    let error = Rules::compile("f", &"tiel: 4;\n".repeat(1000), &SCHEMA, &[]).unwrap_err();
    assert_eq!((error.list().len(), error.more()), (20, 980));
    assert!(error.to_string().ends_with("and 980 more errors in f"));
    assert_eq!(error.first().span, 0..4);
}
