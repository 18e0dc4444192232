//! SpiralK, the rules language of SpiralTorch: small programs that say how a choice is made.
//!
//! Text goes one way through visible passes:
//!
//! - [`source`]: bytes to text, and the pieces of text that errors show.
//! - [`token`], [`lexer`]: text to tokens and comments, each with its line and column.
//! - [`ast`], [`parser`]: tokens to a [`Program`], which keeps comments and parentheses.
//! - [`check`]: a program and a [`Schema`] to [`Rules`]: names resolved, types checked.
//! - [`eval`]: rules and variables to an [`Outcome`]: assignments, votes and notes.
//! - [`printer`]: a program to its canonical text.
//! - [`edit`]: a program to a changed text, in which everything else keeps its bytes.
//! - [`error`]: the diagnostics all passes report.
//!
//! The language knows no GPU: the caller's [`Schema`] names the fields and variables. Nothing here
//! recurses over the input, so no program can exhaust the stack; every pass takes time linear in
//! the text. This crate touches no device, clock, environment or file.
//!
//! ```
//! use st_kdsl::{Name, Rules, Schema, Type, Value};
//!
//! const SCHEMA: Schema = Schema {
//!     fields: &[Name::new("tile", Type::Number, "columns per tile")],
//!     variables: &[Name::new("c", Type::Number, "columns")],
//! };
//! let rules = Rules::compile("example", "tile: sel(log2(c) > 13.0, 1024, 256);", &SCHEMA, &[])?;
//! let mut assigned = [None];
//! rules.eval(&[Value::Number(65536.0)], &mut assigned);
//! assert_eq!(assigned[0], Some(Value::Number(1024.0)));
//! # Ok::<(), st_kdsl::Diagnostics>(())
//! ```

#![forbid(unsafe_code)]

pub mod ast;
pub mod check;
mod code;
pub mod edit;
mod emit;
pub mod error;
pub mod eval;
mod expression;
pub mod lexer;
pub mod parser;
pub mod printer;
pub mod schema;
pub mod source;
mod suggest;
pub mod token;

pub use ast::{Program, Statement};
pub use check::Rules;
pub use edit::EditError;
pub use error::{Diagnostic, Diagnostics};
pub use eval::{Assignment, Note, Outcome, Vote};
pub use schema::{FieldSet, Name, Schema, Type, Value};
pub use source::{MAX_BYTES, Span, decode};

/// How deep parentheses, calls and unary operators may nest.
pub const MAX_DEPTH: usize = 256;
