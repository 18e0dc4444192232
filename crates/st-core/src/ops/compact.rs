//! Compaction: of each row, the elements within a range of values, in column order.

pub use st_plan::plan_compact;
pub use st_rank::{CompactExecutor, CompactOutput, CompactPlan, CompactProblem};
use st_rank::{Element, Result};

/// Of each row, keeps the elements `lo <= x <= hi` in column order, with their indices. The order
/// is the one of the selections: every NaN is equal and greater than every number, the zeros are
/// equal. `exec` is an executor bound to its input.
///
/// # Errors
/// An impossible shape, or a plan whose problem does not match the bound input.
pub fn compact_range<T: Element, E: CompactExecutor<T>>(
    exec: &E,
    plan: &CompactPlan,
    lo: T,
    hi: T,
) -> Result<CompactOutput<T>> {
    exec.compact(plan, lo, hi)
}
