//! The tree of a program: what was written, comments and parentheses included.
//!
//! An expression is a flat list of nodes in which operands come before the node that uses them, so
//! that walking, comparing and dropping one takes no recursion, however long its chains are.
//! Equality compares what was written, not where.

use std::sync::Arc;

use crate::source::Span;

/// A parsed program with its text.
#[derive(Clone, Debug)]
pub struct Program {
    pub(crate) name: Arc<str>,
    pub(crate) text: Arc<str>,
    pub(crate) statements: Vec<Statement>,
    pub(crate) footer: Vec<Trivia>,
}

impl Program {
    /// The name of its source in diagnostics.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text it was parsed from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its statements, in order.
    pub fn statements(&self) -> &[Statement] {
        &self.statements
    }

    /// The comments behind the last statement.
    pub fn footer(&self) -> &[Trivia] {
        &self.footer
    }
}

impl PartialEq for Program {
    fn eq(&self, other: &Program) -> bool {
        self.statements == other.statements && self.footer == other.footer
    }
}

/// What stands above a statement and means nothing to the evaluator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trivia {
    /// An empty line (or several).
    Blank,
    /// A comment, `#` included.
    Comment(Box<str>),
}

/// One statement with its comments.
#[derive(Clone, Debug)]
pub struct Statement {
    /// What it says.
    pub kind: StatementKind,
    /// Comments and empty lines above it, and comments from inside it.
    pub leading: Vec<Trivia>,
    /// The comment behind it on its last line.
    pub trailing: Option<Box<str>>,
    /// From its first to its last token, the `;` excluded.
    pub span: Span,
    pub(crate) extent: Extent,
}

/// Bytes that go away with a statement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    /// The first comment directly above it, or its first token.
    pub(crate) start: u32,
    /// Behind its `;`, or its last token where it has none.
    pub(crate) stop: u32,
    /// Behind its `;` and trailing comment.
    pub(crate) end: u32,
}

impl PartialEq for Statement {
    fn eq(&self, other: &Statement) -> bool {
        self.kind == other.kind && self.leading == other.leading && self.trailing == other.trailing
    }
}

/// The kinds of statement.
#[derive(Clone, Debug, PartialEq)]
pub enum StatementKind {
    /// `field: value`
    Assign {
        /// The field.
        field: Ident,
        /// Its value.
        value: Expr,
    },
    /// `soft(field, value, weight[, condition])` or `penalty(...)`
    Vote {
        /// Whether it is a `penalty`.
        penalty: bool,
        /// The field.
        field: Ident,
        /// The value voted for or against.
        value: Expr,
        /// How much.
        weight: Expr,
        /// When; always, if missing.
        condition: Option<Expr>,
    },
    /// `penalty_if(condition, weight)`
    PenaltyIf {
        /// Which candidates.
        condition: Expr,
        /// How much.
        weight: Expr,
    },
}

/// A name and where it is.
#[derive(Clone, Debug)]
pub struct Ident {
    /// The name.
    pub name: Box<str>,
    /// Where it is.
    pub span: Span,
}

impl PartialEq for Ident {
    fn eq(&self, other: &Ident) -> bool {
        self.name == other.name
    }
}

/// An expression: nodes, operands first; the last one is the root.
#[derive(Clone, Debug, Default)]
pub struct Expr {
    pub(crate) nodes: Vec<Node>,
    /// For each node its own token: the operator of a binary node, the name of a call.
    pub(crate) spans: Vec<Span>,
}

impl Expr {
    /// The nodes, operands before the nodes that use them. Never empty.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The root's index.
    pub fn root(&self) -> NodeId {
        self.nodes.len().saturating_sub(1) as NodeId
    }

    /// Where a node's own token is: the operator of a binary node, the name of a call.
    pub fn span(&self, node: NodeId) -> Span {
        self.spans[node as usize]
    }

    pub(crate) fn push(&mut self, node: Node, span: Span) -> NodeId {
        self.nodes.push(node);
        self.spans.push(span);
        self.root()
    }
}

impl PartialEq for Expr {
    fn eq(&self, other: &Expr) -> bool {
        self.nodes == other.nodes
    }
}

/// The index of a node in its expression.
pub type NodeId = u32;

/// A piece of an expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// A number, and how it was written.
    Number(f64, Box<str>),
    /// `true` or `false`
    Bool(bool),
    /// A field or variable.
    Name(Box<str>),
    /// `-x` or `!x`
    Unary(UnaryOp, NodeId),
    /// `x + y`
    Binary(BinaryOp, NodeId, NodeId),
    /// `(x)`
    Group(NodeId),
    /// `log2(x)`
    Call(Function, Box<[NodeId]>),
}

/// The operators before an operand. They bind closer than all binary ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnaryOp {
    /// `-`
    Negate,
    /// `!`
    Not,
}

impl UnaryOp {
    /// How it is written.
    pub fn symbol(self) -> &'static str {
        match self {
            UnaryOp::Negate => "-",
            UnaryOp::Not => "!",
        }
    }
}

/// The operators between two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinaryOp {
    /// `||`, lazy.
    Or,
    /// `&&`, lazy.
    And,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterEqual,
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `%`, with the sign of the left side.
    Remainder,
}

impl BinaryOp {
    /// How it is written.
    pub fn symbol(self) -> &'static str {
        match self {
            BinaryOp::Or => "||",
            BinaryOp::And => "&&",
            BinaryOp::Equal => "==",
            BinaryOp::NotEqual => "!=",
            BinaryOp::Less => "<",
            BinaryOp::LessEqual => "<=",
            BinaryOp::Greater => ">",
            BinaryOp::GreaterEqual => ">=",
            BinaryOp::Add => "+",
            BinaryOp::Subtract => "-",
            BinaryOp::Multiply => "*",
            BinaryOp::Divide => "/",
            BinaryOp::Remainder => "%",
        }
    }

    /// How close it binds: 1 for `||` to 5 for `*`.
    pub fn precedence(self) -> u8 {
        match self {
            BinaryOp::Or => 1,
            BinaryOp::And => 2,
            BinaryOp::Equal
            | BinaryOp::NotEqual
            | BinaryOp::Less
            | BinaryOp::LessEqual
            | BinaryOp::Greater
            | BinaryOp::GreaterEqual => 3,
            BinaryOp::Add | BinaryOp::Subtract => 4,
            BinaryOp::Multiply | BinaryOp::Divide | BinaryOp::Remainder => 5,
        }
    }

    /// Whether it compares. Comparisons do not chain.
    pub fn compares(self) -> bool {
        self.precedence() == 3
    }
}

/// The functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// `sel(condition, then, otherwise)`, lazy.
    Sel,
    /// Logarithm to base 2.
    Log2,
    /// The least of two or more.
    Min,
    /// The greatest of two or more.
    Max,
    /// `min(max(x, lo), hi)`.
    Clamp,
    /// Without its sign.
    Abs,
    /// The next whole number below.
    Floor,
    /// The next whole number above.
    Ceil,
    /// `lo <= x && x <= hi`.
    Band,
}

impl Function {
    /// All of them.
    pub const ALL: [Function; 9] = [
        Function::Sel,
        Function::Log2,
        Function::Min,
        Function::Max,
        Function::Clamp,
        Function::Abs,
        Function::Floor,
        Function::Ceil,
        Function::Band,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Function::Sel => "sel",
            Function::Log2 => "log2",
            Function::Min => "min",
            Function::Max => "max",
            Function::Clamp => "clamp",
            Function::Abs => "abs",
            Function::Floor => "floor",
            Function::Ceil => "ceil",
            Function::Band => "band",
        }
    }

    /// The function of that name.
    pub fn named(name: &str) -> Option<Function> {
        Function::ALL.into_iter().find(|f| f.name() == name)
    }

    /// How it is called.
    pub fn usage(self) -> &'static str {
        match self {
            Function::Sel => "sel(condition, then, otherwise)",
            Function::Log2 => "log2(x)",
            Function::Min => "min(x, y, ...)",
            Function::Max => "max(x, y, ...)",
            Function::Clamp => "clamp(x, lo, hi)",
            Function::Abs => "abs(x)",
            Function::Floor => "floor(x)",
            Function::Ceil => "ceil(x)",
            Function::Band => "band(x, lo, hi)",
        }
    }

    /// Whether it can be called with that many arguments.
    pub fn takes(self, arguments: usize) -> bool {
        match self {
            Function::Sel | Function::Clamp | Function::Band => arguments == 3,
            Function::Min | Function::Max => arguments >= 2,
            Function::Log2 | Function::Abs | Function::Floor | Function::Ceil => arguments == 1,
        }
    }
}
