//! Hints that machines share through a Redis server or a folder (feature `kv-redis`): measured times and soft rules
//! that have won, for devices with the same fingerprint.
//!
//! Both ways are off the call path. With `REDIS_URL` set, the [process's planner](crate::process::planner) asks for the
//! hints of a device when it first plans for it, on a thread of its own: plans made meanwhile are made without them, and
//! later ones with them. What is [published](publish) waits in a bounded queue for another thread, and is dropped
//! and counted where that does not keep up. A command may wait for a [`Fetch`], or for what it published, for [`WAIT`]
//! at most.
//!
//! Nothing that is read is trusted. Whatever goes wrong, plans are made as if there were no hints, and one warning
//! says so. Without the feature there is no store, no thread and no name resolution; the same functions then say so.

#[cfg(feature = "kv-redis")]
mod enabled;
#[cfg(feature = "kv-redis")]
mod judge;
#[cfg(feature = "kv-redis")]
mod reader;
#[cfg(feature = "kv-redis")]
mod writer;
#[cfg(feature = "kv-redis")]
pub use enabled::{Fetch, IN_THIS_BUILD, Publisher, clear};

#[cfg(not(feature = "kv-redis"))]
mod disabled;
use std::sync::LazyLock;
use std::time::Duration;

#[cfg(not(feature = "kv-redis"))]
pub use disabled::{Fetch, IN_THIS_BUILD, Publisher, clear};
#[cfg(all(feature = "kv-redis", feature = "rewrite"))]
pub(crate) use reader::heard;
#[cfg(feature = "kv-redis")]
pub(crate) use reader::observe;
use serde::Serialize;
use st_plan::Knowledge;
pub use st_plan::identity;
pub use st_plan::table::{Record, Table};
use st_rank::DeviceCaps;

#[cfg(all(not(feature = "kv-redis"), feature = "rewrite"))]
pub(crate) use self::disabled::heard;
#[cfg(not(feature = "kv-redis"))]
pub(crate) use self::disabled::observe;
use crate::settings::Settings;

/// The name that hints have in explanations: of the table, and of the program of rules.
pub const NAME: &str = "shared hints";

/// The longest time that a command which is about something else waits for hints, or for what it shares, once.
pub const WAIT: Duration = Duration::from_millis(50);

/// The longest time for a command that is about hints.
pub const PATIENCE: Duration = Duration::from_secs(12);

/// Why there are no hints.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// This build has no stores.
    NotInThisBuild,
    /// No store is named.
    NoUrl,
    /// No answer yet.
    Late {
        /// The time that it had.
        after: Duration,
    },
    /// What the store, or the way to it, has against it.
    Store(String),
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotInThisBuild => {
                f.write_str("this build cannot share hints: build with the feature `kv-redis`")
            }
            Self::NoUrl => f.write_str(
                "no place for shared hints is named: set REDIS_URL to redis://HOST:PORT, or to file:///FOLDER",
            ),
            Self::Late { after } => {
                write!(f, "no answer within {} ms from REDIS_URL's place", after.as_millis())
            }
            Self::Store(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Error {}

/// The hints of a device.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Hints {
    /// The device that they were asked for.
    pub device: DeviceCaps,
    /// Measured choices.
    pub times: Vec<Time>,
    /// Soft rules, those that count first.
    pub rules: Vec<Rule>,
    /// Entries that are no hints of this version, and so were left out.
    pub left_out: u64,
}

/// A measured choice.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Time {
    /// Its key in the store: shapes and choice in words.
    pub key: String,
    /// The record; its samples are those that it is still worth.
    #[serde(skip)]
    pub record: Record,
    /// Microseconds, the median.
    pub median_us: f64,
    /// Distance between the quartiles as a share of the median.
    pub spread: f64,
    /// Samples that it is worth now.
    pub weight: f64,
    /// Age of its last contribution in seconds.
    pub age_s: u64,
}

/// A soft rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Rule {
    /// In SpiralK.
    pub line: String,
    /// Share of the pairs that its choice won.
    pub wins: f64,
    /// How many times as fast its choice was, by the median.
    pub ratio: f64,
    /// Pairs that it is worth now.
    pub weight: f64,
    /// Age of its last contribution in seconds.
    pub age_s: u64,
    /// Why it does not count; none if it does.
    pub unheard: Option<String>,
}

impl Hints {
    /// The table that the planner gets.
    #[must_use]
    pub fn table(&self) -> Table {
        let records: Vec<Record> = self.times.iter().map(|time| time.record).collect();
        Table::shared(NAME, self.device, &records)
    }

    /// The program of soft rules that the planner gets.
    #[must_use]
    pub fn program(&self) -> String {
        self.rules
            .iter()
            .filter(|rule| rule.unheard.is_none())
            .map(|rule| format!("{}\n", rule.line))
            .collect()
    }

    /// Adds them to what a planner knows: for devices with this fingerprint only.
    pub fn add_to(&self, knowledge: &mut Knowledge) {
        if !self.times.is_empty() {
            knowledge.add_table(self.table());
        }
        let program = self.program();
        if !program.is_empty() {
            // Each line was compiled before; without the language none counts.
            let _ = knowledge.add_shared_rules(NAME, &self.device, &program);
        }
    }

    /// What is to be said of entries that were left out, if any were.
    #[must_use]
    pub fn complaint(&self) -> Option<String> {
        let n = self.left_out;
        let device = st_plan::identity(&self.device);
        (n > 0).then(|| {
            format!(
                "{n} shared hints of {device} are none that this version reads: they are left out (`spiral hints \
                 clear` removes them)"
            )
        })
    }
}

/// What is known of a soft rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pairs {
    /// Pairs of calls, one with each choice.
    pub pairs: u64,
    /// Of them, those in which the rule's choice was faster; as fast counts half.
    pub wins: f64,
    /// How many times as fast the rule's choice was, by the median.
    pub ratio: f64,
}

/// Publishes what was measured on a device, by `REDIS_URL`; false if it is dropped, or nothing is named, or this
/// build has no stores. Returns at once. Records without a time are left out.
///
/// Published again, the same measurement counts once.
pub fn publish(device: &DeviceCaps, records: &[Record]) -> bool {
    PUBLISHER.publish(device, records)
}

/// As [`publish`], what records have beyond those that this process has published already: nothing of one that is as it was,
/// of one that has more samples now those that are more, of any other all. False, too, if nothing is new.
pub fn publish_since(device: &DeviceCaps, records: &[Record], published: &[Record]) -> bool {
    PUBLISHER.publish_since(device, records, published)
}

/// Publishes that a soft rule was withdrawn on a device, with the pairs since it won: others stop hearing it, until it wins
/// again. As [`publish_rule`].
pub fn publish_withdrawn(device: &DeviceCaps, line: &str, evidence: Pairs) -> bool {
    PUBLISHER.publish_withdrawn(device, line, evidence)
}

/// Publishes the evidence for a soft rule on a device: one statement `soft(..);` on one line. As [`publish`].
pub fn publish_rule(device: &DeviceCaps, line: &str, evidence: Pairs) -> bool {
    PUBLISHER.publish_rule(device, line, evidence)
}

/// Waits until all that was published is in the store: for the end of a command.
///
/// # Errors
/// The last thing that went wrong since the last call, or that it takes longer than `at_most`.
pub fn flush(at_most: Duration) -> Result<(), Error> {
    PUBLISHER.flush(at_most)
}

static PUBLISHER: LazyLock<Publisher> =
    LazyLock::new(|| Publisher::new(Settings::from_env().redis_url()));
