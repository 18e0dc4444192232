//! What a backend tells the suite about itself.

use st_rank::{
    Choice, CompactOutput, CompactPlan, CompactProblem, DType, DeviceCaps, Element, HostOutput,
    Input, MergeKind, Problem, RankOutput, RankPlan, Result,
};

use crate::rng::Rng;

/// How much is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// As `Quick`, on a tenth of the small inputs and none of the large: for tools that make a
    /// program fifty times as slow.
    Smoke,
    /// Each kind, pattern and shape with some of the k, NaN orders and output orders. Each question
    /// goes to one executor of each group, with one setting of each kernel; both rotate.
    Quick,
    /// Every k with both NaN orders, sorted and not, and every pattern on the large shapes too; two
    /// settings of each kernel.
    Full,
}

impl Level {
    /// What the environment's `SPIRAL_CONFORMANCE` names: `smoke`, `quick` (the default), `full`.
    ///
    /// # Panics
    /// For another name: a typing error must not look like a pass.
    #[must_use]
    pub fn from_env() -> Self {
        match std::env::var("SPIRAL_CONFORMANCE").as_deref() {
            Ok("full") => Self::Full,
            Ok("smoke") => Self::Smoke,
            Ok("quick") | Err(_) => Self::Quick,
            Ok(other) => panic!("SPIRAL_CONFORMANCE={other}: use smoke, quick or full"),
        }
    }
}

/// An executor with what to call it.
#[derive(Debug)]
pub struct Executor<E> {
    /// Executors that run the same code (an instruction set, an adapter): every group must have
    /// run every kernel.
    pub group: String,
    /// What distinguishes it within the group.
    pub name: String,
    /// The executor itself.
    pub exec: E,
}

/// A backend under test. The suite chooses the questions; a backend says with which executors,
/// kernels and settings they are to be answered.
pub trait Backend: Sync {
    /// An executor, not bound to an input.
    type Exec: Sync;

    /// How much is asked of it.
    fn level(&self) -> Level {
        Level::from_env()
    }

    /// Whether executors are asked at the same time: where they wait for devices of their own.
    fn side_by_side(&self) -> bool {
        false
    }

    /// All executors to be tried, at least one.
    fn executors(&self) -> &[Executor<Self::Exec>];

    /// What an executor reports of its device.
    fn caps(&self, exec: &Self::Exec) -> DeviceCaps;

    /// The plan its users would get.
    fn plan(&self, exec: &Self::Exec, problem: &Problem) -> RankPlan;

    /// The kernels that an executor has for a type, which must have run at least once in its group;
    /// none if choices cannot be forced.
    fn merge_kinds(&self, exec: &Self::Exec, dtype: DType) -> &[MergeKind];

    /// A setting of that kernel to be forced. Need not be feasible: then it must be refused.
    fn choice(&self, exec: &Self::Exec, mk: MergeKind, problem: &Problem, rng: &mut Rng) -> Choice;

    /// Whether the executor can run a choice for a problem.
    ///
    /// # Errors
    /// [`st_rank::Error::Infeasible`].
    fn check(&self, exec: &Self::Exec, choice: &Choice, problem: &Problem) -> Result<()>;

    /// The plan its users would get for a compaction.
    fn compact_plan(&self, exec: &Self::Exec, problem: &CompactProblem) -> CompactPlan;

    /// Settings of the compaction to be forced.
    fn compact_choices(&self, rng: &mut Rng) -> Vec<Choice>;

    /// Runs a plan.
    ///
    /// # Errors
    /// What the executor refuses.
    fn rank<T: Element>(
        &self,
        exec: &Self::Exec,
        input: Input<'_, T>,
        plan: &RankPlan,
    ) -> Result<RankOutput<T>>;

    /// Runs a plan into a place of the caller's.
    ///
    /// # Errors
    /// What the executor refuses.
    fn rank_into<T: Element, O: HostOutput<T>>(
        &self,
        exec: &Self::Exec,
        input: Input<'_, T>,
        plan: &RankPlan,
        out: &mut O,
    ) -> Result<()>;

    /// Runs a compaction.
    ///
    /// # Errors
    /// What the executor refuses.
    fn compact<T: Element>(
        &self,
        exec: &Self::Exec,
        input: Input<'_, T>,
        plan: &CompactPlan,
        lo: T,
        hi: T,
    ) -> Result<CompactOutput<T>>;
}
