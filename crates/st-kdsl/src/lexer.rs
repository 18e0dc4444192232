//! Text to tokens, one at a time, each with its line and column. Comments are collected aside.

use crate::ast::BinaryOp;
use crate::source::Span;
use crate::token::{Bad, Comment, Token, TokenKind};

/// A place in the text.
#[derive(Clone, Copy)]
struct Place {
    at: usize,
    line: u32,
    column: u32,
}

/// Reads tokens off a text of at most [`MAX_BYTES`](crate::MAX_BYTES).
pub struct Lexer<'a> {
    text: &'a str,
    place: Place,
    /// Comments met so far that nobody took.
    comments: Vec<Comment>,
}

impl<'a> Lexer<'a> {
    /// A lexer at the start of a text, behind its byte order mark if it has one.
    pub fn new(text: &'a str) -> Lexer<'a> {
        let at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        Lexer { text, place: Place { at, line: 1, column: 1 }, comments: Vec::new() }
    }

    /// Takes the comments met since the last time, that is: those before the last token read.
    pub fn take_comments(&mut self) -> Vec<Comment> {
        std::mem::take(&mut self.comments)
    }

    /// Gives a comment back, to be taken again next time.
    pub(crate) fn put_back(&mut self, comment: Comment) {
        self.comments.push(comment);
    }

    /// The next token; [`TokenKind::End`] for ever once the text is used up.
    pub fn token(&mut self) -> Token {
        let blank_before = self.skip_trivia();
        let from = self.place;
        let kind = match self.peek() {
            None => TokenKind::End,
            Some(byte) => self.lex(byte),
        };
        Token { kind, span: self.span_from(from), blank_before }
    }

    fn peek(&self) -> Option<u8> {
        self.peek_at(0)
    }

    fn peek_at(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.place.at + ahead).copied()
    }

    fn span_from(&self, from: Place) -> Span {
        Span {
            start: from.at as u32,
            end: self.place.at as u32,
            line: from.line,
            column: from.column,
        }
    }

    /// Moves over ASCII characters of one line.
    fn step(&mut self, bytes: usize) {
        self.place.at += bytes;
        self.place.column += bytes as u32;
    }

    fn step_while(&mut self, keep: impl Fn(u8) -> bool) {
        while self.peek().is_some_and(&keep) {
            self.step(1);
        }
    }

    /// Skips white space and comments; tells whether an empty line ends right before the next token.
    fn skip_trivia(&mut self) -> bool {
        let mut newlines = 0;
        let mut same_line = true;
        while let Some(byte) = self.peek() {
            match byte {
                b'\n' => {
                    newlines += 1;
                    same_line = false;
                    self.place =
                        Place { at: self.place.at + 1, line: self.place.line + 1, column: 1 };
                }
                b' ' | b'\t' | b'\r' => self.step(1),
                b'#' => {
                    self.comment(same_line, newlines >= 2);
                    newlines = 0;
                }
                _ => break,
            }
        }
        newlines >= 2
    }

    fn comment(&mut self, same_line: bool, blank_before: bool) {
        let rest = &self.text[self.place.at..];
        let line = &rest[..rest.find('\n').unwrap_or(rest.len())];
        let end = self.place.at + line.trim_end_matches([' ', '\t', '\r']).len();
        let Place { at, line: number, column } = self.place;
        let span = Span { start: at as u32, end: end as u32, line: number, column };
        self.comments.push(Comment { span, same_line, blank_before });
        // Only a line end follows, so the column no longer matters unless the text ends here.
        self.place.at += line.len();
        self.place.column += line.chars().count() as u32;
    }

    fn lex(&mut self, byte: u8) -> TokenKind {
        let second = self.peek_at(1);
        let (length, kind) = match (byte, second) {
            (b'a'..=b'z' | b'A'..=b'Z' | b'_', _) => {
                self.step_while(is_word);
                return TokenKind::Name;
            }
            (b'0'..=b'9', _) => return self.number(),
            (b'.', Some(b'0'..=b'9')) => {
                self.step(1);
                self.step_while(is_word);
                return TokenKind::Bad(Bad::LeadingDot);
            }
            (b':', _) => (1, TokenKind::Colon),
            (b';', _) => (1, TokenKind::Semicolon),
            (b',', _) => (1, TokenKind::Comma),
            (b'(', _) => (1, TokenKind::Open),
            (b')', _) => (1, TokenKind::Close),
            (b'-', _) => (1, TokenKind::Minus),
            (b'+', _) => (1, TokenKind::Operator(BinaryOp::Add)),
            (b'*', _) => (1, TokenKind::Operator(BinaryOp::Multiply)),
            (b'/', _) => (1, TokenKind::Operator(BinaryOp::Divide)),
            (b'%', _) => (1, TokenKind::Operator(BinaryOp::Remainder)),
            (b'|', Some(b'|')) => (2, TokenKind::Operator(BinaryOp::Or)),
            (b'&', Some(b'&')) => (2, TokenKind::Operator(BinaryOp::And)),
            (b'=', Some(b'=')) => (2, TokenKind::Operator(BinaryOp::Equal)),
            (b'!', Some(b'=')) => (2, TokenKind::Operator(BinaryOp::NotEqual)),
            (b'<', Some(b'=')) => (2, TokenKind::Operator(BinaryOp::LessEqual)),
            (b'>', Some(b'=')) => (2, TokenKind::Operator(BinaryOp::GreaterEqual)),
            (b'<', _) => (1, TokenKind::Operator(BinaryOp::Less)),
            (b'>', _) => (1, TokenKind::Operator(BinaryOp::Greater)),
            (b'!', _) => (1, TokenKind::Not),
            (b'|', _) => (1, TokenKind::Bad(Bad::Or)),
            (b'&', _) => (1, TokenKind::Bad(Bad::And)),
            (b'=', _) => (1, TokenKind::Bad(Bad::Equals)),
            _ => {
                let c = self.text[self.place.at..].chars().next().unwrap_or('\0');
                self.place.at += c.len_utf8();
                self.place.column += 1;
                return TokenKind::Bad(Bad::Char(c));
            }
        };
        self.step(length);
        kind
    }

    fn number(&mut self) -> TokenKind {
        let start = self.place.at;
        self.step_while(|b| b.is_ascii_digit());
        if self.peek() == Some(b'.') {
            self.step(1);
            if !self.peek().is_some_and(|b| b.is_ascii_digit()) {
                return TokenKind::Bad(Bad::TrailingDot);
            }
            self.step_while(|b| b.is_ascii_digit());
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(self.peek_at(1), Some(b'+' | b'-')));
            match self.peek_at(1 + sign) {
                Some(b'0'..=b'9') => {
                    self.step(2 + sign);
                    self.step_while(|b| b.is_ascii_digit());
                }
                next if !next.is_some_and(is_word) => {
                    self.step(1 + sign);
                    return TokenKind::Bad(Bad::Exponent);
                }
                _ => {}
            }
        }
        if self.peek().is_some_and(is_word) {
            self.step_while(is_word);
            return TokenKind::Bad(Bad::Suffix);
        }
        match self.text[start..self.place.at].parse::<f64>() {
            Ok(value) if value.is_finite() => TokenKind::Number(value),
            _ => TokenKind::Bad(Bad::NotFinite),
        }
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> (Vec<Token>, Vec<Comment>) {
        let mut lexer = Lexer::new(text);
        let mut tokens = Vec::new();
        loop {
            let token = lexer.token();
            tokens.push(token);
            if token.kind == TokenKind::End {
                assert_eq!(lexer.token().kind, TokenKind::End);
                return (tokens, lexer.take_comments());
            }
        }
    }

    fn kinds(text: &str) -> Vec<TokenKind> {
        let mut kinds: Vec<_> = all(text).0.iter().map(|t| t.kind).collect();
        kinds.pop();
        kinds
    }

    #[test]
    fn numbers() {
        for (text, want) in [
            ("0", TokenKind::Number(0.0)),
            ("15.0", TokenKind::Number(15.0)),
            ("1e3", TokenKind::Number(1e3)),
            ("1E+3", TokenKind::Number(1e3)),
            ("2.5e-1", TokenKind::Number(0.25)),
            ("1e-999", TokenKind::Number(0.0)),
            ("1e309", TokenKind::Bad(Bad::NotFinite)),
            (".5", TokenKind::Bad(Bad::LeadingDot)),
            ("5.", TokenKind::Bad(Bad::TrailingDot)),
            ("1e", TokenKind::Bad(Bad::Exponent)),
            ("1e-", TokenKind::Bad(Bad::Exponent)),
            ("1ex", TokenKind::Bad(Bad::Suffix)),
            ("0x10", TokenKind::Bad(Bad::Suffix)),
            ("1_000", TokenKind::Bad(Bad::Suffix)),
        ] {
            assert_eq!(kinds(text), [want], "{text}");
        }
    }

    #[test]
    fn operators_take_the_longest_match() {
        use BinaryOp::{Equal, GreaterEqual, Less, LessEqual, NotEqual};
        assert_eq!(
            kinds("<=<>=!=!==="),
            [
                TokenKind::Operator(LessEqual),
                TokenKind::Operator(Less),
                TokenKind::Operator(GreaterEqual),
                TokenKind::Operator(NotEqual),
                TokenKind::Operator(NotEqual),
                TokenKind::Operator(Equal),
            ]
        );
    }

    #[test]
    fn places_count_characters() {
        let (tokens, comments) = all("\u{feff}a # \u{e9}\r\n\n\n  # x\n\tbc \u{1f600} d");
        let places: Vec<_> = tokens.iter().map(|t| (t.span.line, t.span.column)).collect();
        assert_eq!(places, [(1, 1), (5, 2), (5, 5), (5, 7), (5, 8)]);
        let flags: Vec<_> = comments.iter().map(|c| (c.same_line, c.blank_before)).collect();
        assert_eq!(flags, [(true, false), (false, true)]);
        assert_eq!((comments[0].span.start, comments[0].span.end), (5, 9));
        assert!(!tokens[1].blank_before);
    }
}
