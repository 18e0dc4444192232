//! What is faster is found, what is not is not, and what turns is withdrawn.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use st_plan::Planner;
use st_rank::{Choice, DeviceCaps, Field, MergeKind, Problem, RankPlan, Source};
use st_tune::rewrite::{Calls, Config, Rewriter, State, SystemClock, launch, settle};

use crate::sim::{CAPS, Home, PROBLEM, Process, SimHost, candidates, config, knowledge, times};

/// The default takes 150 us, one challenger 100, all others 200.
fn slow_default(problem: &Problem) -> (Choice, Choice, crate::sim::Times) {
    let (own, others) = candidates(problem, b"");
    let fast = others[2];
    let of = times(move |c| match c {
        c if *c == own => 150e3,
        c if *c == fast => 100e3,
        _ => 200e3,
    });
    (own, fast, of)
}

#[test]
fn a_slow_default_is_beaten() {
    let home = Home::new();
    let (own, fast, times) = slow_default(&PROBLEM);
    let mut process = Process::begin(&home, config(1), 0.1, &times);
    assert_eq!(process.chooses(&PROBLEM), own);
    assert!(process.until(&PROBLEM, 100, |p| p.chooses(&PROBLEM) == fast), "it is never found");

    let rules = home.rules().expect("a file");
    let lines: Vec<&str> = rules.lines().collect();
    assert_eq!(lines.len(), 2, "{rules}");
    assert!(lines[0].starts_with("# spiral rewrite 1: date=20"), "{rules}");
    assert!(lines[0].contains(" bucket=topk/4/10.12.6 from="), "{rules}");
    assert!(lines[1].starts_with(&format!("soft(mk, {}, ", fast.mk.code())), "{rules}");
    assert!(lines[1].contains(" && r >= 1024 && r < 2048 && "), "{rules}");

    // Another process reads it, and plans the same; nothing else changes.
    let next = Process::begin(&home, config(2), 0.1, &times);
    assert_eq!(next.chooses(&PROBLEM), fast);
    let sources = next.plan(&PROBLEM).sources;
    assert!(Field::ALL.iter().any(|&field| sources.get(field) == Source::Soft), "{sources:?}");
    assert_eq!(next.plan(&PROBLEM).notes, [""; 0]);
    let free = knowledge(b"");
    let with = knowledge(rules.as_bytes());
    for (rows, cols, k) in
        [(1023, 5000, 100), (2048, 5000, 100), (1024, 8192, 100), (1024, 5000, 128)]
    {
        let other = Problem { rows, cols, k, row_stride: cols, ..PROBLEM };
        let plan = |known| st_plan::plan(&other, &CAPS, known).choice;
        assert_eq!(plan(&free), plan(&with), "{other}");
    }
    let elsewhere = DeviceCaps::wgpu(64, true, 256);
    let plan = |known| st_plan::plan(&PROBLEM, &elsewhere, known).choice;
    assert_eq!(plan(&free), plan(&with), "another device");
}

#[test]
fn what_it_costs_is_bounded() {
    let home = Home::new();
    let (_, _, times) = slow_default(&PROBLEM);
    let mut process = Process::begin(&home, config(3), 0.1, &times);
    for _ in 0..40 {
        process.calls(&PROBLEM, 500);
        let (calls, beside) = process.rewriter.totals();
        // One piece of work may take longer than was estimated: less than two of the slowest.
        assert!(beside <= 0.02 * calls + 400e3, "{beside} ns beside {calls}");
    }
    let (calls, beside) = process.rewriter.totals();
    println!("{:.2} % of the time of calls was spent beside them", 100.0 * beside / calls);
    assert!(beside > 0.005 * calls, "and it does something: {beside} ns beside {calls}");
    let mut off = Process::begin(&Home::new(), Config { share: 0.0, ..config(3) }, 0.1, &times);
    off.calls(&PROBLEM, 2000);
    assert_eq!(off.device.ran.len(), 2000, "nothing beside them");
}

struct Nothing;

impl Calls for Nothing {
    type Done = ();
    const SHARED: bool = false;
    fn run(&mut self, _plan: &RankPlan) -> st_rank::Result<()> {
        Ok(())
    }
    fn written(&mut self, _plan: &RankPlan, (): &mut ()) -> Vec<u8> {
        Vec::new()
    }
}

/// What every call costs beyond that, with the real clock.
#[test]
fn the_bookkeeping_of_a_call_is_short() {
    let home = Home::new();
    let planner = Arc::new(Planner::default());
    let plan = planner.plan(&PROBLEM, &CAPS);
    let host = SimHost { planner, files: home.files.clone(), asked: Arc::default() };
    let rewriter = Rewriter::new(Box::new(host), Box::<SystemClock>::default(), config(1));
    let mut best = f64::INFINITY;
    for _ in 0..20 {
        let begun = std::time::Instant::now();
        for _ in 0..10_000 {
            rewriter.call(&plan, &mut Nothing).expect("it runs");
        }
        best = best.min(begun.elapsed().as_nanos() as f64 / 1e4);
    }
    println!("{best:.0} ns of bookkeeping for a call");
    assert!(best < 5000.0, "{best} ns");
}

#[test]
fn choices_that_are_alike_change_nothing() {
    for seed in 0..8 {
        let home = Home::new();
        let mut process = Process::begin(&home, config(10 + seed), 0.1, &times(|_| 100e3));
        let changed = process.until(&PROBLEM, 60, |_| home.rules().is_some());
        assert!(!changed, "seed {seed}: {:?}", home.rules());
        let pairs: u64 = settle::load(&home.files, &st_plan::identity(&CAPS), &config(0))
            .expect("evidence")
            .comparisons
            .iter()
            .map(|c| c.pairs.trials())
            .sum();
        assert!(pairs > 200, "they were compared: {pairs}");
    }
}

#[test]
fn what_has_turned_is_withdrawn() {
    let home = Home::new();
    let before = "# mine\nsoft(tile, 512, 0.01)";
    home.put_rules(before);
    let (own, others) = candidates(&PROBLEM, before.as_bytes());
    let fast = others[0];
    let of = move |own_ns: f64, fast_ns: f64| {
        move |c: &Choice| {
            if *c == own {
                own_ns
            } else if *c == fast {
                fast_ns
            } else {
                300e3
            }
        }
    };
    let times = times(of(150e3, 100e3));
    let mut process = Process::begin(&home, config(4), 0.1, &times);
    assert!(process.until(&PROBLEM, 100, |p| p.chooses(&PROBLEM) == fast));
    // It stands while it is faster.
    assert!(!process.until(&PROBLEM, 40, |p| p.chooses(&PROBLEM) != fast));
    *times.borrow_mut() = Box::new(of(100e3, 130e3));
    assert!(process.until(&PROBLEM, 200, |p| p.chooses(&PROBLEM) == own), "it is never withdrawn");
    assert_eq!(home.rules().expect("rules"), format!("{before};\n"), "only what was written goes");
    // And it does not come back by the old evidence.
    assert!(!process.until(&PROBLEM, 40, |p| p.chooses(&PROBLEM) == fast));
    let document =
        settle::load(&home.files, &st_plan::identity(&CAPS), &config(0)).expect("evidence");
    assert!(document.comparisons.iter().any(|c| matches!(c.state, State::Withdrawn { .. })));
}

#[test]
fn what_is_far_slower_is_hardly_run() {
    let home = Home::new();
    let (own, _) = candidates(&PROBLEM, b"");
    let times = times(move |c| if *c == own { 100e3 } else { 5000e3 });
    let mut process = Process::begin(&home, config(5), 0.01, &times);
    process.calls(&PROBLEM, 60_000);
    for other in &process.device.ran {
        let often = process.device.ran.iter().filter(|c| *c == other).count();
        assert!(*other == own || often <= 3, "{other:?}: {often}");
    }
    assert_eq!(home.rules(), None);
}

#[test]
fn a_challenger_that_is_wrong_or_fails_is_given_up() {
    for fails in [false, true] {
        let home = Home::new();
        let (_, fast, times) = slow_default(&PROBLEM);
        let mut process = Process::begin(&home, config(6), 0.1, &times);
        let bad = if fails { &mut process.device.fails } else { &mut process.device.wrong };
        *bad = Some(fast);
        // `calls` checks every result.
        assert!(process.until(&PROBLEM, 100, |p| p.device.ran.contains(&fast)), "it is never run");
        process.calls(&PROBLEM, 10_000);
        let often = process.device.ran.iter().filter(|c| **c == fast).count();
        assert_eq!(often, 1, "fails: {fails}");
        assert_eq!(home.rules(), None);
    }
}

#[test]
fn only_the_planners_own_plans_are_compared() {
    let home = Home::new();
    let (own, fast, times) = slow_default(&PROBLEM);
    let mut process = Process::begin(&home, config(7), 0.1, &times);
    let planned = process.plan(&PROBLEM);
    assert_eq!(launch(&planned.choice, CAPS.backend), own);
    let by_hand = RankPlan::by_hand(PROBLEM, CAPS, fast);
    for _ in 0..5000 {
        process.rewriter.call(&by_hand, &mut process.device).expect("it runs");
    }
    assert_eq!(process.device.ran.len(), 5000, "a plan by hand");
    // Knowledge that the program has set itself is not the file's.
    process.planner.set_knowledge(knowledge(b"mk: 0"));
    assert_eq!(process.chooses(&PROBLEM).mk, MergeKind::Bitonic);
    process.calls(&PROBLEM, 5000);
    assert_eq!(process.device.ran.len(), 10_000, "knowledge of the program's");
    let empty = Problem { rows: 0, ..PROBLEM };
    process.calls(&empty, 10);
}

#[test]
fn evidence_outlasts_the_process() {
    let home = Home::new();
    let (_, fast, times) = slow_default(&PROBLEM);
    let mut rounds = 0;
    // No process lives long enough to find anything by itself.
    let found = (0..400).any(|seed| {
        let mut process = Process::begin(&home, config(100 + seed), 0.1, &times);
        process.calls(&PROBLEM, 900);
        rounds += 1;
        process.chooses(&PROBLEM) == fast
    });
    assert!(found && rounds > 3, "{rounds} processes");
}

/// All calls write to one place.
struct Shared<'a> {
    place: &'a mut usize,
    clock: &'a AtomicU64,
    wrong: Choice,
    runs: u64,
    wrongs: u64,
}

impl Calls for Shared<'_> {
    type Done = ();
    const SHARED: bool = true;
    fn run(&mut self, plan: &RankPlan) -> st_rank::Result<()> {
        let wrong = launch(&plan.choice, CAPS.backend) == self.wrong;
        (self.runs, self.wrongs) = (self.runs + 1, self.wrongs + u64::from(wrong));
        self.clock.fetch_add(100_000, Ordering::Relaxed);
        *self.place = plan.problem.k + usize::from(wrong);
        Ok(())
    }
    fn written(&mut self, _plan: &RankPlan, (): &mut ()) -> Vec<u8> {
        self.place.to_le_bytes().to_vec()
    }
}

#[test]
fn a_shared_place_holds_the_plans_result_whatever_ran_beside_it() {
    let (_, others) = candidates(&PROBLEM, b"");
    let mut orders = [0, 0];
    for seed in 0..20 {
        let home = Home::new();
        let process = Process::begin(&home, config(seed), 0.1, &times(|_| 100e3));
        let (mut place, plan) = (0, process.plan(&PROBLEM));
        let mut wrongs = 0;
        for _ in 0..3000 {
            let clock = &*process.device.clock;
            let wrong = others[0];
            let mut calls = Shared { place: &mut place, clock, wrong, runs: 0, wrongs: 0 };
            process.rewriter.call(&plan, &mut calls).expect("it runs");
            wrongs += calls.wrongs;
            if calls.wrongs > 0 {
                // The wrong one last: the plan is run again.
                orders[usize::from(calls.runs == 3)] += 1;
            }
            assert_eq!(place, PROBLEM.k, "seed {seed}");
        }
        assert_eq!(wrongs, 1, "seed {seed}: it is given up at once");
    }
    assert!(orders[0] > 0 && orders[1] > 0, "both orders: {orders:?}");
}
