//! The one entry point: plan, then execute.

pub use st_plan::{Explanation, Knowledge, Planner, explain, plan};
pub use st_rank::{
    Choice, DeviceCaps, ExecuteInto, Field, HostInput, Input, Lengths, MergeDetail, MergeKind,
    NanOrder, Problem, RankKExecutor, RankKind, RankOutput, RankOutputMut, RankPlan, Result,
};

use crate::process::planner;

/// Plans a selection over a contiguous f32 matrix with the process's knowledge: shorthand for the
/// [process's planner](crate::process::planner) and [`Problem::new`].
///
/// Never fails, and always gives a plan that is safe on `caps`; an impossible shape is refused by
/// [`execute_rank`], or at once by [`try_plan_rank`].
#[must_use]
pub fn plan_rank(kind: RankKind, rows: usize, cols: usize, k: usize, caps: DeviceCaps) -> RankPlan {
    planner().plan(&Problem::new(kind, rows, cols, k), &caps)
}

/// As [`plan_rank`], but refuses an impossible shape at once.
///
/// # Errors
/// k (or the range) beyond the columns, more than 2^32 - 1 columns, sizes that overflow.
pub fn try_plan_rank(
    kind: RankKind,
    rows: usize,
    cols: usize,
    k: usize,
    caps: DeviceCaps,
) -> Result<RankPlan> {
    Problem::new(kind, rows, cols, k).check()?;
    Ok(plan_rank(kind, rows, cols, k, caps))
}

/// Runs a plan on an executor bound to its input (`exec.on(&x)`).
///
/// # Errors
/// An impossible shape, a plan whose problem does not match the bound input, a device that is not
/// there. Nothing falls back to another device.
///
/// With [`SPIRAL_SELF_REWRITE`](crate::rewrite) a share of calls runs another choice too; the result is the plan's.
pub fn execute_rank<E: RankKExecutor>(exec: &E, plan: &RankPlan) -> Result<E::Output> {
    crate::rewrite::execute(exec, plan)
}

/// As [`execute_rank`], into places of the caller's: a [`RankOutput`] to be reused (its memory is
/// kept from call to call), or slices ([`RankOutputMut`]).
///
/// # Errors
/// As there, and outputs of the wrong length. On an error `out` is left as it was; while rules are
/// [rewritten](crate::rewrite) it may hold the result all the same.
pub fn execute_rank_into<O: ?Sized, E: ExecuteInto<O>>(
    exec: &E,
    plan: &RankPlan,
    out: &mut O,
) -> Result<()> {
    crate::rewrite::execute_into(exec, plan, out)
}
