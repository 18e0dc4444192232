//! How much is tried, and what is asked of it.

use std::time::Duration;

use crate::Bar;

/// The numbers of Self-Rewrite.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// What a challenger must show.
    pub bar: Bar,
    /// Of the time that calls take, what trying others beside them may add.
    pub share: f64,
    /// A challenger that is expected to take more than so many times as long is never run; one that did so three times in
    /// a row is not run again.
    pub slowest: f64,
    /// Pairs after which a challenger that has not won is given up.
    pub patience: u64,
    /// Challengers of one bucket, at most.
    pub challengers: usize,
    /// Comparisons under way on a device, at most.
    pub under_way: usize,
    /// Calls with a choice, in a process, before anything is run beside it: kernels are compiled and caches warm by then.
    pub settle: u64,
    /// When there is time for a pair, one call in so many is one.
    pub one_in: u32,
    /// The same for a rule that is only watched.
    pub watch_one_in: u32,
    /// Pairs after which watching begins anew, so that old merit does not hide a turn.
    pub watch_pairs: u64,
    /// Days after which evidence is too old.
    pub keep_days: u32,
    /// How long to gather before evidence is written; none: only when asked to.
    pub interval: Option<Duration>,
    /// How long to wait for a lock that another process holds.
    pub wait: Duration,
    /// Where the random numbers begin; none: differently in each process.
    pub seed: Option<u64>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            bar: Bar::default(),
            share: 0.02,
            slowest: 4.0,
            patience: 2000,
            challengers: 8,
            under_way: 16,
            settle: 8,
            one_in: 2,
            watch_one_in: 8,
            watch_pairs: 200,
            keep_days: 90,
            interval: Some(Duration::from_secs(5)),
            wait: Duration::from_secs(2),
            seed: None,
        }
    }
}
