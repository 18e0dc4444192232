//! What a device wrote, held against what the CPU says.

use std::ops::Range;

use st_core::Element;
use st_core::backend::cpu_exec::CpuExecutor;
use st_core::ops::rank_entry::{Knowledge, Problem, RankPlan, execute_rank, plan as planner};
use st_rank::order::Lane;

use crate::{Result, bounds};

/// What a report says of a wrong result.
pub(crate) const WRONG: &str = "the result differs from the CPU's";

/// Elements that the CPU checks at a time.
const CHECK_ELEMENTS: usize = 1 << 26;

/// Rows of an input, and the values' lanes and the indices that a device found for them.
pub(crate) type Rows<T> = (Vec<T>, Vec<<T as Element>::Lane>, Vec<u32>);

/// Compares what a plan wrote with what the CPU says; `read` reads rows back from the device.
pub(crate) fn compare<T: Element>(
    plan: &RankPlan,
    rows: &[usize],
    read: impl Fn(Range<usize>) -> Result<Rows<T>>,
) -> Result<()> {
    let cpu = CpuExecutor::default();
    let Problem { cols, k, .. } = plan.problem;
    let most = (CHECK_ELEMENTS / cols.max(1)).max(1);
    for range in bounds::ranges(rows, most) {
        let problem = Problem { rows: range.len(), ..plan.problem };
        let cpu_plan = planner(&problem, &cpu.caps(), &Knowledge::default());
        let (x, values, indices) = read(range.clone())?;
        let want = execute_rank(&cpu.on(&x), &cpu_plan)?;
        let right = |i: usize| {
            let bits = want.values.get(i).map(|v| v.to_lane().to_i64());
            bits == values.get(i).map(|v| v.to_i64()) && want.indices.get(i) == indices.get(i)
        };
        if let Some(i) = (0..range.len() * k).find(|&i| !right(i)) {
            let (row, rank) = (range.start + i / k, i % k);
            return Err(format!("{WRONG}: row {row}, rank {rank}").into());
        }
    }
    Ok(())
}
