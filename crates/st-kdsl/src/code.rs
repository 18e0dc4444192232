//! What expressions are compiled to: a flat code for a stack of numbers, and its interpreter.
//!
//! Checked code cannot go wrong except by its values, so bools are the numbers 0 and 1, and the
//! most slots an expression needs are known before it runs.

use crate::schema::{FieldSet, Value};

/// One instruction. Jumps go forward only, so every run ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Op {
    Push(f64),
    NumberVariable(u32),
    BoolVariable(u32),
    NumberField(u32),
    BoolField(u32),
    NumberCandidate(u32),
    BoolCandidate(u32),
    Negate,
    Not,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Log2,
    Min,
    Max,
    Clamp,
    Abs,
    Floor,
    Ceil,
    Band,
    /// Go on at the address.
    Jump(u32),
    /// Take a bool; when false, go on at the address.
    JumpUnless(u32),
    /// `&&`: a false stays and decides; a true is dropped and the right side follows.
    AndThen(u32),
    /// `||`: a true stays and decides; a false is dropped and the right side follows.
    OrElse(u32),
}

/// The code of one expression within its program's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// Stack slots it needs.
    pub(crate) slots: u32,
    /// The candidate's fields it mentions.
    pub(crate) candidate: FieldSet,
}

/// What an expression can see.
#[derive(Clone, Copy)]
pub(crate) struct Env<'a> {
    pub(crate) variables: &'a [Value],
    pub(crate) fields: &'a [Option<Value>],
    pub(crate) candidate: &'a [Value],
}

/// Why an expression has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A variable was not given, is not finite, or has the wrong type.
    Variable(u32),
    /// A field has no value, because its assignment was voided.
    Field(u32),
    DivisionByZero,
    RemainderByZero,
    Log2,
    /// Any other operation whose result is not finite.
    Overflow,
}

/// Stack slots that need no allocation.
pub(crate) const INLINE_SLOTS: usize = 16;

/// Runs a piece of code. On failure, tells the address too.
pub(crate) fn run(code: &[Op], piece: &Piece, env: Env<'_>) -> Result<f64, (Fault, usize)> {
    if piece.slots as usize <= INLINE_SLOTS {
        run_on(code, piece, env, &mut [0.0; INLINE_SLOTS])
    } else {
        run_on(code, piece, env, &mut vec![0.0; piece.slots as usize])
    }
}

fn run_on(
    code: &[Op],
    piece: &Piece,
    env: Env<'_>,
    stack: &mut [f64],
) -> Result<f64, (Fault, usize)> {
    let mut at = piece.start as usize;
    let end = piece.end as usize;
    // One past the top of the stack.
    let mut top = 0;
    while at < end {
        let result = match code[at] {
            Op::Push(x) => push(stack, &mut top, x),
            Op::NumberVariable(i) => {
                number(env.variables.get(i as usize).copied(), Fault::Variable(i))
                    .and_then(|x| push(stack, &mut top, x))
            }
            Op::BoolVariable(i) => bool(env.variables.get(i as usize).copied(), Fault::Variable(i))
                .and_then(|x| push(stack, &mut top, x)),
            Op::NumberField(i) => {
                number(env.fields.get(i as usize).copied().flatten(), Fault::Field(i))
                    .and_then(|x| push(stack, &mut top, x))
            }
            Op::BoolField(i) => {
                bool(env.fields.get(i as usize).copied().flatten(), Fault::Field(i))
                    .and_then(|x| push(stack, &mut top, x))
            }
            Op::NumberCandidate(i) => {
                number(env.candidate.get(i as usize).copied(), Fault::Field(i))
                    .and_then(|x| push(stack, &mut top, x))
            }
            Op::BoolCandidate(i) => bool(env.candidate.get(i as usize).copied(), Fault::Field(i))
                .and_then(|x| push(stack, &mut top, x)),
            Op::Negate => unary(stack, top, |x| -x),
            Op::Not => unary(stack, top, |x| 1.0 - x),
            Op::Abs => unary(stack, top, f64::abs),
            Op::Floor => unary(stack, top, f64::floor),
            Op::Ceil => unary(stack, top, f64::ceil),
            Op::Log2 => {
                if stack[top - 1] > 0.0 {
                    unary(stack, top, f64::log2)
                } else {
                    Err(Fault::Log2)
                }
            }
            Op::Equal => binary(stack, &mut top, |x, y| truth(x == y)),
            Op::NotEqual => binary(stack, &mut top, |x, y| truth(x != y)),
            Op::Less => binary(stack, &mut top, |x, y| truth(x < y)),
            Op::LessEqual => binary(stack, &mut top, |x, y| truth(x <= y)),
            Op::Greater => binary(stack, &mut top, |x, y| truth(x > y)),
            Op::GreaterEqual => binary(stack, &mut top, |x, y| truth(x >= y)),
            Op::Add => binary(stack, &mut top, |x, y| x + y),
            Op::Subtract => binary(stack, &mut top, |x, y| x - y),
            Op::Multiply => binary(stack, &mut top, |x, y| x * y),
            Op::Divide if stack[top - 1] == 0.0 => Err(Fault::DivisionByZero),
            Op::Divide => binary(stack, &mut top, |x, y| x / y),
            Op::Remainder if stack[top - 1] == 0.0 => Err(Fault::RemainderByZero),
            Op::Remainder => binary(stack, &mut top, |x, y| x % y),
            Op::Min => binary(stack, &mut top, f64::min),
            Op::Max => binary(stack, &mut top, f64::max),
            // Not `f64::clamp`, which panics when lo > hi. Here hi wins.
            Op::Clamp => ternary(stack, &mut top, |x, lo, hi| x.max(lo).min(hi)),
            Op::Band => ternary(stack, &mut top, |x, lo, hi| truth(lo <= x && x <= hi)),
            Op::Jump(to) => {
                at = to as usize;
                continue;
            }
            Op::JumpUnless(to) => {
                top -= 1;
                at = if stack[top] == 0.0 { to as usize } else { at + 1 };
                continue;
            }
            Op::AndThen(to) | Op::OrElse(to) => {
                let stays = matches!(code[at], Op::AndThen(_)) == (stack[top - 1] == 0.0);
                at = if stays { to as usize } else { at + 1 };
                top -= usize::from(!stays);
                continue;
            }
        };
        match result {
            Ok(()) => at += 1,
            Err(fault) => return Err((fault, at)),
        }
    }
    Ok(stack[0])
}

#[inline]
fn push(stack: &mut [f64], top: &mut usize, x: f64) -> Result<(), Fault> {
    stack[*top] = x;
    *top += 1;
    Ok(())
}

#[inline]
fn unary(stack: &mut [f64], top: usize, f: impl Fn(f64) -> f64) -> Result<(), Fault> {
    store(stack, top - 1, f(stack[top - 1]))
}

#[inline]
fn binary(stack: &mut [f64], top: &mut usize, f: impl Fn(f64, f64) -> f64) -> Result<(), Fault> {
    *top -= 1;
    store(stack, *top - 1, f(stack[*top - 1], stack[*top]))
}

#[inline]
fn ternary(
    stack: &mut [f64],
    top: &mut usize,
    f: impl Fn(f64, f64, f64) -> f64,
) -> Result<(), Fault> {
    *top -= 2;
    store(stack, *top - 1, f(stack[*top - 1], stack[*top], stack[*top + 1]))
}

#[inline]
fn store(stack: &mut [f64], slot: usize, x: f64) -> Result<(), Fault> {
    if !x.is_finite() {
        return Err(Fault::Overflow);
    }
    stack[slot] = x;
    Ok(())
}

fn truth(b: bool) -> f64 {
    f64::from(u8::from(b))
}

fn number(value: Option<Value>, fault: Fault) -> Result<f64, Fault> {
    match value {
        Some(Value::Number(x)) if x.is_finite() => Ok(x),
        _ => Err(fault),
    }
}

fn bool(value: Option<Value>, fault: Fault) -> Result<f64, Fault> {
    match value {
        Some(Value::Bool(b)) => Ok(truth(b)),
        _ => Err(fault),
    }
}
