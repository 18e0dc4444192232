//! The contract of a store.

use std::path::PathBuf;
use std::time::Duration;

use crate::{FileStore, RedisStore};

/// The version of keys and values. Stores keep entries of another version apart: neither sees the other's.
pub const SCHEMA: u32 = 1;

/// Longest key and longest value, in bytes. Ours have a few hundred at most.
pub const MOST_TEXT: usize = 4096;
/// Most entries of a device. A tuner that measures 20 candidates of 200 shapes for 12 types writes 48,000.
pub const MOST_ENTRIES: usize = 1 << 16;
/// Most bytes that one operation reads.
pub const MOST_BYTES: usize = 16 << 20;
/// Longest time that one operation takes, name resolution aside.
pub const MOST_TIME: Duration = Duration::from_secs(5);

/// What is kept of a device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entries {
    /// Keys with their values, by key.
    pub list: Vec<(String, String)>,
    /// Entries that are there and not in the list: longer than [`MOST_TEXT`], or no text.
    pub left_out: u64,
}

/// What becomes of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It stays as it is.
    Keep,
    /// It gets this value, which is not empty and has at most [`MOST_TEXT`] bytes.
    Put(String),
    /// It goes.
    Remove,
}

/// Says what becomes of an entry, by its key and its value, if it has one. May be asked several times of
/// one entry, when others change it meanwhile: only the last answer counts.
pub type Change<'a> = dyn FnMut(&str, Option<&str>) -> Step + 'a;

/// Where hints are kept: texts under the names of devices.
///
/// What each store promises (`tests/conformance.rs` holds them all to it):
///
/// - Devices are apart: nothing done to one is seen by another.
/// - [`update`](Store::update) is atomic for each entry: between the value that `change` was last shown and the
///   one it gave, nobody else's change is lost, neither another thread's nor another machine's.
/// - An error leaves each entry as it was or as it was to be, never half of it.
/// - Entries that are too long or no text are counted, not read; `update` takes them for missing.
/// - Every operation ends within [`MOST_TIME`] (after names are resolved), and reads at most [`MOST_BYTES`].
/// - No operation panics, whatever is found.
/// - Entries that nobody writes go away by themselves at some time, or not; readers judge by the time in a value.
pub trait Store: Send {
    /// Every entry of a device.
    ///
    /// # Errors
    /// [`StoreError::TooMany`], and what the place has against it.
    fn entries(&mut self, device: &str) -> Result<Entries, StoreError>;

    /// Changes entries of a device, each by what `change` says of it.
    ///
    /// # Errors
    /// A text that is too long, and what the place has against it. Of several entries some may be changed.
    fn update(
        &mut self,
        device: &str,
        keys: &[String],
        change: &mut Change<'_>,
    ) -> Result<(), StoreError>;

    /// Removes every entry of a device; says how many there were.
    ///
    /// # Errors
    /// What the place has against it.
    fn clear(&mut self, device: &str) -> Result<u64, StoreError>;

    /// The place, for messages; without passwords.
    fn place(&self) -> String;
}

/// Why a store did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A place that is none.
    #[error(
        "{why}: give redis://HOST:PORT (with USER:PASSWORD@ and /DATABASE where needed), unix:///SOCKET, or \
         file:///FOLDER"
    )]
    Url {
        /// What is wrong with it; never the text, which may hold a password.
        why: String,
    },
    /// It cannot be reached.
    #[error("{place}: cannot be reached: {source}")]
    Unreachable {
        /// Where.
        place: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// It did not answer in time.
    #[error("{place}: no answer within {} ms", after.as_millis())]
    Late {
        /// Where.
        place: String,
        /// The time that it had.
        after: Duration,
    },
    /// It was there, and went away.
    #[error("{place}: the connection ended: {source}")]
    Ended {
        /// Where.
        place: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// What answers does not speak as it should.
    #[error("{place}: no answer of a Redis server: {why}")]
    Protocol {
        /// Where.
        place: String,
        /// What was found.
        why: String,
    },
    /// The server refused.
    #[error("{place}: refused: {why}")]
    Refused {
        /// Where.
        place: String,
        /// What it said.
        why: String,
    },
    /// More was sent than is read.
    #[error(
        "{place}: more than {MOST_BYTES} bytes in an answer: `spiral hints clear` removes what is there"
    )]
    TooLarge {
        /// Where.
        place: String,
    },
    /// More entries than are read.
    #[error(
        "{place}: {entries} entries of {device}, {MOST_ENTRIES} are read: `spiral hints clear` removes them"
    )]
    TooMany {
        /// Where.
        place: String,
        /// The device.
        device: String,
        /// How many there are.
        entries: u64,
    },
    /// A key or a value that is too long, or empty.
    #[error("an entry of {bytes} bytes: give 1 to {MOST_TEXT}")]
    Text {
        /// How long it is.
        bytes: usize,
    },
    /// A device's name that is no fingerprint.
    #[error("no name of a device: use 1 to 200 letters, digits, `-` and `_`")]
    Device,
    /// Others change the same entries all the time.
    #[error("{place}: others kept changing the same entries; try again")]
    Busy {
        /// Where.
        place: String,
    },
    /// A file of a store.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file that is no store's.
    #[error("{}: no file of hints: {why}; remove it to begin anew", path.display())]
    NotHints {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
}

/// The store that a URL names: `redis://`, `valkey://` or `unix://` for a server, `file://` for a folder. Touches
/// neither network nor disk.
///
/// # Errors
/// [`StoreError::Url`].
pub fn open(url: &str) -> Result<Box<dyn Store>, StoreError> {
    if let Some(folder) = url.strip_prefix("file://") {
        if !folder.starts_with('/') {
            return Err(StoreError::Url { why: "a file: URL without a full path".to_owned() });
        }
        return Ok(Box::new(FileStore::new(PathBuf::from(folder))));
    }
    Ok(Box::new(RedisStore::new(url)?))
}

/// Whether a text is a name that every store takes.
pub(crate) fn check_device(device: &str) -> Result<(), StoreError> {
    let fine = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    match (1..=200).contains(&device.len()) && device.bytes().all(fine) {
        true => Ok(()),
        false => Err(StoreError::Device),
    }
}

/// Whether a text may be a key or a value.
pub(crate) fn check_text(text: &str) -> Result<(), StoreError> {
    match (1..=MOST_TEXT).contains(&text.len()) {
        true => Ok(()),
        false => Err(StoreError::Text { bytes: text.len() }),
    }
}
