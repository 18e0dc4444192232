//! Self-Rewrite: a share of calls runs a challenger beside the choice in use, and what is shown to be faster becomes a
//! soft rule in the user's file.
//!
//! ```text
//! call -> Rewriter -> pairs -> Document (evidence) -> proposal -> rules file -> next plan
//!         budget, order         judged under locks    verified     journal: undo
//! ```
//!
//! - [`bucket`]: which calls one comparison speaks of; [`comparison`], [`document`]: evidence, merged between processes.
//! - [`live`]: what happens in a call; [`budget`]: what it may cost.
//! - [`proposal`]: from a comparison that was won to a changed text, verified by planning; [`rule`]: rules in a text.
//! - [`mod@settle`]: evidence and rules files, under locks; [`journal`]: how to take changes back; [`disk`].
//!
//! `docs/tuning.md` says what is promised of it, and how that is shown.

pub mod bucket;
pub mod budget;
pub mod clock;
pub mod comparison;
pub mod config;
pub mod disk;
pub mod document;
pub mod journal;
pub mod live;
pub mod proposal;
pub mod rule;
pub mod settle;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use bucket::{Bucket, code, launch};
pub use clock::{Clock, SystemClock};
pub use comparison::{Comparison, Key, News, State};
pub use config::Config;
pub use disk::Files;
pub use document::Document;
pub use journal::Change;
pub use live::{Calls, Host, Rewriter};
pub use settle::{Done, Settled, settle, undo};

/// Why something was not read, written or taken back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no home, or no file of rules, to write to.
    #[error(
        "there is no file of rules to write: set SPIRAL_HOME to a folder, and SPIRAL_HEUR_FILE to a file or not at all"
    )]
    Nowhere,
    /// What the system said of a file or folder.
    #[error("{}: {source}: make it readable and writable, or set SPIRAL_HOME to another folder", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Evidence that makes no sense.
    #[error(
        "{}: {why}: it is not used, and `spiral rewrite --write` sets it aside as {} and begins anew",
        path.display(),
        disk::aside(path).display()
    )]
    Evidence {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A journal that makes no sense.
    #[error(
        "{}: {why}: the journal cannot be read, so that no change can be taken back: remove the lines below `# spiral \
         rewrite` that are not wanted by hand; the next change sets it aside as {}",
        path.display(),
        disk::aside(path).display()
    )]
    Journal {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Another process holds a lock.
    #[error("{} is locked by another process, waited {waited:?}: try again when it is done", path.display())]
    Locked {
        /// The lock.
        path: PathBuf,
        /// How long was waited.
        waited: Duration,
    },
    /// Rules with a fault are not edited.
    #[error("{0}")]
    Rules(st_kdsl::Diagnostics),
    /// Nothing is left to take back.
    #[error("{}: no change of Self-Rewrite's is known that could be taken back", path.display())]
    NothingToUndo {
        /// The file of rules.
        path: PathBuf,
    },
    /// Somebody else has changed the file since.
    #[error(
        "{} was changed since Self-Rewrite wrote it ({date}): nothing is taken back; remove the lines below `# spiral \
         rewrite` that are not wanted by hand",
        path.display()
    )]
    ChangedSince {
        /// The file of rules.
        path: PathBuf,
        /// When it was written.
        date: String,
    },
}

impl Error {
    /// What the system said of that file or folder.
    pub(crate) fn at(path: &Path) -> impl Fn(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { path: path.clone(), source }
    }
}
