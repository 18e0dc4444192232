//! A program to its canonical text: one statement a line, one space around binary operators, every
//! comment kept, numbers and parentheses as they were written.
//!
//! Parsing the canonical text gives an equal program, so printing twice changes nothing. Lines end
//! in `\n`, whatever they ended in before; a byte order mark is dropped. Spaces make a text longer:
//! that of a program of nearly [`MAX_BYTES`](crate::MAX_BYTES) may be too large to be parsed.

use std::fmt;

use crate::ast::{Expr, Node, NodeId, Program, StatementKind, Trivia};

/// Statements longer than this are broken where they can be.
const WIDTH: usize = 100;

/// How much the further lines of a broken statement are indented.
const INDENT: &str = "    ";

/// A space at which a line may be broken. No token contains it.
const BREAK: char = '\n';

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for statement in &self.statements {
            trivia(&statement.leading, f)?;
            let mut text = render(&statement.kind);
            text.push(';');
            fill(&text, f)?;
            if let Some(comment) = &statement.trailing {
                write!(f, "  {comment}")?;
            }
            f.write_str("\n")?;
        }
        trivia(&self.footer, f)
    }
}

/// The statement on one line, without `;`.
impl fmt::Display for StatementKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&render(self).replace(BREAK, " "))
    }
}

fn trivia(list: &[Trivia], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for item in list {
        match item {
            Trivia::Blank => f.write_str("\n")?,
            Trivia::Comment(text) => writeln!(f, "{text}")?,
        }
    }
    Ok(())
}

/// Breaks a text where it would become too wide.
fn fill(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut column = 0;
    for (i, word) in text.split(BREAK).enumerate() {
        // Everything printed is ASCII: names, numbers, operators.
        if i > 0 && column + 1 + word.len() > WIDTH {
            write!(f, "\n{INDENT}")?;
            column = INDENT.len();
        } else if i > 0 {
            f.write_str(" ")?;
            column += 1;
        }
        f.write_str(word)?;
        column += word.len();
    }
    Ok(())
}

fn render(kind: &StatementKind) -> String {
    let mut out = String::new();
    match kind {
        StatementKind::Assign { field, value } => {
            out.push_str(&field.name);
            out.push_str(": ");
            expression(value, &mut out);
        }
        StatementKind::Vote { penalty, field, value, weight, condition } => {
            out.push_str(if *penalty { "penalty(" } else { "soft(" });
            out.push_str(&field.name);
            for argument in [Some(value), Some(weight), condition.as_ref()].into_iter().flatten() {
                out.push(',');
                out.push(BREAK);
                expression(argument, &mut out);
            }
            out.push(')');
        }
        StatementKind::PenaltyIf { condition, weight } => {
            out.push_str("penalty_if(");
            expression(condition, &mut out);
            out.push(',');
            out.push(BREAK);
            expression(weight, &mut out);
            out.push(')');
        }
    }
    out
}

enum Work {
    Node(NodeId),
    Text(&'static str),
    Break,
}

fn expression(expr: &Expr, out: &mut String) {
    let mut work = vec![Work::Node(expr.root())];
    while let Some(next) = work.pop() {
        let id = match next {
            Work::Node(id) => id,
            Work::Text(text) => {
                out.push_str(text);
                continue;
            }
            Work::Break => {
                out.push(BREAK);
                continue;
            }
        };
        match &expr.nodes[id as usize] {
            Node::Number(_, literal) => out.push_str(literal),
            Node::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
            Node::Name(name) => out.push_str(name),
            Node::Unary(op, inner) => {
                out.push_str(op.symbol());
                work.push(Work::Node(*inner));
            }
            Node::Binary(op, left, right) => {
                // Lines break before `||`, `&&`, `+` and `-`, never at what binds closer.
                let loose = matches!(op.precedence(), 1 | 2 | 4);
                work.extend([
                    Work::Node(*right),
                    Work::Text(" "),
                    Work::Text(op.symbol()),
                    if loose { Work::Break } else { Work::Text(" ") },
                    Work::Node(*left),
                ]);
            }
            Node::Group(inner) => {
                out.push('(');
                work.extend([Work::Text(")"), Work::Node(*inner)]);
            }
            Node::Call(function, arguments) => {
                out.push_str(function.name());
                out.push('(');
                work.push(Work::Text(")"));
                for (i, &argument) in arguments.iter().enumerate().rev() {
                    work.push(Work::Node(argument));
                    if i > 0 {
                        work.extend([Work::Break, Work::Text(",")]);
                    }
                }
            }
        }
    }
}
