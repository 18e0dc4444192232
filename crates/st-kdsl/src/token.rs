//! The tokens of the language, and what is wrong with text that is none.

use crate::ast::BinaryOp;
use crate::source::Span;
use crate::suggest::quote;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TokenKind {
    /// A name or a keyword.
    Name,
    /// A finite number.
    Number(f64),
    /// `:`
    Colon,
    /// `;`
    Semicolon,
    /// `,`
    Comma,
    /// `(`
    Open,
    /// `)`
    Close,
    /// `!`
    Not,
    /// `-`, unary or binary.
    Minus,
    /// A binary operator other than `-`.
    Operator(BinaryOp),
    /// Text that is no token.
    Bad(Bad),
    /// The end of the text.
    End,
}

/// A token and where it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Where it is.
    pub span: Span,
    /// Whether an empty line is between it and the token or comment before it.
    pub blank_before: bool,
}

/// A comment, `#` included, line end and trailing white space not.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comment {
    /// Where it is.
    pub span: Span,
    /// Whether a token stands before it on its line.
    pub same_line: bool,
    /// Whether an empty line is between it and the token or comment before it.
    pub blank_before: bool,
}

/// Why a piece of text is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bad {
    /// A character that starts no token.
    Char(char),
    /// `=`
    Equals,
    /// `&`
    And,
    /// `|`
    Or,
    /// `.5`
    LeadingDot,
    /// `5.`
    TrailingDot,
    /// `1e`, `1e+`
    Exponent,
    /// `12ab`, `1_000`
    Suffix,
    /// `1e309`
    NotFinite,
}

impl Bad {
    /// The message and the advice for a piece of text.
    pub(crate) fn describe(self, text: &str) -> (String, Option<String>) {
        let shown = quote(text);
        let (message, help) = match self {
            Bad::Char(c) => return describe_char(c),
            Bad::Equals => (
                "`=` is not an operator".to_owned(),
                "write `field: value` to assign, and `==` to compare",
            ),
            Bad::And => ("`&` is not an operator".to_owned(), "write `&&`"),
            Bad::Or => ("`|` is not an operator".to_owned(), "write `||`"),
            Bad::LeadingDot => (
                format!("a number cannot start with a dot: {shown}"),
                "write a digit before the dot, as in `0.5`",
            ),
            Bad::TrailingDot => (
                format!("a number cannot end with a dot: {shown}"),
                "write a digit behind the dot, as in `5.0`, or leave it out",
            ),
            Bad::Exponent => {
                (format!("the exponent of {shown} has no digits"), "write it as in `1e3` or `1e-3`")
            }
            Bad::Suffix => (
                format!("{shown} is neither a number nor a name"),
                "numbers are written as in `2048`, `15.0` or `1e3`, without separators or units; \
                 names do not start with a digit",
            ),
            Bad::NotFinite => {
                (format!("the number {shown} is too large"), "the largest number is about 1.8e308")
            }
        };
        (message, Some(help.to_owned()))
    }
}

fn describe_char(c: char) -> (String, Option<String>) {
    let ascii = match c {
        '\u{2264}' | '\u{2a7d}' => "<=",
        '\u{2265}' | '\u{2a7e}' => ">=",
        '\u{2260}' => "!=",
        '\u{2212}' | '\u{2013}' | '\u{2014}' => "-",
        '\u{d7}' | '\u{b7}' => "*",
        '\u{f7}' => "/",
        '\u{2227}' => "&&",
        '\u{2228}' => "||",
        '\u{ac}' => "!",
        '\u{ff1a}' => ":",
        '\u{ff1b}' => ";",
        '\u{ff0c}' => ",",
        '\u{ff08}' => "(",
        '\u{ff09}' => ")",
        _ => "",
    };
    let help = if !ascii.is_empty() {
        Some(format!("write `{ascii}`"))
    } else if c.is_whitespace() || c == '\u{feff}' || c == '\u{200b}' {
        Some("replace it by a plain space".to_owned())
    } else if c == '/' || c == '"' || c == '\'' {
        Some("the language has no text".to_owned())
    } else if matches!(c, '{' | '}' | '[' | ']') {
        Some("group with `(` and `)`".to_owned())
    } else if c.is_alphabetic() {
        Some("names are made of the letters a to z, digits and `_`".to_owned())
    } else {
        None
    };
    let message = if c.is_control() || c.is_whitespace() || !c.is_ascii() && !c.is_alphanumeric() {
        format!("unexpected character U+{:04X}", c as u32)
    } else {
        format!("unexpected character `{c}`")
    };
    (message, help)
}
