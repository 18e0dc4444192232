//! The floor: how long it takes to read the input once, and how long to plan.

use std::convert::Infallible;
use std::hint::black_box;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;
use st_core::backend::device_caps::DeviceCaps;
use st_core::ops::rank_entry::{RankKind, plan_rank};

use st_tune::stats::{median, turn};

/// Smaller inputs are not read for the floor: waking threads would be most of it.
pub(crate) const LEAST_BYTES: usize = 16 << 20;

/// A turn of reading the input once with that many threads: times in nanoseconds.
pub(crate) fn read_turn(x: &[f32], threads: u32, warm: usize) -> Vec<f64> {
    let threads = threads.max(1) as usize;
    let words: &[u32] = bytemuck::cast_slice(x);
    let parts: Vec<&[u32]> = words.chunks(words.len().div_ceil(threads).max(1)).collect();
    let Some((first, others)) = parts.split_first() else { return Vec::new() };
    let (start, end) = (&Barrier::new(parts.len()), &Barrier::new(parts.len()));
    let over = &AtomicBool::new(false);
    std::thread::scope(|scope| {
        for &part in others {
            scope.spawn(move || {
                while !{
                    start.wait();
                    over.load(Ordering::Relaxed)
                } {
                    black_box(greatest(part));
                    end.wait();
                }
            });
        }
        let times = turn(warm, || {
            start.wait();
            black_box(greatest(first));
            end.wait();
            Ok::<(), Infallible>(())
        });
        over.store(true, Ordering::Relaxed);
        start.wait();
        times.unwrap_or_default()
    })
}

/// The greatest word, with the widest vectors there are.
fn greatest(x: &[u32]) -> u32 {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the processor has what the function needs.
            return unsafe { greatest_avx512(x) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: as above.
            return unsafe { greatest_avx2(x) };
        }
    }
    greatest_any(x)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn greatest_avx512(x: &[u32]) -> u32 {
    greatest_any(x)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn greatest_avx2(x: &[u32]) -> u32 {
    greatest_any(x)
}

#[inline(always)]
fn greatest_any(x: &[u32]) -> u32 {
    let mut best = [0; 64];
    let chunks = x.chunks_exact(64);
    let rest = chunks.remainder().iter().fold(0, |a, &b| a.max(b));
    for chunk in chunks {
        for (a, &b) in best.iter_mut().zip(chunk) {
            *a = b.max(*a);
        }
    }
    best.into_iter().fold(rest, u32::max)
}

/// Time of one warm `plan_rank`.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct PlanTime {
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    pub(crate) k: usize,
    /// The median over batches of calls.
    pub(crate) ns: f64,
    pub(crate) calls: u64,
}

const PLAN_SHAPES: [(usize, usize, usize); 6] = [
    (8, 65_536, 8),
    (1, 1 << 24, 100_000),
    (1024, 4096, 64),
    (16_384, 256, 8),
    (256, 151_936, 64),
    (1, 1000, 1000),
];

/// Times `plan_rank`, for about `time` for each of several shapes.
pub(crate) fn plan_times(caps: DeviceCaps, time: Duration) -> Vec<PlanTime> {
    const BATCH: u64 = 10_000;
    let batch = |(rows, cols, k)| {
        let start = Instant::now();
        for _ in 0..BATCH {
            let (rows, cols, k) = black_box((rows, cols, k));
            black_box(plan_rank(RankKind::TopK, rows, cols, k, black_box(caps)));
        }
        start.elapsed().as_nanos() as f64 / BATCH as f64
    };
    PLAN_SHAPES
        .into_iter()
        .map(|(rows, cols, k)| {
            batch((rows, cols, k));
            let begin = Instant::now();
            let mut ns = Vec::new();
            while ns.len() < 3 || begin.elapsed() < time {
                ns.push(batch((rows, cols, k)));
            }
            let calls = BATCH * ns.len() as u64;
            PlanTime { rows, cols, k, ns: median(ns).unwrap_or_default(), calls }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read() {
        for n in [0, 1, 63, 64, 65, 1000] {
            for at in 0..n {
                let mut x = vec![3; n];
                x[at] = 7;
                assert_eq!(greatest(&x), 7, "{at} of {n}");
            }
        }
        assert_eq!(greatest(&[]), 0);
    }

    #[test]
    fn a_turn_of_reading_ends() {
        for threads in [1, 2, 5] {
            assert!(!read_turn(&[1.0; 1000], threads, 1).is_empty());
        }
    }
}
