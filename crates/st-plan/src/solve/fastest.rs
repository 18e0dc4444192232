//! The best without votes.

use super::{Question, Scored};
#[cfg(not(feature = "logic"))]
use st_rank::Field;

/// The candidate with the best score but for the votes; of equal ones, the first that was offered.
pub(crate) fn fastest(question: &Question<'_>) -> Option<Scored> {
    scored(question).reduce(|a, b| if b.score > a.score { b } else { a })
}

fn scored(question: &Question<'_>) -> impl Iterator<Item = Scored> {
    let candidates = question.candidates.iter();
    candidates.map(|c| Scored { choice: c.choice, score: question.speed(c) })
}

/// A question without votes.
#[cfg(not(feature = "logic"))]
pub(crate) struct Solver<'q> {
    question: &'q Question<'q>,
    fixed: Vec<(Field, u32)>,
}

#[cfg(not(feature = "logic"))]
impl<'q> Solver<'q> {
    pub(crate) fn new(question: &'q Question<'q>, _n: usize) -> Self {
        Self { question, fixed: Vec::new() }
    }

    /// Fixes more fields: there is no solution if no candidate has them.
    pub(crate) fn fix(&mut self, field: Field, value: u32) {
        self.fixed.push((field, value));
    }

    /// The `n` candidates with the best scores, best first; of equal ones, those offered first.
    pub(crate) fn best(&self, n: usize) -> Vec<Scored> {
        let free = |choice: &st_rank::Choice, field| !self.question.used(choice).has(field);
        let mut scored: Vec<Scored> = scored(self.question)
            .filter_map(|mut scored| {
                for &(field, value) in &self.fixed {
                    if free(&scored.choice, field) {
                        scored.choice = scored.choice.with(field, value)?;
                    } else if scored.choice.get(field) != value {
                        return None;
                    }
                }
                Some(scored)
            })
            .collect();
        scored.sort_by(|a, b| b.score.total_cmp(&a.score));
        scored.truncate(n);
        scored
    }

    /// Nothing is to be said of so simple a search.
    #[allow(clippy::unused_self, reason = "that of SoftLogic has something to say")]
    pub(crate) const fn note(&self) -> Option<String> {
        None
    }
}
