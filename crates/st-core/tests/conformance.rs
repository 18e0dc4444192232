//! The conformance suite through the public paths, with the plans that users get.

use std::sync::LazyLock;

use st_conformance::rng::Rng;
use st_conformance::{Backend, Executor};
use st_core::DType;
use st_core::backend::cpu_exec::CpuExecutor;
use st_core::backend::device_caps::DeviceCaps;
use st_core::backend::wgpu_exec::{IN_THIS_BUILD, WgpuExecutor};
use st_core::ops::compact::{
    CompactOutput, CompactPlan, CompactProblem, compact_range, plan_compact,
};
use st_core::ops::rank_entry::{
    Choice, Input, Knowledge, MergeKind, Problem, RankKind, RankOutput, RankPlan, Result,
    execute_rank, execute_rank_into, plan, plan_rank, try_plan_rank,
};
use st_core::{Element, Error};
use st_rank::HostOutput;

/// The executor that a user gets without asking for anything.
struct Facade {
    executors: [Executor<CpuExecutor>; 1],
}

fn facade() -> &'static Facade {
    static FACADE: LazyLock<Facade> = LazyLock::new(|| {
        let exec = CpuExecutor::default();
        let group = exec.isa().name().to_owned();
        Facade { executors: [Executor { group, name: "default".to_owned(), exec }] }
    });
    &FACADE
}

impl Backend for Facade {
    type Exec = CpuExecutor;

    fn executors(&self) -> &[Executor<CpuExecutor>] {
        &self.executors
    }

    fn caps(&self, exec: &CpuExecutor) -> DeviceCaps {
        exec.caps()
    }

    fn plan(&self, exec: &CpuExecutor, problem: &Problem) -> RankPlan {
        plan(problem, &exec.caps(), &Knowledge::default())
    }

    // Forced choices are the business of the backend's own tests.
    fn merge_kinds(&self, _: &CpuExecutor, _dtype: DType) -> &[MergeKind] {
        &[]
    }

    fn choice(&self, exec: &CpuExecutor, _: MergeKind, problem: &Problem, _: &mut Rng) -> Choice {
        self.plan(exec, problem).choice
    }

    fn check(&self, exec: &CpuExecutor, choice: &Choice, problem: &Problem) -> Result<()> {
        st_kernels::cpu::check(choice, problem, exec.caps().lane)
    }

    fn compact_plan(&self, exec: &CpuExecutor, problem: &CompactProblem) -> CompactPlan {
        plan_compact(problem, &exec.caps())
    }

    fn compact_choices(&self, _: &mut Rng) -> Vec<Choice> {
        Vec::new()
    }

    fn rank<T: Element>(
        &self,
        exec: &CpuExecutor,
        input: Input<'_, T>,
        plan: &RankPlan,
    ) -> Result<RankOutput<T>> {
        execute_rank(&exec.on(&input), plan)
    }

    fn rank_into<T: Element, O: HostOutput<T>>(
        &self,
        exec: &CpuExecutor,
        input: Input<'_, T>,
        plan: &RankPlan,
        out: &mut O,
    ) -> Result<()> {
        execute_rank_into(&exec.on(&input), plan, out)
    }

    fn compact<T: Element>(
        &self,
        exec: &CpuExecutor,
        input: Input<'_, T>,
        plan: &CompactPlan,
        lo: T,
        hi: T,
    ) -> Result<CompactOutput<T>> {
        compact_range(&exec.on(&input), plan, lo, hi)
    }
}

st_conformance::suite!(facade());

#[test]
fn the_shorthand_plans_what_the_full_form_plans() {
    let caps = CpuExecutor::default().caps();
    for (rows, cols, k) in [(1, 10, 3), (100, 4096, 32), (3, 4, 5), (0, 0, 0)] {
        let problem = Problem::new(RankKind::MidK, rows, cols, k);
        let short = plan_rank(RankKind::MidK, rows, cols, k, caps);
        assert_eq!(short, plan(&problem, &caps, &Knowledge::default()));
        assert_eq!(short.problem, problem);
        let tried = try_plan_rank(RankKind::MidK, rows, cols, k, caps);
        assert_eq!(tried, problem.check().map(|()| short));
    }
}

#[test]
fn a_backend_that_is_not_there_is_refused_and_nothing_falls_back() {
    let caps = DeviceCaps::wgpu(32, true, 256);
    let plan = plan_rank(RankKind::TopK, 1, 4, 2, caps);
    if !IN_THIS_BUILD {
        let exec = WgpuExecutor::default();
        let error = execute_rank(&exec.on(&[1.0f32, 2.0, 3.0, 4.0]), &plan).expect_err("not built");
        assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
        assert!(error.to_string().contains("wgpu"), "{error}");
    }
    // Nor does the CPU run another backend's plan.
    let cpu = CpuExecutor::default();
    let error = execute_rank(&cpu.on(&[1.0f32, 2.0, 3.0, 4.0]), &plan).expect_err("not its plan");
    assert!(matches!(error, Error::WrongBackend { .. }), "{error:?}");
}
