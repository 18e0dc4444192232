//! Expressions, by operator precedence with an explicit stack: no recursion, whatever the input.

use crate::MAX_DEPTH;
use crate::ast::{BinaryOp, Expr, Function, Node, NodeId, UnaryOp};
use crate::parser::{Broken, Parser};
use crate::source::Span;
use crate::suggest::{did_you_mean, quote};
use crate::token::TokenKind;

/// Something begun that waits for its next operand or its end.
enum Open {
    Binary(BinaryOp, Span),
    Unary(UnaryOp, Span),
    Group(Span),
    Call(Function, Span, Vec<NodeId>),
}

/// An expression under construction.
#[derive(Default)]
struct Builder {
    expr: Expr,
    open: Vec<Open>,
    operands: Vec<NodeId>,
    /// How many of `open` are not binary.
    depth: usize,
}

/// What an operator, a comma or a parenthesis leads to.
enum After {
    Operand,
    Operator,
    End,
}

/// Parses an expression up to the first token that cannot be part of it.
pub(crate) fn parse(parser: &mut Parser<'_>) -> Result<Expr, Broken> {
    let mut builder = Builder::default();
    loop {
        builder.operand(parser)?;
        loop {
            match builder.operator(parser)? {
                After::Operand => break,
                After::Operator => {}
                After::End => return Ok(builder.expr),
            }
        }
    }
}

impl Builder {
    /// Reads prefixes (`-`, `!`, `(`, `name(`) and then a number or name.
    fn operand(&mut self, parser: &mut Parser<'_>) -> Result<(), Broken> {
        loop {
            let token = parser.token;
            match token.kind {
                TokenKind::Minus => self.enter(parser, Open::Unary(UnaryOp::Negate, token.span))?,
                TokenKind::Not => self.enter(parser, Open::Unary(UnaryOp::Not, token.span))?,
                TokenKind::Open => self.enter(parser, Open::Group(token.span))?,
                TokenKind::Number(value) => {
                    parser.advance();
                    let literal = parser.source.slice(token.span).into();
                    self.leaf(Node::Number(value, literal), token.span);
                    return Ok(());
                }
                TokenKind::Name => {
                    parser.advance();
                    let name = parser.source.slice(token.span);
                    if parser.token.kind == TokenKind::Open {
                        let Some(function) = Function::named(name) else {
                            return parser.fail(token.span, || unknown_function(name));
                        };
                        self.enter(parser, Open::Call(function, token.span, Vec::new()))?;
                        if parser.token.kind == TokenKind::Close {
                            return wrong_count(parser, function, token.span, 0);
                        }
                        continue;
                    }
                    let node = match name {
                        "true" => Node::Bool(true),
                        "false" => Node::Bool(false),
                        _ => Node::Name(name.into()),
                    };
                    self.leaf(node, token.span);
                    return Ok(());
                }
                _ => return parser.fail_expected("a number, a name or `(`", None),
            }
        }
    }

    /// Takes the token that opens something, if there is depth left for it.
    fn enter(&mut self, parser: &mut Parser<'_>, open: Open) -> Result<(), Broken> {
        if self.depth == MAX_DEPTH {
            return parser.fail(parser.token.span, || {
                (
                    format!("nested deeper than {MAX_DEPTH}"),
                    Some("assign parts of it to fields first, or drop parentheses".to_owned()),
                )
            });
        }
        parser.advance();
        self.depth += 1;
        self.open.push(open);
        Ok(())
    }

    fn leaf(&mut self, node: Node, span: Span) {
        let id = self.expr.push(node, span);
        self.operands.push(id);
    }

    /// Reads what may follow an operand.
    fn operator(&mut self, parser: &mut Parser<'_>) -> Result<After, Broken> {
        let token = parser.token;
        let op = match token.kind {
            TokenKind::Minus => BinaryOp::Subtract,
            TokenKind::Operator(op) => op,
            TokenKind::Close | TokenKind::Comma => return self.close_or_comma(parser),
            _ => {
                self.reduce(0);
                return match self.open.last() {
                    None => Ok(After::End),
                    Some(&(Open::Group(at) | Open::Call(_, at, _))) => {
                        let help = format!("it closes what opens at {}:{}", at.line, at.column);
                        parser.fail_expected("an operator or `)`", Some(&help))
                    }
                    // `reduce` leaves no operators behind.
                    Some(_) => Err(Broken),
                };
            }
        };
        self.reduce(op.precedence() + u8::from(op.compares()));
        if let Some(Open::Binary(before, _)) = self.open.last()
            && before.compares()
            && op.compares()
        {
            return parser.fail(token.span, || {
                let help = "join two comparisons with `&&`, as in `a < b && b < c`, or write \
                            `band(x, lo, hi)`; compare bools with parentheses";
                ("comparisons do not chain".to_owned(), Some(help.to_owned()))
            });
        }
        parser.advance();
        self.open.push(Open::Binary(op, token.span));
        Ok(After::Operand)
    }

    fn close_or_comma(&mut self, parser: &mut Parser<'_>) -> Result<After, Broken> {
        self.reduce(0);
        let comma = parser.token.kind == TokenKind::Comma;
        let Some(operand) = self.operands.pop() else {
            // An operator always has its operands.
            return Err(Broken);
        };
        match self.open.pop() {
            None => {
                self.operands.push(operand);
                Ok(After::End)
            }
            Some(Open::Call(function, span, mut arguments)) => {
                arguments.push(operand);
                if comma {
                    parser.advance();
                    self.open.push(Open::Call(function, span, arguments));
                    return Ok(After::Operand);
                }
                if !function.takes(arguments.len()) {
                    return wrong_count(parser, function, span, arguments.len());
                }
                parser.advance();
                self.depth -= 1;
                self.leaf(Node::Call(function, arguments.into()), span);
                Ok(After::Operator)
            }
            Some(Open::Group(span)) if !comma => {
                parser.advance();
                self.depth -= 1;
                self.leaf(Node::Group(operand), span);
                Ok(After::Operator)
            }
            Some(_) => {
                let help = "only calls have several arguments";
                parser.fail_expected("an operator or `)`", Some(help))
            }
        }
    }

    /// Completes the operators that bind at least as close as `precedence`.
    fn reduce(&mut self, precedence: u8) {
        loop {
            match self.open.last() {
                Some(&Open::Unary(op, span)) => {
                    let Some(operand) = self.operands.pop() else { return };
                    self.depth -= 1;
                    self.open.pop();
                    self.leaf(Node::Unary(op, operand), span);
                }
                Some(&Open::Binary(op, span)) if op.precedence() >= precedence => {
                    let (Some(right), Some(left)) = (self.operands.pop(), self.operands.pop())
                    else {
                        return;
                    };
                    self.open.pop();
                    self.leaf(Node::Binary(op, left, right), span);
                }
                _ => return,
            }
        }
    }
}

fn unknown_function(name: &str) -> (String, Option<String>) {
    let help = match name {
        "soft" | "penalty" | "penalty_if" => {
            "it is a statement: end the one before it with `;`".to_owned()
        }
        "if" | "select" | "cond" => "write `sel(condition, then, otherwise)`".to_owned(),
        _ => did_you_mean(name, "functions", Function::ALL.map(Function::name)),
    };
    (format!("there is no function {}", quote(name)), Some(help))
}

fn wrong_count<T>(
    parser: &mut Parser<'_>,
    function: Function,
    span: Span,
    given: usize,
) -> Result<T, Broken> {
    parser.fail(span, || {
        let plural = if given == 1 { "" } else { "s" };
        (
            format!("`{}` cannot be called with {given} argument{plural}", function.name()),
            Some(format!("write `{}`", function.usage())),
        )
    })
}
