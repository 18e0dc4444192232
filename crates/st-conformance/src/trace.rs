//! What is being asked, for questions that never come back: a device that hangs fails no test.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Instant;

/// The file that the environment's `SPIRAL_CONFORMANCE_TRACE` names.
static FILE: LazyLock<Option<Mutex<File>>> = LazyLock::new(|| {
    let path = std::env::var_os("SPIRAL_CONFORMANCE_TRACE")?;
    let file = OpenOptions::new().create(true).append(true).open(&path);
    Some(Mutex::new(file.unwrap_or_else(|e| panic!("SPIRAL_CONFORMANCE_TRACE={path:?}: {e}"))))
});

/// Writes a line, if the environment names a file for it. At the end of the returned guard's life a
/// second line says that it ended, and after how long.
pub(crate) fn begun(what: impl FnOnce() -> String) -> Begun {
    Begun(FILE.as_ref().map(|_| {
        let what = what();
        line("begun", &what);
        (what, Instant::now())
    }))
}

/// Something that began; says so when it ends.
pub(crate) struct Begun(Option<(String, Instant)>);

impl Drop for Begun {
    fn drop(&mut self) {
        if let Some((what, began)) = &self.0 {
            line("ended", &format!("after {:.1} ms: {what}", began.elapsed().as_secs_f64() * 1e3));
        }
    }
}

fn line(state: &str, what: &str) {
    if let Some(file) = &*FILE {
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        // A trace that cannot be written must not fail the test that it is of.
        let _ = writeln!(file, "{state} {what}");
    }
}
