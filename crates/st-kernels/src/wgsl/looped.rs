//! `#each j COUNT` ... `#end` as a loop: for compilers that take long over long kernels.
//!
//! What is declared in it with a name that ends in `_$j`, and with its type, becomes an array before the
//! loop, for other blocks that go over the same numbers. At module scope there is nothing else in it.

use super::unroll::end_of;

/// A text with loops in place of its `#each` blocks.
pub(super) fn looped(text: &str) -> String {
    let mut out = String::new();
    block(&text.lines().collect::<Vec<_>>(), &mut out);
    out
}

fn block(lines: &[&str], out: &mut String) {
    let mut at = 0;
    while at < lines.len() {
        let words: Vec<&str> = lines[at].split_whitespace().collect();
        let end = end_of(&lines[at + 1..]).map(|n| at + 1 + n);
        if let (Some(end), ["#each", name, count]) = (end, &words[..]) {
            each(&lines[at + 1..end], name, count, out);
            at = end + 1;
        } else {
            out.push_str(lines[at]);
            out.push('\n');
            at += 1;
        }
    }
}

fn each(lines: &[&str], name: &str, count: &str, out: &mut String) {
    let (number, suffix) = (format!("at_{name}"), format!("_${name}"));
    let mut inside = String::new();
    for line in lines {
        let line = match declared(line, &suffix) {
            Some(Declared { storage, array, of, value }) => {
                out.push_str(&format!("{storage} {array}_all: array<{of}, {count}>;\n"));
                match value {
                    Some(value) => format!("{array}{suffix} = {value}"),
                    None => continue,
                }
            }
            None => (*line).to_owned(),
        };
        let line = line.replace(&suffix, &format!("_all[{number}]"));
        inside.push_str(&line.replace(&format!("${name}u"), &number));
        inside.push('\n');
    }
    if inside.is_empty() {
        return;
    }
    out.push_str(&format!(
        "for (var {number} = 0u; {number} < rounds({count}); {number} += 1u) {{\n"
    ));
    block(&inside.lines().collect::<Vec<_>>(), out);
    out.push_str("}\n");
}

/// What a line declares: `let x_$j: T = value;`, `var x_$j: T = value;` or `var<private> x_$j: T;`.
struct Declared<'a> {
    storage: &'a str,
    array: &'a str,
    of: &'a str,
    /// With its semicolon.
    value: Option<&'a str>,
}

fn declared<'a>(line: &'a str, suffix: &str) -> Option<Declared<'a>> {
    let (word, rest) = line.trim().split_once(' ')?;
    let storage = match word {
        "let" | "var" => "var",
        "var<private>" => word,
        _ => return None,
    };
    let (array, rest) = rest.split_once(suffix)?;
    let rest = rest.strip_prefix(": ")?;
    let (of, value) = match rest.split_once(" = ") {
        Some((of, value)) => (of, Some(value)),
        None => (rest.strip_suffix(';')?, None),
    };
    Some(Declared { storage, array, of, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_become_loops_over_arrays() {
        let text = "#each j N\nlet x_$j: u32 = $ju + 1u;\n#end\n#each j N\nsum += x_$j;\n#end\n";
        let want = "var x_all: array<u32, N>;\n\
            for (var at_j = 0u; at_j < rounds(N); at_j += 1u) {\n\
            x_all[at_j] = at_j + 1u;\n}\n\
            for (var at_j = 0u; at_j < rounds(N); at_j += 1u) {\nsum += x_all[at_j];\n}\n";
        assert_eq!(looped(text), want);
        let private = "#each j N\nvar<private> x_$j: vec4<u32>;\n#end\n";
        assert_eq!(looped(private), "var<private> x_all: array<vec4<u32>, N>;\n");
        let other = "#unroll j N\n$j\n#end\n";
        assert_eq!(looped(other), other);
    }
}
