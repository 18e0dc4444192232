//! Why a plan was made: every candidate considered, what is expected of it, who spoke for it, and
//! why the winner won.

use serde::Serialize;
use st_rank::{Choice, DeviceCaps, Problem, RankPlan};

use crate::consensus::{Decision, FromTable, Session, TableState};
use crate::knowledge::Knowledge;
pub use crate::rules::Place;
use crate::solve::{Question, Scored};

/// A plan with the reasons for it.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// The plan. In JSON its fields stand beside those that follow.
    #[serde(flatten)]
    pub plan: RankPlan,
    /// Candidates that were feasible under the hard rules.
    pub considered: usize,
    /// The best of them, best first. Where a kernel does not use a field, its value there is that
    /// of the best.
    pub candidates: Vec<Explained>,
    /// B: hard rules.
    pub hard: Vec<HardRule>,
    /// Every soft rule that speaks of this problem, whether of these candidates or not.
    pub soft: Vec<SoftRule>,
    /// C: the measured table's record, if one answers.
    pub table: Option<TableWord>,
    /// In a sentence.
    pub why: String,
}

/// A candidate.
#[derive(Clone, Debug, Serialize)]
pub struct Explained {
    /// How the kernel is configured.
    pub choice: Choice,
    /// Time expected of it, in microseconds, measurements considered.
    pub expected_us: f64,
    /// Time the cost model alone predicts, in microseconds.
    pub model_us: f64,
    /// Whether the expected time is a measurement's, of this choice, brought to this shape.
    pub measured: bool,
    /// Natural-log speed ratio to the fastest candidate, plus the votes.
    pub score: f64,
    /// The soft rules that count for or against it.
    pub votes: Vec<CountedVote>,
}

/// A soft rule that counts for or against a candidate.
#[derive(Clone, Debug, Serialize)]
pub struct CountedVote {
    /// Where it stands.
    pub place: Place,
    /// What it counts: a natural-log speed ratio, negative for penalties.
    pub weight: f64,
}

/// A hard rule.
#[derive(Clone, Debug, Serialize)]
pub struct HardRule {
    /// Where it stands.
    pub place: Place,
    /// The field.
    pub field: &'static str,
    /// What it asks for.
    pub asked: f64,
    /// What was taken: the same where the device can.
    pub value: u32,
}

/// A soft rule.
#[derive(Clone, Debug, Serialize)]
pub struct SoftRule {
    /// Where it stands.
    pub place: Place,
    /// The field it speaks of; none for a penalty on its condition alone.
    pub field: Option<&'static str>,
    /// The value it speaks for or against.
    pub value: Option<u32>,
    /// What it counts.
    pub weight: f64,
}

/// The measured table's word.
#[derive(Clone, Debug, Serialize)]
pub struct TableWord {
    /// The table.
    pub table: String,
    /// Whether it was measured here (`own`), by others on the same device (`shared`), given by the
    /// user for every device of the backend (`any device`), shipped, or measured on a device like
    /// this (`near`).
    pub origin: &'static str,
    /// Rows, columns and greatest k of the record.
    pub record: [u32; 4],
    /// The record's time, if it was measured.
    pub measured_us: Option<f64>,
    /// Its choice, completed; none if it cannot be had.
    pub choice: Option<Choice>,
    /// Its score before the prior.
    pub score: Option<f64>,
    /// What its word is worth.
    pub prior: f64,
    /// What became of it.
    pub outcome: String,
}

/// Plans, and says why: with the `top` best candidates.
#[must_use]
pub fn explain(
    problem: &Problem,
    caps: &DeviceCaps,
    knowledge: &Knowledge,
    top: usize,
) -> Explanation {
    let session = Session::new(problem, caps, knowledge);
    let mut decision = session.decide();
    let question = session.question(&session.votes);
    let (ranked, note) = session.ranked(top.saturating_mul(SAME).max(1));
    let candidates = distinct(&question, ranked, top);
    // Of the search for the best there may be a note already.
    let known = &mut decision.plan.notes;
    known.extend(note.filter(|note| !known.contains(note)));
    Explanation {
        considered: session.candidates.len(),
        candidates,
        hard: session
            .obeyed
            .iter()
            .map(|o| HardRule {
                place: o.place.clone(),
                field: o.field.name(),
                asked: o.asked,
                value: o.value,
            })
            .collect(),
        soft: session
            .votes
            .iter()
            .map(|v| SoftRule {
                place: v.place.clone(),
                field: v.value.map(|(field, _)| field.name()),
                value: v.value.map(|(_, value)| value),
                weight: v.weight,
            })
            .collect(),
        table: decision.from_table.as_ref().map(word),
        why: why(&session, &decision),
        plan: decision.plan,
    }
}

/// So many settings of fields that make no difference are looked through for one that does.
const SAME: usize = 24;

/// The best candidates that are launched differently.
fn distinct(question: &Question<'_>, ranked: Vec<Scored>, top: usize) -> Vec<Explained> {
    let mut list: Vec<Explained> = Vec::new();
    let mut seen: Vec<Choice> = Vec::new();
    for Scored { choice, score } in ranked {
        if list.len() == top {
            break;
        }
        let Some(candidate) = question.candidate_of(&choice) else { continue };
        if seen.contains(&candidate.choice) {
            continue;
        }
        seen.push(candidate.choice);
        let counted = question.votes.iter().filter(|v| v.counts(&choice));
        list.push(Explained {
            choice,
            expected_us: candidate.ns / 1e3,
            model_us: candidate.model_ns / 1e3,
            measured: candidate.measured,
            score,
            votes: counted
                .map(|v| CountedVote { place: v.place.clone(), weight: v.weight })
                .collect(),
        });
    }
    list
}

fn word(from: &FromTable<'_>) -> TableWord {
    let record = from.hit.record;
    let outcome = match from.state {
        TableState::Adopted => "adopted".to_owned(),
        TableState::Outscored => "another choice scores better, its prior counted in".to_owned(),
        TableState::Contradicted(field) => format!("a hard rule assigns another {field}"),
        TableState::Infeasible => "the device cannot run it for this problem".to_owned(),
    };
    TableWord {
        table: from.hit.table.name().to_owned(),
        origin: from.hit.origin.name(),
        record: [record.rows, record.cols_min, record.cols_max, record.k_max],
        measured_us: record.median_us,
        choice: from.scored.map(|s| s.choice),
        score: from.scored.map(|s| s.score),
        prior: from.prior,
        outcome,
    }
}

fn why(session: &Session<'_>, decision: &Decision<'_>) -> String {
    let mut parts = Vec::new();
    if !session.obeyed.is_empty() {
        let fields: Vec<&str> = session.obeyed.iter().map(|o| o.field.name()).collect();
        parts.push(format!("hard rules fix {}", fields.join(", ")));
    }
    let best = decision.best.score;
    match &decision.from_table {
        Some(FromTable { scored: Some(s), prior, state: TableState::Adopted, .. }) => {
            let (own, with) = (s.score, s.score + prior);
            parts.push(format!(
                "the measured table's choice scores {own:.3}, {with:.3} with its prior; the best other {best:.3}"
            ));
        }
        from => {
            let votes: f64 = session
                .votes
                .iter()
                .filter(|v| v.counts(&decision.best.choice))
                .map(|v| v.weight)
                .sum();
            if votes == 0.0 {
                parts.push("no candidate is expected to be faster".to_owned());
            } else {
                let speed = best - votes;
                parts.push(format!(
                    "it scores best: {best:.3}, of which its speed {speed:.3} and soft rules {votes:+.3}"
                ));
            }
            if let Some(from) = from {
                parts.push(format!("of the measured table's word: {}", word(from).outcome));
            }
        }
    }
    parts.join("; ")
}
