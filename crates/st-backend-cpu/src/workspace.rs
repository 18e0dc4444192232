//! The buffers of one call, kept for the next.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::scratch::Arena;

/// Buffers for the threads, and for the parts of split rows. Each is locked by the one thread that
/// uses it, so the locks never wait.
#[derive(Debug, Default)]
pub(crate) struct Workspace {
    threads: Vec<Mutex<Arena>>,
    parts: Vec<Mutex<Arena>>,
}

impl Workspace {
    pub(crate) fn reserve(&mut self, threads: usize, parts: usize) {
        if self.threads.len() < threads {
            self.threads.resize_with(threads, Mutex::default);
        }
        if self.parts.len() < parts {
            self.parts.resize_with(parts, Mutex::default);
        }
    }

    pub(crate) fn thread(&self, i: usize) -> MutexGuard<'_, Arena> {
        self.threads[i].lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn part(&self, i: usize) -> MutexGuard<'_, Arena> {
        self.parts[i].lock().unwrap_or_else(PoisonError::into_inner)
    }
}
