//! Threads that wait for work, and share it with the caller.
//!
//! A call hands one closure to some of them and runs it itself too; it returns when all that began are
//! done. Nothing is allocated, which is why this is not a general thread pool: those box each task, and
//! let the caller sleep while others work.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, TryLockError};
use std::thread::{self, JoinHandle, Thread};

use crate::placement::Core;

/// How often a waiting thread looks again before it lets others run: some microseconds.
const SPINS: u32 = 64;

/// How often it then looks again, letting others run in between, before it sleeps: about a
/// millisecond on an idle core, so that calls in a row find the team awake. It must not only spin:
/// where the system has put two threads of a team on one core, the one would keep the other from
/// the work it waits for.
const YIELDS: u32 = 2_000;

/// The number of no core.
const NOWHERE: usize = usize::MAX;

/// Threads beside the caller's.
#[derive(Debug)]
pub(crate) struct Team {
    asked: usize,
    members: Vec<Member>,
    /// Held by the call that uses the members.
    busy: Mutex<()>,
}

#[derive(Debug)]
struct Member {
    mailbox: Arc<Mailbox>,
    handle: Option<JoinHandle<()>>,
}

/// Null, or the work to do next.
#[derive(Debug, Default)]
struct Mailbox {
    work: AtomicPtr<Work>,
    /// Where the caller runs that sent it.
    core: AtomicUsize,
    stop: AtomicBool,
}

/// Lives on the stack of the call until all members are done with it.
struct Work {
    job: *const (dyn Fn(usize) + Sync),
    left: AtomicUsize,
    panicked: AtomicBool,
    caller: Thread,
}

impl Team {
    /// A team of `threads` in all, the caller's own included. Where the system grants fewer, the
    /// team is smaller.
    pub(crate) fn new(threads: usize) -> Self {
        let members = (1..threads).map_while(Member::spawn).collect();
        Self { asked: threads, members, busy: Mutex::new(()) }
    }

    /// How many threads it was made for.
    pub(crate) fn asked(&self) -> usize {
        self.asked
    }

    /// Runs `job(0)` here and `job(1)`, ..., `job(threads - 1)` on others, as far as there are
    /// so many and they are free; returns when all that began are done. `job` must do all the work
    /// whichever of these are called: a member that has not begun when `job(0)` is done is not waited for,
    /// because its core may be another library's, whose threads wait there for work of their own.
    pub(crate) fn run(&self, threads: usize, job: &(dyn Fn(usize) + Sync)) {
        let helpers = threads.saturating_sub(1).min(self.members.len());
        let guard = match self.busy.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(guard)) => Some(guard.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        };
        // Another call has the members: its caller's thread and ours are two that work already.
        let (Some(_guard), true) = (guard, helpers > 0) else { return job(0) };
        // SAFETY: only the lifetime changes. The pointer is used by members until they count
        // `left` down, and this call does not return (or unwind) before `left` is zero.
        let job_ptr: *const (dyn Fn(usize) + Sync + 'static) = unsafe {
            core::mem::transmute::<*const (dyn Fn(usize) + Sync + '_), _>(ptr::from_ref(job))
        };
        let work = Work {
            job: job_ptr,
            left: AtomicUsize::new(helpers),
            panicked: AtomicBool::new(false),
            caller: thread::current(),
        };
        let sent = ptr::from_ref(&work).cast_mut();
        let core = Core::current().map_or(NOWHERE, Core::number);
        for member in &self.members[..helpers] {
            member.mailbox.core.store(core, Ordering::Relaxed);
            member.mailbox.work.store(sent, Ordering::Release);
            member.unpark();
        }
        let own = catch_unwind(AssertUnwindSafe(|| job(0)));
        for member in &self.members[..helpers] {
            if member.mailbox.take_back(sent) {
                work.left.fetch_sub(1, Ordering::Relaxed);
            }
        }
        wait(|| work.left.load(Ordering::Acquire) == 0);
        if let Err(panic) = own {
            std::panic::resume_unwind(panic);
        }
        assert!(!work.panicked.load(Ordering::Relaxed), "a thread of the team panicked");
    }
}

impl Member {
    fn spawn(id: usize) -> Option<Self> {
        let mailbox = Arc::new(Mailbox::default());
        let own = Arc::clone(&mailbox);
        let thread = thread::Builder::new().name(format!("spiral-{id}"));
        let handle = thread.spawn(move || own.serve(id)).ok()?;
        Some(Self { mailbox, handle: Some(handle) })
    }

    fn unpark(&self) {
        if let Some(handle) = &self.handle {
            handle.thread().unpark();
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.mailbox.stop.store(true, Ordering::Release);
        self.unpark();
        if let Some(handle) = self.handle.take() {
            // A member catches what panics in its work; there is nothing to pass on.
            let _ = handle.join();
        }
    }
}

impl Mailbox {
    /// Takes work back that the member has not begun.
    fn take_back(&self, sent: *mut Work) -> bool {
        let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
        self.work.compare_exchange(sent, ptr::null_mut(), success, failure).is_ok()
    }

    fn serve(&self, id: usize) {
        loop {
            wait(|| {
                let stop = self.stop.load(Ordering::Acquire);
                stop || !self.work.load(Ordering::Relaxed).is_null()
            });
            if self.stop.load(Ordering::Acquire) {
                return;
            }
            // Moving may take long, where the other cores are busy: so it comes before the work is begun.
            if let Some(core) = Core::current()
                && core.number() == self.core.load(Ordering::Relaxed)
            {
                core.leave();
            }
            let work = self.work.swap(ptr::null_mut(), Ordering::Acquire);
            if work.is_null() {
                // It was taken back.
                continue;
            }
            // SAFETY: the call that sent it waits until `left` is zero, and this member, which has begun, has not
            // counted itself off yet.
            let work = unsafe { &*work };
            // SAFETY: as above, for the job.
            let job = unsafe { &*work.job };
            if catch_unwind(AssertUnwindSafe(|| job(id))).is_err() {
                work.panicked.store(true, Ordering::Relaxed);
            }
            // After the count the work may be gone: what wakes its caller is taken before.
            let caller = work.caller.clone();
            if work.left.fetch_sub(1, Ordering::Release) == 1 {
                caller.unpark();
            }
        }
    }
}

/// Returns when `done` says so: looks for a while, then sleeps until unparked.
fn wait(mut done: impl FnMut() -> bool) {
    for _ in 0..SPINS {
        if done() {
            return;
        }
        core::hint::spin_loop();
    }
    for _ in 0..YIELDS {
        if done() {
            return;
        }
        thread::yield_now();
    }
    while !done() {
        thread::park();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Waits until `ran` members have begun, so that none is too late.
    fn all_of(ran: &AtomicUsize, members: usize) {
        ran.fetch_add(1, Ordering::AcqRel);
        while ran.load(Ordering::Acquire) < members {
            thread::yield_now();
        }
    }

    #[test]
    fn every_member_runs_once_for_each_call() {
        let team = Team::new(4);
        for _ in 0..1000 {
            let (all, ran): (_, [AtomicUsize; 4]) = Default::default();
            team.run(4, &|id| {
                ran[id].fetch_add(1, Ordering::Relaxed);
                all_of(&all, 4);
            });
            assert!(ran.iter().all(|n| n.load(Ordering::Relaxed) == 1));
        }
    }

    #[test]
    fn fewer_threads_than_members_and_more() {
        let team = Team::new(2);
        for threads in [1, 2, 7] {
            let ran = AtomicUsize::new(0);
            team.run(threads, &|_| all_of(&ran, threads.min(2)));
            assert_eq!(ran.into_inner(), threads.min(2));
        }
    }

    #[test]
    fn a_member_that_is_late_is_not_waited_for_and_never_comes() {
        let mailbox = Mailbox::default();
        let mut work = Work {
            job: &|_| (),
            left: AtomicUsize::new(1),
            panicked: AtomicBool::new(false),
            caller: thread::current(),
        };
        let sent = ptr::from_mut(&mut work);
        mailbox.work.store(sent, Ordering::Release);
        assert!(mailbox.take_back(sent));
        assert!(!mailbox.take_back(sent), "it was begun, or taken back");

        // Jobs so short that members come before, while and after the caller does its share.
        let team = Team::new(4);
        for call in 0..20_000_u32 {
            let (began, ended) = (AtomicUsize::new(0), AtomicUsize::new(0));
            team.run(4, &|_| {
                began.fetch_add(1, Ordering::AcqRel);
                for _ in 0..call % 64 {
                    core::hint::spin_loop();
                }
                ended.fetch_add(1, Ordering::AcqRel);
            });
            let (began, ended) = (began.into_inner(), ended.into_inner());
            assert!(began == ended && (1..=4).contains(&began), "{began} began, {ended} ended");
        }
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_team_lives_on() {
        let team = Team::new(2);
        for panics in [0, 1] {
            let all = AtomicUsize::new(0);
            let result = catch_unwind(AssertUnwindSafe(|| {
                team.run(2, &|id| {
                    all_of(&all, 2);
                    assert_ne!(id, panics, "on purpose");
                });
            }));
            assert!(result.is_err());
        }
        let ran = AtomicUsize::new(0);
        team.run(2, &|_| all_of(&ran, 2));
        assert_eq!(ran.into_inner(), 2);
    }

    #[test]
    fn calls_at_once_all_finish() {
        let team = Team::new(3);
        let ran = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        team.run(3, &|id| {
                            ran.fetch_add(usize::from(id == 0), Ordering::Relaxed);
                        });
                    }
                });
            }
        });
        assert_eq!(ran.into_inner(), 800);
    }
}
