//! Whatever the device and the shape: a plan is made, the device can run it, and it is the same
//! each time.

use proptest::prelude::*;
use st_plan::table::{Partial, Record, Table};
use st_plan::{Knowledge, Prior, explain, plan};
use st_rank::{
    Backend, Choice, DType, DeviceCaps, Lengths, MergeDetail, MergeKind, Problem, RankKind,
};

const BACKENDS: [Backend; 5] =
    [Backend::Cpu, Backend::Wgpu, Backend::Cuda, Backend::Hip, Backend::Mps];

fn any_caps() -> impl Strategy<Value = DeviceCaps> {
    (
        prop::sample::select(BACKENDS.to_vec()),
        1u32..=128,
        (any::<bool>(), 1u32..=4096),
        prop_oneof![Just(0u32), 0u32..=256 << 10],
        prop_oneof![Just(0u32), 1u32..300],
        prop_oneof![Just(0u64), 1u64..8_000_000_000_000],
        prop_oneof![Just(0u64), 1u64..1 << 28],
    )
        .prop_map(|(backend, lane, (subgroups, wg), shared, cores, bandwidth, l2)| {
            DeviceCaps {
                backend,
                ..DeviceCaps::wgpu(lane, subgroups, wg.max(lane))
                    .with_shared_mem(shared)
                    .with_cores(cores)
                    .with_bandwidth(bandwidth)
                    .with_l2(l2)
            }
        })
}

fn any_problem() -> impl Strategy<Value = Problem> {
    let size = || prop_oneof![0usize..5, 0usize..5000, 0usize..1 << 32];
    let kind = prop_oneof![
        Just(RankKind::TopK),
        Just(RankKind::BottomK),
        Just(RankKind::MidK),
        size().prop_map(|start| RankKind::Range { start }),
    ];
    let lengths = prop::sample::select(vec![Lengths::Full, Lengths::Ragged, Lengths::Padded]);
    (kind, size(), size(), size(), prop::sample::select(DType::ALL.to_vec()), lengths).prop_map(
        |(kind, rows, cols, k, dtype, lengths)| {
            Problem::new(kind, rows, cols, k).with_dtype(dtype).with_lengths(lengths)
        },
    )
}

fn any_partial() -> impl Strategy<Value = Partial> {
    let number =
        || prop_oneof![Just(None), any::<u32>().prop_map(Some), (0u32..5000).prop_map(Some)];
    (
        prop::option::of(prop::sample::select(MergeKind::ALL.to_vec())),
        prop::option::of(prop::sample::select(MergeDetail::ALL.to_vec())),
        (number(), number(), number(), number(), number()),
        any::<Option<bool>>(),
    )
        .prop_map(|(mk, mkd, (tile, ctile, wg, kl, ch), use_2ce)| Partial {
            mk,
            mkd,
            tile,
            ctile,
            use_2ce,
            wg,
            kl,
            ch,
        })
}

/// Tables of records that say anything at all.
fn any_knowledge() -> impl Strategy<Value = Knowledge> {
    let time = prop_oneof![Just(None), (1e-3f64..1e9).prop_map(Some)];
    let record = (any_partial(), time, 0u32..5000, 0u32..5000).prop_map(|(choice, us, cols, k)| {
        Record { median_us: us, at: (cols, k), choice, ..Record::new(1, 0, u32::MAX, u32::MAX) }
    });
    let records = prop::collection::vec(record, 0..6);
    (records, -20.0f64..20.0).prop_map(|(records, weight)| {
        let mut knowledge = Knowledge::default();
        for backend in BACKENDS {
            knowledge.add_table(Table::shipped("any", backend, &records));
        }
        knowledge.set_prior(Prior { default: weight, ..Prior::default() });
        knowledge
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn every_plan_is_one_its_device_can_run(
        caps in any_caps(),
        problem in any_problem(),
        knowledge in prop_oneof![Just(Knowledge::default()), any_knowledge()],
    ) {
        let made = plan(&problem, &caps, &knowledge);
        prop_assert_eq!(st_kernels::check(&made.choice, &problem, &caps), Ok(()), "{}", made);
        prop_assert!(made.predicted_us.is_some_and(|us| us.is_finite() && us > 0.0), "{}", made);
        prop_assert_eq!(&made, &plan(&problem, &caps, &knowledge));
        let explained = explain(&problem, &caps, &knowledge, 5);
        prop_assert_eq!(&explained.plan, &made);
        prop_assert!(!explained.candidates.is_empty());
    }
}

fn planned(rows: usize, cols: usize, k: usize, threads: u32) -> Choice {
    let caps = DeviceCaps::cpu(16, threads).with_l2(2 << 20).with_shared_mem(48 << 10);
    plan(&Problem::new(RankKind::TopK, rows, cols, k), &caps, &Knowledge::default()).choice
}

#[test]
fn cpu_families_are_chosen_where_they_belong() {
    assert_eq!(planned(65_536, 128, 4, 2).mk, MergeKind::Warp, "short rows");
    assert_eq!(planned(1, 16 << 20, 5000, 2).mk, MergeKind::Filter, "a long row");
    assert_eq!(planned(1, 16 << 20, 4, 2).mk, MergeKind::Warp, "a long row, tiny k");
    assert_eq!(planned(1, 1 << 20, 1 << 19, 1).mk, MergeKind::Radix, "half of a long row");
    assert_eq!(planned(1000, 40, 40, 1).mk, MergeKind::Bitonic, "whole short rows");
}

#[test]
fn threads_are_used_where_they_pay() {
    assert_eq!(planned(1, 1000, 10, 8).wg, 1);
    assert_eq!(planned(100_000, 64, 10, 8).wg, 8);
    let long = planned(1, 16 << 20, 100, 8);
    assert_eq!((long.wg, long.use_2ce, long.ch), (8, true, 2 << 20), "a row is shared");
    assert_eq!(planned(64, 131_072, 50, 8).ch, 0, "many rows are not");
}

#[test]
fn gpu_families_are_chosen_where_they_belong() {
    let caps = DeviceCaps::cuda(32, 1024).with_cores(132).with_bandwidth(4_300_000_000_000);
    let of = |kind, rows, cols, k| {
        plan(&Problem::new(kind, rows, cols, k), &caps, &Knowledge::default()).choice
    };
    let top = |rows, cols, k| of(RankKind::TopK, rows, cols, k);
    assert_eq!(top(65_536, 128, 4).mk, MergeKind::Warp, "short rows");
    let one_read = [MergeKind::Filter, MergeKind::Shared];
    assert!(one_read.contains(&top(256, 151_936, 64).mk), "long rows");
    assert_eq!(top(256, 151_936, 64).ch, 0, "enough of them");
    assert!(top(1, 1 << 20, 100).ch > 0, "one long row is split");
    assert_eq!(of(RankKind::MidK, 64, 65_536, 100).mk, MergeKind::Radix, "ranks in the middle");
    assert!(top(64, 131_072, 60_000).use_2ce, "more than a workgroup orders");
}
