//! The records of a table by the shape they were measured at.

use super::Record;

/// Records of one shape, kind and type: one for each choice that was measured there.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bucket {
    /// One of them.
    pub(crate) about: Record,
    /// All of them, by their places in the table.
    pub(crate) records: Vec<u32>,
}

/// The buckets, in the order of their first records.
pub(super) fn buckets(records: &[Record]) -> Vec<Bucket> {
    let mut buckets: Vec<Bucket> = Vec::new();
    for (place, record) in (0..).zip(records) {
        // Records of a bucket mostly follow one another.
        let same = |b: &&mut Bucket| b.about.shares_bucket(record);
        match buckets.iter_mut().rev().find(same) {
            Some(bucket) => bucket.records.push(place),
            None => buckets.push(Bucket { about: *record, records: vec![place] }),
        }
    }
    buckets
}
