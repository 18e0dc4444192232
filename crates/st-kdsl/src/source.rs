//! Bytes to text, positions in it, and the excerpt of a line that an error shows.

use std::sync::Arc;

use crate::error::{Diagnostic, Diagnostics};

/// The largest program, in bytes. It bounds memory, and lets positions be 32-bit.
pub const MAX_BYTES: usize = 4 << 20;

/// Characters shown on each side of an error in a very long line.
const WINDOW: usize = 60;

/// A piece of source text, with the place it starts at.
///
/// The line and column are kept, not recomputed, so that no pass is quadratic in a long line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
    /// 1-based line of the first byte.
    pub line: u32,
    /// 1-based column of the first byte, in characters.
    pub column: u32,
}

/// A text and the name it is known by in diagnostics, such as a path or `SPIRAL_HEUR_K`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'a> {
    pub(crate) name: &'a Arc<str>,
    pub(crate) text: &'a str,
}

impl<'a> Source<'a> {
    /// The text of a span.
    pub(crate) fn slice(&self, span: Span) -> &'a str {
        &self.text[span.start as usize..span.end as usize]
    }
}

/// Bytes as text.
///
/// # Errors
///
/// Bytes that are not UTF-8 are reported with the line and column where they start.
pub fn decode<'a>(name: &str, bytes: &'a [u8]) -> Result<&'a str, Diagnostics> {
    let error = match std::str::from_utf8(bytes) {
        Ok(text) => return Ok(text),
        Err(error) => error,
    };
    let at = error.valid_up_to();
    let before = bytes[..at].strip_prefix("\u{feff}".as_bytes()).unwrap_or(&bytes[..at]);
    let line_start = before.iter().rposition(|&b| b == b'\n').map_or(0, |i| i + 1);
    let left = String::from_utf8_lossy(&before[line_start..]);
    let line = before.iter().filter(|&&b| b == b'\n').count() + 1;
    let right = &bytes[at..bytes.len().min(at + 8 * WINDOW)];
    let right = right.split(|&b| b == b'\n').next().unwrap_or(right);
    let shown = format!("{left}{}", String::from_utf8_lossy(right));
    let span = Span {
        start: left.len() as u32,
        end: left.len() as u32 + 1,
        line: line as u32,
        column: left.chars().count() as u32 + 1,
    };
    let bad = bytes[at];
    let name: Arc<str> = name.into();
    let mut diagnostic = Diagnostic::new(
        Source { name: &name, text: &shown },
        span,
        format!("the byte 0x{bad:02x} at offset {at} is not UTF-8"),
        Some("save the file as UTF-8".to_owned()),
    );
    diagnostic.span = at..at + error.error_len().unwrap_or(bytes.len() - at);
    Err(Diagnostics::one(diagnostic))
}

/// The source line around a span, cut when long, and the line of carets that goes below it.
pub(crate) fn excerpt(text: &str, span: Span) -> (String, String) {
    let at = floor_boundary(text, span.start as usize);
    let end = floor_boundary(text, (span.end as usize).max(at));
    let mut first = at;
    let mut cut_left = false;
    for (taken, (i, c)) in text[..at].char_indices().rev().enumerate() {
        if c == '\n' || (i == 0 && c == '\u{feff}') {
            break;
        }
        if taken == WINDOW {
            cut_left = true;
            break;
        }
        first = i;
    }
    let mut line = String::new();
    let mut marks = String::new();
    if cut_left {
        line.push_str("...");
        marks.push_str("   ");
    }
    for c in text[first..at].chars() {
        line.push(visible(c));
        marks.push_str(match c {
            '\t' => "\t",
            c if is_wide(c) => "  ",
            _ => " ",
        });
    }
    let mut carets = 0;
    for (taken, (i, c)) in text[at..].char_indices().enumerate() {
        if c == '\n' || (c == '\r' && matches!(text.as_bytes().get(at + i + 1), None | Some(b'\n')))
        {
            break;
        }
        if taken == WINDOW {
            line.push_str("...");
            break;
        }
        line.push(visible(c));
        if at + i < end {
            carets += if is_wide(c) { 2 } else { 1 };
        }
    }
    marks.extend(std::iter::repeat_n('^', carets.max(1)));
    (line, marks)
}

fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Control characters would act on the terminal that shows the error.
fn visible(c: char) -> char {
    if c != '\t' && (c.is_control() || matches!(c, '\u{feff}' | '\u{2028}'..='\u{202e}')) {
        '\u{fffd}'
    } else {
        c
    }
}

/// Whether terminals draw a character two columns wide (the East Asian blocks and emoji; roughly).
fn is_wide(c: char) -> bool {
    matches!(c as u32,
        0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0xfe30..=0xfe6f
        | 0xff00..=0xff60 | 0xffe0..=0xffe6 | 0x1f300..=0x1faff | 0x20000..=0x3fffd)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, piece: &str) -> (String, String) {
        let start = text.find(piece).unwrap();
        let end = start + piece.len();
        excerpt(text, Span { start: start as u32, end: end as u32, line: 1, column: 1 })
    }

    fn pair(line: &str, marks: &str) -> (String, String) {
        (line.to_owned(), marks.to_owned())
    }

    #[test]
    fn carets_stand_below_what_they_mean() {
        assert_eq!(shown("one\n two x\nthree", "two"), pair(" two x", " ^^^"));
        assert_eq!(shown("a\tb\tc", "c"), pair("a\tb\tc", " \t \t^"));
        assert_eq!(shown("\u{e9}\u{e9} x", "x"), pair("\u{e9}\u{e9} x", "   ^"));
        assert_eq!(shown("\u{5217}x", "x"), pair("\u{5217}x", "  ^"));
        assert_eq!(shown("ab\r\n", "\r"), pair("ab", "  ^"));
        assert_eq!(shown("\u{feff}ab", "ab"), pair("ab", "^^"));
        // A piece over several lines is marked on its first.
        assert_eq!(shown("ab\ncd", "b\nc"), pair("ab", " ^"));
    }

    #[test]
    fn any_span_is_survived() {
        let text = "a\u{e9}\n\u{1f600}";
        for start in 0..12 {
            for end in 0..12 {
                excerpt(text, Span { start, end, line: 1, column: 1 });
            }
        }
    }

    #[test]
    fn bad_bytes_are_found_where_they_are() {
        assert_eq!(decode("f", "a\u{e9}".as_bytes()).unwrap(), "a\u{e9}");
        let error = decode("f", b"\xef\xbb\xbfa\n\xc3\xa9b\xff\xfe\nc").unwrap_err();
        let first = error.first();
        assert_eq!((first.line, first.column, first.span.clone()), (2, 3, 8..9));
        assert_eq!(decode("f", b"\xe2\x82").unwrap_err().first().span, 0..2);
    }
}
