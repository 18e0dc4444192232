//! A monotonic clock that tests can put their own in the place of, and the date.

use std::time::Instant;

pub use crate::date::{date, today};

/// Reads a clock that never goes back.
pub trait Clock: Send + Sync {
    /// Nanoseconds since some moment.
    fn ns(&self) -> u64;
}

/// The system's.
#[derive(Debug)]
pub struct SystemClock(Instant);

impl Default for SystemClock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for SystemClock {
    fn ns(&self) -> u64 {
        // 584 years fit.
        u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_goes_on() {
        let clock = SystemClock::default();
        let first = clock.ns();
        assert!(clock.ns() >= first);
    }
}
