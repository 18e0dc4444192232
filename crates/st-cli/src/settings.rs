//! The process's settings and what they name, told once.

use std::io::{self, Write};

use st_core::settings::{Loaded, Settings};

/// Reads rules and tables. What is wrong with them is said on standard error, once.
pub(crate) fn load() -> Loaded {
    let loaded = Settings::from_env().load();
    for fault in &loaded.faults {
        // Nothing is left to do if standard error is gone.
        let _ = writeln!(io::stderr().lock(), "spiral: warning: {fault}");
    }
    loaded
}
