//! Repeated calls allocate nothing: not for results, buffers, or threads.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use st_core::backend::cpu_exec::{CpuExecutor, Isa};
use st_core::ops::rank_entry::{RankKind, RankOutput, RankOutputMut, execute_rank_into, plan_rank};

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as promised by our caller.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, p: *mut u8, layout: Layout) {
        // SAFETY: as promised by our caller.
        unsafe { System.dealloc(p, layout) }
    }
    unsafe fn realloc(&self, p: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as promised by our caller.
        unsafe { System.realloc(p, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

// One test, so that nothing else in the process allocates meanwhile.
#[test]
fn repeated_calls_allocate_nothing() {
    let x: Vec<f32> =
        (0..1_000_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 8) as f32).collect();
    let shapes = [(1, 1_000_000, 100), (1000, 1000, 10), (10_000, 100, 60), (10, 100_000, 5000)];
    let kinds = [RankKind::TopK, RankKind::BottomK, RankKind::MidK, RankKind::Range { start: 3 }];
    for threads in [1, 3] {
        let exec = CpuExecutor::new(Isa::best(), Some(threads)).unwrap();
        for kind in kinds {
            for (rows, cols, k) in shapes {
                let plan = plan_rank(kind, rows, cols, k, exec.caps());
                let mut out = RankOutput::default();
                let mut values = vec![0.0; rows * k];
                let mut indices = vec![0; rows * k];
                let mut call = || {
                    execute_rank_into(&exec.on(&x), &plan, &mut out).unwrap();
                    let mut slices = RankOutputMut { values: &mut values, indices: &mut indices };
                    execute_rank_into(&exec.on(&x), &plan, &mut slices).unwrap();
                };
                // Which thread takes which rows varies, and so does when a thread first needs
                // its buffers; what must not be is an allocation for each call, row or thread.
                let mut rounds = 0..if threads == 1 { 3 } else { 200 };
                let settled = rounds.any(|_| {
                    let before = ALLOCATIONS.load(Ordering::Relaxed);
                    for _ in 0..4 {
                        call();
                    }
                    ALLOCATIONS.load(Ordering::Relaxed) == before
                });
                assert!(settled, "calls go on allocating: {plan}");
            }
        }
    }
}
