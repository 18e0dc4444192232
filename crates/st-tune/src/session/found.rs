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

/// A table with what another contest found for a bucket: what it timed takes the place of what was known, whoever had more
/// turns, because its times are of one contest. If choices gave way nothing of the bucket that was faster than the best stays
/// timed: the best is to be planned, and those were not held against it.
pub(super) fn added(table: Table, bucket: &Record, outcome: &Outcome, records: &[Record]) -> Table {
    let own = |r: &Record| records.iter().find(|new| new.is_about(r));
    let of_best = bucket.with_choice(Partial::from(outcome.best));
    let best_us = own(&of_best).and_then(|best| best.median_us);
    let best_us = best_us.filter(|_| !outcome.given_way.is_empty());
    let is_past = |r: &Record| {
        bucket.shares_bucket(r)
            && match own(r) {
                Some(new) => new.samples > 0,
                None => r.median_us.zip(best_us).is_some_and(|(us, best)| us < best),
            }
    };
    let gave_way = |r: &&Record| is_past(r) && own(r).is_none();
    let untimed = |r: &Record| Record { median_us: None, spread: None, ..*r };
    let others: Vec<Record> = table.records().iter().filter(gave_way).map(untimed).collect();
    table.without(is_past).merged(records).merged(&others)
}

#[cfg(test)]
mod tests {
    use st_rank::{DeviceCaps, MergeDetail, MergeKind};

    use super::*;

    const CAPS: DeviceCaps = DeviceCaps::cpu(16, 2);

    fn choice(tile: u32) -> Choice {
        Choice {
            mk: MergeKind::Filter,
            mkd: MergeDetail::Auto,
            tile,
            ctile: 512,
            use_2ce: false,
            wg: 1,
            kl: 1,
            ch: 0,
        }
    }

    fn timed(tile: u32, median_us: f64, samples: usize) -> Timed {
        Timed { choice: choice(tile), median_us, min_us: median_us, spread: 0.1, samples }
    }

    fn outcome(candidates: Vec<Timed>, given_way: Vec<Timed>) -> Outcome {
        Outcome {
            planned: candidates[0].choice,
            planned_us: candidates[0].median_us,
            predicted_us: None,
            others_us: Vec::new(),
            best: candidates[0].choice,
            best_us: candidates[0].median_us,
            ratio: 1.0,
            hopeless: Vec::new(),
            unpromising: vec![choice(64)],
            given_way,
            not_weighed: None,
            untried: 0,
            doubt: 0.0,
            candidates,
        }
    }

    /// Tiles and times, in whole microseconds.
    fn contents(table: &Table) -> Vec<(u32, Option<u32>)> {
        let of = |r: &Record| (r.choice.tile.unwrap(), r.median_us.map(|us| us as u32));
        table.records().iter().map(of).collect()
    }

    #[test]
    fn what_a_contest_says_takes_the_place_of_what_was_known() {
        let bucket = Record::new(8, 64, 128, 8);
        let first = outcome(vec![timed(512, 10.0, 99), timed(1024, 11.0, 40)], Vec::new());
        let empty = Table::measured("t", CAPS, &[]);
        let table = added(empty, &bucket, &first, &records(&first, &bucket, None));
        let all = [(64, None), (512, Some(10)), (1024, Some(11))];
        assert_eq!(contents(&table), all);
        // Later, with fewer turns, another leads; and one that was not promising has a time that another process took.
        let other = bucket.with_choice(Partial::from(choice(64)));
        let table = table.merged(&[Record { median_us: Some(20.0), samples: 5, ..other }]);
        let later = outcome(vec![timed(1024, 12.0, 9), timed(512, 13.0, 9)], Vec::new());
        let table = added(table, &bucket, &later, &records(&later, &bucket, None));
        assert_eq!(contents(&table), [(64, Some(20)), (512, Some(13)), (1024, Some(12))]);
        // The leader gives way: so does what is faster than the one that it gives way to.
        let last = outcome(vec![timed(2048, 15.0, 9)], vec![timed(1024, 12.0, 9)]);
        let table = added(table, &bucket, &last, &records(&last, &bucket, None));
        let all = [(64, Some(20)), (512, None), (1024, None), (2048, Some(15))];
        assert_eq!(contents(&table), all);
    }
}
