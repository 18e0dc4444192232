//! The conformance suite: on the emulator, or with `SPIRAL_CUDA=device` on the first device.

mod common;

use common::{Cuda, cuda, libraries};
use st_backend_cuda::CudaExecutor;
use st_conformance::{Backend, Level, tests};
use st_kernels::cuda::{Lists, Order};

st_conformance::suite!(cuda(), [f16, bf16, i32, u32, f64, i64, u64, i8, u8, i16, u16]);

/// And that every way to select is among those that the suite asks for; but for lists in device memory, which need rows that
/// the least level has not: `large.rs` asks for those.
#[test]
fn f32_ranks() {
    let logged = Cuda::of(CudaExecutor::default().with_libraries(libraries()).with_launch_log());
    tests::ranks::<f32, _>(&logged);
    let launched = logged.families();
    let whole = Lists::Whole;
    let orders = [Order::Counted, Order::Lane, Order::Lanes];
    let lists = [whole, Lists::Sampled, Lists::Exact, Lists::Held, Lists::Between];
    let listed = ["memory_sample", "memory_filter", "memory_order", "select_again"];
    let by_digits = [
        "rank_digit",
        "rank_tally",
        "rank_collect",
        "order_block",
        "sort_count",
        "sort_scan",
        "sort_scatter",
    ];
    let groups = orders.map(|order| ("select_group", whole, false, Some(order)));
    let blocks = lists.map(|lists| ("select_block", lists, false, None));
    let clusters = [Lists::Sampled, Lists::Exact].map(|lists| ("select_block", lists, true, None));
    let listed = if logged.level() == Level::Smoke { &listed[..0] } else { &listed };
    let others = by_digits.iter().chain(listed).map(|&kernel| (kernel, whole, false, None));
    let all = groups.into_iter().chain(blocks).chain(clusters).chain(others);
    let missing: Vec<_> = all.filter(|family| !launched.contains(family)).collect();
    assert!(missing.is_empty(), "not asked for: {missing:?}; launched: {launched:?}");
}

#[test]
fn f32_layouts() {
    tests::layouts::<f32, _>(cuda());
}

#[test]
fn f32_outputs() {
    tests::outputs::<f32, _>(cuda());
}

#[test]
fn f32_compaction() {
    tests::compaction::<f32, _>(cuda());
}

#[test]
fn f32_refusals() {
    tests::refusals::<f32, _>(cuda());
}
