//! What goes wrong on a device, on an emulator that is told to: typed errors, nothing left under way, and right results
//! afterwards.
#![allow(unsafe_code, reason = "addresses on a device")]

mod common;

use common::own::Own;
use st_backend_cuda::{
    CudaExecutor, DeviceInput, DeviceMemory, DeviceOutput, Workspace, WorkspaceSize,
};
use st_plan::{Knowledge, plan, plan_compact};
use st_rank::{
    CompactExecutor, CompactProblem, DType, Error, Input, Lengths, Problem, RankKExecutor,
    RankKind, Result,
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

/// Codes that the driver gives again whatever is asked of it.
const STICKY: [i32; 12] = [214, 226, 700, 702, 710, 714, 715, 716, 717, 718, 719, 721];

fn lost(what: &str, done: Result<()>) {
    let why = done.expect_err(what);
    assert!(matches!(why, Error::DeviceLost { .. }), "{what}: {why:?}");
    assert!(why.to_string().contains("start the process anew"), "{what}: {why}");
}

#[test]
fn a_kernel_that_ends_with_an_error_is_the_end_of_its_device() {
    for (nth, code) in STICKY.into_iter().enumerate() {
        let own = Own::new();
        let exec = own.executor();
        // Held before: it is freed when there is no device any more.
        let memory = DeviceMemory::zeroed(&exec, 64).expect("memory");
        let problem = Problem::new(RankKind::TopK, ROWS, COLS, K);
        let plan = plan(&problem, &exec.caps().expect("a device"), &Knowledge::default());
        own.set("late", i32::from(nth % 2 == 0));
        own.set("fault", code);
        lost("the call itself", CALLS[nth % 3](&exec).map(drop));
        assert_eq!(own.get("sticky"), code, "no kernel ran");
        own.set("fault", 0);
        for call in CALLS {
            lost("a later call", call(&exec).map(drop));
        }
        lost("to wait", exec.wait());
        lost("to prepare", exec.prepare(&plan));
        lost("memory", DeviceMemory::zeroed(&exec, 64).map(drop));
        lost("to read", memory.read(&mut [0; 64]));
        lost("to bench", exec.resident::<f32>(ROWS, COLS, K, 1).map(drop));
        // SAFETY: nothing is launched any more.
        let launched = unsafe {
            let size = WorkspaceSize::default();
            let input = DeviceInput::new(memory.address(), ROWS * COLS, DType::F32);
            let out = DeviceOutput::new(memory.address(), memory.address());
            exec.on(&input).launch(&plan, &out, &Workspace::new(0, 0, size))
        };
        lost("to launch", launched);
        lost("another executor", select(&own.executor()).map(drop));
        assert!(exec.report().is_ok(), "what it was is still known");
        // Its memory is gone, whatever the driver says of a call.
        own.set("sticky", 0);
        lost("a call that the driver would take", select(&exec).map(drop));
        drop((memory, exec));
    }
    assert!(select(&Own::new().executor()).is_ok(), "another process");
}

/// Calls with more and more memory, until there is enough: how many KiB that was.
fn least_memory(own: &Own, call: impl Fn(&CudaExecutor) -> Result<Vec<u32>>) -> i32 {
    let mut kib = 1;
    loop {
        own.set("kib", kib);
        let exec = own.executor();
        match call(&exec) {
            Ok(_) => return kib,
            Err(Error::DeviceMemory { what, .. }) => {
                assert!(what.contains(" bytes of "), "{what}");
                assert_eq!(own.get("waiting"), 0, "{kib} KiB: {what}");
            }
            Err(why) => panic!("{kib} KiB: {why}"),
        }
        // Enough is there again.
        own.set("kib", 1 << 20);
        call(&exec).expect("there is enough");
        drop(exec);
        assert_eq!(own.get("blocks"), 0, "{kib} KiB: all of it is given back");
        kib += 1 + kib / 8;
    }
}

#[test]
fn memory_that_is_not_enough() {
    let own = Own::new();
    let right = CALLS.map(|call| call(&own.executor()).expect("nothing is wrong yet"));
    own.set("late", 1);
    for (call, right) in CALLS.into_iter().zip(right) {
        let least = least_memory(&own, call);
        assert!(least > 2, "{least} KiB: a row of the input alone is as large");
        assert_eq!(call(&own.executor()), Ok(right));
    }
    // A context wants some, too: it is asked for again.
    own.set("kib", 0);
    let exec = own.executor();
    for _ in 0..2 {
        let why = select(&exec).expect_err("there is none");
        assert!(matches!(why, Error::DeviceMemory { .. }), "{why}");
    }
    own.set("kib", 4);
    let memory = DeviceMemory::zeroed(&exec, 3 << 10).expect("there is enough");
    for bytes in [2 << 10, 1 << 40, u64::MAX] {
        let why = DeviceMemory::zeroed(&exec, bytes).expect_err("there is not");
        assert!(matches!(why, Error::DeviceMemory { .. }), "{why}");
        assert!(why.to_string().contains(&format!("{bytes} bytes")), "{why}");
    }
    drop(memory);
    DeviceMemory::zeroed(&exec, 4 << 10).expect("it was given back");
}

/// What one call has left is no reason for the next to find none.
#[test]
fn memory_of_earlier_calls_is_given_back() {
    let own = Own::new();
    let select = |cols: usize, k: usize| {
        let x: Vec<f32> = (0..cols).map(|i| (i * 7919 % cols) as f32).collect();
        move |exec: &CudaExecutor| {
            let problem = Problem::new(RankKind::TopK, 1, cols, k);
            let plan = plan(&problem, &exec.caps()?, &Knowledge::default());
            exec.on(&x).execute(&plan).map(|out| out.indices)
        }
    };
    let (wide, deep) = (select(200_000, 10), select(40_000, 30_000));
    let most = least_memory(&own, &wide).max(least_memory(&own, &deep));
    let most = CALLS.into_iter().map(|call| least_memory(&own, call)).fold(most, i32::max);
    own.set("kib", most);
    let exec = own.executor();
    for _ in 0..2 {
        wide(&exec).expect("alone it has enough");
        deep(&exec).expect("alone it has enough");
        for call in CALLS {
            call(&exec).expect("alone it has enough");
        }
    }
}
