//! Comparing an answer with the oracle's, bit for bit.

use st_rank::{CompactOutput, RankOutput};

use crate::value::Value;

/// Whether two slices hold the same bits.
#[must_use]
pub fn same_bits<T: Value>(a: &[T], b: &[T]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(x, y)| x.to_lane() == y.to_lane())
}

/// Where an answer with `k` ranks a row first differs from what was expected.
///
/// # Errors
/// A message with row, rank, and both elements with their bits and columns.
pub fn rank<T: Value>(k: usize, want: &RankOutput<T>, got: &RankOutput<T>) -> Result<(), String> {
    if got.values.len() != want.values.len() || got.indices.len() != want.indices.len() {
        let (v, i, n) = (got.values.len(), got.indices.len(), want.values.len());
        return Err(format!("{v} values and {i} indices came back, not {n}"));
    }
    if want.indices == got.indices && same_bits(&want.values, &got.values) {
        return Ok(());
    }
    let pair = |out: &RankOutput<T>, i: usize| (out.values[i].to_lane(), out.indices[i]);
    let wrong = |&i: &usize| pair(want, i) != pair(got, i);
    let first = (0..want.indices.len()).find(wrong).expect("something differs");
    let count = (0..want.indices.len()).filter(wrong).count();
    let show = |out: &RankOutput<T>| element(out.values[first], out.indices[first]);
    let (row, rank) = (first / k, first % k);
    let (want, got) = (show(want), show(got));
    Err(format!("row {row}, rank {rank}: expected {want}, got {got} ({count} ranks are wrong)"))
}

/// Where a compaction first differs from what was expected.
///
/// # Errors
/// A message with row and place, and both elements with their bits and columns.
pub fn compact<T: Value>(want: &CompactOutput<T>, got: &CompactOutput<T>) -> Result<(), String> {
    if want.offsets != got.offsets {
        let rows = want.offsets.len().max(got.offsets.len());
        let differ = |&i: &usize| want.offsets.get(i) != got.offsets.get(i);
        let at = (0..rows).find(differ).expect("something differs");
        let (want, got) = (want.offsets.get(at), got.offsets.get(at));
        return Err(format!("offset {at} is {got:?}, expected {want:?}"));
    }
    if want.indices == got.indices && same_bits(&want.values, &got.values) {
        return Ok(());
    }
    if got.values.len() != want.values.len() || got.indices.len() != want.indices.len() {
        let (v, i, n) = (got.values.len(), got.indices.len(), want.values.len());
        return Err(format!("{v} values and {i} indices came back, not {n}"));
    }
    let pair = |out: &CompactOutput<T>, i: usize| (out.values[i].to_lane(), out.indices[i]);
    let at = (0..want.values.len()).find(|&i| pair(want, i) != pair(got, i));
    let at = at.expect("something differs");
    let row = want.offsets.partition_point(|&o| o <= at) - 1;
    let show = |out: &CompactOutput<T>| element(out.values[at], out.indices[at]);
    let (place, want, got) = (at - want.offsets[row], show(want), show(got));
    Err(format!("row {row}, place {place}: expected {want}, got {got}"))
}

/// An element as messages show it.
pub(crate) fn element<T: Value>(x: T, column: u32) -> String {
    format!("{x:?} ({:#x}) at column {column}", x.bits())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_count_not_values() {
        let out = |v: [f32; 4]| RankOutput { values: v.to_vec(), indices: vec![0, 1, 0, 1] };
        let nan = f32::from_bits(0x7FC0_0001);
        assert_eq!(rank(2, &out([1.0, nan, 0.0, 2.0]), &out([1.0, nan, 0.0, 2.0])), Ok(()));
        let message = rank(2, &out([1.0, nan, 0.0, 2.0]), &out([1.0, nan, -0.0, 2.0])).unwrap_err();
        assert!(message.contains("row 1, rank 0") && message.contains("0x80000000"), "{message}");
        assert!(rank(2, &out([1.0, nan, 0.0, 2.0]), &out([1.0, f32::NAN, 0.0, 2.0])).is_err());
        assert!(rank(2, &out([0.0; 4]), &RankOutput::default()).is_err());
    }

    #[test]
    fn compactions_tell_the_row() {
        let out = |indices: [u32; 3]| CompactOutput {
            offsets: vec![0, 0, 1, 3],
            values: vec![1u8, 2, 3],
            indices: indices.to_vec(),
        };
        assert_eq!(compact(&out([0, 1, 2]), &out([0, 1, 2])), Ok(()));
        let message = compact(&out([0, 1, 2]), &out([0, 1, 3])).unwrap_err();
        assert!(message.contains("row 2, place 1"), "{message}");
    }
}
