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
        let nth = |rank: u64| {
            let mut before = 0;
            self.counts.iter().find_map(|&(step, count)| {
                before += count;
                (before > rank).then(|| f64::from(step) * STEP)
            })
        };
        let (low, high) = (nth(all.checked_sub(1)? / 2)?, nth(all / 2)?);
        Some(f64::midpoint(low, high).exp())
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
    }
}
