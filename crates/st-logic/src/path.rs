//! The values along a path of the search, and what predicates said of them before.

use crate::constraint::Scoped;
use crate::cost::When;
use crate::domain::MAX_VARIABLES;

/// Most tuples of a scope whose answers are kept; larger scopes are asked each time.
pub(crate) const MEMO_LIMIT: usize = 4096;
/// Most tuples of all scopes together whose answers are kept: what is cleared for each search.
pub(crate) const MEMO_TOTAL: usize = 1 << 16;

/// The value of each variable assigned so far, and a byte for each tuple of each small scope: 0 if
/// it was not asked yet, else 1 more than the answer. Rows share most tuples, and a predicate may
/// be an interpreted expression, so it is asked once for each.
pub(crate) struct Path {
    values: [i64; MAX_VARIABLES],
    indices: [u8; MAX_VARIABLES],
    answers: Vec<u8>,
}

impl Path {
    pub(crate) fn new(answers: usize) -> Self {
        Self { values: [0; MAX_VARIABLES], indices: [0; MAX_VARIABLES], answers: vec![0; answers] }
    }

    #[inline]
    pub(crate) fn set(&mut self, var: usize, index: usize, value: i64) {
        self.values[var] = value;
        self.indices[var] = index as u8;
    }

    /// Whether the predicate holds; all variables of its scope must be set.
    #[inline]
    pub(crate) fn holds(&mut self, test: &Scoped<'_>) -> bool {
        let Some(place) = test.place(&self.indices) else {
            return test.holds(&self.values);
        };
        match self.answers[place] {
            0 => {
                let holds = test.holds(&self.values);
                self.answers[place] = 1 + u8::from(holds);
                holds
            }
            answer => answer == 2,
        }
    }

    /// What the weight adds; all variables of its scope must be set.
    #[inline]
    pub(crate) fn decided(&mut self, when: &When<'_>) -> f64 {
        if self.holds(&when.test) { when.weight } else { 0.0 }
    }
}
