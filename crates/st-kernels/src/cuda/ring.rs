//! Rings in shared memory by way of which blocks that have a multiprocessor each read their parts (`sweep.cuh`).

use super::{Unit, bench_bytes, shares_bytes, vector_elements};
use st_rank::DType;

/// Bytes of a part that is read by way of shared memory however many multiprocessors have nothing to do. While a threshold is
/// found, 130 KB arrive there; but an H200's multiprocessor takes 33 bytes in a nanosecond that way, and 41 into registers.
const SHORT_BYTES: u64 = 640 << 10;
/// Numbers of steps: few, so that there are few kernels to compile.
const STEPS: [u64; 5] = [6, 4, 3, 2, 1];
/// Steps of longer parts, at most: 1x67108864, k 100, took 76.3 us with two, 77.4 with one, and 78.2 with six (bf16 50.8, 51.2
/// and 53.2).
const LONG_STEPS: u64 = 2;

/// Bytes of a line of shared memory, with which a ring begins: `ring_of` in `block.cu`.
const LINE: u64 = 128;

/// Blocks of a multiprocessor each that leave few of so many idle.
#[must_use]
pub const fn few_idle(multiprocessors: u32) -> u32 {
    multiprocessors - multiprocessors / 16
}

/// Steps of the ring of a block that has a multiprocessor, one of `blocks` that read parts of so many columns; 0 if it is better
/// without. `shared`: bytes that a block may have.
#[must_use]
pub fn ring_steps(
    unit: &Unit,
    dtype: DType,
    columns: u32,
    blocks: u64,
    cores: u32,
    shared: u64,
) -> u32 {
    let vectors = u64::from(columns.div_ceil(vector_elements(dtype)));
    let is_short = vectors * 16 <= SHORT_BYTES;
    if !unit.alone || !(is_short || blocks >= few_idle(cores).into()) {
        return 0;
    }
    let left = shared.saturating_sub(beside_ring(unit, dtype).next_multiple_of(LINE));
    let wanted = vectors.div_ceil(u64::from(unit.threads * unit.flight));
    let wanted = if is_short { wanted } else { LONG_STEPS };
    let steps = wanted.min(left / step_bytes(unit));
    STEPS.into_iter().find(|&some| some <= steps).unwrap_or(0) as u32
}

/// Shared memory of a block of `block.cu`.
#[must_use]
pub fn block_bytes(unit: &Unit, dtype: DType) -> u64 {
    let beside = beside_ring(unit, dtype);
    match unit.ring {
        0 => beside,
        steps => beside.next_multiple_of(LINE) + u64::from(steps) * step_bytes(unit),
    }
}

fn beside_ring(unit: &Unit, dtype: DType) -> u64 {
    let listed = bench_bytes(unit.capacity, unit.threads, dtype);
    listed + shares_bytes(unit.cluster.into(), dtype)
}

fn step_bytes(unit: &Unit) -> u64 {
    u64::from(unit.threads * unit.flight) * 16
}
