//! The plan for a device that no cost model knows: the smallest of everything, which any of its
//! kernels can run.

use st_rank::{Choice, DeviceCaps, MergeDetail, MergeKind, Problem, RankPlan, Source, Sources};

/// Columns of a tile that fits the shared memory of every WebGPU adapter.
const SAFE_TILE: u32 = 256;

pub(crate) fn plan(problem: &Problem, caps: &DeviceCaps) -> RankPlan {
    RankPlan {
        problem: *problem,
        caps: *caps,
        choice: choice(caps),
        sources: Sources::all(Source::Safe),
        predicted_us: None,
        runner_up: None,
        notes: Vec::new(),
    }
}

pub(crate) fn choice(caps: &DeviceCaps) -> Choice {
    let lane = caps.lane.max(1);
    Choice {
        mk: MergeKind::Bitonic,
        mkd: MergeDetail::Bitonic,
        tile: SAFE_TILE,
        ctile: SAFE_TILE,
        use_2ce: true,
        wg: (caps.max_workgroup.min(SAFE_TILE) / lane * lane).max(lane),
        kl: 1,
        ch: 0,
    }
}
