//! What goes wrong on a device, on an emulator that is told to: typed errors, nothing left under way, and right results
//! afterwards.

mod common;

use common::own::Own;
use st_backend_cuda::CudaExecutor;
use st_plan::{Knowledge, plan, plan_compact};
use st_rank::{
    CompactExecutor, CompactProblem, Error, Input, Lengths, Problem, RankKExecutor, RankKind,
    Result,
};

const ROWS: usize = 3;
const COLS: usize = 700;
const K: usize = 5;

/// Numbers in no order, with a length for each row.
fn numbers() -> (Vec<f32>, Vec<u32>) {
    let number = |i: u64| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as f32 - 8e6;
    ((0..(ROWS * COLS) as u64).map(number).collect(), vec![COLS as u32, 500, 200])
}

fn select(exec: &CudaExecutor) -> Result<Vec<u32>> {
    let (x, lengths) = numbers();
    let problem = Problem::new(RankKind::TopK, ROWS, COLS, K).with_lengths(Lengths::Ragged);
    let plan = plan(&problem, &exec.caps()?, &Knowledge::default());
    exec.on(&Input::ragged(&x, &lengths)).execute(&plan).map(|out| out.indices)
}

fn compact(exec: &CudaExecutor, two: bool) -> Result<Vec<u32>> {
    let (x, lengths) = numbers();
    let problem = CompactProblem { lengths: Lengths::Ragged, ..CompactProblem::new(ROWS, COLS) };
    let mut plan = plan_compact(&problem, &exec.caps()?);
    plan.choice.use_2ce = two;
    exec.on(&Input::ragged(&x, &lengths)).compact(&plan, -1e6, 1e6).map(|out| out.indices)
}

/// A call from the host's memory: its indices.
type Call = fn(&CudaExecutor) -> Result<Vec<u32>>;

const CALLS: [Call; 3] = [select, |exec| compact(exec, false), |exec| compact(exec, true)];

#[test]
fn nothing_is_under_way_when_a_call_has_ended() {
    let own = Own::new();
    let exec = own.executor();
    let right = CALLS.map(|call| call(&exec).expect("nothing is wrong yet"));
    assert!(right.iter().all(|indices| !indices.is_empty()));
    own.set("late", 1);
    for (call, right) in CALLS.into_iter().zip(&right) {
        let mut copies = 0;
        loop {
            own.set("copies_left", copies);
            let done = call(&exec);
            assert_eq!(own.get("waiting"), 0, "after {copies} copies: {done:?}");
            match done {
                Ok(indices) => break assert_eq!(indices, *right),
                Err(why) => assert!(matches!(why, Error::Refused { .. }), "{why}"),
            }
            copies += 1;
        }
        assert!(copies >= 4, "{copies} copies: elements, lengths, and results of two kinds");
    }
}
