//! Plans over inputs that stay on the device: right, and timed.

use st_backend_wgpu::WgpuExecutor;
use st_rank::{Choice, Element, Input, Lengths, Problem, RankKExecutor, RankKind, RankPlan, bf16};

const ROWS: usize = 3;
const COLS: usize = 701;
const K: usize = 5;

/// The k-th element differs from row to row and from copy to copy.
fn values<T: Element>(copy: usize, of: impl Fn(f32) -> T) -> Vec<T> {
    (0..ROWS * COLS).map(|i| of(((i * 7919 + copy * 31) % 6007) as f32)).collect()
}

fn planned<T: Element>(exec: &WgpuExecutor, k: usize) -> RankPlan {
    let problem = Problem::new(RankKind::TopK, ROWS, COLS, k).with_dtype(T::DTYPE);
    let caps = exec.caps().expect("an adapter: mesa-vulkan-drivers has a software one");
    st_plan::plan(&problem, &caps, &st_plan::Knowledge::default())
}

fn round_trip<T: Element>(of: impl Fn(f32) -> T + Copy) {
    let exec = WgpuExecutor::default();
    let plan = planned::<T>(&exec, K);
    let place = exec.resident::<T>(ROWS, COLS, K, 2).unwrap();
    assert_eq!(place.windows(), 1);
    let prepared = place.prepare(&plan).unwrap();
    for copy in 0..2 {
        let x = values(copy, of);
        place.upload(copy, &x).unwrap();
        assert!(place.input(copy, 0..ROWS).unwrap() == x);
        assert!(place.input(copy, 1..2).unwrap() == x[COLS..2 * COLS], "odd places too");
        place.run(&prepared, copy).unwrap();
        let want = exec.on(&x).execute(&plan).unwrap();
        let (_, indices) = place.results(0..ROWS).unwrap();
        assert_eq!(indices, want.indices);
        assert_eq!(place.results(2..3).unwrap().1, want.indices[2 * K..]);
    }
    // The second input's results are kept: the first's differ, and so does what was poisoned.
    place.keep_results().unwrap();
    assert_eq!(place.differences(&prepared).unwrap(), 0);
    let all = 2 * (ROWS * K) as u64;
    assert_eq!(place.differences(&prepared).unwrap(), all, "nothing was written since");
    place.run(&prepared, 0).unwrap();
    assert!(place.differences(&prepared).unwrap() > 0);
    place.run(&prepared, 1).unwrap();
    assert_eq!(place.differences(&prepared).unwrap(), 0);
}

#[test]
fn results_are_those_of_the_executor() {
    round_trip(|x| x);
    round_trip(bf16::from_f32);
}

#[test]
fn passes_are_timed_in_turns() {
    let exec = WgpuExecutor::default();
    let plan = planned::<f32>(&exec, K);
    let place = exec.resident::<f32>(ROWS, COLS, K, 3).unwrap();
    let prepared = place.prepare(&plan).unwrap();
    let clock = exec.clock().unwrap();
    let timed = clock.time(&[(&prepared, 1), (&prepared, 8)], 4).unwrap();
    assert_eq!(timed.passes.iter().map(Vec::len).collect::<Vec<_>>(), [4, 4]);
    assert!(timed.passes.iter().flatten().all(|&us| us > 0.0));
    let least = |entry: usize| timed.passes[entry].iter().copied().fold(f64::INFINITY, f64::min);
    assert!(least(1) > 2.0 * least(0), "eight calls take longer than one");
    assert!(timed.reference_us >= timed.best_reference_us && timed.best_reference_us > 0.0);
    assert!(clock.time(&[(&prepared, 1)], 4000).is_err(), "more timestamps than there are");
    assert_eq!(clock.latency(&prepared, 3).unwrap().len(), 3);
}

#[test]
fn what_does_not_fit_is_refused() {
    let exec = WgpuExecutor::default();
    let place = exec.resident::<f32>(ROWS, COLS, K, 1).unwrap();
    let plan = planned::<f32>(&exec, K);
    assert!(place.prepare(&planned::<f32>(&exec, K + 1)).is_err(), "more results than room");
    assert!(place.prepare(&planned::<bf16>(&exec, K)).is_err(), "another type");
    let more = Problem { rows: ROWS + 1, ..plan.problem };
    assert!(place.prepare(&RankPlan { problem: more, ..plan.clone() }).is_err(), "more rows");
    let ragged = plan.problem.with_lengths(Lengths::Ragged);
    assert!(place.prepare(&RankPlan { problem: ragged, ..plan.clone() }).is_err(), "lengths");
    let cannot = Choice { wg: 0, ..plan.choice };
    assert!(place.prepare(&RankPlan { choice: cannot, ..plan.clone() }).is_err(), "no threads");
    assert!(place.upload(0, &[0.0; 9]).is_err(), "not an input");
    assert!(exec.resident::<f32>(1, 1 << 40, 1, 1).is_err(), "no such device");
    let x = vec![0.0f32; ROWS * COLS];
    assert!(exec.on(&Input::new(&x)).execute(&plan).is_ok(), "the device is still there");
    assert!(place.fill("fn main() {}").is_err(), "no kernel");
    assert!(place.run(&place.prepare(&plan).unwrap(), 0).is_ok(), "nor is it lost by that");
}
