//! Without the feature: plans are run, and that is all.

use st_rank::{ExecuteInto, RankKExecutor, RankPlan, Result};

/// Whether this build can rewrite rules.
pub const IN_THIS_BUILD: bool = false;

pub(crate) fn execute<E: RankKExecutor>(exec: &E, plan: &RankPlan) -> Result<E::Output> {
    exec.execute(plan)
}

pub(crate) fn execute_into<O: ?Sized, E: ExecuteInto<O>>(
    exec: &E,
    plan: &RankPlan,
    out: &mut O,
) -> Result<()> {
    exec.execute_into(plan, out)
}
