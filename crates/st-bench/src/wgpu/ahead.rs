//! Compiling ahead, on all processors: a driver takes up to some seconds over a kernel, on one thread.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use st_core::backend::wgpu_exec::WgpuExecutor;
use st_core::ops::rank_entry::RankPlan;

/// Compiles and tests the kernels of plans, as many as can be begun in that time. What fails says so
/// where the plan is tried.
pub(super) fn prepare<'a>(
    exec: &WgpuExecutor,
    plans: impl IntoIterator<Item = &'a RankPlan>,
    limit: Duration,
) {
    let begun = Instant::now();
    let mut known = HashSet::new();
    let mut needed: Vec<&RankPlan> = Vec::new();
    for plan in plans {
        let kernels = exec.kernels(plan).unwrap_or_default();
        // Not `any`, which would end at the first.
        if kernels.into_iter().filter(|kernel| known.insert(*kernel)).count() > 0 {
            needed.push(plan);
        }
    }
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(plan) = needed.get(next.fetch_add(1, Ordering::Relaxed)) {
            if begun.elapsed() > limit {
                break;
            }
            let _ = exec.prepare(plan);
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(needed.len());
    std::thread::scope(|scope| {
        (0..threads).for_each(|_| {
            scope.spawn(work);
        });
    });
}
