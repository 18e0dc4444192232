//! What this processor is: cores, caches, read bandwidth.

use std::hint::black_box;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use st_rank::DeviceCaps;

use crate::isa::Isa;
use crate::team::Team;

/// Bytes read to measure the bandwidth: more than most second-level caches hold.
const PROBE_BYTES: usize = 64 << 20;

/// How often they are read: the best counts, the first also pays for the pages.
const PROBE_ROUNDS: usize = 5;

/// Cores this process may use.
pub(crate) fn cores() -> u32 {
    static CORES: OnceLock<u32> = OnceLock::new();
    *CORES.get_or_init(|| {
        std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(1))
    })
}

pub(crate) fn caps(isa: Isa, threads: u32) -> DeviceCaps {
    static CACHES: OnceLock<(Option<u64>, Option<u64>)> = OnceLock::new();
    let &(l1, l2) = CACHES.get_or_init(|| (cache_bytes(1), cache_bytes(2)));
    let mut caps = DeviceCaps::cpu(isa.lane(), cores()).with_max_workgroup(threads);
    if let Some(l1) = l1.and_then(|bytes| u32::try_from(bytes).ok()) {
        caps = caps.with_shared_mem(l1);
    }
    if let Some(l2) = l2 {
        caps = caps.with_l2(l2);
    }
    let name = processor().unwrap_or(std::env::consts::ARCH);
    caps.with_names(&format!("{name} {}", isa.name()), "")
}

/// The processor's name, where the system has it in a file (Linux does).
#[must_use]
pub fn processor() -> Option<&'static str> {
    static NAME: OnceLock<Option<String>> = OnceLock::new();
    let read = || {
        let info = std::fs::read_to_string("/proc/cpuinfo").ok()?;
        let named = |key: &str| {
            let line =
                info.lines().find(|l| l.split(':').next().is_some_and(|k| k.trim() == key))?;
            line.split_once(':').map(|(_, name)| name.trim().to_owned())
        };
        named("model name").or_else(|| named("Model")).or_else(|| named("Hardware"))
    };
    NAME.get_or_init(read).as_deref()
}

/// A core's data cache of that level, where the system tells (Linux does).
fn cache_bytes(level: u32) -> Option<u64> {
    let read = |index: u32, file: &str| {
        let path = format!("/sys/devices/system/cpu/cpu0/cache/index{index}/{file}");
        std::fs::read_to_string(path).map(|text| text.trim().to_owned()).ok()
    };
    let index = (0..8).find(|&index| {
        read(index, "level").is_some_and(|l| l == level.to_string())
            && read(index, "type").is_some_and(|t| t != "Instruction")
    })?;
    let size = read(index, "size")?;
    let kib: u64 = size.strip_suffix('K')?.parse().ok()?;
    Some(kib << 10)
}

/// Bytes per second that all threads read together.
pub(crate) fn bandwidth(team: &Team, threads: usize) -> u64 {
    let data = vec![1u64; PROBE_BYTES / 8];
    let pieces: Vec<_> = data.chunks(data.len().div_ceil(threads)).collect();
    let mut best = f64::INFINITY;
    for _ in 0..PROBE_ROUNDS {
        let next = AtomicUsize::new(0);
        let start = Instant::now();
        team.run(threads, &|_| {
            while let Some(piece) = pieces.get(next.fetch_add(1, Ordering::Relaxed)) {
                black_box(read(piece));
            }
        });
        best = best.min(start.elapsed().as_secs_f64());
    }
    (PROBE_BYTES as f64 / best) as u64
}

/// Reads everything, with as little arithmetic as makes it count.
fn read(piece: &[u64]) -> u64 {
    let mut sums = [0u64; 32];
    let chunks = piece.chunks_exact(32);
    let rest = chunks.remainder().iter().fold(0, |a, &b| a | b);
    for chunk in chunks {
        for (sum, &x) in sums.iter_mut().zip(chunk) {
            *sum |= x;
        }
    }
    sums.iter().fold(rest, |a, &b| a | b)
}
