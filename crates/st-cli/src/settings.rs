//! The process's settings and what they name, told once.

use std::io::{self, Write};

use st_core::backend::device_caps::DeviceCaps;
use st_core::hints::{self, Fetch};
use st_core::settings::{Loaded, Settings};

/// Reads rules and tables, and the hints that others share for a device, for which it waits 50 ms at most. What is wrong
/// with them is said on standard error, once.
pub(crate) fn load(caps: &DeviceCaps) -> Loaded {
    let settings = Settings::from_env();
    let shared = Fetch::start(settings.redis_url(), caps);
    let mut loaded = settings.load();
    let mut warnings: Vec<String> = loaded.faults.iter().map(ToString::to_string).collect();
    match shared.wait(hints::WAIT) {
        Ok(hints) => {
            warnings.extend(hints.complaint());
            hints.add_to(&mut loaded.knowledge);
        }
        Err(hints::Error::NoUrl) => {}
        Err(why) => warnings.push(format!("planned without shared hints: {why}")),
    }
    warnings.iter().for_each(|warning| warn(warning));
    loaded
}

/// Says something on standard error.
pub(crate) fn warn(text: &str) {
    // Nothing is left to do if standard error is gone.
    let _ = writeln!(io::stderr().lock(), "spiral: warning: {text}");
}
