//! The process's reader: asks for the hints of each device that is planned for, once, and tells the planner.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;

use st_rank::DeviceCaps;

use super::enabled::read;
use crate::process::planner;
use crate::settings::Settings;

/// Devices whose hints a process asks for. A process has a few; whoever plans for ever new ones learns nothing from
/// hints.
const MOST_DEVICES: usize = 64;

struct Reader {
    seen: Mutex<Vec<DeviceCaps>>,
    questions: SyncSender<DeviceCaps>,
}

/// Told of each device that is planned for, by whoever plans: remembers new ones for the thread, and returns.
pub(crate) fn observe(device: &DeviceCaps) {
    static READER: OnceLock<Option<Reader>> = OnceLock::new();
    let Some(reader) = READER.get_or_init(start) else { return };
    let mut seen = reader.seen.lock().unwrap_or_else(PoisonError::into_inner);
    if seen.len() < MOST_DEVICES && !seen.contains(device) {
        seen.push(*device);
        // There is room for all.
        let _ = reader.questions.try_send(*device);
    }
}

fn start() -> Option<Reader> {
    let settings = Settings::from_env();
    let url = settings.redis_url()?.to_owned();
    let (questions, asked) = sync_channel(MOST_DEVICES);
    let thread = thread::Builder::new().name("spiral-hints-read".to_owned());
    match thread.spawn(move || answer(&url, &asked)) {
        Ok(_) => Some(Reader { seen: Mutex::default(), questions }),
        Err(e) => {
            complain(&format!("planned without shared hints: {e}"));
            None
        }
    }
}

/// What this process has heard so far.
static HEARD: Mutex<Vec<super::Hints>> = Mutex::new(Vec::new());

/// Adds it to knowledge that takes the place of the planner's.
#[cfg(feature = "rewrite")]
pub(crate) fn heard(knowledge: &mut st_plan::Knowledge) {
    for hints in &*HEARD.lock().unwrap_or_else(PoisonError::into_inner) {
        hints.add_to(knowledge);
    }
}

fn answer(url: &str, asked: &Receiver<DeviceCaps>) {
    let mut known: Vec<String> = Vec::new();
    for device in asked {
        // Devices that differ in their bandwidth have the same hints.
        let fingerprint = st_plan::identity(&device);
        if known.contains(&fingerprint) {
            continue;
        }
        known.push(fingerprint);
        match read(url, &device) {
            Ok(hints) => {
                if let Some(complaint) = hints.complaint() {
                    complain(&complaint);
                }
                if !(hints.times.is_empty() && hints.rules.is_empty()) {
                    planner().update_knowledge(|knowledge| hints.add_to(knowledge));
                    HEARD.lock().unwrap_or_else(PoisonError::into_inner).push(hints);
                }
            }
            Err(why) => complain(&format!("planned without shared hints: {why}")),
        }
    }
}

/// Says what is wrong with shared hints, once in the life of a process.
pub(super) fn complain(text: &str) {
    static SAID: AtomicBool = AtomicBool::new(false);
    if !SAID.swap(true, Ordering::Relaxed) {
        tracing::warn!(target: "spiraltorch", "{text}");
    }
}
