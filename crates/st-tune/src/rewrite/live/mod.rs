//! What happens in a call while Self-Rewrite is on.

mod slot;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;

use st_plan::{Knowledge, Planner};
use st_rank::{RankPlan, Result};

use self::slot::{Live, Turn};
use super::clock::Clock;
use super::comparison::{Key, News};
use super::config::Config;
use super::disk::Files;
use super::settle::{self, Settled};
use super::{Document, Error};

/// The process around it.
pub trait Host: Send + Sync {
    /// The planner whose plans are run.
    fn planner(&self) -> &Planner;
    /// What the planner would know, were this the text of the rules file.
    fn knowledge(&self, rules: &[u8]) -> Knowledge;
    /// Where files lie; none if there is no place for them.
    fn files(&self) -> Option<Files>;
    /// Told of what came of the evidence, each time it is settled.
    fn settled(&self, _settled: &Settled) {}
}

/// An executor bound to its input, and perhaps to a place for its output.
pub trait Calls {
    /// What a call gives.
    type Done;
    /// Whether all calls write to one place, and what the last one wrote is what stands there.
    const SHARED: bool;
    /// Runs a plan; when it returns, the work is done.
    ///
    /// # Errors
    /// Those of the executor.
    fn run(&mut self, plan: &RankPlan) -> Result<Self::Done>;
    /// The bytes that the last call wrote.
    fn written(&mut self, plan: &RankPlan, done: &mut Self::Done) -> Vec<u8>;
}

/// Runs challengers beside choices in use, within its budget, and settles what they show.
pub struct Rewriter {
    host: Box<dyn Host>,
    clock: Box<dyn Clock>,
    config: Config,
    live: Mutex<Live>,
    /// Held while settling.
    known: Mutex<Known>,
    /// Whether a thread is about to settle.
    scheduled: AtomicBool,
    /// Whether a pair is being run: one at a time, so that pairs do not disturb each other.
    pairing: AtomicBool,
}

/// What was last seen of the planner and the rules.
struct Known {
    /// The edition of the planner's knowledge that is ours.
    edition: u64,
    rules: Option<String>,
    /// The last remark, so that none is made twice in a row.
    remark: Option<String>,
}

impl std::fmt::Debug for Rewriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rewriter").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Rewriter {
    /// One for a process whose planner has the knowledge that it was made with.
    #[must_use]
    pub fn new(host: Box<dyn Host>, clock: Box<dyn Clock>, config: Config) -> Arc<Self> {
        let rules = host.files().and_then(|files| settle::rules_text(&files).ok().flatten());
        let live = Mutex::new(Live::new(&config));
        let known = Mutex::new(Known { edition: 0, rules, remark: None });
        let (scheduled, pairing) = Default::default();
        Arc::new(Self { host, clock, config, live, known, scheduled, pairing })
    }

    /// Runs a plan and gives its result; on a share of calls another choice is run beside it, in random order.
    ///
    /// # Errors
    /// Those of the plan's run. A challenger that fails, or gives another result, is given up.
    pub fn call<C: Calls>(self: &Arc<Self>, plan: &RankPlan, calls: &mut C) -> Result<C::Done> {
        let begun = self.clock.ns();
        match self.turn(plan) {
            Turn::Untimed => calls.run(plan),
            Turn::Alone(slot) => {
                let (done, took) = self.timed(plan, calls);
                if done.is_ok()
                    && let Some(mut live) = self.try_live()
                {
                    live.called(&slot, took);
                }
                done
            }
            Turn::Pair(slot, trial) => {
                let Some(_one) = Pairing::begin(&self.pairing) else { return calls.run(plan) };
                let beside = RankPlan { choice: trial.beside, ..plan.clone() };
                let pair = self.pair(plan, &beside, trial.beside_first, calls);
                let all = self.clock.ns().saturating_sub(begun) as f64;
                let mut live = self.live();
                let (done, own) = match pair.done {
                    (Ok(done), own) => (done, own),
                    (Err(error), _) => {
                        live.spend(all);
                        return Err(error);
                    }
                };
                live.spend(all - own);
                live.called(&slot, own);
                live.learn(&slot, plan, &trial, own, pair.beside, &self.config);
                drop(live);
                self.schedule();
                Ok(done)
            }
        }
    }

    /// What is to be done in this call. Nothing, if another thread is at the same question.
    fn turn(self: &Arc<Self>, plan: &RankPlan) -> Turn {
        let Some(mut live) = self.try_live() else { return Turn::Untimed };
        let Some(slot) = live.enter(plan) else { return Turn::Untimed };
        if live.knows(&slot.device) {
            let planner = self.host.planner();
            return live.turn(slot, plan, planner, &*self.clock, &self.config);
        }
        if self.config.interval.is_some() {
            // Its evidence is read off the path of calls.
            drop(live);
            self.schedule();
        } else if let Some(files) = self.host.files() {
            let document = settle::load(&files, &slot.device, &self.config);
            live.known(document.unwrap_or_else(|_| Document::new(&slot.device)));
        }
        Turn::Alone(slot.key)
    }

    fn timed<C: Calls>(&self, plan: &RankPlan, calls: &mut C) -> (Result<C::Done>, f64) {
        let begun = self.clock.ns();
        let done = calls.run(plan);
        (done, self.clock.ns().saturating_sub(begun) as f64)
    }

    /// Runs both. What stands in a shared place afterwards is the plan's result.
    fn pair<C: Calls>(
        &self,
        plan: &RankPlan,
        beside: &RankPlan,
        beside_first: bool,
        calls: &mut C,
    ) -> Pair<C::Done> {
        // Both results live until both calls are over: neither gets the other's memory.
        let bytes = |calls: &mut C, plan: &RankPlan, done: &mut Result<C::Done>| {
            done.as_mut().map(|done| calls.written(plan, done)).map_err(|e| e.clone())
        };
        let (mut own, mut other);
        let (own_bytes, other_bytes);
        if beside_first {
            other = self.timed(beside, calls);
            other_bytes = bytes(calls, beside, &mut other.0);
            own = self.timed(plan, calls);
            own_bytes = bytes(calls, plan, &mut own.0);
        } else {
            own = self.timed(plan, calls);
            own_bytes = bytes(calls, plan, &mut own.0);
            if own.0.is_err() {
                return Pair { done: own, beside: Err("the plan itself failed".to_owned()) };
            }
            other = self.timed(beside, calls);
            other_bytes = bytes(calls, beside, &mut other.0);
        }
        let beside = match (&own_bytes, &other_bytes) {
            (_, Err(error)) => Err(format!("it failed: {error}")),
            (Ok(a), Ok(b)) if a != b => {
                if C::SHARED && !beside_first {
                    own = self.timed(plan, calls);
                }
                Err(DIFFERS.to_owned())
            }
            _ => Ok(other.1),
        };
        Pair { done: own, beside }
    }

    /// Makes sure that a thread settles before long.
    fn schedule(self: &Arc<Self>) {
        let Some(interval) = self.config.interval else { return };
        if self.scheduled.swap(true, Ordering::AcqRel) {
            return;
        }
        let this = Arc::clone(self);
        // A device that is new is asked about at once: nothing is tried on it before.
        let wait = if self.live().has_unread() { std::time::Duration::ZERO } else { interval };
        let thread = thread::Builder::new().name("spiral-rewrite".to_owned()).spawn(move || {
            thread::sleep(wait);
            this.scheduled.store(false, Ordering::Release);
            // It has made its remarks.
            let _ = this.settle();
        });
        if thread.is_err() {
            // No thread could be had: the next pair asks again.
            self.scheduled.store(false, Ordering::Release);
        }
    }

    /// Writes what was learnt, does what follows from it, and lets the planner know. Waits for files and locks: not to be
    /// called where time matters.
    ///
    /// # Errors
    /// What cannot be read or written. What was learnt is kept for the next time.
    pub fn settle(&self) -> std::result::Result<Vec<Settled>, Error> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // Until it is known to have gone well, it has not: then it is not tried again at once.
        self.live().failed = true;
        let files = self.host.files().ok_or(Error::Nowhere).inspect_err(|e| known.remark(e))?;
        let mut all = Vec::new();
        let mut failed = None;
        let devices = self.live().take_news();
        for (device, news) in devices {
            let knows = |rules: &[u8]| self.host.knowledge(rules);
            let settled = match settle::settle(&files, &device, &news, &self.config, &knows) {
                Ok(settled) => settled,
                Err(error) => {
                    known.remark(&error);
                    self.live().put_back(news);
                    failed = Some(error);
                    continue;
                }
            };
            for done in &settled.done {
                tracing::info!(target: "spiraltorch", "{}: {done:?}", files.rules.display());
            }
            if let Some(fault) = &settled.fault {
                known.remark(fault);
            }
            let rules = &settled.rules.1;
            if settled.fault.is_none() && known.rules != *rules {
                known.rules.clone_from(rules);
                let knowledge =
                    self.host.knowledge(rules.as_deref().unwrap_or_default().as_bytes());
                if self.host.planner().set_knowledge_after(known.edition, knowledge) {
                    known.edition += 1;
                    self.live().edition = known.edition;
                }
                self.live().forget_slots();
            }
            self.live().known(settled.document.clone());
            self.host.settled(&settled);
            all.push(settled);
        }
        self.live().failed = failed.is_some();
        failed.map_or(Ok(all), Err)
    }

    /// Nanoseconds that calls took by themselves, and that were spent beside them.
    #[must_use]
    pub fn totals(&self) -> (f64, f64) {
        self.live().budget.totals()
    }

    /// What was learnt since it was last settled.
    #[must_use]
    pub fn news(&self) -> HashMap<Key, News> {
        self.live().news.clone()
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Without waiting: a call must not wait for another's bookkeeping.
    fn try_live(&self) -> Option<MutexGuard<'_, Live>> {
        match self.live.try_lock() {
            Ok(live) => Some(live),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

/// Why a challenger is given up that gives another result.
const DIFFERS: &str = "its result differs: one of the two has a fault";

struct Pair<T> {
    /// The plan's result, and how long it took.
    done: (Result<T>, f64),
    /// How long the other took, or why it is given up.
    beside: std::result::Result<f64, String>,
}

/// Held while a pair is run; let go too if an executor panics.
struct Pairing<'a>(&'a AtomicBool);

impl<'a> Pairing<'a> {
    fn begin(flag: &'a AtomicBool) -> Option<Self> {
        (!flag.swap(true, Ordering::AcqRel)).then_some(Self(flag))
    }
}

impl Drop for Pairing<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Known {
    fn remark(&mut self, what: &impl ToString) {
        let text = what.to_string();
        if self.remark.as_ref() != Some(&text) {
            tracing::warn!(target: "spiraltorch", "rules are not rewritten: {text}");
            self.remark = Some(text);
        }
    }
}
