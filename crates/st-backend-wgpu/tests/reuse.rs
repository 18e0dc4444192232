//! Buffers are made once, kernels are compiled and tested once, and nothing has to block.

mod app;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use app::App;
use st_backend_wgpu::{DeviceInput, DeviceOutput, WgpuExecutor};
use st_plan::{Knowledge, plan, plan_compact};
use st_rank::{
    CompactExecutor, CompactProblem, DType, Input, Lengths, Problem, RankKExecutor, RankKind,
    RankPlan,
};

fn input(count: usize) -> Vec<f32> {
    (0..count).map(|i| ((i * 7919) % 10_007) as f32).collect()
}

fn planned(exec: &WgpuExecutor, problem: Problem) -> RankPlan {
    plan(&problem, &exec.caps().expect("an adapter"), &Knowledge::default())
}

#[test]
fn a_call_like_an_earlier_one_makes_no_buffer() {
    let exec = WgpuExecutor::default();
    let made = || exec.buffers_made().expect("an adapter");
    let x = input(8 * 3000);
    let lengths = [3000, 10, 2999, 3000, 17, 2000, 1000, 500];
    let whole = planned(&exec, Problem::new(RankKind::TopK, 8, 3000, 10));
    let ragged = planned(&exec, whole.problem.with_lengths(Lengths::Ragged));
    let run = || {
        let one = exec.on(&x).execute(&whole).expect("it can be run");
        let two = exec.on(&Input::ragged(&x, &lengths)).execute(&ragged).expect("it can be run");
        (one, two)
    };
    let first = run();
    let after = made();
    assert!(after > 5, "{after}");
    assert_eq!(run(), first);
    assert_eq!(made(), after, "the second call made buffers");
    let smaller = planned(&exec, Problem::new(RankKind::TopK, 7, 3000, 10));
    exec.on(&x[..7 * 3000]).execute(&smaller).expect("it can be run");
    let parameters = 2;
    assert!(made() <= after + parameters, "its buffers are among those of the larger one");
    let compaction = plan_compact(&CompactProblem::new(8, 3000), &exec.caps().expect("open"));
    let keep = || exec.on(&x).compact(&compaction, 5.0, 900.0).expect("it can be run");
    let first = keep();
    let after = made();
    assert_eq!(keep(), first);
    assert_eq!(made(), after, "the second compaction made buffers");
}

#[test]
fn recordings_of_a_prepared_plan_make_no_buffer_and_share_a_workspace() {
    let app = App::new(|limits| limits);
    let exec = app.exec();
    let made = || exec.buffers_made().expect("it is open");
    // Sorted in device memory.
    let caps = exec.caps().expect("it is open");
    let mut choice = planned(&exec, Problem::new(RankKind::TopK, 3, 20_000, 9000)).choice;
    choice.mk = st_rank::MergeKind::Bitonic;
    choice.mkd = st_rank::MergeDetail::Auto;
    (choice.use_2ce, choice.ch) = (false, 0);
    let plan = RankPlan::by_hand(Problem::new(RankKind::TopK, 3, 20_000, 9000), caps, choice);
    let bytes = exec.workspace_bytes(&plan).expect("it can be run");
    assert!(bytes >= 3 * 32_768 * 8, "{bytes}");
    exec.prepare(&plan).expect("it can be run");
    let rows = [input(60_000), input(60_001)[1..].to_vec()];
    let inputs =
        rows.each_ref().map(|x| DeviceInput::new(&app.filled(bytemuck::cast_slice(x)), DType::F32));
    let outputs = [0, 1].map(|_| DeviceOutput::new(&app.words(27_000, 0), &app.words(27_000, 0)));
    // Two encoders in flight, submitted in the order in which they were not recorded.
    let mut encoders = [0, 1].map(|_| app.device.create_command_encoder(&Default::default()));
    let mut counts = Vec::new();
    for i in 0..2 {
        exec.record(&plan, &mut encoders[i], &inputs[i], &outputs[i]).expect("it can be recorded");
        counts.push(made());
    }
    assert_eq!(counts[0], counts[1], "the second recording made buffers");
    let [first, second] = encoders;
    app.queue.submit([second.finish(), first.finish()]);
    for i in 0..2 {
        let want = exec.on(&rows[i]).execute(&plan).expect("it can be run");
        assert_eq!(app.read(outputs[i].indices()), want.indices, "recording {i}");
    }
}

#[test]
fn a_future_is_pending_until_results_are_there_and_any_runtime_will_do() {
    let exec = WgpuExecutor::default();
    pollster::block_on(exec.open_async()).expect("an adapter");
    let x = input(64 * 5000);
    let plan = planned(&exec, Problem::new(RankKind::TopK, 64, 5000, 40));
    let want = exec.on(&x).execute(&plan).expect("it can be run");
    pollster::block_on(exec.prepare_async(&plan)).expect("it is prepared");
    let bound = exec.on(&x);
    let mut future = pin!(bound.execute_async(&plan));
    let mut context = Context::from_waker(Waker::noop());
    let mut polls = 0;
    let out = loop {
        polls += 1;
        match future.as_mut().poll(&mut context) {
            Poll::Ready(out) => break out,
            Poll::Pending => std::thread::yield_now(),
        }
    };
    assert_eq!(out.expect("it can be run"), want);
    assert!(polls > 1, "no poll may wait for the device");
    // One that is dropped halfway does no harm.
    {
        let mut dropped = pin!(bound.execute_async(&plan));
        assert!(dropped.as_mut().poll(&mut context).is_pending());
    }
    // What it had on the way to the host is made anew, once.
    let again = || pollster::block_on(bound.execute_async(&plan)).expect("it can be run");
    assert_eq!(again(), want);
    let made = exec.buffers_made().expect("it is open");
    assert_eq!((again(), again()), (want.clone(), want));
    assert_eq!(exec.buffers_made().expect("it is open"), made);
    let compaction = plan_compact(&CompactProblem::new(64, 5000), &exec.caps().expect("open"));
    let kept = pollster::block_on(bound.compact_async(&compaction, 3.0, 50.0));
    assert_eq!(kept, bound.compact(&compaction, 3.0, 50.0));
}

#[test]
fn futures_can_be_sent_to_other_threads() {
    fn sent<F: Future + Send>(_: &F) {}
    let exec = WgpuExecutor::default();
    let x = input(100);
    let plan = planned(&exec, Problem::new(RankKind::TopK, 1, 100, 3));
    let bound = exec.on(&x);
    sent(&bound.execute_async(&plan));
    sent(&exec.prepare_async(&plan));
    sent(&exec.open_async());
}
