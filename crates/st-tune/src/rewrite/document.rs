//! What is known of a device's comparisons, and what follows from it.

use serde::{Deserialize, Serialize};

use super::comparison::{Comparison, Key, News, State};
use super::config::Config;
use crate::Evidence;

/// The form of the document.
pub const SCHEMA: u32 = 1;
/// The version whose evidence is used: planner and kernels are released together.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Comparisons kept; beyond that the oldest that are over go.
const MOST: usize = 512;

/// The comparisons of one device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Document {
    schema: u32,
    /// The device, its driver and the kernels ([`st_plan::identity`]).
    pub device: String,
    /// Comparisons begun, ever.
    pub begun: u64,
    /// Those that are kept.
    pub comparisons: Vec<Comparison>,
}

/// What the evidence says of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The challenger is faster: a rule is to be written.
    Faster,
    /// The rule's choice is slower by now: it is to be taken back.
    Turned,
}

impl Document {
    /// One without comparisons.
    #[must_use]
    pub fn new(device: &str) -> Self {
        Self { schema: SCHEMA, device: device.to_owned(), begun: 0, comparisons: Vec::new() }
    }

    /// Reads one, and leaves out what is not to be used, with reasons.
    ///
    /// # Errors
    /// A text that is no such document, in words.
    pub fn read(
        text: &[u8],
        device: &str,
        today: u32,
        config: &Config,
    ) -> Result<(Self, Vec<String>), String> {
        let mut this: Self = serde_json::from_slice(text).map_err(|e| e.to_string())?;
        if this.schema != SCHEMA {
            return Err(format!("its form is {}, and this version reads {SCHEMA}", this.schema));
        }
        if this.device != device {
            return Err(format!("it is of the device {}, not of {device}", this.device));
        }
        let mut left_out = Vec::new();
        let (mut old, mut other, mut foreign) = (0, 0, 0);
        this.comparisons.retain_mut(|c| {
            if c.key().is_none_or(|key| key.bucket.device != device) {
                foreign += 1;
                return false;
            }
            let (aged, changed) =
                (today.saturating_sub(c.day) > config.keep_days, c.version != VERSION);
            if c.is_won() && (aged || changed) {
                // The rule stands; what is known of it since is begun anew.
                VERSION.clone_into(&mut c.version);
                (c.day, c.watch) = (today, Evidence::default());
            } else if changed {
                other += 1;
                return false;
            } else if aged {
                old += 1;
                return false;
            }
            true
        });
        for (count, why) in [
            (old, format!("older than {} days", config.keep_days)),
            (other, format!("of another version than {VERSION}")),
            (foreign, "of another device, or of no shape".to_owned()),
        ] {
            if count > 0 {
                left_out.push(format!("{count} comparisons {why} are not used"));
            }
        }
        // Each must have had a number: what was changed by hand must not make the bar lower.
        let ordinals = this.comparisons.iter().map(|c| c.ordinal).max().unwrap_or(0);
        this.begun = this.begun.max(ordinals).max(this.comparisons.len() as u64);
        Ok((this, left_out))
    }

    /// Takes over the rules that stand on the same device under another driver or with other kernels: they are in the file of
    /// rules, and are watched anew. What was timed there says nothing here.
    pub(super) fn inherit(&mut self, text: &[u8], driver: u32, today: u32) {
        // One that cannot be read has nothing to leave.
        let Ok(other) = serde_json::from_slice::<Self>(text) else { return };
        for mut c in other.comparisons.into_iter().filter(Comparison::is_won) {
            c.caps.driver = driver;
            let Some(key) = c.key() else { continue };
            if key.bucket.device != self.device || self.get(&key).is_some() {
                continue;
            }
            self.begun = self.begun.saturating_add(1);
            (c.ordinal, c.day, c.watch) = (self.begun, today, Evidence::default());
            VERSION.clone_into(&mut c.version);
            self.comparisons.push(c);
        }
    }

    /// Comparisons under way.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.comparisons.iter().filter(|c| c.is_under_way()).count()
    }

    /// Takes in what a process has learnt.
    pub fn take(&mut self, news: &[News], today: u32) {
        for News { key, problem, caps, pairs, watch, give_up } in news {
            let at = self.comparisons.iter().position(|c| c.key().as_ref() == Some(key));
            let at = at.unwrap_or_else(|| {
                self.begun = self.begun.saturating_add(1);
                self.comparisons.push(Comparison {
                    problem: *problem,
                    caps: *caps,
                    in_use: key.in_use,
                    challenger: key.challenger,
                    ordinal: self.begun,
                    state: State::UnderWay,
                    pairs: Evidence::default(),
                    watch: Evidence::default(),
                    version: VERSION.to_owned(),
                    day: today,
                });
                self.comparisons.len() - 1
            });
            let comparison = &mut self.comparisons[at];
            comparison.day = today;
            match &comparison.state {
                State::UnderWay => {
                    comparison.pairs.add(pairs);
                    if let Some(why) = give_up {
                        comparison.state = State::Dropped { why: why.clone() };
                    }
                }
                State::Won { .. } => comparison.watch.add(watch),
                // Others have decided meanwhile.
                State::Dropped { .. } | State::Withdrawn { .. } | State::Undone { .. } => {}
            }
        }
        while self.comparisons.len() > MOST {
            let over = self
                .comparisons
                .iter()
                .enumerate()
                .filter(|(_, c)| !c.is_under_way() && !c.is_won());
            let Some((at, _)) = over.min_by_key(|(_, c)| c.day) else { break };
            self.comparisons.remove(at);
        }
    }

    /// How many comparisons the e-value of one must allow for: those under way, and so many more the later it began that
    /// all that are ever begun on a device have together no more false wins than one: 1 / (i (i + 1)), over all i, is 1.
    #[must_use]
    pub fn allowed_for(&self, comparison: &Comparison) -> usize {
        let i = comparison.ordinal.max(1);
        let late = usize::try_from(i.saturating_mul(i.saturating_add(1))).unwrap_or(usize::MAX);
        late.max(self.under_way())
    }

    /// Gives up what is slower or takes too long, begins watches anew that are full, and says what is to be done about the
    /// others.
    #[must_use]
    pub fn judge(&mut self, config: &Config) -> Vec<(Key, Verdict)> {
        let bar = &config.bar;
        let rules = self.comparisons.iter().filter(|c| c.is_won()).count();
        let mut verdicts = Vec::new();
        for at in 0..self.comparisons.len() {
            let many = self.allowed_for(&self.comparisons[at]);
            let comparison = &mut self.comparisons[at];
            let Some(key) = comparison.key() else { continue };
            match comparison.state {
                State::UnderWay => {
                    let pairs = &comparison.pairs;
                    if pairs.is_won(bar, many) {
                        verdicts.push((key, Verdict::Faster));
                    } else if pairs.is_turned(bar, many) {
                        comparison.state = State::Dropped { why: "it is slower".to_owned() };
                    } else if pairs.trials() >= config.patience {
                        let why = format!("not shown to be faster in {} pairs", pairs.trials());
                        comparison.state = State::Dropped { why };
                    }
                }
                State::Won { .. } => {
                    if comparison.watch.is_turned(bar, rules) {
                        verdicts.push((key, Verdict::Turned));
                    } else if comparison.watch.trials() >= config.watch_pairs {
                        comparison.watch = Evidence::default();
                    }
                }
                State::Dropped { .. } | State::Withdrawn { .. } | State::Undone { .. } => {}
            }
        }
        verdicts
    }

    /// The comparison of that key.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<&Comparison> {
        self.comparisons.iter().find(|c| c.key().as_ref() == Some(key))
    }

    /// Says what became of one.
    pub fn set(&mut self, key: &Key, state: State) {
        if let Some(c) = self.comparisons.iter_mut().find(|c| c.key().as_ref() == Some(key)) {
            c.state = state;
            c.watch = Evidence::default();
        }
    }
}
