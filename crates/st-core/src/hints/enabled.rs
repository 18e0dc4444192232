//! With stores.

use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, SystemTime};

use st_rank::DeviceCaps;

use super::judge::judged;
pub use super::writer::Publisher;
use super::{Error, Hints};

/// Whether this build has stores.
pub const IN_THIS_BUILD: bool = true;

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs())
}

/// Does something that may wait on a thread of its own, so that the caller need not: resolving a name cannot be cut
/// short. The thread ends with what it does, or with the process.
pub(super) fn apart<T: Send + 'static>(
    act: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Receiver<Result<T, Error>> {
    let (answer, answers) = sync_channel(1);
    let told = answer.clone();
    let started = thread::Builder::new().name("spiral-hints".to_owned()).spawn(move || {
        // Nobody may wait for it any more.
        let _ = answer.try_send(act());
    });
    if let Err(e) = started {
        let _ = told.try_send(Err(Error::Store(format!("no thread to ask for shared hints: {e}"))));
    }
    answers
}

/// Waits for what is done apart.
fn wait<T>(answers: &Receiver<Result<T, Error>>, at_most: Duration) -> Result<T, Error> {
    answers.recv_timeout(at_most).unwrap_or_else(|e| {
        Err(match e {
            RecvTimeoutError::Timeout => Error::Late { after: at_most },
            RecvTimeoutError::Disconnected => {
                Error::Store("the thread that asked for shared hints came to grief".to_owned())
            }
        })
    })
}

/// Reads and judges, here and now.
pub(super) fn read(url: &str, device: &DeviceCaps) -> Result<Hints, Error> {
    let failed = |e: st_kv::StoreError| Error::Store(e.to_string());
    let mut store = st_kv::open(url).map_err(failed)?;
    let now = now();
    let heard = st_kv::hints::read(&mut *store, &st_plan::identity(device), now).map_err(failed)?;
    Ok(judged(device, heard, now))
}

/// A question for the hints of a device, asked on a thread of its own.
#[derive(Debug)]
pub struct Fetch {
    answers: Option<Receiver<Result<Hints, Error>>>,
}

impl Fetch {
    /// Asks the store that `url` names; nobody if there is none. Returns at once.
    #[must_use]
    pub fn start(url: Option<&str>, device: &DeviceCaps) -> Self {
        let device = *device;
        let answers = url.map(|url| {
            let url = url.to_owned();
            apart(move || read(&url, &device))
        });
        Self { answers }
    }

    /// Waits for the answer, for so long and no longer.
    ///
    /// # Errors
    /// [`Error::NoUrl`], [`Error::Late`], and what the store has against it.
    pub fn wait(self, at_most: Duration) -> Result<Hints, Error> {
        self.answers.ok_or(Error::NoUrl).and_then(|answers| wait(&answers, at_most))
    }
}

/// Removes all hints of a device; says how many there were.
///
/// # Errors
/// As [`Fetch::wait`].
pub fn clear(url: Option<&str>, device: &DeviceCaps, at_most: Duration) -> Result<u64, Error> {
    let (url, device) = (url.ok_or(Error::NoUrl)?.to_owned(), st_plan::identity(device));
    let answers = apart(move || {
        let failed = |e: st_kv::StoreError| Error::Store(e.to_string());
        st_kv::open(&url).map_err(failed)?.clear(&device).map_err(failed)
    });
    wait(&answers, at_most)
}
