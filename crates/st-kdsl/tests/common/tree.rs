//! Random well-typed expressions, their text, and what they are worth: an evaluator that shares
//! nothing with the crate's.

use crate::common::SCHEMA;
use st_kdsl::{Type, Value};

#[derive(Clone, Debug)]
pub(crate) enum Tree {
    Number(String),
    Bool(bool),
    Variable(usize),
    Unary(char, Box<Tree>),
    Binary(&'static str, Box<Tree>, Box<Tree>),
    Group(Box<Tree>),
    Call(&'static str, Vec<Tree>),
}

/// A source of choices: bytes, then zeros.
pub(crate) struct Choices<'a>(pub(crate) &'a [u8]);

impl Choices<'_> {
    pub(crate) fn below(&mut self, n: usize) -> usize {
        match self.0.split_first() {
            Some((&first, rest)) => {
                self.0 = rest;
                first as usize % n
            }
            None => 0,
        }
    }
}

const NUMBERS: [&str; 14] = [
    "0", "1", "2", "3", "7.5", "15.0", "128", "2048", "1e3", "0.20", "1E-2", "1e308", "00.50",
    "65536",
];

pub(crate) fn tree(ty: Type, depth: usize, g: &mut Choices<'_>) -> Tree {
    let sub = |ty, g: &mut Choices<'_>| tree(ty, depth - 1, g);
    let boxed = |ty, g: &mut Choices<'_>| Box::new(tree(ty, depth - 1, g));
    use Type::{Bool, Number};
    let leaf = depth == 0;
    match (ty, g.below(if leaf { 3 } else { 12 })) {
        (Number, 0 | 1) => Tree::Number(NUMBERS[g.below(NUMBERS.len())].to_owned()),
        (Number, 2) => Tree::Variable(g.below(10)),
        (Number, 3) => Tree::Unary('-', boxed(Number, g)),
        (Number, 4..=7) => {
            let op = ["+", "-", "*", "/", "%"][g.below(5)];
            Tree::Binary(op, boxed(Number, g), boxed(Number, g))
        }
        (Bool, 0 | 1) => Tree::Bool(g.below(2) == 1),
        (Bool, 2) => Tree::Variable(10 + g.below(10)),
        (Bool, 3) => Tree::Unary('!', boxed(Bool, g)),
        (Bool, 4 | 5) => {
            let op = ["<", "<=", ">", ">=", "==", "!="][g.below(6)];
            Tree::Binary(op, boxed(Number, g), boxed(Number, g))
        }
        (Bool, 6 | 7) => {
            let op = ["&&", "||", "==", "!="][g.below(4)];
            Tree::Binary(op, boxed(Bool, g), boxed(Bool, g))
        }
        (_, 8) => Tree::Group(boxed(ty, g)),
        (_, 9) => Tree::Call("sel", vec![sub(Bool, g), sub(ty, g), sub(ty, g)]),
        (Bool, _) => Tree::Call("band", (0..3).map(|_| sub(Number, g)).collect()),
        (Number, _) => {
            let (name, arity) = [
                ("log2", 1),
                ("min", 2),
                ("max", 3),
                ("clamp", 3),
                ("abs", 1),
                ("floor", 1),
                ("ceil", 1),
            ][g.below(7)];
            Tree::Call(name, (0..arity).map(|_| sub(Number, g)).collect())
        }
    }
}

fn precedence(t: &Tree) -> u8 {
    match t {
        Tree::Binary(op, ..) => match *op {
            "||" => 1,
            "&&" => 2,
            "+" | "-" => 4,
            "*" | "/" | "%" => 5,
            _ => 3,
        },
        Tree::Unary(..) => 6,
        _ => 7,
    }
}

/// The text of a tree with the fewest parentheses, and white space and comments as `g` likes.
pub(crate) fn text(t: &Tree, g: &mut Choices<'_>, out: &mut String) {
    let within = |t: &Tree, least: u8, g: &mut Choices<'_>, out: &mut String| {
        if precedence(t) < least {
            out.push('(');
            text(t, g, out);
            out.push(')');
        } else {
            text(t, g, out);
        }
    };
    space(g, out);
    match t {
        Tree::Number(n) => out.push_str(n),
        Tree::Bool(b) => out.push_str(&b.to_string()),
        Tree::Variable(i) => out.push_str(SCHEMA.variables[*i].name),
        Tree::Unary(op, x) => {
            out.push(*op);
            within(x, 6, g, out);
        }
        Tree::Binary(op, x, y) => {
            let p = precedence(t);
            within(x, if p == 3 { 4 } else { p }, g, out);
            space(g, out);
            out.push_str(op);
            within(y, p + 1, g, out);
        }
        Tree::Group(x) => {
            out.push('(');
            text(x, g, out);
            out.push(')');
        }
        Tree::Call(name, arguments) => {
            out.push_str(name);
            space(g, out);
            for (i, x) in arguments.iter().enumerate() {
                out.push(if i == 0 { '(' } else { ',' });
                text(x, g, out);
            }
            space(g, out);
            out.push(')');
        }
    }
    space(g, out);
}

pub(crate) fn space(g: &mut Choices<'_>, out: &mut String) {
    out.push_str(match g.below(40) {
        0 => "\n",
        1 => "\n\n\n",
        2 => " # a; b\n",
        3 => "#\u{e9}\r\n",
        4 => "\t",
        5 => "  ",
        6 => "\n # own line  \n",
        _ => "",
    });
}

/// What a tree is worth; `None` if something evaluated is not finite.
pub(crate) fn worth(t: &Tree, variables: &[Value]) -> Option<Value> {
    let number = |t: &Tree| match worth(t, variables)? {
        Value::Number(x) => Some(x),
        Value::Bool(_) => panic!("typed"),
    };
    let truth = |t: &Tree| match worth(t, variables)? {
        Value::Bool(b) => Some(b),
        Value::Number(_) => panic!("typed"),
    };
    let finite = |x: f64| x.is_finite().then_some(Value::Number(x));
    Some(match t {
        Tree::Number(n) => Value::Number(n.parse().unwrap()),
        Tree::Bool(b) => Value::Bool(*b),
        Tree::Variable(i) => variables[*i],
        Tree::Group(x) => worth(x, variables)?,
        Tree::Unary('-', x) => Value::Number(-number(x)?),
        Tree::Unary(_, x) => Value::Bool(!truth(x)?),
        Tree::Binary("&&", x, y) => Value::Bool(truth(x)? && truth(y)?),
        Tree::Binary("||", x, y) => Value::Bool(truth(x)? || truth(y)?),
        Tree::Binary("==", x, y) => Value::Bool(worth(x, variables)? == worth(y, variables)?),
        Tree::Binary("!=", x, y) => Value::Bool(worth(x, variables)? != worth(y, variables)?),
        Tree::Binary(op, x, y) => {
            let (x, y) = (number(x)?, number(y)?);
            match *op {
                "<" => Value::Bool(x < y),
                "<=" => Value::Bool(x <= y),
                ">" => Value::Bool(x > y),
                ">=" => Value::Bool(x >= y),
                "+" => finite(x + y)?,
                "-" => finite(x - y)?,
                "*" => finite(x * y)?,
                "/" => finite(x / y)?,
                _ => finite(x % y)?,
            }
        }
        Tree::Call("sel", a) => worth(if truth(&a[0])? { &a[1] } else { &a[2] }, variables)?,
        Tree::Call(name, a) => {
            let a: Vec<f64> = a.iter().map(number).collect::<Option<_>>()?;
            match *name {
                "log2" => finite(a[0].log2())?,
                "min" => finite(a.iter().copied().fold(f64::INFINITY, f64::min))?,
                "max" => finite(a.iter().copied().fold(f64::NEG_INFINITY, f64::max))?,
                "clamp" => finite(if a[0].max(a[1]) > a[2] { a[2] } else { a[0].max(a[1]) })?,
                "abs" => finite(a[0].abs())?,
                "floor" => finite(a[0].floor())?,
                "ceil" => finite(a[0].ceil())?,
                _ => Value::Bool(a[1] <= a[0] && a[0] <= a[2]),
            }
        }
    })
}
