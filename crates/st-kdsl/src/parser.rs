//! Tokens to a [`Program`]: statements, their comments, and recovery from errors at the next `;`.

use std::sync::Arc;

use crate::MAX_BYTES;
use crate::ast::{Expr, Extent, Function, Ident, Program, Statement, StatementKind, Trivia};
use crate::error::{Diagnostic, Diagnostics, Sink};
use crate::lexer::Lexer;
use crate::source::{Source, Span};
use crate::suggest::{nearest, quote};
use crate::token::{Bad, Comment, Token, TokenKind};

/// The kinds of statement that look like a call, and how they are written.
const CALLS: [(&str, &str); 3] = [
    ("soft", "soft(field, value, weight) or soft(field, value, weight, condition)"),
    ("penalty", "penalty(field, value, weight) or penalty(field, value, weight, condition)"),
    ("penalty_if", "penalty_if(condition, weight)"),
];

/// The statement cannot be understood; why has been reported.
pub(crate) struct Broken;

impl Program {
    /// Parses a text. `name` is what diagnostics call it: a path or an environment variable.
    ///
    /// Names and types are not looked at: that takes a schema ([`Rules::check`](crate::Rules)).
    ///
    /// # Errors
    ///
    /// Every statement that is not well formed, up to a number; also a text above
    /// [`MAX_BYTES`].
    pub fn parse(name: &str, text: &str) -> Result<Program, Diagnostics> {
        let name: Arc<str> = name.into();
        let source = Source { name: &name, text };
        if text.len() > MAX_BYTES {
            let span = Span { start: 0, end: 0, line: 1, column: 1 };
            let message = format!("the program has {} bytes", text.len());
            let help = Some(format!("write at most {MAX_BYTES} bytes of rules"));
            return Err(Diagnostics::one(Diagnostic::new(source, span, message, help)));
        }
        let mut parser = Parser::new(source);
        parser.program();
        let Parser { statements, footer, sink, .. } = parser;
        sink.finish()?;
        Ok(Program { name: name.clone(), text: text.into(), statements, footer })
    }
}

/// The state of parsing: one token of look-ahead.
pub(crate) struct Parser<'a> {
    pub(crate) source: Source<'a>,
    pub(crate) sink: Sink<'a>,
    pub(crate) token: Token,
    lexer: Lexer<'a>,
    /// Behind the last token taken.
    last_end: u32,
    statements: Vec<Statement>,
    footer: Vec<Trivia>,
}

/// The comments above a statement, and where they begin if they touch it.
struct Leading {
    trivia: Vec<Trivia>,
    block_start: Option<u32>,
}

impl<'a> Parser<'a> {
    fn new(source: Source<'a>) -> Parser<'a> {
        let mut lexer = Lexer::new(source.text);
        let token = lexer.token();
        Parser {
            source,
            sink: Sink::new(source),
            token,
            lexer,
            last_end: 0,
            statements: Vec::new(),
            footer: Vec::new(),
        }
    }

    /// Takes the token under the eye and looks at the next one.
    pub(crate) fn advance(&mut self) -> Token {
        let taken = self.token;
        self.last_end = taken.span.end;
        self.token = self.lexer.token();
        taken
    }

    fn program(&mut self) {
        let mut leading = Leading { trivia: Vec::new(), block_start: None };
        loop {
            self.take_leading(&mut leading);
            match self.token.kind {
                TokenKind::End => break,
                TokenKind::Semicolon => {
                    self.advance();
                    leading.block_start = None;
                }
                _ => {
                    let above = std::mem::replace(
                        &mut leading,
                        Leading { trivia: Vec::new(), block_start: None },
                    );
                    if self.statement(above).is_err() {
                        self.recover();
                    }
                }
            }
        }
        self.footer = leading.trivia;
        if let Some(Trivia::Blank) = self.footer.last() {
            self.footer.pop();
        }
    }

    /// Sorts the comments before the next token: behind the last statement, or above the next.
    fn take_leading(&mut self, leading: &mut Leading) {
        for comment in self.lexer.take_comments() {
            if comment.same_line
                && leading.trivia.is_empty()
                && let Some(last) = self.statements.last_mut()
                && last.trailing.is_none()
            {
                last.trailing = Some(self.source.slice(comment.span).into());
                last.extent.end = comment.span.end;
                continue;
            }
            if comment.blank_before {
                self.blank(leading);
            }
            leading.block_start.get_or_insert(comment.span.start);
            leading.trivia.push(self.comment(comment));
        }
        if self.token.blank_before {
            self.blank(leading);
        }
    }

    fn blank(&self, leading: &mut Leading) {
        leading.block_start = None;
        let first = self.statements.is_empty() && leading.trivia.is_empty();
        if !first && leading.trivia.last() != Some(&Trivia::Blank) {
            leading.trivia.push(Trivia::Blank);
        }
    }

    fn comment(&self, comment: Comment) -> Trivia {
        Trivia::Comment(self.source.slice(comment.span).into())
    }

    /// Skips the rest of a broken statement.
    fn recover(&mut self) {
        while !matches!(self.token.kind, TokenKind::Semicolon | TokenKind::End) {
            self.advance();
        }
        self.lexer.take_comments();
    }

    fn statement(&mut self, leading: Leading) -> Result<(), Broken> {
        let first = self.token.span;
        let kind = self.statement_kind()?;
        let span = Span { end: self.last_end, ..first };
        let terminated = match self.token.kind {
            TokenKind::Semicolon => true,
            TokenKind::End => false,
            _ => return self.not_terminated(),
        };
        let mut statement = Statement {
            kind,
            leading: leading.trivia,
            trailing: None,
            span,
            extent: Extent {
                start: leading.block_start.unwrap_or(span.start),
                stop: span.end,
                end: span.end,
            },
        };
        let (inside, behind): (Vec<_>, Vec<_>) =
            self.lexer.take_comments().into_iter().partition(|c| c.span.start < span.end);
        statement.leading.extend(inside.into_iter().map(|c| self.comment(c)));
        for comment in behind {
            if comment.same_line {
                statement.trailing = Some(self.source.slice(comment.span).into());
                statement.extent.end = comment.span.end;
            } else if terminated {
                statement.leading.push(self.comment(comment));
            } else {
                self.footer_comment(comment);
            }
        }
        if terminated {
            let semicolon = self.advance();
            statement.extent.stop = semicolon.span.end;
            statement.extent.end = semicolon.span.end;
        }
        self.statements.push(statement);
        Ok(())
    }

    /// Comments behind an unterminated last statement: nothing can follow but the end.
    fn footer_comment(&mut self, comment: Comment) {
        self.lexer.put_back(comment);
    }

    fn not_terminated(&mut self) -> Result<(), Broken> {
        let token = self.token;
        if token.kind == TokenKind::Close {
            return self.fail(token.span, || ("this `)` closes nothing".to_owned(), None));
        }
        let next_line =
            self.source.text[self.last_end as usize..token.span.start as usize].contains('\n');
        if next_line {
            self.fail_expected("`;`", Some("end the statement above with `;`"))
        } else {
            self.fail_expected("an operator or `;`", None)
        }
    }

    fn statement_kind(&mut self) -> Result<StatementKind, Broken> {
        let first = self.token;
        if first.kind != TokenKind::Name {
            return self.fail_expected(
                "a statement",
                Some("write `field: value;` or `soft(field, value, weight, condition);`"),
            );
        }
        self.advance();
        let name = self.source.slice(first.span);
        match self.token.kind {
            TokenKind::Colon => {
                self.advance();
                let field = Ident { name: name.into(), span: first.span };
                Ok(StatementKind::Assign { field, value: self.expression()? })
            }
            TokenKind::Open => match name {
                "soft" | "penalty" => {
                    self.advance();
                    self.vote(name == "penalty")
                }
                "penalty_if" => {
                    self.advance();
                    self.penalty_if()
                }
                _ => self.unknown_statement(first.span, name),
            },
            TokenKind::Bad(Bad::Equals) => self.fail(self.token.span, || {
                (
                    "`=` does not assign".to_owned(),
                    Some(format!("write `{}: ...`", quote_less(name))),
                )
            }),
            _ => self.fail_expected(
                "`:`",
                Some("write `field: value;` or `soft(field, value, weight, condition);`"),
            ),
        }
    }

    fn unknown_statement<T>(&mut self, span: Span, name: &str) -> Result<T, Broken> {
        self.fail(span, || {
            let help = if let Some(function) = Function::named(name) {
                format!("it is a function: write `field: {};`", function.usage())
            } else if let Some(near) = nearest(name, CALLS.map(|(name, _)| name)) {
                format!("did you mean `{near}`?")
            } else {
                "the statements are `field: value`, soft, penalty and penalty_if".to_owned()
            };
            (format!("there is no statement {}", quote(name)), Some(help))
        })
    }

    /// What is between the parentheses of `soft` and `penalty`, and the closing one.
    fn vote(&mut self, penalty: bool) -> Result<StatementKind, Broken> {
        let (name, usage) = CALLS[usize::from(penalty)];
        if self.token.kind != TokenKind::Name {
            return self.fail(self.token.span, || {
                (
                    format!("the first argument of `{name}` is the name of a field"),
                    Some(format!("write {usage}")),
                )
            });
        }
        let field = self.advance();
        let field = Ident { name: self.source.slice(field.span).into(), span: field.span };
        self.argument_end(name, usage, TokenKind::Comma)?;
        let value = self.expression()?;
        self.argument_end(name, usage, TokenKind::Comma)?;
        let weight = self.expression()?;
        let condition = if self.token.kind == TokenKind::Comma {
            self.advance();
            Some(self.expression()?)
        } else {
            None
        };
        self.argument_end(name, usage, TokenKind::Close)?;
        Ok(StatementKind::Vote { penalty, field, value, weight, condition })
    }

    fn penalty_if(&mut self) -> Result<StatementKind, Broken> {
        let (name, usage) = CALLS[2];
        let condition = self.expression()?;
        self.argument_end(name, usage, TokenKind::Comma)?;
        let weight = self.expression()?;
        self.argument_end(name, usage, TokenKind::Close)?;
        Ok(StatementKind::PenaltyIf { condition, weight })
    }

    /// Takes the `,` or `)` behind an argument of a statement.
    fn argument_end(&mut self, name: &str, usage: &str, want: TokenKind) -> Result<(), Broken> {
        let token = self.token;
        if token.kind == want {
            self.advance();
            return Ok(());
        }
        match token.kind {
            TokenKind::Comma => self.fail(token.span, || {
                (format!("`{name}` has too many arguments"), Some(format!("write {usage}")))
            }),
            TokenKind::Close => self.fail(token.span, || {
                (format!("`{name}` has too few arguments"), Some(format!("write {usage}")))
            }),
            _ => {
                let what = if want == TokenKind::Comma { "an operator or `,`" } else { "`)`" };
                let help = format!("write {usage}");
                self.fail_expected(what, Some(&help))
            }
        }
    }

    /// Parses an expression up to the first token that cannot be part of it.
    fn expression(&mut self) -> Result<Expr, Broken> {
        crate::expression::parse(self)
    }

    /// Reports that something else should stand where the next token is.
    pub(crate) fn fail_expected<T>(
        &mut self,
        expected: &str,
        help: Option<&str>,
    ) -> Result<T, Broken> {
        let token = self.token;
        let text = self.source.slice(token.span);
        self.fail(token.span, || match token.kind {
            TokenKind::Bad(bad) => bad.describe(text),
            TokenKind::End => {
                (format!("expected {expected}, but the text ends here"), help.map(str::to_owned))
            }
            _ => (format!("expected {expected}, found {}", quote(text)), help.map(str::to_owned)),
        })
    }

    /// Reports an error and gives the statement up.
    pub(crate) fn fail<T>(
        &mut self,
        span: Span,
        text: impl FnOnce() -> (String, Option<String>),
    ) -> Result<T, Broken> {
        self.sink.report(span, text);
        Err(Broken)
    }
}

/// [`quote`] without its backquotes.
fn quote_less(name: &str) -> String {
    quote(name).trim_matches('`').to_owned()
}
