//! Reading and publishing hints, on any store.

use st_plan::table::Record;

use crate::evidence::Evidence;
use crate::key::Key;
use crate::store::{Step, Store, StoreError};

/// Hints of a device, as far as they have not faded.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Heard {
    /// Measured choices, with median, spread and samples as they count now, and their evidence.
    pub times: Vec<(Record, Evidence)>,
    /// Soft rules, whatever their evidence says. Nobody has checked that they are rules.
    pub rules: Vec<(String, Evidence)>,
    /// Soft rules that were withdrawn, with what speaks against them.
    pub turned: Vec<(String, Evidence)>,
    /// Entries that are no hints of this version.
    pub left_out: u64,
    /// Keys of hints that have faded.
    pub faded: Vec<String>,
}

/// Reads the hints of a device, at a time in seconds since 1970.
///
/// # Errors
/// What the store has against it. A bad entry is left out.
pub fn read(store: &mut dyn Store, device: &str, now: u64) -> Result<Heard, StoreError> {
    let entries = store.entries(device)?;
    let mut heard = Heard { left_out: entries.left_out, ..Heard::default() };
    for (key, value) in entries.list {
        let (Some(what), Ok(evidence)) = (Key::decode(&key), Evidence::decode(&value, now)) else {
            heard.left_out += 1;
            continue;
        };
        if evidence.has_faded(now) {
            heard.faded.push(key);
            continue;
        }
        match what {
            Key::Rule(line) => heard.rules.push((line, evidence)),
            Key::Turned(line) => heard.turned.push((line, evidence)),
            Key::Time(record) => {
                let record = Record {
                    median_us: Some(evidence.median),
                    spread: Some(evidence.spread),
                    samples: evidence.weight(now).round() as u32,
                    ..record
                };
                heard.times.push((record, evidence));
            }
        }
    }
    Ok(heard)
}

/// Adds evidence for hints of a device to what is there. A value that is no evidence is replaced.
///
/// # Errors
/// What the store has against it.
pub fn publish(
    store: &mut dyn Store,
    device: &str,
    hints: &[(Key, Evidence)],
    now: u64,
) -> Result<(), StoreError> {
    let mut new: std::collections::BTreeMap<String, Evidence> = std::collections::BTreeMap::new();
    for (key, evidence) in hints.iter().filter(|(_, evidence)| evidence.check(now).is_ok()) {
        let place = new.entry(key.encode());
        place.and_modify(|e| *e = e.merged(evidence, now)).or_insert_with(|| evidence.clone());
    }
    let keys: Vec<String> = new.keys().cloned().collect();
    store.update(device, &keys, &mut |key, old| {
        let Some(new) = new.get(key) else { return Step::Keep };
        let old = old.and_then(|text| Evidence::decode(text, now).ok());
        Step::Put(old.map_or_else(|| new.clone(), |old| old.merged(new, now)).encode())
    })
}

/// Removes those of these entries that have faded; see [`Heard::faded`].
///
/// # Errors
/// What the store has against it.
pub fn forget(
    store: &mut dyn Store,
    device: &str,
    faded: &[String],
    now: u64,
) -> Result<(), StoreError> {
    store.update(device, faded, &mut |_, old| {
        let old = old.and_then(|text| Evidence::decode(text, now).ok());
        if old.is_some_and(|e| e.has_faded(now)) { Step::Remove } else { Step::Keep }
    })
}

/// A record's evidence at a time; none if it was not measured.
#[must_use]
pub fn evidence_of(record: &Record, now: u64) -> Option<Evidence> {
    let samples = f64::from(record.samples.max(1));
    let evidence = Evidence::of_time(samples, record.median_us?, record.spread.unwrap_or(0.0), now);
    evidence.check(now).is_ok().then_some(evidence)
}
