//! What is known of a hint: how much, how good, how old.
//!
//! Evidence fades: its weight halves every [`HALF_LIFE`], because drivers, systems and our own kernels change while
//! a fingerprint stays. It is merged by weight: medians as a geometric mean, because times and ratios are
//! compared by their ratio.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::store::SCHEMA;

/// The time in which evidence loses half its weight. Drivers and our kernels come out anew every month or two: what
/// was measured a release ago counts about half, after a year nothing.
pub const HALF_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);
/// Less than a sample's worth is no evidence.
pub const LEAST_WEIGHT: f64 = 1.0;
/// Evidence beyond so many samples adds no weight: otherwise what was measured often could not be put right. It has
/// faded after ten half-lives.
pub const MOST_WEIGHT: f64 = 1024.0;
/// Clocks are apart by less than this. A time further ahead would never fade.
const MOST_AHEAD: u64 = 24 * 3600;
/// Medians and spreads beyond these are no measurements.
const LEAST_MEDIAN: f64 = 1e-9;
const MOST_MEDIAN: f64 = 1e15;
const MOST_SPREAD: f64 = 1e6;
/// Contributions that are remembered, so that one that is published again does not count again.
const MOST_SEEN: usize = 8;
/// Distance between the quartiles of a normal distribution, in standard deviations.
const QUARTILES: f64 = 1.349;

/// What is known of a hint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    #[serde(rename = "v")]
    schema: u32,
    /// How many samples (of a time) or pairs (of a rule) it is worth at [`at`](Self::at).
    pub samples: f64,
    /// The median: microseconds of a time; of a rule, how many times as fast the choice was that it speaks for.
    pub median: f64,
    /// Distance between the quartiles as a share of the median; 0 for rules.
    #[serde(default)]
    pub spread: f64,
    /// Share of the pairs in which the rule's choice was faster, those in which it was as fast as halves; 0 for times.
    #[serde(default)]
    pub wins: f64,
    /// When, in seconds since 1970 (UTC).
    pub at: u64,
    /// The last contributions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    seen: Vec<u64>,
}

/// Why a value is no evidence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rubbish {
    /// No JSON of ours.
    #[error("no evidence: {0}")]
    NotJson(String),
    /// Another version's.
    #[error("evidence of version {0}, {SCHEMA} is read")]
    Version(u64),
    /// A number that cannot be.
    #[error("evidence whose `{0}` cannot be")]
    Number(&'static str),
}

impl Evidence {
    /// Of a time: so many samples with a median in microseconds and a distance between the quartiles as a share of
    /// it.
    #[must_use]
    pub fn of_time(samples: f64, median_us: f64, spread: f64, at: u64) -> Self {
        Self::new(samples, median_us, spread, 0.0, at)
    }

    /// Of a rule: so many pairs, the share of them that its choice won, how many times as fast it was by the median.
    #[must_use]
    pub fn of_rule(pairs: f64, wins: f64, ratio: f64, at: u64) -> Self {
        Self::new(pairs, ratio, 0.0, wins, at)
    }

    fn new(samples: f64, median: f64, spread: f64, wins: f64, at: u64) -> Self {
        let samples = samples.min(MOST_WEIGHT);
        let mut evidence = Self { schema: SCHEMA, samples, median, spread, wins, at, seen: vec![] };
        evidence.seen.push(evidence.mark());
        evidence
    }

    /// What it has beyond evidence of the same measurement that was published when it had fewer samples: those that are
    /// more. Evidence of fewer samples was measured anew and counts whole; none: there is nothing new. The mark stays that
    /// of the whole, which published later does not count again.
    #[must_use]
    pub fn beyond(self, published: &Self) -> Option<Self> {
        if self.samples < published.samples {
            return Some(self);
        }
        let samples = self.samples - published.samples;
        (samples > 0.0).then_some(Self { samples, ..self })
    }

    /// Reads a value.
    ///
    /// # Errors
    /// [`Rubbish`]: whatever is no evidence at the time `now`.
    pub fn decode(text: &str, now: u64) -> Result<Self, Rubbish> {
        #[derive(Deserialize)]
        struct Version {
            v: u64,
        }
        // The version first: the rest of another one may look different.
        let not = |e: serde_json::Error| Rubbish::NotJson(e.to_string());
        let Version { v } = serde_json::from_str(text).map_err(not)?;
        if v != u64::from(SCHEMA) {
            return Err(Rubbish::Version(v));
        }
        let mut evidence: Self = serde_json::from_str(text).map_err(not)?;
        evidence.check(now).map_err(Rubbish::Number)?;
        evidence.seen.truncate(MOST_SEEN);
        Ok(evidence)
    }

    /// As a value.
    #[must_use]
    pub fn encode(&self) -> String {
        // Numbers and a list of numbers cannot fail; what they could fail to is refused by every reader.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The name of the first number that cannot be, if there is one.
    ///
    /// # Errors
    /// That name.
    pub fn check(&self, now: u64) -> Result<(), &'static str> {
        let within = |x: f64, least: f64, most: f64| x.is_finite() && least <= x && x <= most;
        for (name, fine) in [
            ("samples", within(self.samples, f64::MIN_POSITIVE, MOST_WEIGHT)),
            ("median", within(self.median, LEAST_MEDIAN, MOST_MEDIAN)),
            ("spread", within(self.spread, 0.0, MOST_SPREAD)),
            ("wins", within(self.wins, 0.0, 1.0)),
            ("at", self.at <= now.saturating_add(MOST_AHEAD)),
        ] {
            if !fine {
                return Err(name);
            }
        }
        Ok(())
    }

    /// What it is worth at a time, in samples.
    #[must_use]
    pub fn weight(&self, now: u64) -> f64 {
        let age = now.saturating_sub(self.at) as f64;
        self.samples * (-age / HALF_LIFE.as_secs_f64()).exp2()
    }

    /// Whether it is worth nothing any more.
    #[must_use]
    pub fn has_faded(&self, now: u64) -> bool {
        self.weight(now) < LEAST_WEIGHT
    }

    /// The two together, at a time; the same contribution counts once.
    #[must_use]
    pub fn merged(&self, new: &Self, now: u64) -> Self {
        if !new.seen.is_empty() && new.seen.iter().all(|mark| self.seen.contains(mark)) {
            return self.clone();
        }
        let (a, b) = (self.weight(now), new.weight(now));
        let sum = a + b;
        if sum < f64::MIN_POSITIVE {
            return new.clone();
        }
        let mean = |x: f64, y: f64| (a * x + b * y) / sum;
        let centre = mean(self.median.ln(), new.median.ln());
        // As of two normal distributions: each one's own spread, and how far it is from the middle.
        let square = |e: &Self| e.spread.powi(2) + ((e.median.ln() - centre) * QUARTILES).powi(2);
        let is_time = self.wins == 0.0 && new.wins == 0.0;
        let spread = if is_time { mean(square(self), square(new)).sqrt() } else { 0.0 };
        let seen = new.seen.iter().chain(&self.seen).copied();
        Self {
            schema: SCHEMA,
            samples: sum.min(MOST_WEIGHT),
            // Rounding must not carry them beyond what is read.
            median: centre.exp().clamp(LEAST_MEDIAN, MOST_MEDIAN),
            spread: spread.min(MOST_SPREAD),
            wins: mean(self.wins, new.wins).clamp(0.0, 1.0),
            at: now,
            seen: seen.take(MOST_SEEN).collect(),
        }
    }

    /// Tells one contribution from another: its numbers, less its time (FNV-1a, 64 bits).
    fn mark(&self) -> u64 {
        let numbers = [self.samples, self.median, self.spread, self.wins];
        let bytes = numbers.iter().flat_map(|x| x.to_bits().to_le_bytes());
        let mix =
            |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        // JSON's readers keep whole numbers up to 2^53 everywhere.
        bytes.fold(0xcbf2_9ce4_8422_2325, mix) >> 11
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;
    const DAY: u64 = 24 * 3600;

    fn of(samples: f64, median: f64, at: u64) -> Evidence {
        Evidence::of_time(samples, median, 0.0, at)
    }

    #[test]
    fn it_fades_by_half() {
        let evidence = of(100.0, 5.0, NOW);
        assert!((evidence.weight(NOW + 30 * DAY) - 50.0).abs() < 1e-9);
        assert!((evidence.weight(NOW + 60 * DAY) - 25.0).abs() < 1e-9);
        assert_eq!(evidence.weight(NOW - 5), 100.0, "a clock that is behind");
        assert!(!evidence.has_faded(NOW + 190 * DAY) && evidence.has_faded(NOW + 200 * DAY));
        let most = of(1e9, 5.0, NOW);
        assert!(most.has_faded(NOW + 300 * DAY + 1), "all has, when a server drops it");
    }

    #[test]
    fn it_is_merged_by_samples() {
        let both = of(30.0, 10.0, NOW).merged(&of(10.0, 20.0, NOW), NOW);
        assert_eq!(both.samples, 40.0);
        assert!((both.median - (10f64.powi(3) * 20.0).powf(0.25)).abs() < 1e-9, "{both:?}");
        assert!(both.spread > 0.3, "the two are far apart: {both:?}");
        // Old evidence has the weight that is left of it.
        let old = of(40.0, 10.0, NOW - 60 * DAY).merged(&of(10.0, 20.0, NOW), NOW);
        assert!((old.samples - 20.0).abs() < 1e-9);
        assert!((old.median - 200f64.sqrt()).abs() < 1e-9);
        let rules = Evidence::of_rule(30.0, 1.0, 1.2, NOW)
            .merged(&Evidence::of_rule(10.0, 0.2, 0.9, NOW), NOW);
        assert!((rules.wins - 0.8).abs() < 1e-12);
        assert_eq!(rules.spread, 0.0);
    }

    #[test]
    fn what_is_published_again_counts_once() {
        let (a, b) = (of(30.0, 10.0, NOW), of(10.0, 20.0, NOW));
        let both = a.merged(&b, NOW);
        for again in [&a, &b, &both] {
            assert_eq!(&both.merged(again, NOW), &both);
        }
        assert_eq!(both.merged(&of(10.0, 20.0, NOW + 60), NOW + 60), both, "whenever that is");
        // JSON's reader is right to the last digit but one.
        let decoded = Evidence::decode(&both.encode(), NOW).unwrap();
        assert!((decoded.median / both.median - 1.0).abs() < 1e-12);
        assert_eq!(Evidence { median: both.median, ..decoded }, both);
    }

    #[test]
    fn what_is_measured_on_counts_by_what_is_new() {
        let (first, whole) = (of(30.0, 10.0, NOW), of(40.0, 12.0, NOW));
        let more = whole.clone().beyond(&first).expect("ten samples");
        assert_eq!((more.samples, more.median), (10.0, 12.0));
        let both = first.merged(&more, NOW);
        assert_eq!(both.samples, 40.0);
        assert_eq!(both.merged(&whole, NOW), both, "the whole, published later");
        assert_eq!(whole.clone().beyond(&whole), None);
        assert_eq!(first.clone().beyond(&whole), Some(first), "measured anew");
    }

    #[test]
    fn order_matters_little() {
        let all = [of(30.0, 10.0, NOW), of(10.0, 20.0, NOW), of(5.0, 1.0, NOW - 30 * DAY)];
        let [a, b, c] = &all;
        let one = a.merged(b, NOW).merged(c, NOW);
        let other = c.merged(b, NOW).merged(a, NOW);
        assert!((one.median / other.median - 1.0).abs() < 1e-12);
        assert!((one.samples - other.samples).abs() < 1e-9);
        assert!((one.spread - other.spread).abs() < 1e-9, "{one:?} {other:?}");
    }

    #[test]
    fn what_is_merged_can_be_read() {
        let values = [f64::MIN_POSITIVE, 1.0, 3.3, MOST_WEIGHT];
        let medians = [LEAST_MEDIAN, 0.7, MOST_MEDIAN];
        let mut all = Vec::new();
        for samples in values {
            for median in medians {
                for (spread, wins) in [(0.0, 0.0), (MOST_SPREAD, 0.0), (0.0, 1.0), (1.0, 0.9)] {
                    for at in [0, NOW - 77 * DAY, NOW, NOW + DAY] {
                        all.push(Evidence::new(samples, median, spread, wins, at));
                    }
                }
            }
        }
        for a in &all {
            assert_eq!(a.check(NOW), Ok(()));
            for b in &all {
                let merged = a.merged(b, NOW);
                assert_eq!(
                    Evidence::decode(&merged.encode(), NOW).map(|_| ()),
                    Ok(()),
                    "{merged:?}"
                );
            }
        }
    }

    #[test]
    fn rubbish_is_refused() {
        let fine = r#"{"v":1,"samples":3.0,"median":2.5,"at":1800000000}"#;
        assert!(Evidence::decode(fine, NOW).is_ok());
        for (text, part) in [
            ("", "no evidence"),
            ("nonsense", "no evidence"),
            ("[1]", "no evidence"),
            (r#"{"v":2,"a":"new"}"#, "version 2"),
            (r#"{"v":1,"samples":3.0}"#, "no evidence"),
            (r#"{"v":1,"samples":0,"median":2.5,"at":1}"#, "samples"),
            (r#"{"v":1,"samples":1e300,"median":2.5,"at":1}"#, "samples"),
            (r#"{"v":1,"samples":3,"median":-2.5,"at":1}"#, "median"),
            (r#"{"v":1,"samples":3,"median":1e999,"at":1}"#, "no evidence"),
            (r#"{"v":1,"samples":3,"median":2,"spread":-1,"at":1}"#, "spread"),
            (r#"{"v":1,"samples":3,"median":2,"wins":1.5,"at":1}"#, "wins"),
            (r#"{"v":1,"samples":3,"median":2,"at":1800090000}"#, "at"),
            (r#"{"v":1,"samples":3,"median":2,"at":-1}"#, "no evidence"),
        ] {
            let error = Evidence::decode(text, NOW).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
