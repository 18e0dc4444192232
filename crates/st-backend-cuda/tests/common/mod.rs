//! The CUDA backend as the conformance suite sees it.

#![allow(dead_code, reason = "shared by several test crates")]

pub(crate) mod own;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex};

use st_backend_cuda::{CudaExecutor, Libraries, compiler};
use st_conformance::rng::Rng;
use st_conformance::{Executor, Level, Value, choices, oracle, verdict};
use st_kernels::cuda::{Lists, Order, Unit};
use st_rank::{
    Choice, CompactExecutor, CompactOutput, CompactPlan, CompactProblem, DType, DeviceCaps,
    Element, ExecuteInto, HostOutput, Input, MergeKind, Problem, RankKExecutor, RankOutput,
    RankPlan, Result,
};

/// The first device.
pub(crate) struct Cuda {
    executors: Vec<Executor<CudaExecutor>>,
    /// What was launched, where the executor keeps a log.
    launched: Mutex<BTreeSet<Family>>,
}

/// A kernel; how its lists are made, of one block or of a cluster; how short rows are ordered.
pub(crate) type Family = (&'static str, Lists, bool, Option<Order>);

/// The libraries to test with: the emulator's, or with `SPIRAL_CUDA=device` the real ones (`SPIRAL_CUDA_DRIVER` and
/// `SPIRAL_NVRTC` name their files, if they are not where the system looks, `SPIRAL_CUDA_CACHE` a folder for kernels).
pub(crate) fn libraries() -> &'static Libraries {
    static LIBRARIES: LazyLock<Libraries> =
        LazyLock::new(|| match std::env::var("SPIRAL_CUDA").as_deref() {
            Ok("device") => {
                let path = |name| std::env::var_os(name).map(PathBuf::from);
                let kept = std::env::temp_dir().join("spiral-cuda-tests");
                Libraries {
                    driver: path("SPIRAL_CUDA_DRIVER"),
                    nvrtc: path("SPIRAL_NVRTC"),
                    cache: Some(path("SPIRAL_CUDA_CACHE").unwrap_or(kept)),
                }
            }
            Ok("emulator") | Err(_) => {
                let emulator =
                    st_conformance::emulator::build(Path::new(env!("CARGO_TARGET_TMPDIR")));
                Libraries {
                    driver: Some(emulator.driver),
                    nvrtc: Some(emulator.nvrtc),
                    cache: Some(emulator.kernels),
                }
            }
            Ok(other) => panic!("SPIRAL_CUDA={other}: use device or emulator"),
        });
    &LIBRARIES
}

/// Whether the devices are real ones, and not the emulator's.
pub(crate) fn is_real() -> bool {
    std::env::var("SPIRAL_CUDA").is_ok_and(|which| which == "device")
}

/// The executor that tests share.
pub(crate) fn executor() -> &'static CudaExecutor {
    &cuda().executors[0].exec
}

/// The one instance that the tests of a crate share.
pub(crate) fn cuda() -> &'static Cuda {
    static CUDA: LazyLock<Cuda> =
        LazyLock::new(|| Cuda::of(CudaExecutor::default().with_libraries(libraries())));
    &CUDA
}

impl Cuda {
    pub(crate) fn of(exec: CudaExecutor) -> Self {
        let group = exec.report().expect("a device, or the emulator").name;
        let executors = vec![Executor { group, name: String::new(), exec }];
        Self { executors, launched: Mutex::default() }
    }

    /// What was launched so far.
    pub(crate) fn families(&self) -> BTreeSet<Family> {
        self.launched.lock().expect("no test failed").clone()
    }

    fn note(&self, exec: &CudaExecutor) {
        let families = exec.launches().into_iter().map(|launch| {
            let Unit { lists, cluster, group, .. } = launch.unit;
            (launch.kernel, lists, cluster > 1, group.map(|group| group.order))
        });
        self.launched.lock().expect("no test failed").extend(families);
    }
}

/// Asks the executor that tests share for a problem by a choice of theirs, and compares the result with what is right.
fn ask_by_hand<T: Value>(
    input: Input<'_, T>,
    problem: Problem,
    choice: Choice,
    want: &RankOutput<T>,
    what: &str,
) {
    let exec = executor();
    let plan = RankPlan::by_hand(problem, caps_of(exec), choice);
    let got = exec.on(&input).execute(&plan).expect("it runs");
    verdict::rank(problem.k, want, &got)
        .unwrap_or_else(|why| panic!("{what}, {problem}, {choice}: {why}"));
}

/// The same by each of those choices that the device can run; how many they were.
pub(crate) fn ask_feasible<T: Value>(
    input: Input<'_, T>,
    problem: Problem,
    choices: impl IntoIterator<Item = Choice>,
    what: &str,
) -> usize {
    let caps = caps_of(executor());
    let want = oracle::rank(input, &problem);
    let can = |choice: &Choice| st_kernels::check(choice, &problem, &caps).is_ok();
    let asked = choices.into_iter().filter(can);
    asked.map(|choice| ask_by_hand(input, problem, choice, &want, what)).count()
}

/// The same by one choice: the kernels that it launches where clusters are, none if the device cannot run it.
pub(crate) fn ask_units<T: Value>(
    input: Input<'_, T>,
    problem: Problem,
    choice: Choice,
    what: &str,
) -> Vec<Unit> {
    if ask_feasible(input, problem, [choice], what) == 0 {
        return Vec::new();
    }
    let plan = RankPlan::by_hand(problem, caps_of(executor()), choice);
    compiler::units(&plan, (9, 0), false).expect("it was asked")
}

pub(crate) fn caps_of(exec: &CudaExecutor) -> DeviceCaps {
    exec.caps().expect("it was there before")
}

impl st_conformance::Backend for Cuda {
    type Exec = CudaExecutor;

    /// The emulator is asked a tenth, unless the environment says otherwise.
    fn level(&self) -> Level {
        let emulated = self.executors[0].group.starts_with("emulated");
        if emulated && std::env::var_os("SPIRAL_CONFORMANCE").is_none() {
            return Level::Smoke;
        }
        Level::from_env()
    }

    fn executors(&self) -> &[Executor<CudaExecutor>] {
        &self.executors
    }

    fn caps(&self, exec: &CudaExecutor) -> DeviceCaps {
        caps_of(exec)
    }

    fn plan(&self, exec: &CudaExecutor, problem: &Problem) -> RankPlan {
        st_plan::plan(problem, &caps_of(exec), &st_plan::Knowledge::default())
    }

    fn merge_kinds(&self, _exec: &CudaExecutor, dtype: DType) -> &[MergeKind] {
        // Lanes hold short rows of up to 32 bits.
        const ALL: [MergeKind; 4] =
            [MergeKind::Warp, MergeKind::Shared, MergeKind::Radix, MergeKind::Filter];
        if dtype.size() > 4 { &ALL[1..] } else { &ALL }
    }

    fn choice(
        &self,
        _exec: &CudaExecutor,
        mk: MergeKind,
        problem: &Problem,
        rng: &mut Rng,
    ) -> Choice {
        choices::cuda(mk, problem, rng)
    }

    fn check(&self, exec: &CudaExecutor, choice: &Choice, problem: &Problem) -> Result<()> {
        st_kernels::check(choice, problem, &caps_of(exec))
    }

    fn compact_plan(&self, exec: &CudaExecutor, problem: &CompactProblem) -> CompactPlan {
        st_plan::plan_compact(problem, &caps_of(exec))
    }

    fn compact_choices(&self, rng: &mut Rng) -> Vec<Choice> {
        [false, true].map(|two| choices::gpu_compact(two, rng)).to_vec()
    }

    fn rank<T: Element>(
        &self,
        exec: &CudaExecutor,
        input: Input<'_, T>,
        plan: &RankPlan,
    ) -> Result<RankOutput<T>> {
        let out = exec.on(&input).execute(plan);
        self.note(exec);
        out
    }

    fn rank_into<T: Element, O: HostOutput<T>>(
        &self,
        exec: &CudaExecutor,
        input: Input<'_, T>,
        plan: &RankPlan,
        out: &mut O,
    ) -> Result<()> {
        exec.on(&input).execute_into(plan, out)
    }

    fn compact<T: Element>(
        &self,
        exec: &CudaExecutor,
        input: Input<'_, T>,
        plan: &CompactPlan,
        lo: T,
        hi: T,
    ) -> Result<CompactOutput<T>> {
        exec.on(&input).compact(plan, lo, hi)
    }
}

/// Elements that differ, none of them in order.
const FILL: &str = r#"
#include "compat.cuh"
struct Params { float* at; u64 elements; u32 cols, copy; };
KERNEL(fill, Params) {
    for (u64 i = u64(group()) * THREADS + thread(); i < p.elements; i += u64(groups()) * THREADS) {
        p.at[i] = float((i * 2654435761u) % 1000003u) - 500000.0f;
    }
}
"#;

/// Runs a plan on elements that lie on the device: those, and the result. Each of so many replays of a graph of it must give
/// the same bits.
pub(crate) fn replayed(
    exec: &CudaExecutor,
    plan: &RankPlan,
    replays: usize,
) -> (Vec<f32>, (Vec<f32>, Vec<u32>)) {
    let Problem { rows, cols, k, .. } = plan.problem;
    let mut place = exec.resident::<f32>(rows, cols, k, 1).expect("room");
    place.fill(FILL, &[]).expect("a kernel that fills");
    place.prepare(plan).expect("it can be run");
    place.run(plan).expect("it runs");
    let right = place.results(0..rows).expect("results");
    let x = place.input(0, 0..rows).expect("input");
    let graph = place.graph(plan, 2).expect("nothing allocates or waits");
    for _ in 0..replays {
        graph.replay_us().expect("a replay");
        assert_eq!(place.results(0..rows).expect("results"), right);
    }
    (x, right)
}
