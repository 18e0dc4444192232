//! With SoftLogic: the candidates are the rows of its table, in which the fields that a kernel
//! does not use are free, and the soft rules are its soft constraints.

use std::cell::Cell;

use st_logic::{Error, Model, Pattern, Var};
use st_rank::{Choice, Field};

use super::{Question, Scored};

/// Nodes after which a search is content with the best found so far, and what each of many that are asked for adds. Rules
/// written in earnest need some hundred; this bounds the time of those that are not.
const MOST_NODES: u64 = 20_000;
const MORE_NODES: u64 = 16;

/// A question put to SoftLogic.
pub(crate) struct Solver<'q> {
    /// None if nothing is feasible, or what was asked makes no sense.
    model: Option<Model<'q>>,
    vars: Vec<Var>,
    base: Option<Choice>,
    /// A search ended before it was through.
    cut: Cell<bool>,
}

impl<'q> Solver<'q> {
    /// For up to `n` best choices.
    pub(crate) fn new(question: &'q Question<'q>, n: usize) -> Self {
        let base = question.candidates.first().map(|c| c.choice);
        let mut this =
            Self { model: None, vars: Vec::with_capacity(8), base, cut: Cell::new(false) };
        // Errors are for values outside domains and the like, which are made here from one list.
        let model = base.and_then(|base| this.model_of(question, base).ok());
        this.model = model.map(|model| model.with_node_limit(MOST_NODES + MORE_NODES * n as u64));
        this
    }

    /// Fixes more fields: there is no solution if no candidate can have them.
    pub(crate) fn fix(&mut self, field: Field, value: u32) {
        let fixed = self.model.as_mut().map(|m| m.fix(self.vars[field as usize], value.into()));
        if !matches!(fixed, Some(Ok(()))) {
            self.model = None;
        }
    }

    /// The `n` best choices, best first; of equal ones, those whose values were offered first.
    pub(crate) fn best(&self, n: usize) -> Vec<Scored> {
        let (Some(model), Some(base)) = (&self.model, self.base) else { return Vec::new() };
        let choice = |values: &[i64]| with_values(base, &Field::ALL, values);
        let best = model.best_n(n);
        self.cut.set(self.cut.get() || !best.complete);
        let found = best.solutions.into_iter();
        found.map(|s| Scored { choice: choice(&s.values), score: s.score }).collect()
    }

    /// What is to be said of the search, if there is anything.
    pub(crate) fn note(&self) -> Option<String> {
        self.cut.get().then(|| {
            "the rules leave too much open: the search ended early, with the best that was found until then; let fewer \
             of them have conditions on the candidate"
                .to_owned()
        })
    }

    fn model_of(&mut self, question: &'q Question<'q>, base: Choice) -> Result<Model<'q>, Error> {
        let mut model = Model::new();
        let mut domains: [Domain; 8] = Default::default();
        let mut rows = Vec::with_capacity(question.candidates.len());
        for candidate in question.candidates {
            rows.push(Field::ALL.map(|f| domains[f as usize].index(candidate.choice.get(f))));
        }
        for field in Field::ALL {
            if question.wanted.fixed(field).is_none() {
                for &value in question.wanted.others(field) {
                    domains[field as usize].index(value);
                }
            }
            self.vars.push(model.variable(&domains[field as usize].values)?);
        }
        let vars = &self.vars;
        model.table(question.candidates.iter().zip(&rows).map(|(candidate, indices)| {
            let used = question.used(&candidate.choice);
            let fields = Field::ALL.into_iter().filter(|&f| used.has(f));
            let pattern = fields.fold(Pattern::ANY, |pattern, f| {
                pattern.with(vars[f as usize], indices[f as usize])
            });
            (pattern, question.speed(candidate))
        }))?;
        for vote in question.votes {
            let value = vote.value.map(|(field, value)| (field, i64::from(value)));
            // A value that no candidate can have is nobody's.
            if value.is_some_and(|(f, value)| !domains[f as usize].values.contains(&value)) {
                continue;
            }
            match (vote.when.is_some(), value) {
                (false, Some((field, value))) => {
                    model.prefer(vars[field as usize], value, vote.weight)?;
                }
                // It speaks of every candidate alike.
                (false, None) => {}
                (true, value) => {
                    let scope = value.map_or(vote.scope, |(field, _)| vote.scope.with(field));
                    let fields: Vec<Field> =
                        Field::ALL.into_iter().filter(|&f| scope.has(f)).collect();
                    let of: Vec<Var> = fields.iter().map(|&f| vars[f as usize]).collect();
                    let holds =
                        move |values: &[i64]| vote.counts(&with_values(base, &fields, values));
                    model.when(&of, holds, vote.weight)?;
                }
            }
        }
        Ok(model)
    }
}

/// The values of a field, in the order in which they were met.
#[derive(Default)]
struct Domain {
    values: Vec<i64>,
    /// Candidates come in loops over fields: the next has most likely the value of the last.
    last: usize,
}

impl Domain {
    fn index(&mut self, value: u32) -> u8 {
        let value = i64::from(value);
        if self.values.get(self.last) != Some(&value) {
            self.last = self.values.iter().position(|&v| v == value).unwrap_or_else(|| {
                self.values.push(value);
                self.values.len() - 1
            });
        }
        // A field has tens of values at most: those of the model, and those of a few records.
        u8::try_from(self.last).unwrap_or(u8::MAX)
    }
}

/// A choice with some fields set. Values come from domains of such choices, so that each is one.
fn with_values(base: Choice, fields: &[Field], values: &[i64]) -> Choice {
    let pairs = fields.iter().zip(values);
    pairs.fold(base, |choice, (&field, &value)| {
        u32::try_from(value).ok().and_then(|v| choice.with(field, v)).unwrap_or(choice)
    })
}
