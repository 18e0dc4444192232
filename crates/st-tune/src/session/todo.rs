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
    /// What is planned without the table, if that is not the first: it is timed again with it.
    untuned: Option<Choice>,
    /// How many candidates are left that no time was for, if these are others.
    untried: Option<usize>,
    /// How many records the table has of the cell.
    pub(super) known: usize,
}

impl Todo {
    /// All candidates that are not known; none if there is none.
    pub(super) fn new(problem: &Problem, caps: &DeviceCaps, known: &[Record]) -> Option<Self> {
        let untuned = st_plan::plan(problem, caps, &Knowledge::default());
        let mut all = candidates(&untuned);
        let Some(reference) = best(known) else {
            return Some(Self::of(untuned, all, 0, None, known));
        };
        let measured: Vec<Choice> = known.iter().filter_map(|r| r.choice.whole()).collect();
        all.retain(|new| !measured.iter().any(|old| launched_alike(old, new, caps.backend)));
        (!all.is_empty()).then(|| Self::of(untuned, all, 0, Some(reference), known))
    }

    /// Those that were put off, beside the best that is known.
    pub(super) fn of_put_off(
        problem: &Problem,
        caps: &DeviceCaps,
        known: &[Record],
        put_off: &PutOff,
    ) -> Option<Self> {
        let reference = best(known)?;
        let most = predict(problem, caps, &reference.0)? * MODEL_ERROR * MODEL_ERROR;
        let is_fit = |c: &Choice| predict(problem, caps, c).is_some_and(|us| us < most);
        let (mut all, others) = put_off.chances(is_fit);
        let chances = all.len();
        all.extend(others);
        let untuned = st_plan::plan(problem, caps, &Knowledge::default());
        let this = Self::of(untuned, all, chances, Some(reference), known);
        Some(Self { untried: Some(put_off.untried), ..this })
    }

    /// Those beside a reference, if the table has one.
    fn of(
        untuned: RankPlan,
        mut all: Vec<Choice>,
        mut chances: usize,
        reference: Option<(Choice, f64)>,
        known: &[Record],
    ) -> Self {
        let (problem, caps) = (untuned.problem, untuned.caps);
        let mut held_against = None;
        let mut plan = untuned;
        if let Some((reference, _)) = reference {
            // As the table has it, if it is there: what a kernel does not use may be another.
            let own = plan.choice;
            let alike = |other: &Choice| launched_alike(other, &own, caps.backend);
            if !alike(&reference) {
                let mut choices = known.iter().filter_map(|r| r.choice.whole());
                let own = choices.find(alike).unwrap_or(own);
                all.retain(|choice| *choice != own);
                all.insert(0, own);
                chances += 1;
                held_against = Some(own);
            }
            all.insert(0, reference);
            plan = RankPlan::by_hand(problem, caps, reference);
        }
        // Candidates can be run, so that there is a prediction.
        let predicted = |choice| predict(&problem, &caps, choice).unwrap_or(f64::INFINITY);
        let predicted_us = all.iter().map(predicted).collect();
        let reference_us = reference.map(|(_, us)| us);
        let (untuned, known) = (held_against, known.len());
        Self {
            plan,
            candidates: all,
            predicted_us,
            chances,
            reference_us,
            untuned,
            untried: None,
            known,
        }
    }

    pub(super) fn task(&self) -> Task<'_> {
        Task {
            candidates: &self.candidates,
            predicted_us: &self.predicted_us,
            chances: self.chances,
            untuned: self.untuned,
            untried: self.untried,
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
    /// How many others there was no time for.
    untried: usize,
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
        self.untried = outcome.untried;
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
