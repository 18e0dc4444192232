//! How much slower than the best measured choice each way to plan is.

use st_plan::table::Record;
use st_plan::{Knowledge, Table, plan};
use st_rank::{Choice, DeviceCaps};

use crate::candidates::launched_alike;
use crate::stats::geometric_mean;

/// A bucket of the table with its records that have times.
pub(super) struct Bucket<'t> {
    pub(super) records: Vec<&'t Record>,
    pub(super) best: &'t Record,
}

impl Bucket<'_> {
    /// The measured time of a choice, in microseconds.
    fn us(&self, choice: &Choice, caps: &DeviceCaps) -> Option<f64> {
        let alike = |r: &&&Record| {
            r.choice.whole().is_some_and(|own| launched_alike(&own, choice, caps.backend))
        };
        self.records.iter().find(alike)?.median_us
    }
}

/// The buckets of a table, in its order.
pub(super) fn buckets(table: &Table) -> Vec<Bucket<'_>> {
    let mut buckets: Vec<Bucket<'_>> = Vec::new();
    for record in table.records().iter().filter(|r| r.median_us.is_some()) {
        let same = |b: &&mut Bucket<'_>| b.best.shares_bucket(record);
        match buckets.iter_mut().find(same) {
            Some(bucket) => {
                bucket.records.push(record);
                if record.median_us < bucket.best.median_us {
                    bucket.best = record;
                }
            }
            None => buckets.push(Bucket { records: vec![record], best: record }),
        }
    }
    buckets
}

/// A way to plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Regret {
    /// Its name.
    pub policy: &'static str,
    /// Its time / the best time, over the buckets in which its choice was measured: the geometric mean.
    pub mean: Option<f64>,
    /// The same: the worst.
    pub worst: Option<f64>,
    /// Buckets in which its choice was not measured.
    pub unknown: usize,
}

/// The regrets of planning by the model alone, with the rules, by the table alone, with all that is known, and with all
/// but the bucket's own records.
#[must_use]
pub fn regrets(table: &Table, caps: &DeviceCaps, knowledge: &Knowledge) -> Vec<Regret> {
    let buckets = buckets(table);
    let (none, rules) = (Knowledge::default(), knowledge.clone().without_tables());
    let mut all = rules.clone();
    all.add_table(table.clone());
    let of = |policy, choice: &dyn Fn(&Bucket<'_>) -> Option<Choice>| {
        let mut ratios = Vec::new();
        for bucket in &buckets {
            let us = choice(bucket).and_then(|choice| bucket.us(&choice, caps));
            ratios.extend(us.zip(bucket.best.median_us).map(|(us, best)| us / best));
        }
        Regret {
            policy,
            mean: geometric_mean(&ratios),
            worst: ratios.iter().copied().reduce(f64::max),
            unknown: buckets.len() - ratios.len(),
        }
    };
    let planned = |knowledge: &Knowledge, bucket: &Bucket<'_>| {
        Some(plan(&bucket.best.problem(), caps, knowledge).choice)
    };
    vec![
        of("model alone", &|bucket| planned(&none, bucket)),
        of("model and rules", &|bucket| planned(&rules, bucket)),
        of("table alone", &|bucket| {
            table.answer(&bucket.best.problem(), caps).and_then(|record| record.choice.whole())
        }),
        of("consensus", &|bucket| planned(&all, bucket)),
        // What a shape that was never measured has of the others.
        of("consensus without the bucket itself", &|bucket| {
            let mut others = rules.clone();
            others.add_table(table.clone().without(|r| bucket.best.shares_bucket(r)));
            planned(&others, bucket)
        }),
    ]
}
