//! Evidence from pairs.
//!
//! Two calls, one with each choice and in random order, are a trial: the challenger was faster, or slower, or as
//! fast, which is half a win. Two tests must agree before it is called faster:
//!
//! - Wilson's lower bound (1927) of its share of wins is above one half. Looked at after every trial it passes
//!   sooner or later by chance alone: it is there for what it says of the share, not as a guard.
//! - An e-value, which is valid whenever one looks (Ville 1939; Howard, Ramdas, McAuliffe and Sekhon 2021). Of a
//!   challenger whose chance of winning is p > 1/2 the outcomes are 2^n p^w (1-p)^(n-w) times as likely as of
//!   one whose chance is 1/2. Averaged over p, evenly between 1/2 and 1, that is
//!   2^(n+1) B(w+1, n-w+1) I(n-w+1, w+1), with the beta function B and the regularised incomplete one I at
//!   1/2. Of a challenger that is no faster its mean is at most 1 however long it goes on (half wins only lower
//!   it, because p^x (1-p)^(1-x) is convex in x), so that it ever reaches 20 with a chance of at most 1/20. Of m
//!   comparisons under way each must reach 20 m, so that the chance that any of them is wrong stays the same.

use serde::{Deserialize, Serialize};
use statrs::function::beta::{beta_reg, ln_beta};

use crate::{Error, Ratios};

/// What a challenger must show.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bar {
    /// Trials, at least.
    pub min_trials: u64,
    /// Standard deviations of Wilson's bound.
    pub z: f64,
    /// The chance that ever any challenger is called faster that is not, among those under way together.
    pub false_wins: f64,
    /// How many times as fast it must be, by the median.
    pub least_ratio: f64,
}

impl Default for Bar {
    /// 20 trials, a bound of 95 %, one false win in twenty, 2 %.
    fn default() -> Self {
        Self { min_trials: 20, z: 1.96, false_wins: 0.05, least_ratio: 1.02 }
    }
}

/// Outcomes of the pairs of one comparison.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Evidence {
    half_wins: u64,
    trials: u64,
    ratios: Ratios,
}

impl Evidence {
    /// Takes a pair: times of the choice in use and of the challenger, in one unit.
    ///
    /// # Errors
    /// [`Error::NotATime`] if either is no time; nothing is recorded then.
    pub fn record(&mut self, in_use: f64, challenger: f64) -> Result<(), Error> {
        for (what, given) in [("the choice in use", in_use), ("the challenger", challenger)] {
            if !given.is_finite() || given <= 0.0 {
                return Err(Error::NotATime { what, given });
            }
        }
        self.half_wins += match challenger.total_cmp(&in_use) {
            std::cmp::Ordering::Less => 2,
            std::cmp::Ordering::Equal => 1,
            std::cmp::Ordering::Greater => 0,
        };
        self.trials += 1;
        self.ratios.add(in_use / challenger);
        Ok(())
    }

    /// Takes the pairs of other evidence of the same comparison: of another process, say.
    pub fn add(&mut self, other: &Self) {
        self.half_wins = self.half_wins.saturating_add(other.half_wins);
        self.trials = self.trials.saturating_add(other.trials);
        self.ratios.add_all(&other.ratios);
    }

    /// Pairs so far.
    #[must_use]
    pub const fn trials(&self) -> u64 {
        self.trials
    }

    /// Pairs in which the challenger was faster, those in which it was as fast as halves.
    #[must_use]
    pub fn wins(&self) -> f64 {
        self.half_wins as f64 / 2.0
    }

    /// How many times as fast the challenger was, by the median of the pairs.
    #[must_use]
    pub fn median_ratio(&self) -> Option<f64> {
        self.ratios.median()
    }

    /// The ratio that the median is at least, `z` standard deviations of its rank below (the sign test's interval).
    #[must_use]
    pub fn least_ratio(&self, z: f64) -> Option<f64> {
        self.ratios.least_median(z)
    }

    /// Wilson's lower bound of the challenger's share of wins, `z` standard deviations below; 0 before the first pair.
    #[must_use]
    pub fn wilson_lower(&self, z: f64) -> f64 {
        wilson_lower(self.wins(), self.trials as f64, z)
    }

    /// The logarithm of the e-value against "the challenger is no faster".
    #[must_use]
    pub fn ln_e_faster(&self) -> f64 {
        ln_e(self.wins(), self.trials as f64)
    }

    /// The logarithm of the e-value against "the challenger is no slower".
    #[must_use]
    pub fn ln_e_slower(&self) -> f64 {
        ln_e(self.trials as f64 - self.wins(), self.trials as f64)
    }

    /// Whether the challenger may be called faster, of so many comparisons under way. May be asked after every pair.
    #[must_use]
    pub fn is_won(&self, bar: &Bar, under_way: usize) -> bool {
        bar.agree(self.half_wins, self.trials, under_way)
            && self.median_ratio().is_some_and(|ratio| ratio >= bar.least_ratio)
    }

    /// Whether a challenger that was called faster must be called slower by now: asked of evidence that begins after
    /// that, of so many that are called so. May be asked after every pair.
    #[must_use]
    pub fn is_turned(&self, bar: &Bar, under_way: usize) -> bool {
        self.trials >= bar.min_trials && self.ln_e_slower() >= bar.ln_needed(under_way)
    }
}

impl Bar {
    /// The least half wins of so many pairs by which the tests agree that the challenger is faster, whatever the ratios;
    /// none where not even all would do.
    #[must_use]
    pub fn half_wins_needed(&self, trials: u64, under_way: usize) -> Option<u64> {
        let (mut low, mut high) = (trials, trials.saturating_mul(2));
        if !self.agree(high, trials, under_way) {
            return None;
        }
        // Both tests want more than half, and what is enough for more is enough.
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if self.agree(middle, trials, under_way) {
                high = middle;
            } else {
                low = middle;
            }
        }
        Some(high)
    }

    /// Whether there are enough pairs and both tests agree.
    fn agree(&self, half_wins: u64, trials: u64, under_way: usize) -> bool {
        let (wins, n) = (half_wins as f64 / 2.0, trials as f64);
        trials >= self.min_trials.max(1)
            && wilson_lower(wins, n, self.z) > 0.5
            && ln_e(wins, n) >= self.ln_needed(under_way)
    }

    /// The logarithm of the e-value that each of so many comparisons must reach.
    fn ln_needed(&self, under_way: usize) -> f64 {
        (under_way.max(1) as f64 / self.false_wins).ln()
    }
}

fn wilson_lower(wins: f64, trials: f64, z: f64) -> f64 {
    if trials == 0.0 {
        return 0.0;
    }
    let (share, square) = (wins / trials, z * z);
    let middle = share + square / (2.0 * trials);
    let spread = z * (share * (1.0 - share) / trials + square / (4.0 * trials * trials)).sqrt();
    ((middle - spread) / (1.0 + square / trials)).max(0.0)
}

/// ln(2^(n+1) B(w+1, n-w+1) I(n-w+1, w+1)): see the head of this file.
fn ln_e(wins: f64, trials: f64) -> f64 {
    let (won, lost) = (wins + 1.0, trials - wins + 1.0);
    // The chance of a share above one half is that of a share below it with the two exchanged.
    (trials + 1.0) * std::f64::consts::LN_2 + ln_beta(won, lost) + beta_reg(lost, won, 0.5).ln()
}

/// How evidence is kept.
#[derive(Serialize, Deserialize)]
struct Stored {
    half_wins: u64,
    trials: u64,
    ratios: Ratios,
}

impl From<Evidence> for Stored {
    fn from(Evidence { half_wins, trials, ratios }: Evidence) -> Self {
        Self { half_wins, trials, ratios }
    }
}

impl TryFrom<Stored> for Evidence {
    type Error = Error;

    fn try_from(Stored { half_wins, trials, ratios }: Stored) -> Result<Self, Error> {
        let counted = ratios.checked_len();
        let possible = trials.checked_mul(2).is_some_and(|most| half_wins <= most);
        if !possible || counted != Some(trials) {
            let ratios = counted.unwrap_or(u64::MAX);
            return Err(Error::Inconsistent { half_wins, trials, ratios });
        }
        Ok(Self { half_wins, trials, ratios })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The mixture by adding up over p, in small steps.
    fn by_sum(wins: f64, trials: f64) -> f64 {
        const STEPS: u32 = 200_000;
        let likely = |i: u32| {
            let p = 0.5 + 0.5 * (f64::from(i) + 0.5) / f64::from(STEPS);
            (trials * 2f64.ln() + wins * p.ln() + (trials - wins) * (1.0 - p).ln()).exp()
        };
        ((0..STEPS).map(likely).sum::<f64>() / f64::from(STEPS)).ln()
    }

    #[test]
    fn e_values_are_the_mixture() {
        for (wins, trials) in
            [(0.0, 0.0), (1.0, 1.0), (0.5, 1.0), (14.0, 20.0), (70.5, 100.0), (480.0, 1000.0)]
        {
            let (own, sum) = (ln_e(wins, trials), by_sum(wins, trials));
            assert!((own - sum).abs() < 1e-6, "{wins} of {trials}: {own}, {sum}");
        }
    }

    /// By mpmath, 30 digits: ln(2^(n+1) B(w+1, n-w+1) I_1/2(n-w+1, w+1)).
    #[test]
    fn e_values_of_long_runs_keep_their_digits() {
        // 50200 wins of 100000: 100001 ln 2 + lnB(50201, 49801) + ln I(49801, 50201).
        let right =
            100_001.0 * std::f64::consts::LN_2 - 69_319.448_740_740_99 + 0.897_047_374_3f64.ln();
        assert!((ln_e(50_200.0, 100_000.0) - right).abs() < 1e-7);
    }

    #[test]
    fn what_is_needed_is_what_wins() {
        let bar = Bar { least_ratio: 1.0, ..Bar::default() };
        for under_way in [1, 4, 16] {
            for trials in (1..60).chain([200, 1000]) {
                let needed = bar.half_wins_needed(trials, under_way);
                for half_wins in 0..=2 * trials {
                    let agreed = bar.agree(half_wins, trials, under_way);
                    assert_eq!(
                        agreed,
                        needed.is_some_and(|least| half_wins >= least),
                        "{half_wins} of {trials}"
                    );
                }
            }
        }
    }
}
