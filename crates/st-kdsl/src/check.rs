//! A program and a schema to [`Rules`]: names resolved, types checked, reading before assignment
//! refused.

use std::sync::Arc;

use crate::ast::{BinaryOp, Expr, Function, Ident, Node, NodeId, Program, StatementKind, UnaryOp};
use crate::code::Piece;
use crate::emit::{Code, Facts, Place};
use crate::error::{Diagnostics, Sink};
use crate::schema::{FieldSet, Schema, Type};
use crate::source::{Source, Span};
use crate::suggest::{did_you_mean, nearest, quote};

/// A checked program, ready to be evaluated; it owns all it needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    pub(crate) name: Arc<str>,
    pub(crate) schema: Schema,
    pub(crate) rules: Vec<Rule>,
    pub(crate) code: Code,
    assigns: FieldSet,
}

/// One checked statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    pub(crate) kind: RuleKind,
    pub(crate) line: u32,
    pub(crate) text: Box<str>,
}

impl Rule {
    /// The line it starts at.
    pub fn line(&self) -> u32 {
        self.line
    }

    /// Its canonical text on one line, without `;` and comments.
    pub fn text(&self) -> &str {
        &self.text
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum RuleKind {
    Assign {
        field: u32,
        ty: Type,
        value: Piece,
    },
    Vote {
        /// Field, type and value; nothing for `penalty_if`.
        target: Option<(u32, Type, Piece)>,
        penalty: bool,
        weight: Piece,
        condition: Option<Piece>,
    },
}

impl Rules {
    /// Checks a parsed program against a schema. `assigned_before` lists the fields that programs
    /// evaluated before this one assign: they can be read from the first statement on.
    ///
    /// # Errors
    ///
    /// Unknown names, type errors, fields read before they are assigned; a schema with more than
    /// [`Schema::MAX_FIELDS`] fields.
    pub fn check(
        program: &Program,
        schema: &Schema,
        assigned_before: &[usize],
    ) -> Result<Rules, Diagnostics> {
        let source = Source { name: &program.name, text: &program.text };
        let mut checker = Checker {
            schema,
            sink: Sink::new(source),
            assigned: assigned_before.iter().copied().collect(),
            code: Code::default(),
            facts: Vec::new(),
        };
        if schema.fields.len() > Schema::MAX_FIELDS {
            let at = Span { line: 1, column: 1, ..Span::default() };
            checker.sink.report(at, || {
                let message = format!("the schema has {} fields", schema.fields.len());
                (message, Some(format!("give at most {}", Schema::MAX_FIELDS)))
            });
        }
        let mut rules = Vec::with_capacity(program.statements.len());
        let mut assigns = FieldSet::default();
        for statement in &program.statements {
            if let Some(kind) = checker.statement(&statement.kind) {
                if let RuleKind::Assign { field, .. } = kind {
                    assigns.insert(field as usize);
                }
                let text = statement.kind.to_string().into();
                rules.push(Rule { kind, line: statement.span.line, text });
            }
        }
        let Checker { sink, code, .. } = checker;
        sink.finish()?;
        Ok(Rules { name: program.name.clone(), schema: *schema, rules, code, assigns })
    }

    /// Parses and checks a text; see [`Program::parse`] and [`Rules::check`].
    ///
    /// # Errors
    ///
    /// Those of the two.
    pub fn compile(
        name: &str,
        text: &str,
        schema: &Schema,
        assigned_before: &[usize],
    ) -> Result<Rules, Diagnostics> {
        Rules::check(&Program::parse(name, text)?, schema, assigned_before)
    }

    /// Rules that say nothing.
    pub fn empty(name: &str, schema: &Schema) -> Rules {
        Rules {
            name: name.into(),
            schema: *schema,
            rules: Vec::new(),
            code: Code::default(),
            assigns: FieldSet::default(),
        }
    }

    /// The name of the source.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The schema it was checked against.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The fields it assigns.
    pub fn assigns(&self) -> FieldSet {
        self.assigns
    }

    /// Its statements, in order: one for each of the program's.
    pub fn statements(&self) -> &[Rule] {
        &self.rules
    }

    /// Whether it has no statement.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }
}

/// What a field's name means in an expression.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reads {
    Assigned,
    Candidate,
}

struct Checker<'a> {
    schema: &'a Schema,
    sink: Sink<'a>,
    assigned: FieldSet,
    code: Code,
    /// For each node of the expression at hand.
    facts: Vec<Facts>,
}

impl Checker<'_> {
    fn statement(&mut self, kind: &StatementKind) -> Option<RuleKind> {
        match kind {
            StatementKind::Assign { field, value } => {
                let target = self.field(field);
                let value = self.target_value(field, target, value);
                let (index, ty) = target?;
                // Assigned even if its value is wrong: one mistake should be reported once.
                self.assigned.insert(index as usize);
                Some(RuleKind::Assign { field: index, ty, value: value? })
            }
            StatementKind::Vote { penalty, field, value, weight, condition } => {
                let target = self.field(field);
                let value = self.target_value(field, target, value);
                let weight = self.weight(weight);
                let condition = condition.as_ref().map(|c| self.condition(c));
                let (index, ty) = target?;
                Some(RuleKind::Vote {
                    target: Some((index, ty, value?)),
                    penalty: *penalty,
                    weight: weight?,
                    condition: match condition {
                        Some(condition) => Some(condition?),
                        None => None,
                    },
                })
            }
            StatementKind::PenaltyIf { condition, weight } => {
                let condition = self.condition(condition);
                let weight = self.weight(weight);
                Some(RuleKind::Vote {
                    target: None,
                    penalty: true,
                    weight: weight?,
                    condition: Some(condition?),
                })
            }
        }
    }

    fn field(&mut self, field: &Ident) -> Option<(u32, Type)> {
        if let Some(index) = self.schema.field(&field.name) {
            return Some((index as u32, self.schema.fields[index].ty));
        }
        let schema = self.schema;
        self.sink.report(field.span, || {
            let names = schema.fields.iter().map(|f| f.name);
            if schema.variable(&field.name).is_some() {
                let all: Vec<_> = names.collect();
                (
                    format!("{} is a variable, which cannot be decided", quote(&field.name)),
                    Some(format!("the fields are {}", all.join(", "))),
                )
            } else {
                (
                    format!("there is no field {}", quote(&field.name)),
                    Some(did_you_mean(&field.name, "fields", names)),
                )
            }
        });
        None
    }

    fn target_value(
        &mut self,
        field: &Ident,
        target: Option<(u32, Type)>,
        value: &Expr,
    ) -> Option<Piece> {
        let what = || format!("the field {}", quote(&field.name));
        self.expression(value, Reads::Assigned, target.map(|(_, ty)| ty), what)
    }

    fn weight(&mut self, weight: &Expr) -> Option<Piece> {
        self.expression(weight, Reads::Assigned, Some(Type::Number), || "a weight".to_owned())
    }

    fn condition(&mut self, condition: &Expr) -> Option<Piece> {
        self.expression(condition, Reads::Candidate, Some(Type::Bool), || "a condition".to_owned())
    }

    /// Checks an expression, that it has the wanted type (if that is known), and emits its code.
    fn expression(
        &mut self,
        expr: &Expr,
        reads: Reads,
        want: Option<Type>,
        what: impl Fn() -> String,
    ) -> Option<Piece> {
        self.facts.clear();
        self.facts.reserve(expr.nodes.len());
        let mut sound = true;
        for (id, node) in expr.nodes.iter().enumerate() {
            let facts = self.node(expr, id as NodeId, node, reads);
            sound &= facts.ty.is_some();
            self.facts.push(facts);
        }
        let ty = self.ty(expr.root());
        if let (Some(ty), Some(want)) = (ty, want)
            && ty != want
        {
            sound = false;
            self.sink.report(head(expr, expr.root()), || {
                (format!("{} is a {want}, but this is a {ty}", what()), Some(convert(want)))
            });
        }
        sound.then(|| self.code.emit(expr, &self.facts))
    }

    fn ty(&self, node: NodeId) -> Option<Type> {
        self.facts.get(node as usize).and_then(|f| f.ty)
    }

    fn node(&mut self, expr: &Expr, id: NodeId, node: &Node, reads: Reads) -> Facts {
        let ty = match node {
            Node::Number(..) => Some(Type::Number),
            Node::Bool(_) => Some(Type::Bool),
            Node::Name(name) => return self.name(name, expr.span(id), reads),
            Node::Group(inner) => self.ty(*inner),
            Node::Unary(op, inner) => {
                let ty = match op {
                    UnaryOp::Negate => Type::Number,
                    UnaryOp::Not => Type::Bool,
                };
                self.operand(expr, *inner, ty, || format!("what `{}` is put before", op.symbol()))
                    .then_some(ty)
            }
            Node::Binary(op, left, right) => self.binary(expr, id, *op, *left, *right),
            Node::Call(function, arguments) => self.call(expr, *function, arguments),
        };
        Facts { ty, place: None }
    }

    /// Whether an operand has a type; if not, that is reported (once).
    fn operand(
        &mut self,
        expr: &Expr,
        node: NodeId,
        want: Type,
        what: impl Fn() -> String,
    ) -> bool {
        match self.ty(node) {
            Some(ty) if ty == want => true,
            Some(ty) => {
                self.sink.report(head(expr, node), || {
                    (format!("{} must be a {want}, but is a {ty}", what()), Some(convert(want)))
                });
                false
            }
            None => false,
        }
    }

    fn binary(
        &mut self,
        expr: &Expr,
        id: NodeId,
        op: BinaryOp,
        left: NodeId,
        right: NodeId,
    ) -> Option<Type> {
        let (takes, gives) = match op {
            BinaryOp::Or | BinaryOp::And => (Type::Bool, Type::Bool),
            BinaryOp::Equal | BinaryOp::NotEqual => {
                let (a, b) = (self.ty(left)?, self.ty(right)?);
                if a == b {
                    return Some(Type::Bool);
                }
                self.sink.report(expr.span(id), || {
                    let symbol = op.symbol();
                    let message = format!("`{symbol}` cannot compare a {a} with a {b}");
                    (message, Some("compare two numbers or two bools".to_owned()))
                });
                return None;
            }
            BinaryOp::Less | BinaryOp::LessEqual | BinaryOp::Greater | BinaryOp::GreaterEqual => {
                (Type::Number, Type::Bool)
            }
            _ => (Type::Number, Type::Number),
        };
        let side = |side: &str| format!("the {side} side of `{}`", op.symbol());
        let left = self.operand(expr, left, takes, || side("left"));
        let right = self.operand(expr, right, takes, || side("right"));
        (left && right).then_some(gives)
    }

    fn call(&mut self, expr: &Expr, function: Function, arguments: &[NodeId]) -> Option<Type> {
        let name = function.name();
        if function == Function::Sel {
            let &[condition, then, otherwise] = arguments else { return None };
            let sound =
                self.operand(expr, condition, Type::Bool, || "the condition of `sel`".to_owned());
            let (a, b) = (self.ty(then)?, self.ty(otherwise)?);
            if a != b {
                self.sink.report(head(expr, otherwise), || {
                    let message =
                        format!("`sel` chooses between a {a} and a {b}, which must be of one type");
                    (message, Some(convert(a)))
                });
                return None;
            }
            return sound.then_some(a);
        }
        let mut sound = true;
        for (i, &argument) in arguments.iter().enumerate() {
            let what = || format!("argument {} of `{name}`", i + 1);
            sound &= self.operand(expr, argument, Type::Number, what);
        }
        let gives = if function == Function::Band { Type::Bool } else { Type::Number };
        sound.then_some(gives)
    }

    fn name(&mut self, name: &str, span: Span, reads: Reads) -> Facts {
        let schema = self.schema;
        if let Some(index) = schema.field(name) {
            let ty = Some(schema.fields[index].ty);
            let place = match reads {
                Reads::Candidate => Place::Candidate(index as u32),
                Reads::Assigned => {
                    if !self.assigned.contains(index) {
                        self.sink.report(span, || unassigned(name));
                        return Facts { ty: None, place: None };
                    }
                    Place::Assigned(index as u32)
                }
            };
            return Facts { ty, place: Some(place) };
        }
        if let Some(index) = schema.variable(name) {
            let ty = Some(schema.variables[index].ty);
            return Facts { ty, place: Some(Place::Variable(index as u32)) };
        }
        self.sink.report(span, || unknown(name, schema));
        Facts { ty: None, place: None }
    }
}

fn unassigned(name: &str) -> (String, Option<String>) {
    let help = format!(
        "write `{name}: ...;` above; only in the condition of a soft rule does {name} mean the \
         candidate's own"
    );
    (format!("reads `{name}` before it is assigned"), Some(help))
}

fn unknown(name: &str, schema: &Schema) -> (String, Option<String>) {
    let names = || schema.variables.iter().chain(schema.fields).map(|n| n.name);
    let help = if let Some(function) = Function::named(name) {
        format!("it is a function: write `{}`", function.usage())
    } else if let Some(near) = nearest(name, names().chain(["true", "false"])) {
        format!("did you mean `{near}`?")
    } else {
        let all = |list: &[crate::schema::Name]| {
            list.iter().map(|n| n.name).collect::<Vec<_>>().join(", ")
        };
        format!("variables: {}; fields: {}", all(schema.variables), all(schema.fields))
    };
    (format!("there is no variable or field {}", quote(name)), Some(help))
}

/// How to get the wanted type from the other one.
fn convert(want: Type) -> String {
    match want {
        Type::Number => "make a number of a bool with `sel(x, 1, 0)`".to_owned(),
        Type::Bool => "write `true` or `false`, or compare numbers, as in `x > 0`".to_owned(),
    }
}

/// The token to blame for an expression: its outermost operator, inside parentheses.
fn head(expr: &Expr, mut node: NodeId) -> Span {
    while let Node::Group(inner) = expr.nodes[node as usize] {
        node = inner;
    }
    expr.span(node)
}
