//! A, B and C come to one choice.

use st_rank::plan::RunnerUp;
use st_rank::{
    Choice, DeviceCaps, Error, Field, MergeDetail, MergeKind, Problem, RankPlan, Source, Sources,
};

use crate::calibrate::Calibration;
use crate::hard::{Obeyed, obey};
use crate::knowledge::Knowledge;
use crate::model::{Model, Wanted};
use crate::rules::Vote;
use crate::solve::{self, Candidate, Question, Scored, Solver};
use crate::table::{self, Hit};

/// What became of the measured table's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TableState {
    /// Its choice was adopted.
    Adopted,
    /// Another choice scored better, the prior counted in.
    Outscored,
    /// A hard rule says otherwise.
    Contradicted(Field),
    /// The device cannot run it for this problem.
    Infeasible,
}

/// The measured table's candidate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FromTable<'a> {
    pub(crate) hit: Hit<'a>,
    /// Its choice, completed, with its score before the prior; none if it cannot be had.
    pub(crate) scored: Option<Scored>,
    pub(crate) prior: f64,
    pub(crate) state: TableState,
}

/// Everything that goes into one decision.
pub(crate) struct Session<'a> {
    problem: &'a Problem,
    /// As given, and put right.
    given: DeviceCaps,
    caps: DeviceCaps,
    knowledge: &'a Knowledge,
    notes: Vec<String>,
    pub(crate) obeyed: Vec<Obeyed>,
    pub(crate) votes: Vec<Vote<'a>>,
    wanted: Wanted,
    pub(crate) candidates: Vec<Candidate>,
    hit: Option<Hit<'a>>,
}

/// A decision with what it was made of.
pub(crate) struct Decision<'a> {
    pub(crate) plan: RankPlan,
    /// The best under the rules, before the table was heard.
    pub(crate) best: Scored,
    pub(crate) from_table: Option<FromTable<'a>>,
}

impl<'a> Session<'a> {
    pub(crate) fn new(problem: &'a Problem, given: &DeviceCaps, knowledge: &'a Knowledge) -> Self {
        let caps = given.normalised();
        let model = Model::new(problem, &caps);
        let mut notes = knowledge.notes.clone();
        notes.extend(knowledge.tables.iter().filter_map(|table| table.refusal(&caps)));
        let mut said = knowledge.rules.ask(problem, &caps);
        notes.append(&mut said.notes);
        if !caps.backend.reads(problem.dtype) {
            // Executors refuse it with the same words.
            let (dtype, backend) = (problem.dtype, caps.backend);
            notes.push(Error::UnsupportedType { dtype, backend }.to_string());
        }
        let mut votes = if knowledge.soft_off { Vec::new() } else { said.votes };

        let mut wanted = Wanted::new(&caps);
        let obeyed = obey(said.hard, &model, problem, &caps, &mut wanted, &mut notes);
        votes.retain(|vote| {
            let Some((field, value)) = vote.value else { return true };
            if wanted.fixed(field).is_some() || wanted.also(field, value) {
                return true;
            }
            notes.push(format!(
                "{}: too many values of {field}: this one is not weighed",
                vote.place
            ));
            false
        });
        let hit = table::lookup(&knowledge.tables, problem, &caps);
        if let Some(hit) = &hit {
            for field in Field::ALL {
                if let Some(value) = hit.record.choice.get(field) {
                    // If there is no room the record is a miss.
                    let _ = wanted.also(field, st_kernels::nearest(field, value.into(), &caps));
                }
            }
        }

        let calibration = Calibration::new(&knowledge.tables, problem, &caps);
        let mut candidates: Vec<Candidate> = Vec::with_capacity(256);
        let mut offer = |choice: Choice| {
            if st_kernels::check(&choice, problem, &caps).is_ok() {
                let model_ns = model.ns(&choice);
                let (ns, measured) = calibration.ns(&choice, model_ns);
                candidates.push(Candidate { choice, ns, model_ns, measured });
            }
        };
        model.variants(&wanted, &mut offer);
        for choice in calibration.choices.iter().filter(|choice| wanted.admits(choice)) {
            offer(*choice);
        }
        Self {
            problem,
            given: *given,
            caps,
            knowledge,
            notes,
            obeyed,
            votes,
            wanted,
            candidates,
            hit,
        }
    }

    /// The question of which candidate is best under these votes.
    pub(crate) fn question<'s>(&'s self, votes: &'s [Vote<'a>]) -> Question<'s> {
        let fastest = self.candidates.iter().map(|c| c.ns).min_by(f64::total_cmp);
        Question {
            backend: self.caps.backend,
            candidates: &self.candidates,
            fastest_ns: fastest.unwrap_or(1.0),
            votes,
            #[cfg(feature = "logic")]
            wanted: &self.wanted,
        }
    }

    /// The `n` best under the rules, and what is to be said of the search.
    pub(crate) fn ranked(&self, n: usize) -> (Vec<Scored>, Option<String>) {
        let voted = self.question(&self.votes);
        let solver = Solver::new(&voted, n);
        (solver.best(n), solver.note())
    }

    /// Comes to a choice.
    pub(crate) fn decide(&self) -> Decision<'a> {
        let voted = self.question(&self.votes);
        let mut solver = Solver::new(&voted, 1);
        let best = solver.best(1).pop().unwrap_or_else(|| self.last_resort());
        let from_table = self.hit.map(|hit| self.hear(hit, best.score, &mut solver));
        let adopted = from_table.filter(|t| t.state == TableState::Adopted);
        let choice = adopted.and_then(|t| t.scored).map_or(best.choice, |scored| scored.choice);

        let time = |choice: &Choice| voted.candidate_of(choice).map(|c| c.ns);
        let others = self.candidates.iter().filter(|c| c.choice.mk != choice.mk);
        let next = others.min_by(|a, b| a.ns.total_cmp(&b.ns));
        let plan = RankPlan {
            problem: *self.problem,
            caps: self.given,
            choice,
            sources: self.sources(&choice, adopted.map(|t| t.hit)),
            predicted_us: time(&choice).map(|ns| ns / 1e3),
            runner_up: next.map(|c| RunnerUp { mk: c.choice.mk, predicted_us: c.ns / 1e3 }),
            notes: self.notes_on(&solver),
        };
        Decision { plan, best, from_table }
    }

    /// All notes, once the solver has asked what it asks.
    fn notes_on(&self, solver: &Solver<'_>) -> Vec<String> {
        let void = self.votes.iter().filter_map(|vote| vote.void.get().cloned());
        self.notes.iter().cloned().chain(void).chain(solver.note()).collect()
    }

    /// Hears the measured table: whether its record can be had, and scores better.
    fn hear(&self, hit: Hit<'a>, best: f64, solver: &mut Solver<'_>) -> FromTable<'a> {
        let prior = self.knowledge.prior.get(self.caps.backend);
        let none = |state| FromTable { hit, scored: None, prior, state };
        for field in Field::ALL {
            let Some(value) = hit.record.choice.get(field) else { continue };
            let value = st_kernels::nearest(field, value.into(), &self.caps);
            match self.wanted.fixed(field) {
                Some(held) if held != value => return none(TableState::Contradicted(field)),
                _ => solver.fix(field, value),
            }
        }
        match solver.best(1).pop() {
            None => none(TableState::Infeasible),
            Some(scored) => {
                let adopted = scored.score + prior >= best;
                let state = if adopted { TableState::Adopted } else { TableState::Outscored };
                FromTable { hit, scored: Some(scored), prior, state }
            }
        }
    }

    /// Where each field came from.
    fn sources(&self, choice: &Choice, hit: Option<Hit<'_>>) -> Sources {
        let used = st_kernels::uses(choice.mk, choice.mkd, self.caps.backend);
        let unmoved =
            if self.votes.is_empty() { None } else { solve::fastest(&self.question(&[])) };
        let mut sources = Sources::default();
        for field in Field::ALL {
            let value = choice.get(field);
            let obeyed = self.obeyed.iter().find(|o| o.field == field);
            let source = match obeyed {
                Some(o) if o.adjusted() => Source::Adjusted,
                Some(_) => Source::Rule,
                None if hit.is_some_and(|h| h.record.choice.get(field).is_some()) => Source::Table,
                None if unmoved.is_some_and(|free| free.choice.get(field) != value) => Source::Soft,
                None if !used.has(field) => Source::Unused,
                None => Source::Model,
            };
            sources.set(field, source);
        }
        sources
    }

    /// What runs anywhere. There always is a candidate; this says so to the compiler.
    fn last_resort(&self) -> Scored {
        let (tile, ctile) = self.caps.recommended_tiles(self.problem.cols);
        let mk = MergeKind::Bitonic;
        let mkd = MergeDetail::Bitonic;
        let wg = self.caps.recommended_workgroup(self.problem.cols);
        let choice = Choice { mk, mkd, tile, ctile, use_2ce: false, wg, kl: 1, ch: 0 };
        Scored { choice, score: 0.0 }
    }
}
