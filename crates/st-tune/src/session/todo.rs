//! What of a cell is measured.

use st_plan::table::Record;
use st_plan::{Knowledge, predict};
use st_rank::{Choice, DeviceCaps, Problem, RankPlan};

use crate::candidates::{candidates, launched_alike};
use crate::tournament::{MODEL_ERROR, Outcome, Task, kernel};

/// What is to be measured for a cell.
pub(super) struct Todo {
    pub(super) plan: RankPlan,
    /// The one that others are compared with first.
    pub(super) candidates: Vec<Choice>,
    /// What the model expects of each, in microseconds.
    predicted_us: Vec<f64>,
    /// After the first so many are tried whatever the model expects.
    chances: usize,
    /// What the table says of the first.
    pub(super) reference_us: Option<f64>,
    /// How many records the table has of the cell.
    pub(super) known: usize,
}

impl Todo {
    /// All candidates that are not known; none if there is none.
    pub(super) fn new(problem: &Problem, caps: &DeviceCaps, known: &[Record]) -> Option<Self> {
        let plan = st_plan::plan(problem, caps, &Knowledge::default());
        let mut all = candidates(&plan);
        let Some((reference, us)) = best(known) else {
            return Some(Self::of(plan, all, 0, None, known.len()));
        };
        let measured: Vec<Choice> = known.iter().filter_map(|r| r.choice.whole()).collect();
        all.retain(|new| !measured.iter().any(|old| launched_alike(old, new, caps.backend)));
        if all.is_empty() {
            return None;
        }
        all.insert(0, reference);
        let plan = RankPlan::by_hand(*problem, *caps, reference);
        Some(Self::of(plan, all, 0, Some(us), known.len()))
    }

    /// Those that were put off, beside the best that is known.
    pub(super) fn of_put_off(
        problem: &Problem,
        caps: &DeviceCaps,
        known: &[Record],
        put_off: &PutOff,
    ) -> Option<Self> {
        let (reference, us) = best(known)?;
        let most = predict(problem, caps, &reference)? * MODEL_ERROR * MODEL_ERROR;
        let is_fit = |c: &Choice| predict(problem, caps, c).is_some_and(|us| us < most);
        let (mut all, others) = put_off.chances(is_fit);
        let chances = all.len();
        all.insert(0, reference);
        all.extend(others);
        let plan = RankPlan::by_hand(*problem, *caps, reference);
        Some(Self::of(plan, all, chances, Some(us), known.len()))
    }

    fn of(
        plan: RankPlan,
        all: Vec<Choice>,
        chances: usize,
        reference_us: Option<f64>,
        known: usize,
    ) -> Self {
        // Candidates can be run, so that there is a prediction.
        let predicted =
            |choice| predict(&plan.problem, &plan.caps, choice).unwrap_or(f64::INFINITY);
        let predicted_us = all.iter().map(predicted).collect();
        Self { plan, candidates: all, predicted_us, chances, reference_us, known }
    }

    pub(super) fn task(&self) -> Task<'_> {
        Task {
            candidates: &self.candidates,
            predicted_us: &self.predicted_us,
            chances: self.chances,
            ..Task::default()
        }
    }
}

/// The fastest that is known, and its time in microseconds.
fn best(known: &[Record]) -> Option<(Choice, f64)> {
    let timed = known.iter().filter_map(|r| Some((r.choice.whole()?, r.median_us?)));
    timed.min_by(|a, b| a.1.total_cmp(&b.1))
}

/// Candidates of a cell that the model took for hopeless.
#[derive(Clone, Debug, Default)]
pub(super) struct PutOff {
    /// Those that it did not.
    tried: Vec<Choice>,
    rest: Vec<Choice>,
}

impl PutOff {
    /// Learns what became of candidates.
    pub(super) fn learn(&mut self, outcome: &Outcome, failed: &[Choice]) {
        let timed = outcome.candidates.iter().chain(&outcome.given_way).map(|timed| timed.choice);
        self.tried.extend(timed.chain(outcome.hopeless.iter().chain(failed).copied()));
        let unpromising = &outcome.unpromising;
        self.rest.retain(|choice| !self.tried.contains(choice) && !unpromising.contains(choice));
    }

    /// Takes those of which the model was believed.
    pub(super) fn put_off(&mut self, outcome: &Outcome) {
        self.rest.extend(&outcome.unpromising);
    }

    /// How many are left.
    pub(super) fn len(&self) -> usize {
        self.rest.len()
    }

    /// Those that are to be tried whatever is expected, and the others: a kernel with a number of threads with which it was
    /// not tried is given one chance. Models are made for devices whose threads run side by side; on those that play one
    /// workgroup after another few threads may take a tenth of the time of many. But what would be slower than the best known
    /// though the model were as wrong as it may be about both is not tried: a run may take minutes.
    fn chances(&self, is_fit: impl Fn(&Choice) -> bool) -> (Vec<Choice>, Vec<Choice>) {
        let kind = |choice: &Choice| (kernel(choice), choice.wg);
        let mut kinds: Vec<_> = self.tried.iter().map(kind).collect();
        self.rest.iter().partition(|choice| {
            let is_new = is_fit(choice) && !kinds.contains(&kind(choice));
            if is_new {
                kinds.push(kind(choice));
            }
            is_new
        })
    }
}
