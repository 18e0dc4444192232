//! The generated table, made from the founding document's five records.

use st_core::backend::device_caps::{Backend, DeviceCaps};
use st_core::backend::wgpu_heuristics_generated::{KERNELS, RECORDS, choose};
use st_core::ops::rank_entry::{MergeDetail, MergeKind};

/// Rows, columns, k, subgroups; merge kind and tile, or a miss.
type Query = ((u32, u32, u32, bool), Option<(MergeKind, u32)>);

#[test]
fn hits_and_misses_are_the_records() {
    use MergeKind::{Bitonic, Shared, Warp};
    let queries: &[Query] = &[
        // Each record at its edges.
        ((1024, 4096, 128, true), Some((Warp, 512))),
        ((1024, 8191, 1, true), Some((Warp, 512))),
        ((1024, 8192, 2048, true), Some((Shared, 1024))),
        ((1024, 65_535, 1, true), Some((Shared, 1024))),
        ((1024, 65_536, 4096, true), Some((Shared, 2048))),
        ((1024, 262_143, 4096, true), Some((Shared, 2048))),
        ((1024, 4096, 2048, false), Some((Shared, 1024))),
        ((1024, 65_535, 2048, false), Some((Shared, 1024))),
        ((1024, 65_536, 4096, false), Some((Bitonic, 2048))),
        // Rows between buckets, and far from any: the nearest answers.
        ((1, 4096, 128, true), Some((Warp, 512))),
        ((1000, 4096, 128, true), Some((Warp, 512))),
        ((u32::MAX, 4096, 128, true), Some((Warp, 512))),
        // Nothing was measured there.
        ((1024, 4095, 128, true), None),
        ((1024, 262_144, 128, true), None),
        ((1024, 4096, 129, true), None),
        ((1024, 8192, 2049, true), None),
        ((1024, 4096, 2049, false), None),
        ((1024, 0, 0, true), None),
        ((0, u32::MAX, u32::MAX, false), None),
    ];
    for &((rows, cols, k, sg), want) in queries {
        let got = choose(rows, cols, k, sg).map(|choice| (choice.mk, choice.tile));
        assert_eq!(got, want, "{rows}x{cols} k={k} sg={sg}");
    }
    assert_eq!(RECORDS.len(), 5);
}

#[test]
fn what_a_record_does_not_say_is_filled_in() {
    let warp = choose(1024, 5000, 100, true).unwrap();
    assert_eq!((warp.mkd, warp.ctile, warp.kl), (MergeDetail::WarpHeap, 512, 4));
    let wide = choose(1024, 100_000, 100, true).unwrap();
    assert_eq!((wide.mkd, wide.ctile, wide.ch), (MergeDetail::Heap, 1024, 0));
    // As it stands it runs on the device that the founding document describes.
    let problem = st_core::ops::rank_entry::Problem::new(
        st_core::ops::rank_entry::RankKind::TopK,
        1024,
        5000,
        100,
    );
    assert_eq!(st_kernels::check(&warp, &problem, &DeviceCaps::wgpu(32, true, 256)), Ok(()));
}

#[test]
fn what_is_compiled_in_was_measured_with_the_kernels_in_use() {
    let now = st_kernels::version(Backend::Wgpu);
    assert!(
        KERNELS.is_none_or(|then| then == now),
        "{KERNELS:?}, now {now}: run `spiral tune` again"
    );
}
