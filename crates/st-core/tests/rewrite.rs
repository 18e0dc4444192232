//! Self-Rewrite on the processor that is here.

#![allow(clippy::print_stdout, reason = "what a process tells the test that began it, and figures")]

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use st_core::backend::cpu_exec::{CpuExecutor, Isa};
use st_core::ops::rank_entry::{
    ExecuteInto, Knowledge, Planner, Problem, RankKExecutor, RankKind, RankOutput, RankPlan,
    Result, execute_rank, execute_rank_into, plan_rank,
};
use st_core::rewrite::{self, Calls, Config, Files, Host, Rewriter, clock::SystemClock, settle};

/// How long a test may run.
const LIMIT: Duration = Duration::from_secs(15);

fn input(count: usize) -> Vec<f32> {
    (0..count as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 8) as f32).collect()
}

struct Own {
    planner: Arc<Planner>,
    files: Files,
}

impl Host for Own {
    fn planner(&self) -> &Planner {
        &self.planner
    }
    fn knowledge(&self, rules: &[u8]) -> Knowledge {
        let mut knowledge = Knowledge::default();
        let _ = knowledge.add_rules("rules", rules);
        knowledge
    }
    fn files(&self) -> Option<Files> {
        Some(self.files.clone())
    }
}

/// Whatever it is asked to run, it runs the plan's own choice: challengers differ in name only.
struct Alike<'a, E> {
    exec: E,
    plan: RankPlan,
    out: RankOutput<f32>,
    runs: &'a Cell<u64>,
}

impl<E: ExecuteInto<RankOutput<f32>>> Calls for Alike<'_, E> {
    type Done = ();
    const SHARED: bool = true;

    fn run(&mut self, _plan: &RankPlan) -> Result<()> {
        self.runs.set(self.runs.get() + 1);
        self.exec.execute_into(&self.plan, &mut self.out)
    }

    fn written(&mut self, plan: &RankPlan, (): &mut ()) -> Vec<u8> {
        self.exec.written(plan, &mut self.out)
    }
}

/// The real clock, the real processor with its noise, as much time for pairs as for calls: nothing is called faster.
#[test]
fn choices_that_are_alike_change_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = Files::new(folder.path(), &folder.path().join("heur.kdsl"));
    // One thread: a team would wait for cores that other tests use.
    let exec = CpuExecutor::new(Isa::best(), Some(1)).expect("it is there");
    let planner = Arc::new(Planner::default());
    let host = Own { planner: planner.clone(), files: files.clone() };
    let config =
        Config { share: 1.0, one_in: 1, interval: None, seed: Some(1), ..Config::default() };
    let rewriter = Rewriter::new(Box::new(host), Box::<SystemClock>::default(), config.clone());
    let begun = Instant::now();
    let (runs, mut calls) = (Cell::new(0), 0u64);
    let shapes = [(64, 1024, 8), (16, 4096, 64), (256, 256, 4), (4, 16_384, 100)];
    let x = input(1 << 16);
    let mut devices = shapes.map(|(rows, cols, k)| {
        let plan = planner.plan(&Problem::new(RankKind::TopK, rows, cols, k), &exec.caps());
        Alike { exec: exec.on(&x[..rows * cols]), plan, out: RankOutput::default(), runs: &runs }
    });
    while begun.elapsed() < LIMIT {
        for _ in 0..500 {
            for device in &mut devices {
                let plan = device.plan.clone();
                rewriter.call(&plan, device).expect("it runs");
                calls += 1;
            }
        }
        rewriter.settle().expect("settled");
        assert!(!files.rules.exists(), "{:?}", fs::read_to_string(&files.rules));
    }
    let device = st_core::hints::identity(&exec.caps());
    let document = settle::load(&files, &device, &config).expect("evidence");
    let pairs: u64 = document.comparisons.iter().map(|c| c.pairs.trials()).sum();
    println!("{pairs} pairs in {} comparisons, {calls} calls, none called faster", document.begun);
    assert!(pairs > 500 && runs.get() > calls, "{pairs} pairs");
}

/// Set for a process that a test starts.
const CHILD: &str = "ST_CORE_TEST_CHILD";

/// Starts this test program's `one_process` with Self-Rewrite on or off, in a home whose table names a slow choice.
fn child(home: &Path, on: &str, what: &str) -> String {
    let out = Command::new(std::env::current_exe().expect("this test"))
        .args(["one_process", "--exact", "--nocapture"])
        .env(CHILD, what)
        .env("SPIRAL_HOME", home)
        .env("SPIRAL_SELF_REWRITE", on)
        // The table is believed whatever the model says.
        .env("SPIRAL_HEUR_GEN_WEIGHT", "50")
        .env_remove("SPIRAL_HEUR_FILE")
        .env_remove("SPIRAL_HEUR_K")
        .env_remove("SPIRAL_HEUR_SOFT")
        .output()
        .expect("a process");
    assert!(out.status.success(), "{out:?}");
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let line = text.lines().find_map(|line| line.split_once("CHOICE "));
    line.unwrap_or_else(|| panic!("{text}")).1.to_owned()
}

const SHAPE: (usize, usize, usize) = (256, 1024, 4);

fn planned(exec: &CpuExecutor) -> RankPlan {
    let (rows, cols, k) = SHAPE;
    plan_rank(RankKind::TopK, rows, cols, k, exec.caps())
}

/// Not a test by itself: what each process does.
#[test]
fn one_process() {
    let Ok(what) = std::env::var(CHILD) else { return };
    let exec = CpuExecutor::default();
    let first = planned(&exec).choice;
    let (rows, cols, _) = SHAPE;
    let x = input(rows * cols);
    let on = exec.on(&x);
    let right = on.execute(&planned(&exec)).expect("it runs");
    if what == "run" {
        let mut out = RankOutput::default();
        let begun = Instant::now();
        // Rules come from a thread of the library's, while the program does nothing but call.
        while planned(&exec).choice == first && begun.elapsed() < 6 * LIMIT {
            for _ in 0..100 {
                execute_rank_into(&on, &planned(&exec), &mut out).expect("it runs");
                assert_eq!(out, right);
                assert_eq!(execute_rank(&on, &planned(&exec)).expect("it runs"), right);
            }
        }
    } else if what == "calls" {
        for _ in 0..2000 {
            assert_eq!(execute_rank(&on, &planned(&exec)).expect("it runs"), right);
        }
        assert!(rewrite::rewriter().is_none(), "it is off");
    }
    println!("CHOICE {}", planned(&exec).choice);
}

#[test]
fn a_slow_choice_of_a_table_is_beaten_in_a_program_that_only_calls() {
    let home = tempfile::tempdir().expect("a folder");
    let exec = CpuExecutor::default();
    let caps = serde_json::to_value(exec.caps()).expect("caps");
    // A sort of whole rows.
    let slow = serde_json::json!({"schema": 1, "device": caps, "records": [
        {"rows": SHAPE.0, "cols_min": 512, "cols_max": 2048, "k_max": 64, "mk": 0, "wg": 1}]});
    let tables = home.path().join("tables");
    fs::create_dir_all(&tables).expect("a folder");
    fs::write(tables.join("slow.json"), slow.to_string()).expect("written");

    let before = child(home.path(), "0", "calls");
    assert!(before.contains("bitonic"), "the slow choice is planned: {before}");
    assert!(!home.path().join("rewrite").exists(), "nothing happens while it is off");
    let after = child(home.path(), "1", "run");
    let rules = fs::read_to_string(home.path().join("heur.kdsl")).unwrap_or_default();
    println!("{before} -> {after}\n{rules}");
    assert_ne!(before, after, "it is never found");
    assert!(rules.contains("# spiral rewrite 1: ") && rules.contains("\nsoft(mk, "), "{rules}");
    assert_eq!(child(home.path(), "0", "plan"), after, "the next process plans by it");
}
