//! A store in memory, shared by those who hold it: for tests, and for a process that shares with itself alone.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use crate::store::{
    Change, Entries, MOST_ENTRIES, Step, Store, StoreError, check_device, check_text,
};

pub(crate) type Map = BTreeMap<String, String>;

/// A store in memory. Clones are the same store.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    devices: Arc<Mutex<HashMap<String, Map>>>,
}

impl MemoryStore {
    fn with<T>(&self, device: &str, act: impl FnOnce(&mut Map) -> T) -> Result<T, StoreError> {
        check_device(device)?;
        // What a panic elsewhere leaves is whole: entries are changed one by one.
        let mut devices = self.devices.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(act(devices.entry(device.to_owned()).or_default()))
    }
}

impl Store for MemoryStore {
    fn entries(&mut self, device: &str) -> Result<Entries, StoreError> {
        let place = self.place();
        self.with(device, |map| listed(map, place, device))?
    }

    fn update(
        &mut self,
        device: &str,
        keys: &[String],
        change: &mut Change<'_>,
    ) -> Result<(), StoreError> {
        self.with(device, |map| changed(map, keys, change))?.map(|_| ())
    }

    fn clear(&mut self, device: &str) -> Result<u64, StoreError> {
        self.with(device, |map| std::mem::take(map).len() as u64)
    }

    fn place(&self) -> String {
        "memory".to_owned()
    }
}

/// The entries of a map that was read, as far as they are what they may be.
pub(crate) fn listed(map: &Map, place: String, device: &str) -> Result<Entries, StoreError> {
    if map.len() > MOST_ENTRIES {
        let (device, entries) = (device.to_owned(), map.len() as u64);
        return Err(StoreError::TooMany { place, device, entries });
    }
    let mut entries = Entries::default();
    for (key, value) in map {
        match check_text(key).and(check_text(value)) {
            Ok(()) => entries.list.push((key.clone(), value.clone())),
            Err(_) => entries.left_out += 1,
        }
    }
    Ok(entries)
}

/// Changes a map; says whether anything changed.
pub(crate) fn changed(
    map: &mut Map,
    keys: &[String],
    change: &mut Change<'_>,
) -> Result<bool, StoreError> {
    let mut any = false;
    for key in keys {
        check_text(key)?;
        let old = map.get(key).filter(|value| check_text(value).is_ok());
        match change(key, old.map(String::as_str)) {
            Step::Keep => {}
            Step::Remove => any |= map.remove(key).is_some(),
            Step::Put(value) => {
                check_text(&value)?;
                map.insert(key.clone(), value);
                any = true;
            }
        }
    }
    Ok(any)
}
