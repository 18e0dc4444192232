//! Depth-first branch and bound, a table row at a time; the crate's page says how and why.

use crate::constraint::Row;
use crate::domain::{MAX_VARIABLES, Pattern, shift, unpack};
use crate::model::Model;
use crate::path::Path;

/// An allowed assignment with its score.
#[derive(Clone, Debug, PartialEq)]
pub struct Solution {
    /// The value of each variable.
    pub values: Vec<i64>,
    /// The domain index of each variable.
    pub indices: Vec<u8>,
    /// Table score plus the weights that hold, summed in the order stated on the crate's page.
    pub score: f64,
    /// Table rows entered and values tried by the search that found it.
    pub nodes: u64,
    /// Whether the search went to its end: if not, better ones may exist.
    pub complete: bool,
}

/// What a search for several assignments found.
#[derive(Clone, Debug, PartialEq)]
pub struct Best {
    /// The assignments, best first.
    pub solutions: Vec<Solution>,
    /// Table rows entered and values tried.
    pub nodes: u64,
    /// Whether the search went to its end: if not, better ones may exist.
    pub complete: bool,
}

/// One of the best assignments up to now.
#[derive(Clone, Copy)]
struct Found {
    score: f64,
    bits: u128,
}

impl Found {
    fn before(&self, other: &Self) -> bool {
        self.score > other.score || self.score == other.score && self.bits < other.bits
    }
}

/// A value worth descending into, with its two bounds.
#[derive(Clone, Copy)]
struct Child {
    tight: f64,
    bound: f64,
    index: u8,
}

pub(crate) struct Search<'m, 'a> {
    model: &'m Model<'a>,
    want: usize,
    limit: u64,
    nodes: u64,
    complete: bool,
    /// At most `want`, best first, no assignment twice.
    found: Vec<Found>,
    /// The greatest weight of each variable, over the values it may take.
    free_best: [f64; MAX_VARIABLES],
    /// For each variable the weights of its values, and behind them the greatest.
    weights: Vec<f64>,
    sizes: [usize; MAX_VARIABLES],
    /// No less than rounding can put between two sums of the same terms.
    slack: f64,

    // The row entered, and the path within it.
    /// Bit `v` if the row or a `fix` holds variable `v`.
    held: u16,
    /// The greatest weight of each variable within the row.
    best: [f64; MAX_VARIABLES],
    path: Path,
    /// What each `when` adds at most, and exactly once its scope is assigned.
    terms: Vec<f64>,
    /// The weight of each value of the free variables, with the predicates projected onto it.
    projected: Vec<f64>,
    /// The greatest of these for each free variable; 0 for a held one.
    top: [f64; MAX_VARIABLES],
    /// What `projected` was on the path, to be restored on the way back.
    saved: Vec<f64>,
    /// Each variable's part, laid out as the domains are, lists its values still to be visited.
    children: Vec<Child>,
}

impl<'m, 'a> Search<'m, 'a> {
    pub(crate) fn new(model: &'m Model<'a>, want: usize) -> Self {
        Self {
            model,
            want,
            limit: model.node_limit.unwrap_or(u64::MAX),
            nodes: 0,
            complete: true,
            found: Vec::with_capacity(want.min(64)),
            free_best: [0.0; MAX_VARIABLES],
            weights: Vec::with_capacity(model.unary.len() + MAX_VARIABLES),
            sizes: [0; MAX_VARIABLES],
            slack: 0.0,
            held: 0,
            best: [0.0; MAX_VARIABLES],
            path: Path::new(model.answers),
            terms: model.whens.iter().map(|when| when.optimistic()).collect(),
            projected: vec![0.0; model.domains.slots()],
            top: [0.0; MAX_VARIABLES],
            saved: Vec::new(),
            children: vec![Child { tight: 0.0, bound: 0.0, index: 0 }; model.domains.slots()],
        }
    }

    pub(crate) fn run(mut self) -> Best {
        if self.want > 0 && !self.model.contradiction {
            for var in 0..self.model.domains.len() {
                let weights = &self.model.unary[self.model.domains.range(var)];
                self.free_best[var] = match self.model.fixed.at(var) {
                    Some(index) => weights[usize::from(index)],
                    None => weights.iter().copied().fold(f64::NEG_INFINITY, f64::max),
                };
                self.weights.extend_from_slice(weights);
                self.weights.push(self.free_best[var]);
                self.sizes[var] = weights.len();
            }
            match &self.model.rows {
                Some(rows) => self.enter_rows(rows),
                None => self.enter_rows(&[Row { pattern: Pattern::ANY, score: 0.0 }]),
            }
        }
        self.finish()
    }

    /// Enters the rows in descending order of their bounds, while these promise anything.
    fn enter_rows(&mut self, rows: &[Row]) {
        let fixed = self.model.fixed;
        let mut open: Vec<(f64, u32)> = Vec::with_capacity(rows.len());
        let mut top = 0;
        self.slack = self.rounding(rows);
        for (row, position) in rows.iter().zip(0..) {
            if row.pattern.compatible(fixed) {
                let bound = self.row_bound(row);
                if open.get(top).is_none_or(|&(most, _)| bound > most) {
                    top = open.len();
                }
                open.push((bound, position));
            }
        }
        if open.is_empty() {
            return;
        }
        // The most promising row sets a bar that few others pass: only those are sorted.
        let (_, first) = open.swap_remove(top);
        self.enter(&rows[first as usize]);
        open.retain(|&(bound, row)| self.promises(bound, rows[row as usize].pattern.bits));
        open.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        for (bound, row) in open {
            if self.promises(bound, rows[row as usize].pattern.bits) {
                self.enter(&rows[row as usize]);
            }
        }
    }

    /// The error bound of recursive summation, for two sums (Higham, "Accuracy and Stability of
    /// Numerical Algorithms", 2002, section 4.2), doubled.
    fn rounding(&self, rows: &[Row]) -> f64 {
        let greatest = |terms: &mut dyn Iterator<Item = f64>| terms.fold(0.0, f64::max);
        let mut magnitude = greatest(&mut rows.iter().map(|row| row.score.abs()));
        for var in 0..self.model.domains.len() {
            let weights = &self.model.unary[self.model.domains.range(var)];
            magnitude += greatest(&mut weights.iter().map(|weight| weight.abs()));
        }
        magnitude += self.model.whens.iter().map(|when| when.weight.abs()).sum::<f64>();
        let terms = 1 + self.model.domains.len() + self.model.whens.len();
        2.0 * (terms + 4) as f64 * f64::EPSILON * magnitude
    }

    /// No less than the score of any assignment as this row counts it. Summed in the order of the
    /// score itself: rounded addition is monotone, so no slack is needed, here or further down.
    #[inline]
    fn row_bound(&self, row: &Row) -> f64 {
        let variables = self.model.domains.len();
        let mut sum = row.score;
        let mut start = 0;
        // Without a branch: whether a place is free is hard to predict.
        for (&byte, &size) in row.pattern.bytes().iter().zip(&self.sizes[..variables]) {
            sum += self.weights[start + usize::from(byte).min(size)];
            start += size + 1;
        }
        self.terms.iter().fold(sum, |sum, term| sum + term)
    }

    /// Whether an assignment of at most this score, and of at least this position in lexicographic
    /// order, could still change what was found.
    #[inline]
    fn promises(&self, bound: f64, least: u128) -> bool {
        match self.found.last() {
            Some(last) if self.found.len() == self.want => {
                bound > last.score || bound == last.score && least < last.bits
            }
            _ => true,
        }
    }

    /// Whether nothing below a node of this tight bound can change what was found.
    #[inline]
    fn hopeless(&self, tight: f64) -> bool {
        match self.found.last() {
            Some(last) if self.found.len() == self.want => tight + self.slack < last.score,
            _ => tight == f64::NEG_INFINITY,
        }
    }

    /// Counts a node; false once the limit is used up.
    #[inline]
    fn count(&mut self) -> bool {
        if self.nodes == self.limit {
            self.complete = false;
            return false;
        }
        self.nodes += 1;
        true
    }

    /// Searches all assignments that match a row, counting its score for the table's.
    fn enter(&mut self, row: &Row) {
        if !self.count() {
            return;
        }
        let model = self.model;
        let pattern = row.pattern.and(model.fixed);
        self.held = 0;
        for var in 0..model.domains.len() {
            let slots = model.domains.range(var);
            self.best[var] = match pattern.at(var) {
                Some(index) => {
                    self.held |= 1 << var;
                    let index = usize::from(index);
                    self.path.set(var, index, model.domains.of(var)[index]);
                    model.unary[slots.start + index]
                }
                None => self.free_best[var],
            };
        }
        let held = self.held;
        for (term, when) in self.terms.iter_mut().zip(&model.whens) {
            if when.test.within(held) {
                *term = self.path.decided(when);
            }
        }
        let mut decided = model.requires.iter().filter(|require| require.within(held));
        if self.promises(self.bound(row.score, 0), pattern.bits)
            && decided.all(|require| self.path.holds(require))
        {
            let tight = self.start(row);
            self.descend(0, row.score, tight, pattern.bits);
        }
        for (term, when) in self.terms.iter_mut().zip(&model.whens) {
            *term = when.optimistic();
        }
    }

    /// Projects all that a row leaves one free variable onto that; returns the score of what it
    /// decides alone.
    fn start(&mut self, row: &Row) -> f64 {
        let model = self.model;
        let mut tight = row.score;
        for var in 0..model.domains.len() {
            if self.held >> var & 1 == 1 {
                self.top[var] = 0.0;
                tight += self.best[var];
            } else {
                let slots = model.domains.range(var);
                self.projected[slots.clone()].copy_from_slice(&model.unary[slots]);
                self.top[var] = self.best[var];
            }
        }
        for (term, when) in self.terms.iter().zip(&model.whens) {
            if when.test.within(self.held) {
                tight += term;
            }
        }
        self.project(u16::MAX, self.held);
        tight
    }

    /// Projects the predicates that read one of `new`, and one variable that is not `assigned`,
    /// onto the values of that one.
    fn project(&mut self, new: u16, assigned: u16) {
        let model = self.model;
        let mut touched = 0;
        for require in &model.requires {
            if let Some(var) = require.one_left(new, assigned) {
                touched |= 1 << var;
                let slots = model.domains.range(var);
                for ((index, &value), slot) in model.domains.of(var).iter().enumerate().zip(slots) {
                    self.path.set(var, index, value);
                    if self.projected[slot] > f64::NEG_INFINITY && !self.path.holds(require) {
                        self.projected[slot] = f64::NEG_INFINITY;
                    }
                }
            }
        }
        for when in &model.whens {
            if let Some(var) = when.test.one_left(new, assigned) {
                touched |= 1 << var;
                let slots = model.domains.range(var);
                for ((index, &value), slot) in model.domains.of(var).iter().enumerate().zip(slots) {
                    self.path.set(var, index, value);
                    self.projected[slot] += self.path.decided(when);
                }
            }
        }
        self.refresh(touched);
    }

    /// Finds the tops of some variables again.
    fn refresh(&mut self, vars: u16) {
        for var in members(vars) {
            let weights = &self.projected[self.model.domains.range(var)];
            self.top[var] = weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        }
    }

    /// The variables that `project` would touch.
    fn touches(&self, new: u16, assigned: u16) -> u16 {
        let tests = self.model.whens.iter().map(|when| &when.test).chain(&self.model.requires);
        tests.filter_map(|test| test.one_left(new, assigned)).fold(0, |set, var| set | 1 << var)
    }

    /// No less than any score below a node: `sum` is that of the table and of the weights of all
    /// variables before `next`.
    #[inline]
    fn bound(&self, sum: f64, next: usize) -> f64 {
        let rest = &self.best[next..self.model.domains.len()];
        let unary = rest.iter().fold(sum, |sum, term| sum + term);
        self.terms.iter().fold(unary, |sum, term| sum + term)
    }

    /// Tries the values of the first free variable from `var` on, most promising first.
    ///
    /// `sum` is of the table and the weights of all variables before `var`, `tight` of all that is
    /// decided. `bits` are the indices up to there and the held ones behind it: the least of the
    /// node's assignments.
    fn descend(&mut self, mut var: usize, mut sum: f64, tight: f64, bits: u128) {
        let model = self.model;
        let variables = model.domains.len();
        while var < variables && self.held >> var & 1 == 1 {
            sum += self.best[var];
            var += 1;
        }
        if var == variables {
            let score = self.bound(sum, var);
            self.record(Found { score, bits });
            return;
        }
        let slots = model.domains.range(var);
        let domain = model.domains.of(var);
        let before = self.held | ((1_u32 << var) - 1) as u16;
        let assigned = before | 1 << var;
        let last = assigned.trailing_ones() as usize >= variables;
        let undecided = model.whens.iter().filter(|when| when.test.many_left(before));
        let rest = tight
            + self.top[var + 1..variables].iter().sum::<f64>()
            + undecided.map(|when| when.optimistic()).sum::<f64>();

        let mut listed = slots.start;
        for (index, (&value, slot)) in domain.iter().zip(slots.clone()).enumerate() {
            let tight = rest + self.projected[slot];
            if self.hopeless(tight) {
                continue;
            }
            if !self.count() {
                return;
            }
            self.path.set(var, index, value);
            self.decide(var, assigned);
            let child = bits | (index as u128) << shift(var);
            let bound = self.bound(sum + model.unary[slot], var + 1);
            if !self.promises(bound, child) {
                continue;
            }
            if last {
                self.record(Found { score: bound, bits: child });
            } else {
                self.children[listed] = Child { tight, bound, index: index as u8 };
                listed += 1;
            }
        }
        let touched = if listed == slots.start { 0 } else { self.touches(1 << var, assigned) };
        let mark = self.saved.len();
        for other in members(touched) {
            self.saved.extend_from_slice(&self.projected[model.domains.range(other)]);
        }
        self.children[slots.start..listed]
            .sort_unstable_by(|a, b| b.tight.total_cmp(&a.tight).then(a.index.cmp(&b.index)));
        for at in slots.start..listed {
            let Child { tight: within, bound, index } = self.children[at];
            let child = bits | u128::from(index) << shift(var);
            if self.hopeless(within) || !self.promises(bound, child) {
                continue;
            }
            let slot = slots.start + usize::from(index);
            self.path.set(var, usize::from(index), domain[usize::from(index)]);
            self.decide(var, assigned);
            self.project(1 << var, assigned);
            let decided = tight + self.projected[slot];
            self.descend(var + 1, sum + model.unary[slot], decided, child);
            let mut from = mark;
            for other in members(touched) {
                let slots = model.domains.range(other);
                let to = from + slots.len();
                self.projected[slots].copy_from_slice(&self.saved[from..to]);
                from = to;
            }
            self.refresh(touched);
        }
        self.saved.truncate(mark);
        for (term, when) in self.terms.iter_mut().zip(&model.whens) {
            if when.test.completed_by(var, assigned) {
                *term = when.optimistic();
            }
        }
    }

    /// Makes exact the terms that the value of `var` decides.
    #[inline]
    fn decide(&mut self, var: usize, assigned: u16) {
        for (term, when) in self.terms.iter_mut().zip(&self.model.whens) {
            if when.test.completed_by(var, assigned) {
                *term = self.path.decided(when);
            }
        }
    }

    /// Takes an assignment in, unless it is there or `want` better ones are. It comes again for
    /// each row that it matches; the greatest score stays.
    fn record(&mut self, new: Found) {
        if let Some(at) = self.found.iter().position(|found| found.bits == new.bits) {
            if self.found[at].score >= new.score {
                return;
            }
            self.found.remove(at);
        } else if self.found.len() == self.want {
            if !self.found.last().is_some_and(|last| new.before(last)) {
                return;
            }
            self.found.pop();
        }
        let at = self.found.partition_point(|found| found.before(&new));
        self.found.insert(at, new);
    }

    fn finish(mut self) -> Best {
        let (nodes, complete) = (self.nodes, self.complete);
        if !complete {
            // The row that scores an assignment best may not have been entered.
            for found in &mut self.found {
                let indices = unpack(found.bits, self.model.domains.len());
                if let Ok(Some(score)) = self.model.score(&indices) {
                    found.score = score;
                }
            }
            self.found.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.bits.cmp(&b.bits)));
        }
        let domains = &self.model.domains;
        let solution = |found: &Found| {
            let indices = unpack(found.bits, domains.len());
            let value = |(var, &index): (usize, &u8)| domains.of(var)[usize::from(index)];
            let values = indices.iter().enumerate().map(value).collect();
            Solution { values, indices, score: found.score, nodes, complete }
        };
        Best { solutions: self.found.iter().map(solution).collect(), nodes, complete }
    }
}

/// The members of a set of variables, in order.
fn members(mut set: u16) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        let var = (set != 0).then(|| set.trailing_zeros() as usize)?;
        set &= set - 1;
        Some(var)
    })
}
