//! `#unroll j COUNT` ... `#end`: lines repeated with `$j` as a number and `$(j * 4 + 1)` as the value
//! of an expression; `#each j COUNT` ... `#end`, unless it has become a loop: the same; `#sort v_ COUNT` and
//! `#merge v_ COUNT`.

use super::networks;

/// Repeats what is to be repeated. What makes no sense becomes a line that no compiler accepts, so
/// that the tests over all permutations find it.
pub(super) fn unroll(text: &str, sizes: &[(&str, u32)]) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut names: Vec<(String, u32)> =
        sizes.iter().map(|&(name, value)| (name.to_owned(), value)).collect();
    let mut out = String::new();
    block(&lines, &mut names, &mut out);
    out
}

fn block(lines: &[&str], names: &mut Vec<(String, u32)>, out: &mut String) {
    let mut at = 0;
    while at < lines.len() {
        let words: Vec<&str> = lines[at].split_whitespace().collect();
        if let [directive @ ("#sort" | "#merge"), name, count] = words[..] {
            let n = value(count, names).unwrap_or(0) as usize;
            let network = match directive {
                "#sort" => networks::sorting_network(n),
                _ => networks::merging_network(n),
            };
            networks::exchanges(name, &network, out);
            at += 1;
            continue;
        }
        let [directive @ ("#unroll" | "#each" | "#end"), rest @ ..] = &words[..] else {
            out.push_str(&line(lines[at], names));
            out.push('\n');
            at += 1;
            continue;
        };
        let end = end_of(&lines[at + 1..]).map(|n| at + 1 + n);
        let (Some(end), &("#unroll" | "#each"), [name, count]) = (end, directive, rest) else {
            out.push_str(lines[at]);
            out.push_str(" makes no sense\n");
            return;
        };
        for i in 0..value(count, names).unwrap_or(0) {
            names.push(((*name).to_owned(), i));
            block(&lines[at + 1..end], names, out);
            names.pop();
        }
        at = end + 1;
    }
}

/// The line of the `#end` that belongs to an `#unroll` or `#each` before these lines.
pub(super) fn end_of(lines: &[&str]) -> Option<usize> {
    let mut open = 1;
    lines.iter().position(|line| {
        match line.split_whitespace().next() {
            Some("#unroll" | "#each") => open += 1,
            Some("#end") => open -= 1,
            _ => {}
        }
        open == 0
    })
}

/// A line with its `$name` and `$(expression)` replaced.
fn line(text: &str, names: &[(String, u32)]) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let (expression, next) = match after.strip_prefix('(') {
            Some(inside) => inside.split_once(')').unwrap_or((inside, "")),
            // One letter: `$ju` is a literal of type u32.
            None => after.split_at(after.chars().next().map_or(0, char::len_utf8)),
        };
        match value(expression, names) {
            Some(number) => out.push_str(&number.to_string()),
            None => out.push_str(&format!("$ {expression}, which is nothing")),
        }
        rest = next;
    }
    out + rest
}

/// The value of an expression of numbers, names, `+`, `-`, `*` and `/` between spaces, from the left.
fn value(expression: &str, names: &[(String, u32)]) -> Option<u32> {
    let operand = |word: &str| {
        let known = names.iter().rev().find(|(name, _)| name == word).map(|(_, value)| *value);
        known.or_else(|| word.parse().ok())
    };
    let mut words = expression.split_whitespace();
    let mut total = operand(words.next()?)?;
    while let Some(operator) = words.next() {
        let right = operand(words.next()?)?;
        total = match operator {
            "+" => total.checked_add(right)?,
            "-" => total.checked_sub(right)?,
            "*" => total.checked_mul(right)?,
            "/" => total.checked_div(right)?,
            _ => return None,
        };
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_repeated_with_numbers() {
        let text = "a\n#unroll i N\nx_$i = $iu + y[$(i * 2 + 1)];\n#unroll j 2\n$(i * 2 + j)\n#end\n#end\nb";
        let want = "a\nx_0 = 0u + y[1];\n0\n1\nx_1 = 1u + y[3];\n2\n3\nb\n";
        assert_eq!(unroll(text, &[("N", 2)]), want);
        assert_eq!(unroll("#unroll i 0\n$i\n#end\n", &[]), "");
    }

    #[test]
    fn nonsense_does_not_compile() {
        for bad in ["#end", "#unroll i", "#unroll i 2\nx", "$q"] {
            let out = unroll(bad, &[]);
            assert!(out.contains("makes no sense") || out.contains("is nothing"), "{bad}: {out}");
        }
    }
}
