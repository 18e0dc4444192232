//! Rules and variables to an [`Outcome`]: what is assigned, what is voted for, what went wrong.

use std::fmt;

use crate::check::{Rule, RuleKind, Rules};
use crate::code::{Env, Fault, Piece, run};
use crate::schema::{FieldSet, Type, Value};

/// What rules say for given variables.
#[derive(Clone, Debug, Default)]
pub struct Outcome<'r> {
    /// The fields assigned, one entry each, with the last value.
    pub assignments: Vec<Assignment>,
    /// The soft rules and penalties that apply, or may apply to some candidate.
    pub votes: Vec<Vote<'r>>,
    /// The statements that had no finite value, and why. They say nothing else.
    pub notes: Vec<Note>,
}

/// A field that must have a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Assignment {
    /// The field's index in the schema.
    pub field: usize,
    /// Its value, of the field's type.
    pub value: Value,
    /// The line of the statement.
    pub line: u32,
}

/// A soft rule or a penalty.
#[derive(Clone, Copy)]
pub struct Vote<'r> {
    /// The field voted on; `None` for `penalty_if`, which judges the candidate as a whole.
    pub field: Option<usize>,
    /// The value voted for or against.
    pub value: Option<Value>,
    /// How much, as a natural-log ratio; negative speaks against.
    pub weight: f64,
    /// The line of the statement.
    pub line: u32,
    rules: &'r Rules,
    rule: &'r Rule,
    condition: Option<&'r Piece>,
}

/// A statement that was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The name of the source.
    pub name: std::sync::Arc<str>,
    /// The line of the operation that failed.
    pub line: u32,
    /// Its column, in characters.
    pub column: u32,
    /// What happened.
    pub message: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}:{}: {}; the statement is left out",
            self.name, self.line, self.column, self.message
        )
    }
}

impl Note {
    /// The text of a note on a condition, which concerns some candidates alone.
    #[must_use]
    pub fn of_candidates(&self) -> String {
        let Self { name, line, column, message } = self;
        format!(
            "{name}:{line}:{column}: {message}; the statement is left out for choices of which this is so"
        )
    }
}

impl<'r> Vote<'r> {
    /// The candidate's fields that its condition mentions. Empty when the vote always applies.
    pub fn fields(&self) -> FieldSet {
        self.condition.map(|c| c.candidate).unwrap_or_default()
    }

    /// Whether the condition holds for a candidate: its fields' values in the order of the schema.
    /// `variables` are those that were given to [`Rules::eval`].
    ///
    /// The condition only: whether the candidate has the value voted on is the caller's to see.
    ///
    /// # Errors
    /// The condition has no finite value for the candidate, or reads a value that is missing here: the vote says nothing
    /// of it.
    pub fn applies(&self, variables: &[Value], candidate: &[Value]) -> Result<bool, Note> {
        let Some(condition) = self.condition else { return Ok(true) };
        let env = Env { variables, fields: &[], candidate };
        let value = run(&self.rules.code.ops, condition, env);
        value.map(|x| x != 0.0).map_err(|fault| self.rules.note(fault))
    }

    /// The name of the source.
    pub fn name(&self) -> &'r str {
        &self.rules.name
    }

    /// The statement's canonical text, without `;`.
    pub fn text(&self) -> &'r str {
        &self.rule.text
    }
}

/// `NAME:LINE: statement`
impl fmt::Display for Vote<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.name(), self.line, self.text())
    }
}

impl fmt::Debug for Vote<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vote")
            .field("field", &self.field)
            .field("value", &self.value)
            .field("weight", &self.weight)
            .field("line", &self.line)
            .finish_non_exhaustive()
    }
}

impl Rules {
    /// Evaluates the rules.
    ///
    /// `variables` are in the order of the schema. `assigned` holds the fields' values in the order
    /// of the schema: those assigned by programs before, and on return also those assigned here. A
    /// slice that is too short or holds a wrong type makes the statements that need it void, with a
    /// note.
    ///
    /// A voided assignment leaves the field as it was.
    pub fn eval<'r>(&'r self, variables: &[Value], assigned: &mut [Option<Value>]) -> Outcome<'r> {
        let mut outcome = Outcome {
            assignments: Vec::with_capacity(self.assigns().len()),
            votes: Vec::with_capacity(self.rules.len().saturating_sub(self.assigns().len())),
            notes: Vec::new(),
        };
        for rule in &self.rules {
            let env = Env { variables, fields: assigned, candidate: &[] };
            let result = match &rule.kind {
                RuleKind::Assign { field, ty, value } => self.value(env, *ty, value).map(|value| {
                    let field = *field as usize;
                    if let Some(slot) = assigned.get_mut(field) {
                        *slot = Some(value);
                    }
                    record(&mut outcome, Assignment { field, value, line: rule.line });
                }),
                RuleKind::Vote { .. } => {
                    self.vote(env, rule).map(|vote| outcome.votes.extend(vote))
                }
            };
            if let Err(fault) = result {
                outcome.notes.push(self.note(fault));
            }
        }
        outcome
    }

    fn value(&self, env: Env<'_>, ty: Type, piece: &Piece) -> Result<Value, (Fault, usize)> {
        let x = run(&self.code.ops, piece, env)?;
        Ok(match ty {
            Type::Number => Value::Number(x),
            Type::Bool => Value::Bool(x != 0.0),
        })
    }

    /// The vote of a soft rule; none where its condition is known to be false.
    fn vote<'r>(
        &'r self,
        env: Env<'_>,
        rule: &'r Rule,
    ) -> Result<Option<Vote<'r>>, (Fault, usize)> {
        let RuleKind::Vote { target, penalty, weight, condition } = &rule.kind else {
            return Ok(None);
        };
        let mut open = None;
        if let Some(condition) = condition {
            if !condition.candidate.is_empty() {
                open = Some(condition);
            } else if run(&self.code.ops, condition, env)? == 0.0 {
                return Ok(None);
            }
        }
        let value = match target {
            Some((_, ty, piece)) => Some(self.value(env, *ty, piece)?),
            None => None,
        };
        let weight = run(&self.code.ops, weight, env)?;
        Ok(Some(Vote {
            field: target.map(|(field, _, _)| field as usize),
            value,
            weight: if *penalty { 0.0 - weight } else { weight },
            line: rule.line,
            rules: self,
            rule,
            condition: open,
        }))
    }

    fn note(&self, (fault, at): (Fault, usize)) -> Note {
        let span = self.code.spans[at];
        let message = match fault {
            Fault::Variable(i) => {
                let variable = self.schema.variables[i as usize];
                format!("the variable `{}` was given no usable {}", variable.name, variable.ty)
            }
            Fault::Field(i) => {
                let name = self.schema.fields[i as usize].name;
                format!("`{name}` has no value: its assignment was left out")
            }
            Fault::DivisionByZero => "division by zero".to_owned(),
            Fault::RemainderByZero => "remainder of a division by zero".to_owned(),
            Fault::Log2 => "log2 of a number that is not positive".to_owned(),
            Fault::Overflow => "the result is too large for a number".to_owned(),
        };
        Note { name: self.name.clone(), line: span.line, column: span.column, message }
    }
}

/// Adds an assignment, or replaces the one to the same field.
fn record(outcome: &mut Outcome<'_>, assignment: Assignment) {
    match outcome.assignments.iter_mut().find(|a| a.field == assignment.field) {
        Some(earlier) => *earlier = assignment,
        None => outcome.assignments.push(assignment),
    }
}
