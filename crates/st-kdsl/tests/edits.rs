//! Changes to a text leave everything else byte for byte.

use st_kdsl::{EditError, Program};

fn parse(text: &str) -> Program {
    Program::parse("heur.kdsl", text).unwrap_or_else(|e| panic!("{e}"))
}

fn append(text: &str) -> String {
    parse(text).append("why", "soft( tile,4 , 0.5 )").unwrap().text().to_owned()
}

fn remove(text: &str, index: usize) -> String {
    parse(text).remove(index).unwrap().text().to_owned()
}

fn replace(text: &str, index: usize) -> String {
    parse(text).replace(index, "tile: 9;").unwrap().text().to_owned()
}

#[test]
fn append_mends_what_is_missing() {
    let new = "# why\nsoft(tile, 4, 0.5);\n";
    for (before, after) in [
        ("", ""),
        ("\u{feff}", "\u{feff}"),
        ("wg: 1;\n", "wg: 1;\n"),
        ("wg: 1;", "wg: 1;\n"),
        ("wg: 1", "wg: 1;\n"),
        ("wg: 1 # one", "wg: 1; # one\n"),
        ("wg:   1\n\n# end", "wg:   1;\n\n# end\n"),
        ("# only this", "# only this\n"),
        ("wg: 1\n;\n\n", "wg: 1\n;\n\n"),
    ] {
        assert_eq!(append(before), format!("{after}{new}"), "{before:?}");
    }
    assert_eq!(append("wg: 1\r\n"), "wg: 1;\r\n# why\r\nsoft(tile, 4, 0.5);\r\n");
    let two = parse("").append("a\n\nb; c: 1\r\n", "wg: 1").unwrap();
    assert_eq!(two.text(), "# a\n#\n# b; c: 1\nwg: 1;\n");
    assert_eq!(parse("").append("", "wg: 1").unwrap().text(), "wg: 1;\n");
}

#[test]
fn remove_takes_its_own_comments() {
    let text = "# head\n\n# of a\n# too\n  a: 1; # a\nb:  2;\n\n# of c\nc: 3; d: 4; # d\n# end\n";
    assert_eq!(remove(text, 0), "# head\n\nb:  2;\n\n# of c\nc: 3; d: 4; # d\n# end\n");
    assert_eq!(remove(text, 1), text.replace("b:  2;\n", ""));
    assert_eq!(remove(text, 2), text.replace("# of c\nc: 3; ", ""));
    assert_eq!(remove(text, 3), text.replace(" d: 4; # d", ""));
    assert_eq!(remove("a: 1", 0), "");
    assert_eq!(remove("a: 1; b: 2", 1), "a: 1; ".trim_end().to_owned() + " ");
    assert_eq!(remove("a: 1; b: 2", 0), "b: 2");
    assert_eq!(remove("a: 1;\r\nb: 2;\r\n", 0), "b: 2;\r\n");
    assert_eq!(remove("\u{feff}a: 1;\nb: 2;\n", 0), "\u{feff}b: 2;\n");
    assert_eq!(remove("a: (1 # x\n+ 2) # y\n;\nb: 2;", 0), "b: 2;");
}

#[test]
fn replace_keeps_what_is_around() {
    assert_eq!(replace("# x\na:\n 1 ; # y\nb: 2", 0), "# x\ntile: 9 ; # y\nb: 2");
    assert_eq!(replace("# x\na: 1; # y\nb: 2 # z", 1), "# x\na: 1; # y\ntile: 9 # z");
}

#[test]
fn what_is_not_one_statement_is_refused() {
    let program = parse("a: 1;");
    assert_eq!(program.remove(1), Err(EditError::NoStatement { index: 1, count: 1 }));
    assert_eq!(program.replace(0, ""), Err(EditError::NotOne { count: 0 }));
    assert_eq!(program.append("", "a: 1; b: 2"), Err(EditError::NotOne { count: 2 }));
    assert_eq!(program.append("", "a: 1 # x"), Err(EditError::Comments));
    assert!(matches!(program.append("", "a: ("), Err(EditError::Parse(_))));
    assert_eq!(
        program.remove(7).unwrap_err().to_string(),
        "there is no statement 7: the program has 1, counted from 0"
    );
}

#[test]
fn printing_keeps_comments_in_their_places() {
    let text = "\n\n#a\n\n\n#b  \r\nx:1 ;;; #c\n ; #d\ny: (2 # e\n+ 3) #f\n;\n\n;z:sel( a ,1,2)#g\n\n\n#h\n\n";
    let want = "#a\n\n#b\nx: 1;  #c\n#d\n# e\ny: (2 + 3);  #f\n\nz: sel(a, 1, 2);  #g\n\n#h\n";
    assert_eq!(parse(text).to_string(), want);
    assert_eq!(parse(want).to_string(), want);
}

#[test]
fn long_statements_are_broken() {
    let long = format!(
        "x: sel(a && b, 1, {});",
        "sel(c || d, 1234567890, ".repeat(6) + "0" + &")".repeat(6)
    );
    let printed = parse(&long).to_string();
    assert!(printed.lines().count() == 2 && printed.lines().all(|l| l.len() <= 100), "{printed}");
    assert_eq!(parse(&printed), parse(&long));
    assert_eq!(parse(&printed).to_string(), printed);
}

#[test]
fn a_comment_ends_with_its_line() {
    // Found by fuzzing: a vertical tab behind `#` stayed when the statement was removed.
    let program = parse("x: 1;\n  y: x\t#\u{b}\t\n");
    assert_eq!(program.remove(1).unwrap().text(), "x: 1;\n");
    assert_eq!(parse(&program.to_string()), program);
}
