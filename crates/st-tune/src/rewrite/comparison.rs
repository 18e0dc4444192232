//! One challenger beside one choice in use, in one bucket.

use serde::{Deserialize, Serialize};
use st_rank::{Choice, DeviceCaps, Problem};

use super::bucket::{Bucket, launch};
use crate::Evidence;

/// What became of a comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Pairs are being run.
    UnderWay,
    /// The challenger won, and a rule was written.
    Won {
        /// When.
        day: u32,
    },
    /// It was given up.
    Dropped {
        /// Why.
        why: String,
    },
    /// The rule was taken back: its advantage has turned.
    Withdrawn {
        /// When.
        day: u32,
    },
    /// The user took the rule back.
    Undone {
        /// When.
        day: u32,
    },
}

/// What a comparison is known by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// Where.
    pub bucket: Bucket,
    /// The [launch](launch()) in use.
    pub in_use: Choice,
    /// The launch that challenges it.
    pub challenger: Choice,
}

/// A comparison, as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// A problem of the bucket: the first that was met.
    pub problem: Problem,
    /// The device.
    pub caps: DeviceCaps,
    /// The choice in use.
    pub in_use: Choice,
    /// The challenger.
    pub challenger: Choice,
    /// Which of the comparisons begun on this device it is, from 1.
    pub ordinal: u64,
    /// What became of it.
    pub state: State,
    /// Pairs before that.
    pub pairs: Evidence,
    /// Pairs since a rule was written.
    pub watch: Evidence,
    /// The version that timed them.
    pub version: String,
    /// The day of the last pair.
    pub day: u32,
}

impl Comparison {
    /// What it is known by; none if the problem has no rows, columns or k, as in a file changed by hand.
    #[must_use]
    pub fn key(&self) -> Option<Key> {
        let backend = self.caps.backend;
        Some(Key {
            bucket: Bucket::of(&self.problem, &self.caps)?,
            in_use: launch(&self.in_use, backend),
            challenger: launch(&self.challenger, backend),
        })
    }

    /// Whether pairs are being run.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        self.state == State::UnderWay
    }

    /// Whether a rule of it stands.
    #[must_use]
    pub fn is_won(&self) -> bool {
        matches!(self.state, State::Won { .. })
    }
}

/// What a process has learnt of a comparison since it last told.
#[derive(Clone, Debug, PartialEq)]
pub struct News {
    /// Of which.
    pub key: Key,
    /// The problem at hand.
    pub problem: Problem,
    /// The device.
    pub caps: DeviceCaps,
    /// Pairs of a comparison under way.
    pub pairs: Evidence,
    /// Pairs of a rule that is watched.
    pub watch: Evidence,
    /// Why it must be given up.
    pub give_up: Option<String>,
}
