//! The process's settings and what they name, told once.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use st_core::backend::device_caps::DeviceCaps;
use st_core::hints::{self, Fetch};
use st_core::ops::rank_entry::Knowledge;
use st_core::settings::Settings;

/// What is planned with.
pub(crate) struct Known {
    pub(crate) knowledge: Knowledge,
    settings: Settings,
    /// How long the command may yet wait for hints; none: there is no store, or what is wrong with it was said.
    patience: Option<Duration>,
}

/// Reads rules and tables, and the hints that others share for a device, for which it waits 50 ms at most. What is wrong
/// with them is said on standard error, once.
pub(crate) fn load(caps: &DeviceCaps) -> Known {
    let settings = Settings::from_env();
    // They may come while files are read.
    let shared = Fetch::start(settings.redis_url(), caps);
    let loaded = settings.load();
    loaded.faults.iter().for_each(|fault| warn(&fault.to_string()));
    let mut known = Known { knowledge: loaded.knowledge, settings, patience: Some(hints::WAIT) };
    known.listen(shared);
    known
}

impl Known {
    /// Adds the hints for another device, in what is left of the 50 ms that a command waits for hints.
    pub(crate) fn hear(&mut self, caps: &DeviceCaps) {
        if self.patience.is_some() {
            self.listen(Fetch::start(self.settings.redis_url(), caps));
        }
    }

    fn listen(&mut self, shared: Fetch) {
        let (Some(patience), begun) = (self.patience.take(), Instant::now()) else { return };
        match shared.wait(patience) {
            Ok(hints) => {
                if let Some(complaint) = hints.complaint() {
                    warn(&complaint);
                }
                hints.add_to(&mut self.knowledge);
                self.patience = Some(patience.saturating_sub(begun.elapsed()));
            }
            Err(hints::Error::NoUrl) => {}
            Err(why) => warn(&format!("planned without shared hints: {why}")),
        }
    }
}

/// Says something on standard error.
pub(crate) fn warn(text: &str) {
    // Nothing is left to do if standard error is gone.
    let _ = writeln!(io::stderr().lock(), "spiral: warning: {text}");
}
