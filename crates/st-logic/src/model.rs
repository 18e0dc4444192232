//! What is asked: variables, hard constraints and soft constraints.

use core::fmt;

use crate::constraint::{Row, Scoped};
use crate::cost::{self, When};
use crate::domain::{Domains, MAX_VARIABLES, Pattern, Var};
use crate::error::Error;
use crate::search::{Best, Search, Solution};

/// A problem under construction, and the questions that can be put to it.
///
/// Predicates must be pure: a search calls them in no promised order, skips assignments, and keeps
/// answers. They may borrow from their surroundings for `'a`.
#[derive(Default)]
pub struct Model<'a> {
    pub(crate) domains: Domains,
    /// Summed weight of each value, laid out as the domains are.
    pub(crate) unary: Vec<f64>,
    pub(crate) rows: Option<Vec<Row>>,
    pub(crate) fixed: Pattern,
    /// Two `fix` of one variable disagree.
    pub(crate) contradiction: bool,
    pub(crate) requires: Vec<Scoped<'a>>,
    pub(crate) whens: Vec<When<'a>>,
    /// Tuples of all scopes whose answers a search keeps.
    pub(crate) answers: usize,
    pub(crate) node_limit: Option<u64>,
}

impl fmt::Debug for Model<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model")
            .field("domains", &self.domains)
            .field("rows", &self.rows.as_ref().map(Vec::len))
            .field("requires", &self.requires.len())
            .field("whens", &self.whens.len())
            .field("node_limit", &self.node_limit)
            .finish_non_exhaustive()
    }
}

impl<'a> Model<'a> {
    /// A model without variables; its one assignment is the empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a variable with these values, of which earlier ones win ties.
    ///
    /// # Errors
    ///
    /// [`Error::DomainSize`] unless there are 1 to 255 values, [`Error::DuplicateValue`], and
    /// [`Error::TooManyVariables`] behind the 16th variable.
    pub fn variable(&mut self, values: &[i64]) -> Result<Var, Error> {
        let var = self.domains.push(values)?;
        self.unary.resize(self.domains.slots(), 0.0);
        Ok(var)
    }

    /// Number of variables.
    #[must_use]
    pub fn variables(&self) -> usize {
        self.domains.len()
    }

    /// The values of a variable, in order.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownVariable`].
    pub fn domain(&self, var: Var) -> Result<&[i64], Error> {
        Ok(self.domains.of(self.domains.check(var)?))
    }

    /// The domain index of a value.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownVariable`] and [`Error::NotInDomain`].
    pub fn index_of(&self, var: Var, value: i64) -> Result<u8, Error> {
        self.domains.index_of(var, value)
    }

    /// Adds the table: an assignment is allowed only if it matches a row, and scores as the
    /// matching row of the greatest score. A table without rows allows nothing.
    ///
    /// # Errors
    ///
    /// [`Error::SecondTable`], [`Error::Weight`], [`Error::IndexOutOfDomain`] and
    /// [`Error::UnknownVariable`].
    pub fn table(&mut self, rows: impl IntoIterator<Item = (Pattern, f64)>) -> Result<(), Error> {
        if self.rows.is_some() {
            return Err(Error::SecondTable);
        }
        let rows = rows.into_iter();
        let mut checked = Vec::with_capacity(rows.size_hint().0);
        for (pattern, score) in rows {
            self.domains.check_pattern(pattern)?;
            checked.push(Row { pattern, score: cost::checked(score)? });
        }
        self.rows = Some(checked);
        Ok(())
    }

    /// Holds a variable at one value. Two different values for one variable allow nothing.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownVariable`] and [`Error::NotInDomain`].
    pub fn fix(&mut self, var: Var, value: i64) -> Result<(), Error> {
        let held = Pattern::ANY.with(var, self.domains.index_of(var, value)?);
        if self.fixed.compatible(held) {
            self.fixed = self.fixed.and(held);
        } else {
            self.contradiction = true;
        }
        Ok(())
    }

    /// Allows only assignments for which the predicate holds; it is given the values of `scope`,
    /// in that order.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownVariable`] and [`Error::DuplicateInScope`].
    pub fn require(
        &mut self,
        scope: &[Var],
        predicate: impl Fn(&[i64]) -> bool + 'a,
    ) -> Result<(), Error> {
        self.requires.push(Scoped::new(
            &self.domains,
            scope,
            Box::new(predicate),
            &mut self.answers,
        )?);
        Ok(())
    }

    /// Adds `weight` to the score of assignments that give `var` this value. Any number of these
    /// cost the search nothing: they are summed for each value, in the order given.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownVariable`], [`Error::NotInDomain`] and [`Error::Weight`].
    pub fn prefer(&mut self, var: Var, value: i64, weight: f64) -> Result<(), Error> {
        let index = usize::from(self.domains.index_of(var, value)?);
        let slot = self.domains.range(var.index()).start + index;
        self.unary[slot] += cost::checked(weight)?;
        Ok(())
    }

    /// Adds `weight`, which may be negative, to the score of assignments for which the predicate
    /// holds; it is given the values of `scope`, in that order.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownVariable`], [`Error::DuplicateInScope`] and [`Error::Weight`].
    pub fn when(
        &mut self,
        scope: &[Var],
        predicate: impl Fn(&[i64]) -> bool + 'a,
        weight: f64,
    ) -> Result<(), Error> {
        let weight = cost::checked(weight)?;
        let test = Scoped::new(&self.domains, scope, Box::new(predicate), &mut self.answers)?;
        self.whens.push(When { test, weight });
        Ok(())
    }

    /// Stops every search after this many nodes (table rows entered, and values tried).
    ///
    /// The result then says `complete: false` and is the best found so far, perhaps nothing.
    #[must_use]
    pub fn with_node_limit(mut self, nodes: u64) -> Self {
        self.node_limit = Some(nodes);
        self
    }

    /// The allowed assignment of the greatest score, of equal ones the lexicographically first in
    /// domain indices; `None` when nothing is allowed (or nothing was found within a node limit,
    /// which [`Model::best_n`] tells apart).
    #[must_use]
    pub fn solve(&self) -> Option<Solution> {
        self.best_n(1).solutions.pop()
    }

    /// The `n` best allowed assignments, best first, equal scores in lexicographic order of domain
    /// indices; fewer where fewer are allowed.
    #[must_use]
    pub fn best_n(&self, n: usize) -> Best {
        Search::new(self, n).run()
    }

    /// The score of one assignment given as domain indices; `None` if it is not allowed.
    ///
    /// # Errors
    ///
    /// [`Error::AssignmentLength`] and [`Error::IndexOutOfDomain`].
    pub fn score(&self, indices: &[u8]) -> Result<Option<f64>, Error> {
        let variables = self.domains.len();
        if indices.len() != variables {
            return Err(Error::AssignmentLength { got: indices.len(), variables });
        }
        let mut values = [0; MAX_VARIABLES];
        let mut unary = [0.0; MAX_VARIABLES];
        let mut bits = [0; MAX_VARIABLES];
        for (var, &byte) in indices.iter().enumerate() {
            let (index, len) = (usize::from(byte), self.domains.range(var).len());
            if index >= len {
                return Err(Error::IndexOutOfDomain { var, index, len });
            }
            values[var] = self.domains.of(var)[index];
            unary[var] = self.unary[self.domains.range(var).start + index];
            bits[var] = byte;
        }
        let whole = Pattern { bits: u128::from_be_bytes(bits), mask: u128::MAX };
        let allowed = !self.contradiction
            && self.fixed.compatible(whole)
            && self.requires.iter().all(|require| require.holds(&values));
        if !allowed {
            return Ok(None);
        }
        let table = match &self.rows {
            None => Some(0.0),
            Some(rows) => rows
                .iter()
                .filter(|row| row.pattern.compatible(whole))
                .map(|row| row.score)
                .reduce(f64::max),
        };
        Ok(table.map(|table| {
            let unary = unary[..variables].iter().fold(table, |sum, term| sum + term);
            self.whens.iter().fold(unary, |sum, when| sum + when.decided(&values))
        }))
    }
}
