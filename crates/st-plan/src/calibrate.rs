//! Measured records put the model's predictions right.
//!
//! A record that covers the problem and was measured near it says how long one choice took. That
//! choice's time here is the measured one times how much longer the model expects this problem to
//! take. The other choices of the same merge kind are corrected by the ratio of measured to
//! predicted time (the geometric mean of such ratios), those of other kinds by the mean of all; but
//! only upwards: that one choice was faster than predicted speaks for that choice, and must not
//! lend its speed to others that nobody measured.

use st_rank::{Choice, DeviceCaps, Field, MergeKind, Problem};

use crate::model::{Model, Wanted};
use crate::table::{Origin, Record, Table};

/// Records are evidence of time for problems with up to this many times their rows or k, or as
/// many times fewer.
const NEAR: f64 = 4.0;

/// More records than this say no more.
const MOST_RECORDS: usize = 64;

/// What measurements say of a problem on a device.
pub(crate) struct Calibration<'a> {
    /// Measured time / predicted time, by merge kind; at least 1.
    factors: [f64; MergeKind::ALL.len()],
    /// Records of time, with the time expected here for each nanosecond that the model predicts.
    records: Vec<(Origin, &'a Record, f64)>,
}

impl<'a> Calibration<'a> {
    pub(crate) fn new(tables: &'a [Table], problem: &Problem, caps: &DeviceCaps) -> Self {
        let near =
            |a: f64, b: f64| a.max(1.0) / b.max(1.0) <= NEAR && b.max(1.0) / a.max(1.0) <= NEAR;
        let timed = tables
            .iter()
            // A device that is merely alike says what is best, not how long it takes.
            .filter_map(|table| Some((table.origin(caps)?, table)))
            .filter(|&(origin, _)| origin != Origin::Near)
            .flat_map(|(origin, table)| table.records().iter().map(move |r| (origin, r)))
            .filter(|(_, r)| r.median_us.is_some() && r.covers(problem, caps.subgroups))
            .filter(|(_, r)| near(f64::from(r.rows), problem.rows as f64))
            .filter(|(_, r)| near(f64::from(r.at.1), problem.k as f64));
        let mut records = Vec::new();
        let mut logs = [(0.0, 0.0); MergeKind::ALL.len()];
        for (origin, record) in timed.take(MOST_RECORDS) {
            let there = record.problem();
            let model = Model::new(&there, caps);
            let Some(choice) = completed(record, &there, caps, &model) else { continue };
            let measured = record.median_us.unwrap_or(0.0) * 1e3;
            let ratio = measured / model.ns(&choice);
            records.push((origin, record, ratio));
            let (sum, n) = &mut logs[choice.mk as usize];
            *sum += ratio.ln();
            *n += 1.0;
        }
        let (sum, n) = logs.iter().fold((0.0, 0.0), |(s, n), log| (s + log.0, n + log.1));
        let mean = |sum: f64, n: f64| if n > 0.0 { Some((sum / n).exp()) } else { None };
        let all: f64 = mean(sum, n).unwrap_or(1.0);
        let factors = logs.map(|(sum, n)| mean(sum, n).unwrap_or(all).max(1.0));
        Self { factors, records }
    }

    /// Nanoseconds expected of a choice for which the model predicts `ns`, and whether it was
    /// measured.
    pub(crate) fn ns(&self, choice: &Choice, ns: f64) -> (f64, bool) {
        let measured = self.records.iter().filter(|(_, record, _)| record.choice.is_of(choice));
        // What was measured here counts before what others measured.
        match measured.min_by(|a, b| a.0.cmp(&b.0).then(a.2.total_cmp(&b.2))) {
            Some((_, _, ratio)) => (ns * ratio, true),
            None => (ns * self.factors[choice.mk as usize], false),
        }
    }

    /// The choices that were measured, where they are whole.
    pub(crate) fn choices(&self, problem: &Problem, caps: &DeviceCaps) -> Vec<Choice> {
        self.records.iter().filter_map(|(_, record, _)| whole(record, problem, caps)).collect()
    }
}

/// A record's choice; what it does not give is as the model would have it.
fn completed(
    record: &Record,
    problem: &Problem,
    caps: &DeviceCaps,
    model: &Model<'_>,
) -> Option<Choice> {
    if record.choice.whole().is_some() {
        return whole(record, problem, caps);
    }
    let mut wanted = Wanted::new(caps);
    for field in Field::ALL {
        if let Some(value) = record.choice.get(field) {
            wanted.fix(field, value);
        }
    }
    let mut best: Option<(Choice, f64)> = None;
    model.variants(&wanted, &mut |choice| {
        if st_kernels::check(&choice, problem, caps).is_ok() {
            let ns = model.ns(&choice);
            if best.is_none_or(|(_, least)| ns < least) {
                best = Some((choice, ns));
            }
        }
    });
    best.map(|(choice, _)| choice)
}

/// A record's choice if every field of it is given and the device can run it for the problem.
fn whole(record: &Record, problem: &Problem, caps: &DeviceCaps) -> Option<Choice> {
    let choice = record.choice.whole()?;
    st_kernels::check(&choice, problem, caps).is_ok().then_some(choice)
}
