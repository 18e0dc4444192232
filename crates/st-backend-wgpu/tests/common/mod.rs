//! The WGPU backend as the conformance suite sees it.

#![allow(dead_code, reason = "shared by several test crates")]

pub(crate) mod hostile;

use std::sync::LazyLock;

use st_backend_wgpu::WgpuExecutor;
use st_conformance::choices;
use st_conformance::rng::Rng;
use st_conformance::{Executor, Level};
use st_rank::{
    Choice, CompactExecutor, CompactOutput, CompactPlan, CompactProblem, DType, DeviceCaps,
    Element, ExecuteInto, HostOutput, Input, MergeKind, Problem, RankKExecutor, RankOutput,
    RankPlan, Result,
};

/// The first adapter, with subgroups where it has them and without.
pub(crate) struct Wgpu {
    executors: Vec<Executor<WgpuExecutor>>,
}

/// The one instance that the tests of a crate share. A machine without an adapter fails the tests:
/// the software driver is there for those without a GPU.
pub(crate) fn wgpu() -> &'static Wgpu {
    static WGPU: LazyLock<Wgpu> = LazyLock::new(|| {
        // A device each: a software driver compiles on one thread for each device.
        let exec = WgpuExecutor::default();
        let caps = exec.caps().expect("an adapter: mesa-vulkan-drivers has a software one");
        let mut executors = vec![Executor {
            group: "without subgroups".to_owned(),
            name: String::new(),
            exec: WgpuExecutor::default().without_subgroups(),
        }];
        if caps.subgroups {
            let group = format!("subgroups of {}", caps.lane);
            executors.push(Executor { group, name: String::new(), exec });
        }
        Wgpu { executors }
    });
    &WGPU
}

fn caps_of(exec: &WgpuExecutor) -> DeviceCaps {
    exec.caps().expect("it was there before")
}

impl Wgpu {
    fn is_software(&self) -> bool {
        self.executors[0].exec.adapter().is_ok_and(|(_, software)| software)
    }
}

impl st_conformance::Backend for Wgpu {
    type Exec = WgpuExecutor;

    /// A software adapter takes minutes over its pipelines alone: it is asked a tenth, unless the
    /// environment says otherwise.
    fn level(&self) -> Level {
        if self.is_software() && std::env::var_os("SPIRAL_CONFORMANCE").is_none() {
            return Level::Smoke;
        }
        Level::from_env()
    }

    fn side_by_side(&self) -> bool {
        true
    }

    fn executors(&self) -> &[Executor<WgpuExecutor>] {
        &self.executors
    }

    fn caps(&self, exec: &WgpuExecutor) -> DeviceCaps {
        caps_of(exec)
    }

    fn plan(&self, exec: &WgpuExecutor, problem: &Problem) -> RankPlan {
        st_plan::plan(problem, &caps_of(exec), &st_plan::Knowledge::default())
    }

    fn merge_kinds(&self, exec: &WgpuExecutor, _dtype: DType) -> &[MergeKind] {
        use MergeKind::{Bitonic, Filter, Radix, Shared};
        // The warp kernel is subgroups.
        if caps_of(exec).subgroups { MergeKind::ALL } else { &[Bitonic, Shared, Radix, Filter] }
    }

    fn choice(
        &self,
        exec: &WgpuExecutor,
        mk: MergeKind,
        problem: &Problem,
        rng: &mut Rng,
    ) -> Choice {
        choices::gpu(mk, problem, &caps_of(exec), rng)
    }

    fn check(&self, exec: &WgpuExecutor, choice: &Choice, problem: &Problem) -> Result<()> {
        st_kernels::check(choice, problem, &caps_of(exec))
    }

    fn compact_plan(&self, exec: &WgpuExecutor, problem: &CompactProblem) -> CompactPlan {
        st_plan::plan_compact(problem, &caps_of(exec))
    }

    fn compact_choices(&self, rng: &mut Rng) -> Vec<Choice> {
        [false, true].map(|two| choices::gpu_compact(two, rng)).to_vec()
    }

    fn rank<T: Element>(
        &self,
        exec: &WgpuExecutor,
        input: Input<'_, T>,
        plan: &RankPlan,
    ) -> Result<RankOutput<T>> {
        exec.on(&input).execute(plan)
    }

    fn rank_into<T: Element, O: HostOutput<T>>(
        &self,
        exec: &WgpuExecutor,
        input: Input<'_, T>,
        plan: &RankPlan,
        out: &mut O,
    ) -> Result<()> {
        exec.on(&input).execute_into(plan, out)
    }

    fn compact<T: Element>(
        &self,
        exec: &WgpuExecutor,
        input: Input<'_, T>,
        plan: &CompactPlan,
        lo: T,
        hi: T,
    ) -> Result<CompactOutput<T>> {
        exec.on(&input).compact(plan, lo, hi)
    }
}
