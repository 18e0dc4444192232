//! The best of the candidates under what the rules say. With the feature `logic` SoftLogic finds
//! it; without it there are no soft rules, and the fastest candidate is the best.

mod fastest;
pub(crate) use fastest::fastest;

#[cfg(feature = "logic")]
mod logic;
#[cfg(feature = "logic")]
pub(crate) use logic::Solver;

#[cfg(not(feature = "logic"))]
pub(crate) use fastest::Solver;

use st_rank::{Backend, Choice, Field, Fields};

#[cfg(feature = "logic")]
use crate::model::Wanted;
use crate::rules::Vote;

/// A feasible choice and the time expected of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    pub(crate) choice: Choice,
    /// Put right by measurements.
    pub(crate) ns: f64,
    /// As the model alone predicts it.
    pub(crate) model_ns: f64,
    /// Whether the very choice was measured.
    pub(crate) measured: bool,
}

/// A choice with its score.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scored {
    pub(crate) choice: Choice,
    pub(crate) score: f64,
}

/// What is asked of a solver.
pub(crate) struct Question<'a> {
    pub(crate) backend: Backend,
    pub(crate) candidates: &'a [Candidate],
    /// Expected time of the fastest candidate, from which scores are counted.
    pub(crate) fastest_ns: f64,
    pub(crate) votes: &'a [Vote<'a>],
    /// What is fixed, and values to be weighed.
    #[cfg(feature = "logic")]
    pub(crate) wanted: &'a Wanted,
}

impl Question<'_> {
    /// The part of a candidate's score that is its speed.
    pub(crate) fn speed(&self, candidate: &Candidate) -> f64 {
        (self.fastest_ns / candidate.ns).ln()
    }

    /// The fields that tell a candidate from others of its kernel; the rest may have any value.
    pub(crate) fn used(&self, choice: &Choice) -> Fields {
        // Which details a kernel has depends on the kernel even where they make no difference.
        st_kernels::uses(choice.mk, choice.mkd, self.backend).with(Field::Mkd)
    }

    /// The candidate that a choice runs as: equal to it in all that its kernel uses.
    pub(crate) fn candidate_of(&self, choice: &Choice) -> Option<&Candidate> {
        let used = self.used(choice);
        let same = |c: &&Candidate| {
            Field::ALL.iter().all(|&f| !used.has(f) || c.choice.get(f) == choice.get(f))
        };
        self.candidates.iter().filter(same).min_by(|a, b| a.ns.total_cmp(&b.ns))
    }
}
