//! A device that is not there: how long each choice takes is a function, and the clock goes on by that.

use std::cell::RefCell;
use std::fs;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use st_conformance::rng::Rng;
use st_plan::{Knowledge, Planner, explain};
use st_rank::{Choice, DeviceCaps, Error, Problem, RankKind, RankPlan, Result};
use st_tune::Evidence;
use st_tune::rewrite::{
    Bucket, Calls, Clock, Config, Files, Host, Key, News, Rewriter, Settled, launch, settle,
};
use tempfile::TempDir;

pub(crate) const CAPS: DeviceCaps = DeviceCaps::wgpu(32, true, 256);
pub(crate) const PROBLEM: Problem = Problem::new(RankKind::TopK, 1024, 5000, 100);

/// The knowledge of a file of rules and nothing else.
pub(crate) fn knowledge(rules: &[u8]) -> Knowledge {
    let mut knowledge = Knowledge::default();
    // A fault is told of in the plans' notes.
    let _ = knowledge.add_rules("rules", rules);
    knowledge
}

/// What the planner chooses by itself, and the challengers in their order.
pub(crate) fn candidates(problem: &Problem, rules: &[u8]) -> (Choice, Vec<Choice>) {
    let why = explain(problem, &CAPS, &knowledge(rules), 9);
    let own = launch(&why.plan.choice, CAPS.backend);
    let others = why.candidates.iter().map(|c| launch(&c.choice, CAPS.backend));
    (own, others.filter(|c| *c != own).collect())
}

pub(crate) struct SimHost {
    pub(crate) planner: Arc<Planner>,
    pub(crate) files: Files,
    /// How often files were asked for.
    pub(crate) asked: Arc<AtomicU64>,
}

impl Host for SimHost {
    fn planner(&self) -> &Planner {
        &self.planner
    }
    fn knowledge(&self, rules: &[u8]) -> Knowledge {
        knowledge(rules)
    }
    fn files(&self) -> Option<Files> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Some(self.files.clone())
    }
}

struct SimClock(Arc<AtomicU64>);

impl Clock for SimClock {
    fn ns(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A home in a folder of its own.
pub(crate) struct Home {
    _folder: Option<TempDir>,
    pub(crate) files: Files,
}

impl Home {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let files = Files::new(folder.path(), &folder.path().join("heur.kdsl"));
        Self { _folder: Some(folder), files }
    }

    /// One that is there already.
    pub(crate) fn at(folder: &str) -> Self {
        let folder = PathBuf::from(folder);
        Self { _folder: None, files: Files::new(&folder, &folder.join("heur.kdsl")) }
    }

    /// The rules as they are.
    pub(crate) fn rules(&self) -> Option<String> {
        fs::read_to_string(&self.files.rules).ok()
    }

    pub(crate) fn put_rules(&self, text: &str) {
        fs::write(&self.files.rules, text).expect("written");
    }
}

/// How long each launch takes, in nanoseconds, before noise.
pub(crate) type Times = Rc<RefCell<Box<dyn Fn(&Choice) -> f64>>>;

pub(crate) fn times(of: impl Fn(&Choice) -> f64 + 'static) -> Times {
    Rc::new(RefCell::new(Box::new(of)))
}

/// A process on such a device.
pub(crate) struct Process {
    pub(crate) rewriter: Arc<Rewriter>,
    pub(crate) planner: Arc<Planner>,
    pub(crate) device: SimDevice,
    asked: Arc<AtomicU64>,
}

pub(crate) struct SimDevice {
    pub(crate) clock: Arc<AtomicU64>,
    rng: Rng,
    noise: f64,
    times: Times,
    /// The launch that gives a wrong result, and the one that fails.
    pub(crate) wrong: Option<Choice>,
    pub(crate) fails: Option<Choice>,
    /// What was run, in order.
    pub(crate) ran: Vec<Choice>,
}

pub(crate) fn config(seed: u64) -> Config {
    Config { interval: None, seed: Some(seed), ..Config::default() }
}

impl Process {
    /// Begins one: it reads the rules of its home.
    pub(crate) fn begin(home: &Home, config: Config, noise: f64, times: &Times) -> Self {
        let rules = home.rules().unwrap_or_default();
        let planner = Arc::new(Planner::new(knowledge(rules.as_bytes())));
        let asked = Arc::new(AtomicU64::new(0));
        let host =
            SimHost { planner: planner.clone(), files: home.files.clone(), asked: asked.clone() };
        let clock = Arc::new(AtomicU64::new(0));
        let device = SimDevice {
            clock: clock.clone(),
            rng: Rng::new(config.seed.unwrap_or(0)),
            noise,
            times: times.clone(),
            wrong: None,
            fails: None,
            ran: Vec::new(),
        };
        let rewriter = Rewriter::new(Box::new(host), Box::new(SimClock(clock)), config);
        // Once to begin with.
        asked.store(0, Ordering::Relaxed);
        Self { rewriter, planner, device, asked }
    }

    /// How often the files were asked for since it began.
    pub(crate) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    pub(crate) fn plan(&self, problem: &Problem) -> RankPlan {
        self.planner.plan(problem, &CAPS)
    }

    /// Plans and runs so many calls, then settles.
    pub(crate) fn calls(&mut self, problem: &Problem, count: usize) {
        for _ in 0..count {
            let plan = self.plan(problem);
            let done = self.rewriter.call(&plan, &mut self.device).expect("it runs");
            assert_eq!(done, problem.k, "the plan's own result");
        }
        self.rewriter.settle().expect("settled");
    }

    /// The same until it is so; whether it came to that.
    pub(crate) fn until(
        &mut self,
        problem: &Problem,
        rounds: usize,
        so: impl Fn(&Self) -> bool,
    ) -> bool {
        (0..rounds).any(|_| {
            self.calls(problem, 500);
            so(self)
        })
    }

    pub(crate) fn chooses(&self, problem: &Problem) -> Choice {
        launch(&self.plan(problem).choice, CAPS.backend)
    }
}

impl Calls for SimDevice {
    /// The right result is k.
    type Done = usize;
    const SHARED: bool = false;

    fn run(&mut self, plan: &RankPlan) -> Result<usize> {
        let own = launch(&plan.choice, CAPS.backend);
        self.ran.push(own);
        let ns = (self.times.borrow())(&own) * (self.noise * self.rng.normal()).exp();
        self.clock.fetch_add(ns as u64, Ordering::Relaxed);
        if self.fails == Some(own) {
            return Err(Error::OutOfMemory { what: "a test", elements: 1 });
        }
        Ok(plan.problem.k + usize::from(self.wrong == Some(own)))
    }

    fn written(&mut self, _plan: &RankPlan, done: &mut usize) -> Vec<u8> {
        done.to_le_bytes().to_vec()
    }
}

/// Pairs in which the challenger was so many times as fast, each a little otherwise.
pub(crate) fn pairs(count: u32, faster: f64) -> Evidence {
    let mut evidence = Evidence::default();
    for i in 0..count {
        let in_use = 100.0 + f64::from(i % 3);
        evidence.record(in_use, in_use / faster).expect("times");
    }
    evidence
}

/// What a process would tell of a comparison.
pub(crate) fn news(problem: &Problem, in_use: Choice, challenger: Choice, pairs: Evidence) -> News {
    let bucket = Bucket::of(problem, &CAPS).expect("a shape");
    News {
        key: Key { bucket, in_use, challenger },
        problem: *problem,
        caps: CAPS,
        pairs,
        watch: Evidence::default(),
        give_up: None,
    }
}

/// Settles news as a process of that home would.
pub(crate) fn tell(
    home: &Home,
    news: &[News],
) -> std::result::Result<Settled, st_tune::rewrite::Error> {
    // Where many write at once, and the machine is busy, a lock may take its time.
    let patient = Config { wait: std::time::Duration::from_secs(60), ..config(0) };
    settle(&home.files, &st_plan::identity(&CAPS), news, &patient, &knowledge)
}
