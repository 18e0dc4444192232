//! What is planned on CUDA where it was measured which kernel is faster: docs/benchmarks.md.

use st_plan::{Knowledge, plan};
use st_rank::{DType, DeviceCaps, MergeKind, Problem, RankKind};

fn h200() -> DeviceCaps {
    let caps = DeviceCaps::cuda(32, 1024).with_shared_mem(227 << 10).with_cores(132);
    caps.with_bandwidth(4_310_000_000_000).with_l2(60 << 20)
}

/// Lists in device memory take longer than those in shared memory where few ranks are wanted.
#[test]
fn lists_in_device_memory_are_for_many_ranks() {
    for (cols, k, dtype, in_memory) in [
        (67_108_864, 100, DType::F32, false),
        (67_108_864, 100, DType::Bf16, false),
        (100_000_000, 1_000_000, DType::F32, true),
        (268_435_456, 262_144, DType::F32, true),
    ] {
        let problem = Problem::new(RankKind::TopK, 1, cols, k).with_dtype(dtype);
        let choice = plan(&problem, &h200(), &Knowledge::default()).choice;
        assert_eq!((choice.mk, choice.use_2ce), (MergeKind::Filter, in_memory), "{problem}");
    }
}
