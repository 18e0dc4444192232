//! What was launched, for those who want to see that a plan is obeyed.

use st_rank::{CompactPlan, MergeKind, RankPlan};

use crate::isa::Isa;

/// One launch. Numbers that the kernel does not use are 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Launch {
    /// The kernel; none for a compaction.
    pub kernel: Option<MergeKind>,
    /// Its instruction set.
    pub isa: Isa,
    /// Threads asked to work.
    pub threads: u32,
    /// Compute commands: 1, or 2 (candidates then merge, or count then write).
    pub commands: u32,
    /// Parts of each row.
    pub parts: usize,
    /// Columns between two tests for hits (filter), or turned into codes at a time (radix), or of
    /// a counted tile (compaction).
    pub tile: u32,
    /// Candidates buffered beyond those wanted (filter), or maxima of a row (warp).
    pub kept: usize,
    /// Candidates replaced in a sorted list or a heap (shared).
    pub list: usize,
}

impl Launch {
    pub(crate) fn of_rank(plan: &RankPlan, isa: Isa) -> Self {
        let (choice, problem) = (&plan.choice, &plan.problem);
        let kl = choice.kl as usize;
        let (tile, kept, list) = match choice.mk {
            MergeKind::Bitonic => (0, 0, 0),
            MergeKind::Shared => (0, 0, problem.kind.ranks(problem.cols, problem.k).end),
            MergeKind::Warp => (0, kl * st_kernels::cpu::lanes(isa.lane(), problem.dtype), 0),
            MergeKind::Radix => (choice.ctile, 0, 0),
            MergeKind::Filter => (choice.tile, kl * isa.lane() as usize, 0),
        };
        Self {
            kernel: Some(choice.mk),
            isa,
            threads: choice.wg,
            commands: 1 + u32::from(choice.use_2ce),
            parts: st_kernels::cpu::parts(choice, problem.cols),
            tile,
            kept,
            list,
        }
    }

    pub(crate) fn of_compaction(plan: &CompactPlan, isa: Isa) -> Self {
        Self {
            kernel: None,
            isa,
            threads: plan.choice.wg,
            commands: 1 + u32::from(plan.choice.use_2ce),
            parts: 1,
            tile: plan.choice.ctile,
            kept: 0,
            list: 0,
        }
    }
}
