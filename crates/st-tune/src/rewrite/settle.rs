//! From evidence to the rules file: what was won is written, what has turned is taken back.

use st_kdsl::{Rules, decode};
use st_plan::{Identity, SCHEMA};

use super::clock::{date, today};
use super::comparison::{Comparison, Key, News, State};
use super::config::Config;
use super::disk::{self, Files};
use super::document::{Document, Verdict};
use super::proposal::{self, Knows};
use super::rule::{self, Provenance};
use super::{Error, journal};
use crate::Evidence;

/// Why a comparison whose rule another took the place of is over.
const SUPERSEDED: &str = "another rule took its place";

/// What was done about a comparison, or would be.
#[derive(Clone, Debug, PartialEq)]
pub enum Done {
    /// A rule was written; none if the planner needs none once older ones are gone.
    Wrote {
        /// The comparison.
        key: Key,
        /// Where the rule comes from, and the rule.
        rule: Option<(Provenance, String)>,
        /// Rules that it took the place of.
        superseded: usize,
    },
    /// A rule was taken back.
    Withdrew {
        /// The comparison.
        key: Key,
        /// The rule as it stood in the file; none if it was gone, or was somebody else's by then.
        rule: Option<String>,
        /// The pairs since it was written, which speak against it.
        watch: Evidence,
    },
    /// A challenger won, and no rule was written.
    Refused {
        /// The comparison.
        key: Key,
        /// Why.
        why: String,
    },
}

/// What came of settling.
#[derive(Clone, Debug, PartialEq)]
pub struct Settled {
    /// What is known of the device now.
    pub document: Document,
    /// What was done.
    pub done: Vec<Done>,
    /// The rules, before and after; none if there is no file.
    pub rules: (Option<String>, Option<String>),
    /// Why the rules were left alone, if they had to be: they have a fault, or cannot be written.
    pub fault: Option<String>,
    /// Files that made no sense, and where they are now.
    pub remarks: Vec<String>,
}

/// The rules file's text, if there is one and it has no fault.
///
/// # Errors
/// A file that cannot be read; rules with a fault.
pub fn rules_text(files: &Files) -> Result<Option<String>, Error> {
    let Some(bytes) = disk::read(&files.rules)? else { return Ok(None) };
    let name = files.rules.display().to_string();
    let text = decode(&name, &bytes).map_err(Error::Rules)?;
    Rules::compile(&name, text, &SCHEMA, &[]).map_err(Error::Rules)?;
    Ok(Some(text.to_owned()))
}

/// The document of a device, as it is, and what of it is not used; nothing is changed.
///
/// # Errors
/// What the system says; a file that makes no sense.
pub fn read(
    files: &Files,
    device: &str,
    config: &Config,
) -> Result<(Document, Vec<String>), Error> {
    let path = files.evidence(device);
    let Some(text) = disk::read(&path)? else { return Ok((Document::new(device), Vec::new())) };
    Document::read(&text, device, today(), config).map_err(|why| Error::Evidence { path, why })
}

/// The document of a device. One that cannot be read is set aside, with a warning; where there is none the rules that stand
/// on the device under other drivers, or with other kernels, are taken over.
///
/// # Errors
/// What the system says.
pub fn load(files: &Files, device: &str, config: &Config) -> Result<Document, Error> {
    load_and_tell(files, device, config).map(|(document, _)| document)
}

/// The same with the warning.
fn load_and_tell(
    files: &Files,
    device: &str,
    config: &Config,
) -> Result<(Document, Option<String>), Error> {
    let path = files.evidence(device);
    let Some(text) = disk::read(&path)? else { return Ok((inherited(files, device)?, None)) };
    match Document::read(&text, device, today(), config) {
        Ok((document, left_out)) => {
            for why in left_out {
                tracing::debug!(target: "spiraltorch", "{}: {why}", path.display());
            }
            Ok((document, None))
        }
        Err(why) => {
            let aside = disk::set_aside(&path)?;
            let (path, aside) = (path.display(), aside.display());
            let remark =
                format!("{path}: {why}: it is set aside as {aside}, and evidence is gathered anew");
            tracing::warn!(target: "spiraltorch", "{remark}");
            Ok((Document::new(device), Some(remark)))
        }
    }
}

/// A document of a device of which there was none, with the rules that stand there from before.
fn inherited(files: &Files, device: &str) -> Result<Document, Error> {
    let mut document = Document::new(device);
    let Some(own) = Identity::parse(device) else { return Ok(document) };
    let same = |other: &String| {
        other == own.fingerprint
            || Identity::parse(other).is_some_and(|other| other.fingerprint == own.fingerprint)
    };
    for other in kept(files)?.iter().filter(|other| same(other)) {
        if let Some(text) = disk::read(&files.evidence(other))? {
            document.inherit(&text, own.driver, today());
        }
    }
    Ok(document)
}

/// Takes news of a device in, and does what follows: writes its evidence and, where a challenger was shown to be faster or
/// a rule to be slower by now, the rules.
///
/// # Errors
/// Folders and files that cannot be made or written, locks that others hold too long: the news is not lost then but still
/// the caller's. Rules with a fault are told of in the answer, and the evidence is kept.
pub fn settle(
    files: &Files,
    device: &str,
    news: &[News],
    config: &Config,
    knows: Knows<'_>,
) -> Result<Settled, Error> {
    let _locks = files.lock(config.wait)?;
    let (mut document, remark) = load_and_tell(files, device, config)?;
    document.take(news, today());
    let mut settled = follow(&mut document, rules_text(files), files, config, knows);
    settled.remarks.extend(remark);
    if let (before, Some(after)) = &settled.rules
        && before.as_ref() != Some(after)
    {
        match journal::write(files, before.clone(), after, date(today())) {
            Ok(remark) => settled.remarks.extend(remark),
            Err(error) => {
                // The evidence is kept as it was before it was acted on.
                document = load(files, device, config)?;
                document.take(news, today());
                settled.rules.1.clone_from(&settled.rules.0);
                settled.done.clear();
                settled.fault = Some(error.to_string());
            }
        }
    }
    let path = files.evidence(device);
    let text = serde_json::to_vec(&document).map_err(|e| Error::at(&path)(e.into()))?;
    disk::replace(&path, &text)?;
    settled.document = document;
    Ok(settled)
}

/// What would follow now from a document, the rules being such; nothing is written.
#[must_use]
pub fn follow(
    document: &mut Document,
    rules: Result<Option<String>, Error>,
    files: &Files,
    config: &Config,
    knows: Knows<'_>,
) -> Settled {
    let verdicts = document.judge(config);
    let name = files.rules.display().to_string();
    let (before, fault) = match rules {
        Ok(text) => (text, None),
        Err(error) => (None, Some(error.to_string())),
    };
    let mut text = before.clone();
    let mut done = Vec::new();
    if fault.is_none() {
        for (key, verdict) in verdicts {
            let Some(comparison) = document.get(&key).cloned() else { continue };
            let current = text.clone().unwrap_or_default();
            let of = Subject { comparison: &comparison, key, name: &name };
            let (new, what) = match verdict {
                Verdict::Faster => of.write(document, &current, config, knows),
                Verdict::Turned => of.withdraw(document, &current),
            };
            text = new.or(text);
            done.push(what);
        }
    }
    let rules = (before, text);
    Settled { document: document.clone(), done, rules, fault, remarks: Vec::new() }
}

/// A comparison about which something is done.
struct Subject<'a> {
    comparison: &'a Comparison,
    key: Key,
    name: &'a str,
}

impl Subject<'_> {
    /// Writes its rule: the new text, if it changed.
    fn write(
        self,
        document: &mut Document,
        text: &str,
        config: &Config,
        knows: Knows<'_>,
    ) -> (Option<String>, Done) {
        let Self { comparison, key, name } = self;
        let day = today();
        match proposal::propose(comparison, name, text, knows, &config.bar, date(day)) {
            Ok(proposal) => {
                for other in &mut document.comparisons {
                    let own = proposal::rules_of(other, name, text).unwrap_or_default();
                    if other.is_won() && own.iter().any(|rule| proposal.superseded.contains(rule)) {
                        other.state = State::Dropped { why: SUPERSEDED.to_owned() };
                    }
                }
                document.set(&key, State::Won { day });
                let superseded = proposal.superseded.len();
                let changed = proposal.text != text;
                let done = Done::Wrote { key, rule: proposal.rule, superseded };
                (changed.then_some(proposal.text), done)
            }
            Err(why) => {
                document.set(&key, State::Dropped { why: format!("it won, but {why}") });
                (None, Done::Refused { key, why })
            }
        }
    }

    /// Takes its rule back: the new text, if it changed.
    fn withdraw(self, document: &mut Document, text: &str) -> (Option<String>, Done) {
        let Self { comparison, key, name } = self;
        // What cannot be parsed was refused before; a rule that is gone or somebody else's now needs no change.
        let rules = proposal::rules_of(comparison, name, text).unwrap_or_default();
        let new = (!rules.is_empty()).then(|| rule::without(text, &rules));
        let rule = rules.into_iter().next().map(|rule| rule.statement);
        let watch = comparison.watch.clone();
        document.set(&key, State::Withdrawn { day: today() });
        // What this rule took the place of may show itself again.
        document.comparisons.retain(|c| {
            let over = matches!(&c.state, State::Dropped { why } if why == SUPERSEDED);
            !(over && c.key().is_some_and(|other| other.bucket == key.bucket))
        });
        (new, Done::Withdrew { key, rule, watch })
    }
}

/// Takes the last change of the rules file back, byte for byte, and notes which comparisons' rules went or came back with
/// it, so that the same evidence does not write them again. Evidence that makes no sense says nothing, and is left as it is.
///
/// # Errors
/// Nothing to take back; a journal that makes no sense; a file that somebody has changed since; what cannot be written.
pub fn undo(files: &Files, config: &Config) -> Result<journal::Change, Error> {
    let _locks = files.lock(config.wait)?;
    let change = journal::undo(files)?;
    let name = files.rules.display().to_string();
    for device in devices(files)? {
        let mut document = match read(files, &device, config) {
            Ok((document, _)) => document,
            Err(Error::Evidence { .. }) => continue,
            Err(error) => return Err(error),
        };
        let old = document.clone();
        for comparison in &mut document.comparisons {
            let stands = |text: &str| {
                proposal::rules_of(comparison, &name, text).is_ok_and(|rules| !rules.is_empty())
            };
            let before = change.before.as_deref().is_some_and(stands);
            match (before, stands(&change.after)) {
                (false, true) => comparison.state = State::Undone { day: today() },
                (true, false) => comparison.state = State::Won { day: today() },
                _ => continue,
            }
            comparison.watch = Evidence::default();
        }
        if document != old {
            let path = files.evidence(&device);
            let text = serde_json::to_vec(&document).map_err(|e| Error::at(&path)(e.into()))?;
            disk::replace(&path, &text)?;
        }
    }
    Ok(change)
}

/// The devices, with their drivers, of which there is evidence of this build's kernels, by name.
///
/// # Errors
/// A folder that cannot be read.
pub fn devices(files: &Files) -> Result<Vec<String>, Error> {
    let mut devices = kept(files)?;
    devices.retain(|device| Identity::parse(device).is_some_and(|own| own.is_of_this_build()));
    Ok(devices)
}

/// All that evidence is kept under, other kernels' too.
fn kept(files: &Files) -> Result<Vec<String>, Error> {
    let entries = match std::fs::read_dir(&files.folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(Error::at(&files.folder)(e)),
    };
    let name = |entry: std::fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        Some(name.strip_prefix("evidence-")?.strip_suffix(".json")?.to_owned())
    };
    let mut devices: Vec<String> = entries.flatten().filter_map(name).collect();
    devices.sort();
    Ok(devices)
}
