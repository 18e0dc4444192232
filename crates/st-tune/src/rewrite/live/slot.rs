//! What a process keeps for each bucket and choice that it meets, and what it decides from that.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::collections::hash_map::{Entry, HashMap};

use st_plan::{Planner, explain};
use st_rank::{Choice, DeviceCaps, RankPlan};

use crate::Evidence;
use crate::rewrite::bucket::{self, Bucket, launch};
use crate::rewrite::budget::Budget;
use crate::rewrite::clock::Clock;
use crate::rewrite::comparison::{Key, News};
use crate::rewrite::config::Config;
use crate::rewrite::document::Document;

/// Slots kept before all are begun anew. A program has a few shapes.
const MOST_SLOTS: usize = 1024;
/// Pairs in a row in which a challenger takes too long before it is given up: one may be the system's doing.
const STRIKES: u32 = 3;
/// What looking for a challenger is estimated to take before it was done, in nanoseconds.
const LOOKING: f64 = 1e6;

/// A bucket and the choice in use there, without anything that must be allocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SlotKey {
    caps: DeviceCaps,
    kind: &'static str,
    bytes: usize,
    logs: [u8; 3],
    choice: Choice,
}

/// A slot that was entered.
pub(super) struct Entered {
    pub(super) key: SlotKey,
    pub(super) device: String,
}

#[derive(Default)]
struct Slot {
    device: String,
    calls: u64,
    /// Nanoseconds of a call, a running mean.
    mean: f64,
    /// Challengers, the best predicted first, and how many times as long each is expected to take; none: not looked for.
    challengers: Option<Vec<(Choice, f64)>>,
    trial: Option<Running>,
    watch: Option<Running>,
    /// Calls before which nothing is looked for.
    not_before: u64,
}

/// Something that is run beside calls.
#[derive(Clone, Debug)]
struct Running {
    key: Key,
    beside: Choice,
    /// How many times as long as the call it is expected to take.
    expected: f64,
    /// How often in a row it took too long.
    strikes: u32,
}

/// A pair that is to be run.
pub(super) struct Trial {
    pub(super) beside: Choice,
    pub(super) beside_first: bool,
    watch: bool,
    key: Key,
}

/// What is to be done in a call.
pub(super) enum Turn {
    Untimed,
    Alone(SlotKey),
    Pair(SlotKey, Trial),
}

/// What the process knows.
pub(super) struct Live {
    rng: fastrand::Rng,
    pub(super) budget: Budget,
    looking: f64,
    slots: HashMap<SlotKey, Slot>,
    /// By device; none: not read yet.
    documents: HashMap<String, Option<Document>>,
    pub(super) news: HashMap<Key, News>,
    /// What was run beside a call in this process before: its kernels are compiled.
    warm: HashSet<Key>,
    pub(super) edition: u64,
    /// Whether settling failed the last time.
    pub(super) failed: bool,
}

impl Live {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            rng: config.seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed),
            budget: Budget::new(config.share),
            looking: LOOKING,
            slots: HashMap::new(),
            documents: HashMap::new(),
            news: HashMap::new(),
            warm: HashSet::new(),
            edition: 0,
            failed: false,
        }
    }

    /// The slot of a plan; none for a shape without rows, columns or k.
    pub(super) fn enter(&mut self, plan: &RankPlan) -> Option<Entered> {
        let RankPlan { problem, caps, choice, .. } = plan;
        let (kind, bytes) = (problem.kind.name(), problem.dtype.size());
        let key =
            SlotKey { caps: *caps, kind, bytes, logs: bucket::logs(problem)?, choice: *choice };
        if self.slots.len() >= MOST_SLOTS && !self.slots.contains_key(&key) {
            self.slots.clear();
        }
        let slot = self.slots.entry(key).or_default();
        slot.calls += 1;
        if slot.device.is_empty() {
            slot.device = bucket::device(caps);
            self.documents.entry(slot.device.clone()).or_default();
        }
        Some(Entered { key, device: slot.device.clone() })
    }

    pub(super) fn knows(&self, device: &str) -> bool {
        self.documents.get(device).is_some_and(Option::is_some)
    }

    /// Whether there is evidence that was not read yet, and might be now.
    pub(super) fn has_unread(&self) -> bool {
        !self.failed && self.documents.values().any(Option::is_none)
    }

    /// Takes in what is known of a device. What is no longer under way is not run any more.
    pub(super) fn known(&mut self, document: Document) {
        for slot in self.slots.values_mut().filter(|slot| slot.device == document.device) {
            // What was begun here and not written yet is not in it.
            let goes_on =
                |running: &Running| document.get(&running.key).is_none_or(|c| c.is_under_way());
            slot.trial = slot.trial.take().filter(goes_on);
            let stands = |running: &Running| document.get(&running.key).is_some_and(|c| c.is_won());
            slot.watch = slot.watch.take().filter(stands);
        }
        self.documents.insert(document.device.clone(), Some(document));
    }

    /// Begins all slots anew: the planner may choose otherwise now.
    pub(super) fn forget_slots(&mut self) {
        self.slots.clear();
    }

    pub(super) fn turn(
        &mut self,
        entered: Entered,
        plan: &RankPlan,
        planner: &Planner,
        clock: &dyn Clock,
        config: &Config,
    ) -> Turn {
        let Entered { key, device } = entered;
        let alone = Turn::Alone(key);
        let Some(slot) = self.slots.get_mut(&key) else { return alone };
        if slot.calls <= config.settle {
            return alone;
        }
        if slot.trial.is_none() && slot.calls >= slot.not_before {
            if self.budget.allows(self.looking) && self.is_planned(plan, planner) {
                let begun = clock.ns();
                self.look(&key, &device, plan, planner, config);
                self.looking = clock.ns().saturating_sub(begun) as f64;
                self.budget.spend(self.looking);
            }
            return alone;
        }
        let watch = slot.watch.is_some() && self.rng.u32(..config.watch_one_in.max(1)) == 0;
        let running = if watch { &slot.watch } else { &slot.trial };
        let Some(running) = running.clone() else { return alone };
        let draw = watch || self.rng.u32(..config.one_in.max(1)) == 0;
        if !draw
            || !self.budget.allows(slot.mean * running.expected)
            || !self.is_planned(plan, planner)
        {
            return alone;
        }
        let Running { key: of, beside, .. } = running;
        let beside_first = self.rng.bool();
        Turn::Pair(key, Trial { beside, beside_first, watch, key: of })
    }

    /// Whether the planner, with the knowledge of the rules file, makes this very plan: others are their maker's.
    fn is_planned(&self, plan: &RankPlan, planner: &Planner) -> bool {
        planner.edition() == self.edition
            && planner.plan(&plan.problem, &plan.caps).choice == plan.choice
    }

    /// Looks for what to run beside a slot's calls.
    fn look(
        &mut self,
        at: &SlotKey,
        device: &str,
        plan: &RankPlan,
        planner: &Planner,
        config: &Config,
    ) {
        let RankPlan { problem, caps, choice, .. } = plan;
        let (Some(slot), Some(Some(document)), Some(bucket)) =
            (self.slots.get_mut(at), self.documents.get(device), Bucket::of(problem, caps))
        else {
            return;
        };
        let own = launch(choice, caps.backend);
        let key =
            |in_use: Choice, challenger: Choice| Key { bucket: bucket.clone(), in_use, challenger };
        if slot.watch.is_none() {
            let rule = document.comparisons.iter().filter(|c| c.is_won()).find_map(|c| {
                let k = c.key()?;
                (k.bucket == bucket && k.challenger == own).then_some((k, c.in_use))
            });
            // It was in use before: it is expected to take about as long.
            slot.watch =
                rule.map(|(key, beside)| Running { key, beside, expected: 1.0, strikes: 0 });
        }
        let watched = slot.watch.as_ref().map(|w| launch(&w.beside, caps.backend));
        let challengers = slot.challengers.get_or_insert_with(|| {
            let top = config.challengers + 1;
            let why = planner.with_knowledge(|known| explain(problem, caps, known, top));
            let us = why.plan.predicted_us.unwrap_or(f64::NAN);
            let all = why.candidates.into_iter().map(|c| (c.choice, c.expected_us / us));
            let all = all.filter(|(other, slower)| {
                let too_slow = slower.partial_cmp(&config.slowest) == Some(Ordering::Greater);
                launch(other, caps.backend) != own && !too_slow
            });
            all.take(config.challengers).collect()
        });
        let new = self
            .news
            .values()
            .filter(|n| n.key.bucket.device == *device && document.get(&n.key).is_none());
        let room = document.under_way() + new.count() < config.under_way;
        let mut waits = false;
        for (other, slower) in challengers {
            let key = key(own, launch(other, caps.backend));
            if Some(key.challenger) == watched
                || self.news.get(&key).is_some_and(|n| n.give_up.is_some())
            {
                continue;
            }
            match document.get(&key) {
                Some(c) if !c.is_under_way() => continue,
                None if !room => {
                    waits = true;
                    continue;
                }
                _ => {}
            }
            // Predicted to be faster, it may not be.
            let expected = if *slower > 1.0 { *slower } else { 1.0 };
            slot.trial = Some(Running { key, beside: *other, expected, strikes: 0 });
            return;
        }
        // Nothing is left to try; if only room is missing, it may come.
        slot.not_before = if waits { slot.calls * 2 } else { u64::MAX };
        // A watch goes on without a trial: `turn` looks no more before that many calls.
    }

    pub(super) fn called(&mut self, at: &SlotKey, ns: f64) {
        self.budget.called(ns);
        if let Some(slot) = self.slots.get_mut(at) {
            // The first call counts whole, and later ones less and less, down to a tenth.
            let part = (1.0 / slot.calls.max(1) as f64).max(0.1);
            slot.mean += (ns - slot.mean) * part;
        }
    }

    pub(super) fn spend(&mut self, ns: f64) {
        self.budget.spend(ns);
    }

    /// Takes the outcome of a pair: how long the plan took, and how long the other, or why it is given up.
    pub(super) fn learn(
        &mut self,
        at: &SlotKey,
        plan: &RankPlan,
        trial: &Trial,
        own: f64,
        beside: Result<f64, String>,
        config: &Config,
    ) {
        let Trial { watch, key, .. } = trial;
        let slot = self.slots.get_mut(at);
        let running =
            slot.and_then(|slot| if *watch { slot.watch.as_mut() } else { slot.trial.as_mut() });
        let mut give_up = None;
        match &beside {
            Ok(took) => {
                if let Some(running) = running {
                    // A clock that is too coarse for the call says nothing of the ratio.
                    if own > 0.0 {
                        running.expected += (took / own - running.expected) * 0.2;
                    }
                    running.strikes =
                        if *took > config.slowest * own { running.strikes + 1 } else { 0 };
                    if running.strikes >= STRIKES && !watch {
                        give_up =
                            Some(format!("it took more than {} times as long", config.slowest));
                    }
                }
                if self.warm.insert(key.clone()) {
                    // Its kernels may have been compiled in it.
                    if give_up.is_none() {
                        return;
                    }
                }
            }
            Err(why) => {
                tracing::warn!(
                    target: "spiraltorch",
                    "{} is not run beside {} any more: {why}", bucket::code(&trial.beside), bucket::code(&plan.choice)
                );
                give_up = Some(why.clone());
            }
        }
        let over = give_up.is_some();
        let news = self.news.entry(key.clone()).or_insert_with(|| News {
            key: key.clone(),
            problem: plan.problem,
            caps: plan.caps,
            pairs: Evidence::default(),
            watch: Evidence::default(),
            give_up: None,
        });
        if let (Ok(took), None) = (&beside, &give_up) {
            // The clock may be too coarse for a short call; such a pair says nothing.
            let _ =
                if *watch { news.watch.record(*took, own) } else { news.pairs.record(own, *took) };
        }
        news.give_up = news.give_up.take().or(give_up);
        if over && let Some(slot) = self.slots.get_mut(at) {
            if *watch {
                slot.watch = None;
            } else {
                slot.trial = None;
            }
        }
    }

    /// What was learnt, by device; every device that was met has its place, so that its evidence is read.
    pub(super) fn take_news(&mut self) -> Vec<(String, Vec<News>)> {
        let mut all: Vec<(String, Vec<News>)> =
            self.documents.keys().map(|device| (device.clone(), Vec::new())).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        let mut news: Vec<News> = self.news.drain().map(|(_, news)| news).collect();
        // The order of a hash is not to decide which comparison began first.
        news.sort_by_cached_key(|n| {
            (n.key.bucket.clone(), bucket::code(&n.key.in_use), bucket::code(&n.key.challenger))
        });
        for news in news {
            if let Some((_, list)) =
                all.iter_mut().find(|(name, _)| *name == news.key.bucket.device)
            {
                list.push(news);
            }
        }
        all
    }

    /// Takes back what could not be written.
    pub(super) fn put_back(&mut self, list: Vec<News>) {
        for old in list {
            match self.news.entry(old.key.clone()) {
                Entry::Vacant(place) => {
                    place.insert(old);
                }
                Entry::Occupied(mut place) => {
                    let news = place.get_mut();
                    news.pairs.add(&old.pairs);
                    news.watch.add(&old.watch);
                    news.give_up = news.give_up.take().or(old.give_up);
                }
            }
        }
    }
}
