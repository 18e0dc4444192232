//! Without stores.

use std::time::Duration;

use st_plan::table::Record;
use st_rank::DeviceCaps;

use super::{Error, Hints, Pairs};

/// Whether this build has stores.
pub const IN_THIS_BUILD: bool = false;

/// A question for the hints of a device.
#[derive(Debug)]
pub struct Fetch {
    named: bool,
}

impl Fetch {
    /// Asks nobody.
    #[must_use]
    pub fn start(url: Option<&str>, _device: &DeviceCaps) -> Self {
        Self { named: url.is_some() }
    }

    /// Does not wait.
    ///
    /// # Errors
    /// [`Error::NotInThisBuild`] if a store is named, [`Error::NoUrl`] if not.
    pub fn wait(self, _at_most: Duration) -> Result<Hints, Error> {
        Err(if self.named { Error::NotInThisBuild } else { Error::NoUrl })
    }
}

/// Publishes nothing.
#[derive(Debug)]
pub struct Publisher {
    named: bool,
}

impl Publisher {
    /// Starts nothing.
    #[must_use]
    pub fn new(url: Option<&str>) -> Self {
        Self { named: url.is_some() }
    }

    /// Drops it.
    pub fn publish(&self, _device: &DeviceCaps, _records: &[Record]) -> bool {
        false
    }

    /// Drops it.
    pub fn publish_since(
        &self,
        _device: &DeviceCaps,
        _records: &[Record],
        _published: &[Record],
    ) -> bool {
        false
    }

    /// Drops it.
    pub fn publish_rule(&self, _device: &DeviceCaps, _line: &str, _evidence: Pairs) -> bool {
        false
    }

    /// Drops it.
    pub fn publish_withdrawn(&self, _device: &DeviceCaps, _line: &str, _evidence: Pairs) -> bool {
        false
    }

    /// Does not wait.
    ///
    /// # Errors
    /// [`Error::NotInThisBuild`] if a store is named, [`Error::NoUrl`] if not.
    pub fn flush(&self, _at_most: Duration) -> Result<(), Error> {
        Err(if self.named { Error::NotInThisBuild } else { Error::NoUrl })
    }

    /// Nothing was queued.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        0
    }
}

/// Removes nothing.
///
/// # Errors
/// As [`Fetch::wait`].
pub fn clear(url: Option<&str>, device: &DeviceCaps, at_most: Duration) -> Result<u64, Error> {
    Fetch::start(url, device).wait(at_most).map(|_| 0)
}

/// Told of each device that is planned for: says once that hints cannot be had, if a store is named.
pub(crate) fn observe(_device: &DeviceCaps) {
    static SAID: std::sync::Once = std::sync::Once::new();
    SAID.call_once(|| {
        if crate::settings::Settings::from_env().redis_url().is_some() {
            tracing::warn!(target: "spiraltorch", "planned without shared hints: {}", Error::NotInThisBuild);
        }
    });
}

/// Adds what was heard: nothing.
#[cfg(feature = "rewrite")]
pub(crate) const fn heard(_knowledge: &mut st_plan::Knowledge) {}
