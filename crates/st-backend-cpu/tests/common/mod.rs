//! The CPU backend as the conformance suite sees it.

// Each test file is a crate of its own and uses a part of this.
#![allow(dead_code, reason = "shared by several test crates")]

use std::sync::LazyLock;

use st_backend_cpu::{CpuExecutor, Isa};
use st_conformance::rng::Rng;
use st_conformance::{Backend, Executor, choices};
use st_rank::{
    Choice, CompactExecutor, CompactOutput, CompactPlan, CompactProblem, DType, DeviceCaps,
    Element, ExecuteInto, HostOutput, Input, MergeKind, Problem, RankKExecutor, RankOutput,
    RankPlan, Result,
};

/// Every instruction set of this processor, with one, two and three threads.
pub(crate) struct Cpu {
    executors: Vec<Executor<CpuExecutor>>,
}

/// The one instance that the tests of a crate share.
pub(crate) fn cpu() -> &'static Cpu {
    static CPU: LazyLock<Cpu> = LazyLock::new(|| {
        let mut executors = Vec::new();
        for isa in isas() {
            for threads in 1..=3 {
                executors.push(Executor {
                    group: isa.name().to_owned(),
                    name: format!("x {threads} threads"),
                    exec: CpuExecutor::new(isa, Some(threads)).expect("it is available"),
                });
            }
        }
        Cpu { executors }
    });
    &CPU
}

/// The instruction sets to test: all there are, or the one that `SPIRAL_CPU_ISA` names. A name that
/// is not there is a failure, not a skip.
pub(crate) fn isas() -> Vec<Isa> {
    match std::env::var("SPIRAL_CPU_ISA") {
        Ok(name) => vec![Isa::from_name(&name).expect("SPIRAL_CPU_ISA must be there")],
        Err(_) => Isa::available(),
    }
}

impl Backend for Cpu {
    type Exec = CpuExecutor;

    fn executors(&self) -> &[Executor<CpuExecutor>] {
        &self.executors
    }

    fn caps(&self, exec: &CpuExecutor) -> DeviceCaps {
        exec.caps()
    }

    fn plan(&self, exec: &CpuExecutor, problem: &Problem) -> RankPlan {
        st_plan::plan(problem, &exec.caps(), &st_plan::Knowledge::default())
    }

    fn merge_kinds(&self, _: &CpuExecutor, _dtype: DType) -> &[MergeKind] {
        MergeKind::ALL
    }

    fn choice(
        &self,
        exec: &CpuExecutor,
        mk: MergeKind,
        problem: &Problem,
        rng: &mut Rng,
    ) -> Choice {
        choices::cpu(mk, problem, exec.caps().lane, rng)
    }

    fn check(&self, exec: &CpuExecutor, choice: &Choice, problem: &Problem) -> Result<()> {
        st_kernels::cpu::check(choice, problem, exec.caps().lane)
    }

    fn compact_plan(&self, exec: &CpuExecutor, problem: &CompactProblem) -> CompactPlan {
        st_plan::plan_compact(problem, &exec.caps())
    }

    fn compact_choices(&self, rng: &mut Rng) -> Vec<Choice> {
        [false, true].map(|use_2ce| choices::cpu_compact(use_2ce, rng)).to_vec()
    }

    fn rank<T: Element>(
        &self,
        exec: &CpuExecutor,
        input: Input<'_, T>,
        plan: &RankPlan,
    ) -> Result<RankOutput<T>> {
        exec.on(&input).execute(plan)
    }

    fn rank_into<T: Element, O: HostOutput<T>>(
        &self,
        exec: &CpuExecutor,
        input: Input<'_, T>,
        plan: &RankPlan,
        out: &mut O,
    ) -> Result<()> {
        exec.on(&input).execute_into(plan, out)
    }

    fn compact<T: Element>(
        &self,
        exec: &CpuExecutor,
        input: Input<'_, T>,
        plan: &CompactPlan,
        lo: T,
        hi: T,
    ) -> Result<CompactOutput<T>> {
        exec.on(&input).compact(plan, lo, hi)
    }
}
