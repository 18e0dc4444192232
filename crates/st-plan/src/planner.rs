//! A planner that keeps its plans.

use std::sync::{Mutex, PoisonError, RwLock};

use rustc_hash::FxHashMap;
use st_rank::{DeviceCaps, Problem, RankPlan};

use crate::knowledge::Knowledge;

/// Plans kept before all are dropped and made again as they are asked for. A program has a few
/// shapes; one with ever new ones pays for planning in any case.
const MOST_PLANS: usize = 4096;

// The standard library's hash is made for keys that an adversary chooses, and takes half of a look-up; here are a program's
// shapes, and plans are dropped when there are many.
type Plans = FxHashMap<(Problem, DeviceCaps), RankPlan>;

/// Plans with some knowledge, and remembers each plan under its exact problem and device until the
/// knowledge changes. What it answers is what [`crate::plan`] does.
#[derive(Debug, Default)]
pub struct Planner {
    /// How often it was set, and what it is.
    knowledge: RwLock<(u64, Knowledge)>,
    plans: Mutex<Plans>,
    observer: Option<fn(&DeviceCaps)>,
}

impl Planner {
    /// A planner with this knowledge.
    #[must_use]
    pub fn new(knowledge: Knowledge) -> Self {
        Self { knowledge: RwLock::new((0, knowledge)), ..Self::default() }
    }

    /// The same, telling `observer` of the device of each plan that was not kept, before it is made. Knowledge of
    /// that device may be looked for then, elsewhere: whoever asked for the plan waits until `observer` returns.
    #[must_use]
    pub fn with_observer(mut self, observer: fn(&DeviceCaps)) -> Self {
        self.observer = Some(observer);
        self
    }

    /// The plan for a problem on a device.
    #[must_use]
    pub fn plan(&self, problem: &Problem, caps: &DeviceCaps) -> RankPlan {
        let key = (*problem, *caps);
        if let Some(plan) = self.plans().get(&key) {
            return plan.clone();
        }
        if let Some(observer) = self.observer {
            observer(caps);
        }
        // The knowledge is held while the plan is kept, so that no plan of older knowledge stays.
        let knowledge = self.knowledge.read().unwrap_or_else(PoisonError::into_inner);
        let plan = crate::plan(problem, caps, &knowledge.1);
        let mut plans = self.plans();
        if plans.len() >= MOST_PLANS {
            plans.clear();
        }
        plans.insert(key, plan.clone());
        plan
    }

    /// Replaces the knowledge; plans made with the old one are forgotten.
    pub fn set_knowledge(&self, knowledge: Knowledge) {
        let mut held = self.knowledge.write().unwrap_or_else(PoisonError::into_inner);
        *held = (held.0 + 1, knowledge);
        self.plans().clear();
    }

    /// Changes the knowledge; plans made before are forgotten.
    pub fn update_knowledge(&self, change: impl FnOnce(&mut Knowledge)) {
        let mut held = self.knowledge.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut held.1);
        self.plans().clear();
    }

    /// How often the knowledge was set.
    #[must_use]
    pub fn edition(&self) -> u64 {
        self.knowledge.read().unwrap_or_else(PoisonError::into_inner).0
    }

    /// As [`set_knowledge`](Self::set_knowledge), if it was set so often and not more since: what somebody else has set
    /// meanwhile stays. Whether it was.
    pub fn set_knowledge_after(&self, edition: u64, knowledge: Knowledge) -> bool {
        let mut held = self.knowledge.write().unwrap_or_else(PoisonError::into_inner);
        let as_known = held.0 == edition;
        if as_known {
            *held = (edition + 1, knowledge);
            self.plans().clear();
        }
        as_known
    }

    /// Looks at the knowledge.
    pub fn with_knowledge<T>(&self, look: impl FnOnce(&Knowledge) -> T) -> T {
        look(&self.knowledge.read().unwrap_or_else(PoisonError::into_inner).1)
    }

    fn plans(&self) -> std::sync::MutexGuard<'_, Plans> {
        // A panic elsewhere leaves the map whole: entries are inserted in one step.
        self.plans.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use st_rank::{MergeKind, RankKind};

    use super::*;
    use crate::knowledge::Prior;
    use crate::table::{Partial, Record, Table};

    #[test]
    fn plans_are_kept_until_the_knowledge_changes() {
        let planner = Planner::default();
        let problem = Problem::new(RankKind::TopK, 1024, 5000, 100);
        let caps = DeviceCaps::wgpu(32, true, 256);
        let first = planner.plan(&problem, &caps);
        assert_eq!(first, planner.plan(&problem, &caps));
        assert_eq!(first, crate::plan(&problem, &caps, &Knowledge::default()));

        let mut knowledge = Knowledge::default();
        let sort = Partial { mk: Some(MergeKind::Bitonic), ..Partial::NONE };
        let record = Record::new(1024, 4096, 8191, 128).with_choice(sort);
        knowledge.add_table(Table::shipped("sorts", caps.backend, &[record]));
        knowledge.set_prior(Prior { default: 100.0, ..Prior::default() });
        planner.set_knowledge(knowledge);
        assert_ne!(first.choice.mk, MergeKind::Bitonic);
        assert_eq!(planner.plan(&problem, &caps).choice.mk, MergeKind::Bitonic);
        assert_eq!(planner.plan(&Problem { rows: 7, ..problem }, &caps).problem.rows, 7);
        assert!(!planner.set_knowledge_after(0, Knowledge::default()), "it was set since");
        assert_eq!(planner.plan(&problem, &caps).choice.mk, MergeKind::Bitonic);
        assert!(planner.set_knowledge_after(planner.edition(), Knowledge::default()));
        assert_eq!(planner.plan(&problem, &caps), first);
    }

    #[test]
    fn observers_are_told_of_plans_that_were_not_kept() {
        static SEEN: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let planner = Planner::default().with_observer(|caps| {
            SEEN.fetch_add(caps.lane, std::sync::atomic::Ordering::Relaxed);
        });
        let problem = Problem::new(RankKind::TopK, 10, 50, 10);
        let seen = || {
            let _ = planner.plan(&problem, &DeviceCaps::cpu(16, 1));
            SEEN.load(std::sync::atomic::Ordering::Relaxed)
        };
        assert_eq!((seen(), seen()), (16, 16));
        planner.update_knowledge(|knowledge| knowledge.add_note("new".to_owned()));
        assert_eq!((seen(), seen()), (32, 32));
        assert_eq!(planner.plan(&problem, &DeviceCaps::cpu(16, 1)).notes, ["new"]);
    }

    #[test]
    fn ever_new_shapes_do_not_pile_up() {
        let planner = Planner::default();
        let caps = DeviceCaps::cpu(16, 1);
        for rows in 0..MOST_PLANS + 10 {
            let _ = planner.plan(&Problem::new(RankKind::TopK, rows, 10, 1), &caps);
        }
        assert!(planner.plans().len() <= MOST_PLANS);
    }
}
