//! The same answer every time, and from many threads at once.

mod common;

use std::thread;

use st_backend_cpu::CpuExecutor;
use st_conformance::pattern::Pattern;
use st_conformance::rng::Rng;
use st_conformance::{Backend, Level, choices, oracle, verdict};
use st_rank::{
    CompactPlan, CompactProblem, Input, MergeKind, Problem, RankKind, RankOutput, RankPlan,
};

const ROWS: usize = 7;
const COLS: usize = 5000;

/// How often each plan is run; few times where a tool makes every run slow.
fn repeats() -> usize {
    if Level::from_env() == Level::Smoke { 3 } else { 50 }
}

fn data() -> Vec<f32> {
    let mut rng = Rng::new(11);
    let mut x = Pattern::EightValues.matrix::<f32>(ROWS - 2, COLS, &mut rng);
    x.extend(Pattern::NanMix.matrix::<f32>(1, COLS, &mut rng));
    x.extend(Pattern::AllEqual.matrix::<f32>(1, COLS, &mut rng));
    x
}

/// Plans that split rows over several threads, and plans that do not, for every kernel.
fn plans(exec: &CpuExecutor, threads: u32) -> Vec<RankPlan> {
    let cpu = common::cpu();
    let mut rng = Rng::new(3);
    let mut plans = Vec::new();
    for kind in [RankKind::TopK, RankKind::MidK] {
        let problem = Problem::new(kind, ROWS, COLS, 60);
        plans.push(cpu.plan(exec, &problem));
        for mk in MergeKind::ALL {
            for (use_2ce, ch) in [(false, 0), (true, 320)] {
                let mut choice = choices::cpu(*mk, &problem, exec.caps().lane, &mut rng);
                (choice.use_2ce, choice.ch, choice.wg) = (use_2ce, ch, threads);
                if cpu.check(exec, &choice, &problem).is_ok() {
                    plans.push(RankPlan::by_hand(problem, exec.caps(), choice));
                }
            }
        }
    }
    assert!(plans.len() > 16, "most of them can be run");
    plans
}

fn check(exec: &CpuExecutor, x: &[f32], plan: &RankPlan, want: &RankOutput<f32>) {
    let got = common::cpu().rank(exec, Input::new(x), plan).expect("it is feasible");
    if let Err(e) = verdict::rank(plan.problem.k, want, &got) {
        panic!("{}: {e}", plan.choice);
    }
}

#[test]
fn repeated_runs_on_several_threads_are_one_answer() {
    let x = data();
    for isa in common::isas() {
        let exec = CpuExecutor::new(isa, Some(3)).expect("it is available");
        for plan in plans(&exec, 3) {
            let want = oracle::rank(Input::new(&x), &plan.problem);
            for _ in 0..repeats() {
                check(&exec, &x, &plan, &want);
            }
        }
        let problem = CompactProblem::new(ROWS, COLS);
        let want = oracle::compact(Input::new(&x), &problem, 0.0, f32::NAN);
        let mut rng = Rng::new(4);
        for use_2ce in [false, true] {
            let mut choice = choices::cpu_compact(use_2ce, &mut rng);
            (choice.wg, choice.ctile) = (3, 256);
            let plan = CompactPlan { problem, caps: exec.caps(), choice };
            for _ in 0..repeats() {
                let got = common::cpu().compact(&exec, Input::new(&x), &plan, 0.0, f32::NAN);
                verdict::compact(&want, &got.expect("it is feasible")).expect("the same answer");
            }
        }
    }
}

#[test]
fn one_executor_serves_eight_threads_at_once() {
    for isa in common::isas() {
        let exec = &CpuExecutor::new(isa, Some(2)).expect("it is available");
        thread::scope(|scope| {
            for nth in 0..8 {
                scope.spawn(move || {
                    // Different data and plans at the same time, in different order.
                    let x = Pattern::Normal.matrix::<f32>(ROWS, COLS, &mut Rng::new(nth));
                    let mut plans = plans(exec, 2);
                    let by = nth as usize % plans.len();
                    plans.rotate_left(by);
                    for plan in plans {
                        let want = oracle::rank(Input::new(&x), &plan.problem);
                        for _ in 0..4 {
                            check(exec, &x, &plan, &want);
                        }
                    }
                });
            }
        });
    }
}
