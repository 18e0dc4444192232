//! The hook, and the process around it.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use st_plan::{Knowledge, Planner};
use st_rank::{ExecuteInto, RankKExecutor, RankPlan, Result};
use st_tune::rewrite::SystemClock;
pub use st_tune::rewrite::{
    Bucket, Calls, Change, Comparison, Config, Document, Done, Error, Files, Host, Rewriter,
    Settled, State, clock, code, journal, settle, undo,
};

use crate::hints::{Pairs, publish_rule, publish_withdrawn};
use crate::process::planner;
use crate::settings::Settings;

/// Whether this build can rewrite rules.
pub const IN_THIS_BUILD: bool = true;

const UNKNOWN: u8 = 0;
const OFF: u8 = 1;
const ON: u8 = 2;
static STATE: AtomicU8 = AtomicU8::new(UNKNOWN);
static REWRITER: OnceLock<Arc<Rewriter>> = OnceLock::new();

/// The rewriter of this process; none if it is off. What it has learnt is written every few seconds; a process that ends
/// sooner can ask it to [`settle`](Rewriter::settle).
#[must_use]
pub fn rewriter() -> Option<&'static Arc<Rewriter>> {
    // Whoever finds it on sees the rewriter: a `OnceLock` synchronises by itself.
    match STATE.load(Ordering::Relaxed) {
        OFF => None,
        ON => REWRITER.get(),
        _ => first(),
    }
}

#[cold]
fn first() -> Option<&'static Arc<Rewriter>> {
    let settings = Settings::from_env();
    if !settings.rewrite() {
        STATE.store(OFF, Ordering::Relaxed);
        return None;
    }
    let made = REWRITER.get_or_init(|| {
        // The planner reads the rules first: what changes afterwards is seen.
        let _ = planner();
        Rewriter::new(Box::new(settings), Box::<SystemClock>::default(), Config::default())
    });
    STATE.store(ON, Ordering::Relaxed);
    Some(made)
}

impl Host for Settings {
    fn planner(&self) -> &Planner {
        planner()
    }

    fn knowledge(&self, rules: &[u8]) -> Knowledge {
        let mut knowledge = self.load_with(Some(rules)).knowledge;
        // What others share came after the files were read, and stays.
        crate::hints::heard(&mut knowledge);
        knowledge
    }

    fn files(&self) -> Option<Files> {
        Some(Files::new(self.home()?, &self.rules_file()?))
    }

    fn settled(&self, settled: &Settled) {
        share(settled);
    }
}

/// Publishes the rules that were written, and those that were withdrawn, for devices like this one, where
/// [hints](crate::hints) are shared; how many.
pub fn share(settled: &Settled) -> usize {
    let of = |key| settled.document.comparisons.iter().find(|c| c.key().as_ref() == Some(key));
    let published = settled.done.iter().filter(|done| match done {
        Done::Wrote { key, rule: Some((provenance, rule)), .. } => {
            let Some(comparison) = of(key) else { return false };
            let evidence =
                Pairs { pairs: provenance.trials, wins: provenance.wins, ratio: provenance.ratio };
            publish_rule(&comparison.caps, &line(rule), evidence)
        }
        Done::Withdrew { key, rule: Some(rule), watch } => {
            let (Some(comparison), Some(ratio)) = (of(key), watch.median_ratio()) else {
                return false;
            };
            let evidence = Pairs { pairs: watch.trials(), wins: watch.wins(), ratio };
            publish_withdrawn(&comparison.caps, &line(rule), evidence)
        }
        _ => false,
    });
    published.count()
}

/// A statement as others read it.
fn line(statement: &str) -> String {
    format!("{statement};")
}

struct Returned<'a, E>(&'a E);

impl<E: RankKExecutor> Calls for Returned<'_, E> {
    type Done = E::Output;
    const SHARED: bool = false;

    fn run(&mut self, plan: &RankPlan) -> Result<E::Output> {
        self.0.execute(plan)
    }

    fn written(&mut self, _plan: &RankPlan, done: &mut E::Output) -> Vec<u8> {
        self.0.written(done)
    }
}

struct Placed<'a, E, O: ?Sized> {
    exec: &'a E,
    out: &'a mut O,
}

impl<O: ?Sized, E: ExecuteInto<O>> Calls for Placed<'_, E, O> {
    type Done = ();
    const SHARED: bool = true;

    fn run(&mut self, plan: &RankPlan) -> Result<()> {
        self.exec.execute_into(plan, self.out)
    }

    fn written(&mut self, plan: &RankPlan, (): &mut ()) -> Vec<u8> {
        self.exec.written(plan, self.out)
    }
}

pub(crate) fn execute<E: RankKExecutor>(exec: &E, plan: &RankPlan) -> Result<E::Output> {
    match rewriter() {
        Some(rewriter) if E::RETURNS_WHEN_DONE => rewriter.call(plan, &mut Returned(exec)),
        _ => exec.execute(plan),
    }
}

pub(crate) fn execute_into<O: ?Sized, E: ExecuteInto<O>>(
    exec: &E,
    plan: &RankPlan,
    out: &mut O,
) -> Result<()> {
    match rewriter() {
        Some(rewriter) if E::RETURNS_WHEN_DONE => rewriter.call(plan, &mut Placed { exec, out }),
        _ => exec.execute_into(plan, out),
    }
}
