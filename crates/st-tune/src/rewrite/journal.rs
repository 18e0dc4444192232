//! What Self-Rewrite wrote to rules files, so that it can be taken back byte for byte.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Error;
use super::disk::{self, Files};

/// Changes that can be taken back, at most, and bytes of them.
const MOST_CHANGES: usize = 50;
const MOST_BYTES: usize = 16 << 20;

/// One change of a rules file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// `YYYY-MM-DD`.
    pub date: String,
    /// The file.
    pub file: PathBuf,
    /// Its text before; none if there was no file.
    pub before: Option<String>,
    /// Its text after.
    pub after: String,
}

#[derive(Default, Serialize, Deserialize)]
struct Journal {
    changes: Vec<Change>,
}

fn load(files: &Files) -> Result<Journal, Error> {
    let path = files.journal();
    let Some(text) = disk::read(&path)? else { return Ok(Journal::default()) };
    serde_json::from_slice(&text).map_err(|why| Error::Journal { path, why: why.to_string() })
}

fn save(files: &Files, journal: &Journal) -> Result<(), Error> {
    let text = serde_json::to_vec(journal).map_err(|e| Error::at(&files.journal())(e.into()))?;
    disk::replace(&files.journal(), &text)
}

/// Writes a changed text of rules, so that it can be taken back. The locks must be held. A journal that makes no sense is set
/// aside, with a warning, which is given back.
///
/// # Errors
/// What cannot be written; the rules are as they were then.
pub fn write(
    files: &Files,
    before: Option<String>,
    after: &str,
    date: String,
) -> Result<Option<String>, Error> {
    let (mut journal, remark) = match load(files) {
        Ok(journal) => (journal, None),
        Err(Error::Journal { path, why }) => {
            let (path, aside) = (path.display(), disk::set_aside(&path)?);
            let aside = aside.display();
            let remark = format!(
                "{path}: {why}: it is set aside as {aside}; what it told of cannot be undone"
            );
            tracing::warn!(target: "spiraltorch", "{remark}");
            (Journal::default(), Some(remark))
        }
        Err(error) => return Err(error),
    };
    let file = files.rules.clone();
    journal.changes.push(Change { date, file, before, after: after.to_owned() });
    let bytes = |c: &Change| c.after.len() + c.before.as_ref().map_or(0, String::len);
    while journal.changes.len() > 1
        && (journal.changes.len() > MOST_CHANGES
            || journal.changes.iter().map(bytes).sum::<usize>() > MOST_BYTES)
    {
        journal.changes.remove(0);
    }
    // Told first: a change that was told of and not made is passed over by `undo`.
    save(files, &journal)?;
    disk::replace(&files.rules, after.as_bytes())?;
    Ok(remark)
}

/// Takes the last change of the rules file back. The locks must be held.
///
/// # Errors
/// Nothing to take back; a journal that makes no sense, which is left as it is; a file that somebody else has changed since;
/// what cannot be written.
pub fn undo(files: &Files) -> Result<Change, Error> {
    let mut journal = load(files)?;
    let now = disk::read(&files.rules)?;
    let is = |text: Option<&str>| now.as_deref() == text.map(str::as_bytes);
    while let Some(at) = journal.changes.iter().rposition(|c| c.file == files.rules) {
        let change = journal.changes.remove(at);
        if is(Some(&change.after)) {
            match &change.before {
                Some(before) => disk::replace(&files.rules, before.as_bytes())?,
                None => disk::remove(&files.rules)?,
            }
            save(files, &journal)?;
            return Ok(change);
        }
        // It was told of, and then the process ended.
        if !is(change.before.as_deref()) {
            return Err(Error::ChangedSince { path: files.rules.clone(), date: change.date });
        }
    }
    Err(Error::NothingToUndo { path: files.rules.clone() })
}

/// The changes that can be taken back, the last first.
///
/// # Errors
/// A journal that cannot be read.
pub fn changes(files: &Files) -> Result<Vec<Change>, Error> {
    let mut changes = load(files)?.changes;
    changes.retain(|c| c.file == files.rules);
    changes.reverse();
    Ok(changes)
}
