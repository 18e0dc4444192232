//! Changes to the text of a program that leave everything else as it is, byte for byte.
//!
//! Each gives a new, parsed [`Program`]; its [`text`](Program::text) is what to write back.

use crate::ast::{Program, Statement};
use crate::error::Diagnostics;

/// Why a program was not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// There is no such statement.
    #[error("there is no statement {index}: the program has {count}, counted from 0")]
    NoStatement {
        /// The index given.
        index: usize,
        /// How many statements there are.
        count: usize,
    },
    /// The new text must be one statement.
    #[error("one statement was expected, but the text given has {count}")]
    NotOne {
        /// How many it has.
        count: usize,
    },
    /// The new statement has comments.
    #[error("the new statement has comments: give them apart from it")]
    Comments,
    /// The new statement, or the program with it, is not well formed.
    #[error("{0}")]
    Parse(#[from] Diagnostics),
}

impl Program {
    /// Adds a statement at the end, below the given comment (each line becomes a comment line; an
    /// empty text gives none). Existing bytes stay; a `;` or line end that is missing before it is
    /// added.
    ///
    /// # Errors
    ///
    /// A text that is not one statement without comments.
    pub fn append(&self, comment: &str, statement: &str) -> Result<Program, EditError> {
        let new = canonical(statement)?;
        let newline = self.newline();
        let mut text = self.text.to_string();
        if let Some(last) = self.statements.last()
            && !last.terminated()
        {
            text.insert(last.span.end as usize, ';');
        }
        // A byte order mark alone is an empty text.
        if !text.is_empty() && text != "\u{feff}" && !text.ends_with('\n') {
            text.push_str(newline);
        }
        for line in comment.lines() {
            text.push_str(format!("# {line}").trim_end());
            text.push_str(newline);
        }
        text.push_str(&new);
        text.push(';');
        text.push_str(newline);
        self.reparse(&text)
    }

    /// Removes a statement, with the comment lines directly above it and the comment behind it.
    /// Lines that only held these go away whole.
    ///
    /// # Errors
    ///
    /// An index at or above the number of statements.
    pub fn remove(&self, index: usize) -> Result<Program, EditError> {
        let statement = self.statement_at(index)?;
        let text = &*self.text;
        let mut start = statement.extent.start as usize;
        let mut end = statement.extent.end as usize;
        let line_start = text[..start].rfind('\n').map_or(0, |i| i + 1);
        let indent = text[line_start..start].trim_start_matches('\u{feff}');
        let alone_before = indent.bytes().all(|b| b == b' ' || b == b'\t');
        let behind = &text[end..];
        let rest = behind.trim_start_matches([' ', '\t', '\r']);
        if alone_before && (rest.is_empty() || rest.starts_with('\n')) {
            start -= indent.len();
            end = text.len() - rest.len() + usize::from(!rest.is_empty());
        } else if !rest.starts_with('\n') {
            // Others stand on its last line: close the gap.
            end += behind.len() - behind.trim_start_matches([' ', '\t']).len();
        } else {
            start = text[..start].trim_end_matches([' ', '\t']).len();
        }
        self.reparse(&format!("{}{}", &text[..start], &text[end..]))
    }

    /// Puts another statement in the place of one. Its comments stay, except those between its
    /// first and last token.
    ///
    /// # Errors
    ///
    /// An index at or above the number of statements; a text that is not one statement without
    /// comments.
    pub fn replace(&self, index: usize, statement: &str) -> Result<Program, EditError> {
        let old = self.statement_at(index)?.span;
        let new = canonical(statement)?;
        let text = &*self.text;
        self.reparse(&format!("{}{new}{}", &text[..old.start as usize], &text[old.end as usize..]))
    }

    fn statement_at(&self, index: usize) -> Result<&Statement, EditError> {
        let count = self.statements.len();
        self.statements.get(index).ok_or(EditError::NoStatement { index, count })
    }

    /// The line end the text uses.
    fn newline(&self) -> &'static str {
        match self.text.find('\n') {
            Some(at) if self.text[..at].ends_with('\r') => "\r\n",
            _ => "\n",
        }
    }

    /// The guarantee that an edit parses: it is parsed.
    fn reparse(&self, text: &str) -> Result<Program, EditError> {
        Ok(Program::parse(&self.name, text)?)
    }
}

impl Statement {
    fn terminated(&self) -> bool {
        self.extent.stop != self.span.end
    }
}

/// A single statement's canonical text, without `;`.
fn canonical(statement: &str) -> Result<String, EditError> {
    let program = Program::parse("the new statement", statement)?;
    let [only] = program.statements.as_slice() else {
        return Err(EditError::NotOne { count: program.statements.len() });
    };
    if !only.leading.is_empty() || only.trailing.is_some() || !program.footer.is_empty() {
        return Err(EditError::Comments);
    }
    Ok(only.kind.to_string())
}
