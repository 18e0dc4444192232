//! From a comparison that was won to a changed text of rules: proposed only if planning with it shows that it does what it
//! is meant to, and nothing else.

use st_kdsl::Program;
use st_plan::{Knowledge, explain, plan};
use st_rank::{Choice, DType, DeviceCaps, Problem, RankKind};

use super::bucket::{Bucket, candidate, code, launch};
use super::comparison::Comparison;
use super::rule::{self, Provenance, Written};
use crate::Bar;

/// Candidates that are looked through for the challenger.
const DEEP: usize = 256;

/// The planner's knowledge, were this the text of the rules file.
pub type Knows<'a> = &'a dyn Fn(&[u8]) -> Knowledge;

/// A changed text of rules.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// The whole text.
    pub text: String,
    /// The rule in it; none if the planner makes that choice once older rules are gone.
    pub rule: Option<(Provenance, String)>,
    /// Rules that it takes the place of.
    pub superseded: Vec<Written>,
}

/// Proposes the rule that a comparison has won. `name` and `text` are the rules file's.
///
/// The rule is one `soft(mk, ..)` whose condition holds in the bucket, and of the candidates for the challenger alone: a
/// vote for each field apart would also lift candidates that nobody timed. Its weight is what the planner's scores put
/// between the two, and the logarithm of what the median ratio is at least.
///
/// # Errors
/// Why no rule is written, in words.
pub fn propose(
    won: &Comparison,
    name: &str,
    text: &str,
    knows: Knows<'_>,
    bar: &Bar,
    date: String,
) -> Result<Proposal, String> {
    let Comparison { problem, caps, in_use, challenger, pairs, .. } = won;
    let backend = caps.backend;
    let bucket = Bucket::of(problem, caps).ok_or("the shape is empty")?;
    let is = |a: &Choice, b: &Choice| launch(a, backend) == launch(b, backend);
    let (Some(ratio), Some(least)) = (pairs.median_ratio(), pairs.least_ratio(bar.z)) else {
        return Err("there are no pairs".to_owned());
    };
    let provenance = Provenance {
        date,
        device: caps.normalised().fingerprint(),
        bucket: bucket.shape(),
        from: code(&launch(in_use, backend)),
        to: code(&launch(challenger, backend)),
        wins: pairs.wins(),
        trials: pairs.trials(),
        ratio,
        least,
    };
    let before = knows(text.as_bytes());
    let old = plan(problem, caps, &before);
    if !is(&old.choice, in_use) {
        let now = code(&launch(&old.choice, backend));
        return Err(format!("the planner chooses {now} here by now, not {}", provenance.from));
    }
    let program = Program::parse(name, text).map_err(|e| e.to_string())?;
    let mut superseded = rule::written(&program);
    superseded.retain(|Written { provenance: p, .. }| {
        p.same_bucket(&provenance)
            && (p.to == provenance.from || p.to == provenance.to || p.from == provenance.from)
    });
    let rest = rule::without(text, &superseded);
    let base = knows(rest.as_bytes());
    let why = explain(problem, caps, &base, DEEP);
    if is(&why.plan.choice, challenger) {
        let proposal = Proposal { text: rest, rule: None, superseded };
        return verified(proposal, won, &bucket, &before, knows);
    }
    let score = |of: &Choice| why.candidates.iter().find(|c| is(&c.choice, of)).map(|c| c.score);
    let own = score(challenger).ok_or("it is no candidate of the planner's here")?;
    let best = why.candidates.first().map_or(own, |c| c.score);
    let table = why.table.as_ref().and_then(|t| Some(t.score? + t.prior)).unwrap_or(best);
    let gain = least.max(bar.least_ratio).ln();
    let weight = ((best.max(table) - own + gain) * 1e4).ceil() / 1e4;
    let statement = format!(
        "soft(mk, {}, {weight}, {}{})",
        challenger.mk.code(),
        bucket.condition(caps),
        candidate(challenger, backend)
    );
    let statement = rule::canonical(name, &statement).map_err(|e| e.to_string())?;
    let text = rule::with(name, &rest, &provenance, &statement).map_err(|e| e.to_string())?;
    let proposal = Proposal { text, rule: Some((provenance, statement)), superseded };
    verified(proposal, won, &bucket, &before, knows)
}

/// The proposal, if planning with it chooses the challenger in the bucket and changes nothing beyond.
fn verified(
    proposal: Proposal,
    won: &Comparison,
    bucket: &Bucket,
    before: &Knowledge,
    knows: Knows<'_>,
) -> Result<Proposal, String> {
    let Comparison { problem, caps, challenger, .. } = won;
    let after = knows(proposal.text.as_bytes());
    let new = plan(problem, caps, &after);
    if launch(&new.choice, caps.backend) != launch(challenger, caps.backend) {
        let now = code(&launch(&new.choice, caps.backend));
        return Err(format!(
            "with the rule the planner still chooses {now}: soft rules are off, or a hard rule decides"
        ));
    }
    if new.notes != plan(problem, caps, before).notes {
        return Err(format!("the rule would be planned with remarks: {}", new.notes.join("; ")));
    }
    for (problem, caps) in neighbours(problem, caps, bucket) {
        if plan(&problem, &caps, before).choice != plan(&problem, &caps, &after).choice {
            return Err(format!("it would change the plan of {problem}, which nobody timed"));
        }
    }
    Ok(proposal)
}

/// Problems just outside the bucket, on every side.
fn neighbours(problem: &Problem, caps: &DeviceCaps, bucket: &Bucket) -> Vec<(Problem, DeviceCaps)> {
    let mut list = vec![(*problem, caps.with_cores(caps.cores.saturating_add(1)))];
    let mut offer = |other: Problem| {
        let outside = Bucket::of(&other, caps).is_some_and(|b| b != *bucket);
        if outside && other.check().is_ok() {
            list.push((other, *caps));
        }
    };
    for (dimension, log) in bucket.logs.into_iter().enumerate() {
        let first = 1usize << log;
        for size in [first - 1, first.saturating_mul(2)] {
            let Problem { rows, cols, k, .. } = *problem;
            let [rows, cols, k] = match dimension {
                0 => [size, cols, k],
                1 => [rows, size, k],
                _ => [rows, cols, size],
            };
            offer(Problem { rows, cols, k, row_stride: problem.row_stride.max(cols), ..*problem });
        }
    }
    for kind in [RankKind::TopK, RankKind::BottomK, RankKind::MidK, RankKind::Range { start: 0 }] {
        offer(Problem { kind, ..*problem });
    }
    for dtype in [DType::U8, DType::F16, DType::F32, DType::F64] {
        offer(Problem { dtype, ..*problem });
    }
    list
}

/// The rules in a text that a comparison wrote.
///
/// # Errors
/// A text that is no program.
pub fn rules_of(comparison: &Comparison, name: &str, text: &str) -> Result<Vec<Written>, String> {
    let Comparison { problem, caps, in_use, challenger, .. } = comparison;
    let bucket = Bucket::of(problem, caps).ok_or("the shape is empty")?;
    let code_of = |choice| code(&launch(choice, caps.backend));
    let (from, to, shape) = (code_of(in_use), code_of(challenger), bucket.shape());
    let device = caps.normalised().fingerprint();
    let program = Program::parse(name, text).map_err(|e| e.to_string())?;
    let mut rules = rule::written(&program);
    rules.retain(|Written { provenance: p, .. }| {
        p.device == device && p.bucket == shape && p.from == from && p.to == to
    });
    Ok(rules)
}
