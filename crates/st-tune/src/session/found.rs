//! What a table has of a cell after a contest.

use st_plan::Table;
use st_plan::table::{Partial, Record};
use st_rank::Choice;

use crate::tournament::{Outcome, Timed};

/// Records of what was found: those that are far too slow, on hard inputs or all, or are expected to be, without a time, so
/// that they are neither planned nor tried again.
pub(super) fn records(
    outcome: &Outcome,
    bucket: &Record,
    reference_us: Option<f64>,
) -> Vec<Record> {
    // Of a reference whose result is wrong by now nothing is known.
    let scale = reference_us.map(|us| us / outcome.planned_us).filter(|scale| scale.is_finite());
    let scale = scale.unwrap_or(1.0);
    let of = |choice: &Choice| bucket.with_choice(Partial::from(*choice));
    let timed = outcome.candidates.iter().map(|timed| Record {
        median_us: Some(timed.median_us * scale),
        spread: Some(timed.spread),
        samples: timed.samples as u32,
        ..of(&timed.choice)
    });
    let gave_way = |timed: &Timed| Record { samples: timed.samples as u32, ..of(&timed.choice) };
    let untimed = outcome.hopeless.iter().chain(&outcome.unpromising).map(of);
    timed.chain(untimed).chain(outcome.given_way.iter().map(gave_way)).collect()
}

/// A table in which a bucket has these records and no other.
pub(super) fn replaced(table: Table, bucket: &Record, records: &[Record]) -> Table {
    table.without(|r| bucket.shares_bucket(r)).merged(records)
}

/// A table with what another contest found for a bucket. If choices gave way in it nothing of the bucket that was faster than
/// its best stays timed: the best is to be planned, and others were not held against it.
pub(super) fn added(table: Table, bucket: &Record, outcome: &Outcome, records: &[Record]) -> Table {
    let own = |r: &Record| records.iter().find(|new| new.is_about(r));
    let of_best = bucket.with_choice(Partial::from(outcome.best));
    let best_us = own(&of_best).and_then(|best| best.median_us);
    let best_us = best_us.filter(|_| !outcome.given_way.is_empty());
    let is_past = |r: &Record| match own(r) {
        // Without a time before or now: what this contest says of it counts, however few its turns.
        Some(new) => r.median_us.is_none() || new.median_us.is_none(),
        None => r.median_us.zip(best_us).is_some_and(|(us, best)| us < best),
    };
    let is_past = |r: &Record| bucket.shares_bucket(r) && is_past(r);
    let gave_way = |r: &&Record| is_past(r) && own(r).is_none();
    let untimed = |r: &Record| Record { median_us: None, spread: None, ..*r };
    let others: Vec<Record> = table.records().iter().filter(gave_way).map(untimed).collect();
    table.without(is_past).merged(records).merged(&others)
}
