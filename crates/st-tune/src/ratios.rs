//! The median of many ratios in little room.

use serde::{Deserialize, Serialize};

/// Logarithms of ratios are counted in steps of this: a fifth of a per mille.
const STEP: f64 = 0.0002;
/// Steps from 1 beyond which ratios count as that far: e^2.
const MOST: i32 = 10_000;

/// Counts of ratios, from which their median is known to a fifth of a per mille.
///
/// As many entries as different ratios were seen: at most 20,001, in practice some hundreds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ratios {
    /// Steps from 1, ascending, and how many there are of each.
    counts: Vec<(i32, u64)>,
}

impl Ratios {
    /// Counts a ratio, which is greater than 0.
    pub(crate) fn add(&mut self, ratio: f64) {
        let step = (ratio.ln() / STEP).round().clamp(f64::from(-MOST), f64::from(MOST)) as i32;
        match self.counts.binary_search_by_key(&step, |&(step, _)| step) {
            Ok(at) => self.counts[at].1 += 1,
            Err(at) => self.counts.insert(at, (step, 1)),
        }
    }

    /// Counts those that another has counted.
    pub(crate) fn add_all(&mut self, other: &Self) {
        for &(step, count) in &other.counts {
            match self.counts.binary_search_by_key(&step, |&(step, _)| step) {
                Ok(at) => self.counts[at].1 = self.counts[at].1.saturating_add(count),
                Err(at) => self.counts.insert(at, (step, count)),
            }
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.counts.iter().map(|&(_, count)| count).sum()
    }

    /// How many there are, if they lie in order and can be counted: what is read from a file may not.
    pub(crate) fn checked_len(&self) -> Option<u64> {
        let in_order = self.counts.windows(2).all(|pair| pair[0].0 < pair[1].0)
            && self.counts.iter().all(|&(step, count)| (-MOST..=MOST).contains(&step) && count > 0);
        let add = |sum: u64, &(_, count): &(i32, u64)| sum.checked_add(count);
        in_order.then(|| self.counts.iter().try_fold(0, add)).flatten()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// Their median, of an even number the geometric mean of the middle two; none of none.
    #[must_use]
    pub fn median(&self) -> Option<f64> {
        let all = self.len();
        let (low, high) = (self.nth(all.checked_sub(1)? / 2)?, self.nth(all / 2)?);
        Some(f64::midpoint(low, high).exp())
    }

    /// What the median is at least: the ratio whose rank is `z` standard deviations of a fair coin's count below the
    /// middle (of few, the least of all); none of none.
    pub(crate) fn least_median(&self, z: f64) -> Option<f64> {
        let all = self.len() as f64;
        let rank = (all / 2.0 - z * all.sqrt() / 2.0).floor().max(0.0);
        self.nth(rank as u64).map(f64::exp)
    }

    /// The logarithm of the ratio that so many are before.
    fn nth(&self, rank: u64) -> Option<f64> {
        let mut before = 0;
        self.counts.iter().find_map(|&(step, count)| {
            before += count;
            (before > rank).then(|| f64::from(step) * STEP)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        let mut ratios = Ratios::default();
        assert_eq!((ratios.median(), ratios.len(), ratios.is_empty()), (None, 0, true));
        for ratio in [1.0, 1e-300, 3.0, 1e300, 1.1] {
            ratios.add(ratio);
        }
        assert!((ratios.median().unwrap() - 1.1).abs() < 2e-4);
        ratios.add(1.21);
        assert!((ratios.median().unwrap() - (1.1f64 * 1.21).sqrt()).abs() < 3e-4);
        let mut many = Ratios::default();
        (0..100u32).for_each(|i| many.add(1.0 + f64::from(i) / 100.0));
        let least = many.least_median(1.96).unwrap();
        assert!((least - 1.40).abs() < 2e-3, "rank 40 of 100: {least}");
        assert_eq!(Ratios::default().least_median(1.96), None);
        let mut both = ratios.clone();
        both.add_all(&many);
        assert_eq!((both.len(), both.checked_len()), (106, Some(106)));
    }
}
