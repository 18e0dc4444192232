//! Checked expressions to code, with an explicit stack instead of recursion.

use crate::ast::{BinaryOp, Expr, Function, Node, NodeId, UnaryOp};
use crate::code::{Op, Piece};
use crate::schema::{FieldSet, Type};
use crate::source::Span;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Variable(u32),
    /// The value assigned before.
    Assigned(u32),
    /// The field of the candidate being judged.
    Candidate(u32),
}

/// What the checker found out about a node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    /// Its type; `None` when it has an error, which has been reported.
    pub(crate) ty: Option<Type>,
    /// What it stands for, when it is a name.
    pub(crate) place: Option<Place>,
}

/// The code of a whole program.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Code {
    pub(crate) ops: Vec<Op>,
    /// Where in the text each instruction comes from, for notes.
    pub(crate) spans: Vec<Span>,
}

enum Work {
    Visit(NodeId),
    Emit(Op, Span),
    /// Emit a jump whose address is not known yet.
    Fork(Op, Span),
    /// Emit a jump to the end and let the last fork lead here.
    Swap(Span),
    /// Let the last fork lead here.
    Join,
}

impl Code {
    /// Appends the code of an expression.
    pub(crate) fn emit(&mut self, expr: &Expr, facts: &[Facts]) -> Piece {
        let start = self.ops.len();
        let mut candidate = FieldSet::default();
        let mut forks = Vec::new();
        let mut work = vec![Work::Visit(expr.root())];
        while let Some(next) = work.pop() {
            match next {
                Work::Visit(node) => self.visit(expr, node, facts, &mut candidate, &mut work),
                Work::Emit(op, span) => self.push(op, span),
                Work::Fork(op, span) => {
                    forks.push(self.ops.len());
                    self.push(op, span);
                }
                Work::Swap(span) => {
                    let jump = self.ops.len();
                    self.push(Op::Jump(0), span);
                    if let Some(fork) = forks.pop() {
                        self.lead_here(fork);
                    }
                    forks.push(jump);
                }
                Work::Join => {
                    if let Some(fork) = forks.pop() {
                        self.lead_here(fork);
                    }
                }
            }
        }
        let slots = slots(&self.ops[start..]);
        Piece { start: start as u32, end: self.ops.len() as u32, slots, candidate }
    }

    fn push(&mut self, op: Op, span: Span) {
        self.ops.push(op);
        self.spans.push(span);
    }

    fn lead_here(&mut self, fork: usize) {
        let here = self.ops.len() as u32;
        match &mut self.ops[fork] {
            Op::Jump(to) | Op::JumpUnless(to) | Op::AndThen(to) | Op::OrElse(to) => *to = here,
            _ => {}
        }
    }

    /// Emits a leaf; for anything else, queues its parts (in reverse: the queue is a stack).
    fn visit(
        &mut self,
        expr: &Expr,
        node: NodeId,
        facts: &[Facts],
        candidate: &mut FieldSet,
        work: &mut Vec<Work>,
    ) {
        let span = expr.span(node);
        match &expr.nodes[node as usize] {
            Node::Number(x, _) => self.push(Op::Push(*x), span),
            Node::Bool(b) => self.push(Op::Push(f64::from(u8::from(*b))), span),
            Node::Name(_) => {
                let Facts { ty, place } = facts[node as usize];
                let number = ty == Some(Type::Number);
                let op = match place {
                    Some(Place::Variable(i)) if number => Op::NumberVariable(i),
                    Some(Place::Variable(i)) => Op::BoolVariable(i),
                    Some(Place::Assigned(i)) if number => Op::NumberField(i),
                    Some(Place::Assigned(i)) => Op::BoolField(i),
                    Some(Place::Candidate(i)) => {
                        candidate.insert(i as usize);
                        if number { Op::NumberCandidate(i) } else { Op::BoolCandidate(i) }
                    }
                    // Only expressions without errors come here.
                    None => Op::Push(0.0),
                };
                self.push(op, span);
            }
            Node::Group(inner) => work.push(Work::Visit(*inner)),
            Node::Unary(op, inner) => {
                let op = match op {
                    UnaryOp::Negate => Op::Negate,
                    UnaryOp::Not => Op::Not,
                };
                work.extend([Work::Emit(op, span), Work::Visit(*inner)]);
            }
            Node::Binary(op @ (BinaryOp::And | BinaryOp::Or), left, right) => {
                let fork = if *op == BinaryOp::And { Op::AndThen(0) } else { Op::OrElse(0) };
                work.extend([
                    Work::Join,
                    Work::Visit(*right),
                    Work::Fork(fork, span),
                    Work::Visit(*left),
                ]);
            }
            Node::Binary(op, left, right) => work.extend([
                Work::Emit(binary(*op), span),
                Work::Visit(*right),
                Work::Visit(*left),
            ]),
            Node::Call(Function::Sel, arguments) => {
                if let [condition, then, otherwise] = **arguments {
                    work.extend([
                        Work::Join,
                        Work::Visit(otherwise),
                        Work::Swap(span),
                        Work::Visit(then),
                        Work::Fork(Op::JumpUnless(0), span),
                        Work::Visit(condition),
                    ]);
                }
            }
            Node::Call(function, arguments) => {
                let (op, folds) = call(*function);
                if folds {
                    // x, y, min, z, min: the stack stays low with many arguments.
                    for &argument in arguments.iter().skip(1).rev() {
                        work.extend([Work::Emit(op, span), Work::Visit(argument)]);
                    }
                    work.extend(arguments.first().map(|&first| Work::Visit(first)));
                } else {
                    work.push(Work::Emit(op, span));
                    work.extend(arguments.iter().rev().map(|&argument| Work::Visit(argument)));
                }
            }
        }
    }
}

fn binary(op: BinaryOp) -> Op {
    match op {
        // These two are lazy and have been dealt with; the arms make the match total.
        BinaryOp::Or => Op::Max,
        BinaryOp::And => Op::Min,
        BinaryOp::Equal => Op::Equal,
        BinaryOp::NotEqual => Op::NotEqual,
        BinaryOp::Less => Op::Less,
        BinaryOp::LessEqual => Op::LessEqual,
        BinaryOp::Greater => Op::Greater,
        BinaryOp::GreaterEqual => Op::GreaterEqual,
        BinaryOp::Add => Op::Add,
        BinaryOp::Subtract => Op::Subtract,
        BinaryOp::Multiply => Op::Multiply,
        BinaryOp::Divide => Op::Divide,
        BinaryOp::Remainder => Op::Remainder,
    }
}

/// The instruction of a function, and whether it is applied to two arguments at a time.
fn call(function: Function) -> (Op, bool) {
    match function {
        // Lazy, dealt with; the arm makes the match total.
        Function::Sel => (Op::Max, true),
        Function::Log2 => (Op::Log2, false),
        Function::Min => (Op::Min, true),
        Function::Max => (Op::Max, true),
        Function::Clamp => (Op::Clamp, false),
        Function::Abs => (Op::Abs, false),
        Function::Floor => (Op::Floor, false),
        Function::Ceil => (Op::Ceil, false),
        Function::Band => (Op::Band, false),
    }
}

/// The most stack slots code needs.
///
/// Read straight through: the two sides of a fork leave the same number of values, so a jump over
/// the second side counts as taking the value that the first side left.
fn slots(ops: &[Op]) -> u32 {
    let mut now = 0i64;
    let mut most = 0;
    for op in ops {
        now += match op {
            Op::Push(_)
            | Op::NumberVariable(_)
            | Op::BoolVariable(_)
            | Op::NumberField(_)
            | Op::BoolField(_)
            | Op::NumberCandidate(_)
            | Op::BoolCandidate(_) => 1,
            Op::Negate | Op::Not | Op::Log2 | Op::Abs | Op::Floor | Op::Ceil => 0,
            Op::Clamp | Op::Band => -2,
            _ => -1,
        };
        most = most.max(now);
    }
    u32::try_from(most).unwrap_or(1).max(1)
}
