//! The writer: a bounded queue, and a thread that empties it into the store.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use st_kv::hints::{evidence_of, forget, publish, read};
use st_kv::{Evidence, Key, Store, StoreError};
use st_plan::table::Record;
use st_rank::DeviceCaps;

use super::enabled::now;
use super::judge::check;
use super::reader::complain;
use super::{Error, Pairs};

/// Batches that wait.
const QUEUE: usize = 64;

/// How long a place that failed is left alone.
const PAUSE: Duration = Duration::from_secs(30);

enum Job {
    Hints {
        device: String,
        list: Vec<(Key, Evidence)>,
    },
    /// Asks for what went wrong since the last time.
    Flush(SyncSender<Option<String>>),
}

/// Publishes hints. The thread starts with the first of them, and ends when this is gone and the queue empty.
#[derive(Debug)]
pub struct Publisher {
    url: Option<String>,
    dropped: Arc<AtomicU64>,
    queue: OnceLock<Mutex<Option<SyncSender<Job>>>>,
}

impl Publisher {
    /// To the store that `url` names; without one all is dropped.
    #[must_use]
    pub fn new(url: Option<&str>) -> Self {
        Self { url: url.map(str::to_owned), dropped: Arc::default(), queue: OnceLock::new() }
    }

    /// As [`publish`](super::publish).
    pub fn publish(&self, device: &DeviceCaps, records: &[Record]) -> bool {
        self.publish_since(device, records, &[])
    }

    /// As [`publish_since`](super::publish_since).
    pub fn publish_since(
        &self,
        device: &DeviceCaps,
        records: &[Record],
        published: &[Record],
    ) -> bool {
        let now = now();
        let mut published: Vec<&Record> = published.iter().collect();
        published.sort_by(|a, b| a.in_order(b));
        let new = |record: &Record| {
            let evidence = evidence_of(record, now)?;
            let before = published.binary_search_by(|before| before.in_order(record)).ok();
            match before.and_then(|at| evidence_of(published[at], now)) {
                Some(before) => evidence.beyond(&before),
                None => Some(evidence),
            }
        };
        let list = records.iter().filter_map(|record| Some((Key::of(record), new(record)?)));
        self.enqueue(device, list.collect())
    }

    /// As [`publish_rule`](super::publish_rule).
    pub fn publish_rule(&self, device: &DeviceCaps, line: &str, evidence: Pairs) -> bool {
        self.of_rule(device, line, evidence, Key::Rule)
    }

    /// As [`publish_withdrawn`](super::publish_withdrawn).
    pub fn publish_withdrawn(&self, device: &DeviceCaps, line: &str, evidence: Pairs) -> bool {
        self.of_rule(device, line, evidence, Key::Turned)
    }

    fn of_rule(
        &self,
        device: &DeviceCaps,
        line: &str,
        evidence: Pairs,
        key: impl Fn(String) -> Key,
    ) -> bool {
        let now = now();
        let Pairs { pairs, wins, ratio } = evidence;
        let line = line.trim();
        let evidence = Evidence::of_rule(pairs as f64, wins / pairs as f64, ratio, now);
        if check(line).is_err() || evidence.check(now).is_err() {
            return false;
        }
        self.enqueue(device, vec![(key(line.to_owned()), evidence)])
    }

    /// As [`flush`](super::flush).
    ///
    /// # Errors
    /// As there.
    pub fn flush(&self, at_most: Duration) -> Result<(), Error> {
        if self.url.is_none() {
            return Err(Error::NoUrl);
        }
        let Some(queue) = self.queue.get() else { return Ok(()) };
        let end = Instant::now() + at_most;
        let late = || Error::Late { after: at_most };
        let gone = || Error::Store("the thread that publishes hints came to grief".to_owned());
        let (reply, answer) = sync_channel(1);
        let mut job = Job::Flush(reply);
        loop {
            let sent = match &*queue.lock().unwrap_or_else(PoisonError::into_inner) {
                None => return Err(gone()),
                Some(queue) => queue.try_send(job),
            };
            match sent {
                Ok(()) => break,
                Err(TrySendError::Disconnected(_)) => return Err(gone()),
                Err(TrySendError::Full(_)) if Instant::now() >= end => return Err(late()),
                Err(TrySendError::Full(back)) => job = back,
            }
            thread::sleep(Duration::from_millis(1));
        }
        match answer.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(None) => Ok(()),
            Ok(Some(why)) => Err(Error::Store(why)),
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => Err(late()),
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => Err(gone()),
        }
    }

    /// Hints that were dropped: the queue was full, or the store failed.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn enqueue(&self, device: &DeviceCaps, list: Vec<(Key, Evidence)>) -> bool {
        let Some(url) = &self.url else { return false };
        if list.is_empty() {
            return false;
        }
        let queue = self.queue.get_or_init(|| Mutex::new(self.start(url)));
        let count = list.len() as u64;
        let job = Job::Hints { device: st_plan::identity(device), list };
        let queued = match &*queue.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(queue) => queue.try_send(job).is_ok(),
            None => false,
        };
        if !queued {
            self.dropped.fetch_add(count, Ordering::Relaxed);
        }
        queued
    }

    fn start(&self, url: &str) -> Option<SyncSender<Job>> {
        let (queue, jobs) = sync_channel(QUEUE);
        let (url, dropped) = (url.to_owned(), Arc::clone(&self.dropped));
        let thread = thread::Builder::new().name("spiral-hints-write".to_owned());
        match thread.spawn(move || work(&url, &jobs, &dropped)) {
            Ok(_) => Some(queue),
            Err(e) => {
                complain(&format!("hints are not shared: {e}"));
                None
            }
        }
    }
}

/// Empties the queue into the store.
fn work(url: &str, jobs: &Receiver<Job>, dropped: &AtomicU64) {
    let mut store = st_kv::open(url);
    let mut tidied: Vec<String> = Vec::new();
    let mut failed: Option<String> = None;
    let mut again = Instant::now();
    for job in jobs {
        match job {
            Job::Flush(reply) => {
                // Whoever asked may have gone; then the next one hears of it.
                if reply.try_send(failed.clone()).is_ok() {
                    failed = None;
                }
            }
            Job::Hints { list, .. } if Instant::now() < again => {
                dropped.fetch_add(list.len() as u64, Ordering::Relaxed);
            }
            Job::Hints { device, list } => {
                let written = match &mut store {
                    Ok(store) => {
                        write(&mut **store, &device, &list, &mut tidied).map_err(|e| e.to_string())
                    }
                    Err(e) => Err(e.to_string()),
                };
                if let Err(why) = written {
                    dropped.fetch_add(list.len() as u64, Ordering::Relaxed);
                    again = Instant::now() + PAUSE;
                    complain(&format!("hints are not shared: {why}"));
                    failed = Some(why);
                }
            }
        }
    }
}

/// Publishes, and removes what has faded, once for each device.
fn write(
    store: &mut dyn Store,
    device: &str,
    list: &[(Key, Evidence)],
    tidied: &mut Vec<String>,
) -> Result<(), StoreError> {
    publish(store, device, list, now())?;
    if !tidied.iter().any(|known| known == device) {
        tidied.push(device.to_owned());
        let faded = read(store, device, now())?.faded;
        forget(store, device, &faded, now())?;
    }
    Ok(())
}
