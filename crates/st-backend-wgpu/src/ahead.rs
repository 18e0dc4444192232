//! Compiling ahead, on all processors: a driver takes up to some seconds over a kernel, on one thread.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use st_rank::RankPlan;

use crate::exec::WgpuExecutor;

impl WgpuExecutor {
    /// Compiles and tests the kernels of plans, on all processors, as many as can be begun in that time. What fails says so
    /// where the plan is tried.
    pub fn prepare_ahead<'a>(
        &self,
        plans: impl IntoIterator<Item = &'a RankPlan>,
        limit: Duration,
    ) {
        let begun = Instant::now();
        let mut known = HashSet::new();
        let mut needed: Vec<&RankPlan> = Vec::new();
        for plan in plans {
            let kernels = self.kernels(plan).unwrap_or_default();
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
                let _ = self.prepare(plan);
            }
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(needed.len());
        std::thread::scope(|scope| {
            (0..threads).for_each(|_| {
                scope.spawn(work);
            });
        });
    }
}
