//! Our side.

use st_core::backend::cpu_exec::{CpuExecutor, Isa};
use st_core::backend::device_caps::DeviceCaps;
use st_core::ops::rank_entry::{RankKind, RankOutput, RankPlan, execute_rank_into, plan_rank};

use crate::Result;
use crate::cells::Cell;
use crate::check::exact;
use st_tune::stats::turn;

/// The planner's plan for a cell.
pub(crate) fn plan(cell: &Cell, caps: DeviceCaps) -> RankPlan {
    plan_rank(RankKind::TopK, cell.rows, cell.cols, cell.k, caps)
}

/// Our executor and its reused output.
#[derive(Debug)]
pub(crate) struct Ours {
    exec: CpuExecutor,
    out: RankOutput<f32>,
}

impl Ours {
    /// The best instruction set (or the one named), and that many threads; `None`: all.
    pub(crate) fn new(isa: Option<&str>, threads: Option<u32>) -> Result<Self> {
        let isa = match isa {
            Some(name) => Isa::from_name(name)?,
            None => *Isa::available().first().ok_or("no instruction set")?,
        };
        Ok(Self { exec: CpuExecutor::new(isa, threads)?, out: RankOutput::default() })
    }

    pub(crate) fn isa(&self) -> &'static str {
        self.exec.isa().name()
    }

    pub(crate) fn caps(&self) -> DeviceCaps {
        self.exec.caps()
    }

    /// The caps with the bandwidth measured.
    pub(crate) fn probe(&self) -> DeviceCaps {
        self.exec.probe()
    }

    /// Runs the plan and checks the result, which must be the oracle's bit for bit.
    pub(crate) fn check(
        &mut self,
        x: &[f32],
        plan: &RankPlan,
        want: &RankOutput<f32>,
    ) -> Result<()> {
        // What an earlier run left would look like a result.
        self.out.values.clear();
        self.out.indices.clear();
        execute_rank_into(&self.exec.on(x), plan, &mut self.out)?;
        exact(plan.problem.k, want, &self.out)
    }

    /// A call, whose result is known to be right.
    pub(crate) fn run(&mut self, x: &[f32], plan: &RankPlan) -> Result<()> {
        Ok(execute_rank_into(&self.exec.on(x), plan, &mut self.out)?)
    }

    /// A turn: its calls' times in nanoseconds.
    pub(crate) fn turn(&mut self, x: &[f32], plan: &RankPlan, warm: usize) -> Result<Vec<f64>> {
        let bound = self.exec.on(x);
        Ok(turn(warm, || execute_rank_into(&bound, plan, &mut self.out))?)
    }
}
