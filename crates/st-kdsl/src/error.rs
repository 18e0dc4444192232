//! What every pass reports: a message, where, the source line, and what to do.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::source::{Source, Span, excerpt};

/// Diagnostics kept from one program; further ones are counted only.
pub const MAX_DIAGNOSTICS: usize = 20;

/// One error in a program.
///
/// Displays as `NAME:LINE:COLUMN: error: message`, the source line with carets, and the help.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diagnostic {
    /// What is wrong.
    pub message: String,
    /// The name of the source: a path or an environment variable.
    pub name: Arc<str>,
    /// 1-based line.
    pub line: u32,
    /// 1-based column, in characters.
    pub column: u32,
    /// The bytes of the source it is about.
    pub span: Range<usize>,
    /// What to do about it.
    pub help: Option<String>,
    excerpt: String,
    marks: String,
}

impl Diagnostic {
    pub(crate) fn new(
        source: Source<'_>,
        span: Span,
        message: String,
        help: Option<String>,
    ) -> Diagnostic {
        let (excerpt, marks) = excerpt(source.text, span);
        Diagnostic {
            message,
            name: source.name.clone(),
            line: span.line,
            column: span.column,
            span: span.start as usize..span.end as usize,
            help,
            excerpt,
            marks,
        }
    }

    /// The source line, cut to the part around the error when it is long.
    pub fn excerpt(&self) -> &str {
        &self.excerpt
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Diagnostic { message, name, line, column, excerpt, marks, .. } = self;
        let number = line.to_string();
        let gutter = " ".repeat(number.len());
        writeln!(f, "{name}:{line}:{column}: error: {message}")?;
        writeln!(f, "{gutter} |")?;
        writeln!(f, "{number} | {excerpt}")?;
        write!(f, "{gutter} | {marks}")?;
        if let Some(help) = &self.help {
            write!(f, "\n{gutter} = help: {help}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostic {}

/// One or more errors, in the order of the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
    more: usize,
}

impl Diagnostics {
    pub(crate) fn one(diagnostic: Diagnostic) -> Diagnostics {
        Diagnostics { list: vec![diagnostic], more: 0 }
    }

    /// The first error.
    pub fn first(&self) -> &Diagnostic {
        &self.list[0]
    }

    /// The errors kept: at least one, at most [`MAX_DIAGNOSTICS`].
    pub fn list(&self) -> &[Diagnostic] {
        &self.list
    }

    /// How many more errors there were than are kept.
    pub fn more(&self) -> usize {
        self.more
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, diagnostic) in self.list.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            diagnostic.fmt(f)?;
        }
        if self.more > 0 {
            write!(f, "\nand {} more errors in {}", self.more, self.list[0].name)?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.iter()
    }
}

/// Where passes put their diagnostics: keeps the first few, counts the rest.
pub(crate) struct Sink<'a> {
    source: Source<'a>,
    list: Vec<Diagnostic>,
    more: usize,
}

impl<'a> Sink<'a> {
    pub(crate) fn new(source: Source<'a>) -> Sink<'a> {
        Sink { source, list: Vec::new(), more: 0 }
    }

    /// Reports an error. The texts are made only when they will be kept.
    pub(crate) fn report(&mut self, span: Span, text: impl FnOnce() -> (String, Option<String>)) {
        if self.list.len() == MAX_DIAGNOSTICS {
            self.more += 1;
        } else {
            let (message, help) = text();
            self.list.push(Diagnostic::new(self.source, span, message, help));
        }
    }

    /// `Err` when anything was reported.
    pub(crate) fn finish(self) -> Result<(), Diagnostics> {
        if self.list.is_empty() {
            Ok(())
        } else {
            Err(Diagnostics { list: self.list, more: self.more })
        }
    }
}
