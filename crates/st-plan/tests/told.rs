//! What is planned where a device does not tell all.

use st_plan::{Knowledge, plan};
use st_rank::{DType, DeviceCaps, Problem, RankKind};

/// WGPU tells no bandwidth, and not always how many multiprocessors there are. With the bandwidth that its backend assumes of a
/// card, an H200's kernels are found all the same; the parts of a row if the multiprocessors are told.
#[test]
fn what_wgpu_tells_is_enough_for_the_kernel() {
    let shapes = [
        (1 << 20, 256, 32),
        (65_536, 128, 4),
        (1024, 4096, 64),
        (1024, 65_536, 2048),
        (1000, 1_000_000, 10),
        (1, 100_000_000, 1_000_000),
        (1, 1 << 26, 100),
    ];
    for (rows, cols, k) in shapes {
        for dtype in [DType::F32, DType::Bf16] {
            let problem = Problem::new(RankKind::TopK, rows, cols, k).with_dtype(dtype);
            let choice = |cores, gigabytes: u64, l2| {
                let caps = DeviceCaps::wgpu(32, true, 1024).with_shared_mem(48 << 10);
                let caps = caps.with_cores(cores).with_bandwidth(gigabytes * 1_000_000_000);
                plan(&problem, &caps.with_l2(l2), &Knowledge::default()).choice
            };
            let known = choice(132, 4300, 50 << 20);
            let (told, less) = (choice(132, 1320, 0), choice(0, 500, 0));
            let kernels = [known, told, less].map(|c| (c.mk, c.mkd, c.use_2ce));
            assert_eq!(kernels, [kernels[0]; 3], "{rows}x{cols} {k} {dtype}");
            let [fewest, most] = [told.ch.min(known.ch), told.ch.max(known.ch)];
            assert!(most <= 2 * fewest, "{rows}x{cols} {k} {dtype}: {told}, {known}");
        }
    }
}

/// A plan is made for whatever is asked; that no executor takes it is said.
#[test]
fn types_that_a_device_does_not_read() {
    let notes = |caps: DeviceCaps| {
        let problem = Problem::new(RankKind::TopK, 64, 1000, 5).with_dtype(DType::F64);
        plan(&problem, &caps, &Knowledge::default()).notes
    };
    let wgpu = notes(DeviceCaps::wgpu(32, true, 256));
    assert!(wgpu.len() == 1 && wgpu[0].starts_with("wgpu cannot select from f64"), "{wgpu:?}");
    assert!(notes(DeviceCaps::cpu(16, 2)).is_empty());
}
