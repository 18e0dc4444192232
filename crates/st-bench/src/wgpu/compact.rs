//! Compactions from the host and back, in one command and in two: the second waits for the host, which
//! adds up the counts, so that the device's clock alone says little.

use std::time::Instant;

use st_core::Element;
use st_core::backend::cpu_exec::CpuExecutor;
use st_core::ops::compact::{
    CompactOutput, CompactPlan, CompactProblem, compact_range, plan_compact,
};
use st_core::ops::rank_entry::{Choice, Knowledge, Problem, RankKind, execute_rank, plan};

use super::fill;
use super::measure::Bench;
use crate::Result;
use crate::by_cpu::WRONG;
use crate::cells::Cell;
use st_tune::stats::median;

impl Bench<'_> {
    /// Keeps what lies between the first row's greatest and its k-th; a line of what both take.
    pub(super) fn compact<T: Element>(&self, cell: &Cell) -> Result<String> {
        let place = self.exec.resident::<T>(cell.rows, cell.cols, cell.k, 1)?;
        place.fill(&fill::kernel(cell.input, cell.dtype).ok_or("no kernel fills this type")?)?;
        let x = place.input(0, 0..cell.rows)?;
        let cpu = CpuExecutor::default();
        let ranks = Problem::new(RankKind::TopK, 1, cell.cols, cell.k).with_dtype(cell.dtype);
        let row = x.get(..cell.cols).ok_or("no row")?;
        let best = execute_rank(&cpu.on(&row), &plan(&ranks, &cpu.caps(), &Knowledge::default()))?;
        let (Some(&hi), Some(&lo)) = (best.values.first(), best.values.last()) else {
            return Err("a compaction needs k of one or more".into());
        };
        let problem =
            CompactProblem { dtype: cell.dtype, ..CompactProblem::new(cell.rows, cell.cols) };
        let want = compact_range(&cpu.on(&x), &plan_compact(&problem, &cpu.caps()), lo, hi)?;
        let planned = plan_compact(&problem, &self.exec.caps()?);
        let plans = [false, true].map(|use_2ce| CompactPlan {
            choice: Choice { use_2ce, ..planned.choice },
            ..planned.clone()
        });
        let bound = self.exec.on(&x);
        let mut times = [Vec::new(), Vec::new()];
        for turn in 0..=self.args.samples {
            for (plan, times) in plans.iter().zip(&mut times) {
                let begun = Instant::now();
                let got = compact_range(&bound, plan, lo, hi)?;
                let us = begun.elapsed().as_secs_f64() * 1e6;
                if !same(&want, &got) {
                    return Err(WRONG.into());
                }
                // The first call compiles.
                if turn > 0 {
                    times.push(us);
                }
            }
        }
        let [one, two] = times.map(|times| median(times).unwrap_or(f64::NAN));
        Ok(format!(
            "{cell}: {} kept, one command {one:.0} us, two {two:.0} us; one / two {:.2}",
            want.values.len(),
            one / two,
        ))
    }
}

/// Whether two results are the same, bit for bit.
fn same<T: Element>(a: &CompactOutput<T>, b: &CompactOutput<T>) -> bool {
    let bits = |values: &[T]| values.iter().map(|v| v.to_lane()).collect::<Vec<T::Lane>>();
    a.offsets == b.offsets && a.indices == b.indices && bits(&a.values) == bits(&b.values)
}
