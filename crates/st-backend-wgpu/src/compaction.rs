//! Compactions: one command, which gives each row room for all of its columns, or two, which count
//! first and give it what it needs.

use st_kernels::wgsl::{Compaction, Permutation};
use st_rank::{
    CompactOutput, CompactPlan, Direction, Element, Error, Input, NanOrder, Problem, RankKind,
    Result,
};
use wgpu::BufferUsages;

use crate::exec::WgpuExecutor;
use crate::gpu::Gpu;
use crate::layout::{Dispatch, Params, key_map};
use crate::run::{self, Buffers, rows_of};

/// One batch's pairs of bits and column, with how many each row has.
struct Kept {
    counts: Vec<u32>,
    /// For each row, where its pairs begin.
    starts: Vec<usize>,
    pairs: Vec<u32>,
}

pub(crate) fn run<T: Element>(
    exec: &WgpuExecutor,
    plan: &CompactPlan,
    input: Input<'_, T>,
    lo: T,
    hi: T,
) -> Result<CompactOutput<T>> {
    let gpu = exec.gpu()?;
    let caps = exec.caps()?;
    let caps = caps.with_subgroup(caps.lane, caps.subgroups && plan.caps.subgroups);
    st_kernels::gpu::check_compact(&plan.choice, &caps)?;
    let problem = plan.problem;
    // In this direction greater values have greater keys.
    let map = key_map::<T>(Direction::Descending, NanOrder::Greatest);
    let key = |x: T| {
        let bits: &[u8] = bytemuck::bytes_of(&x);
        let mut word = [0; 4];
        word[4 - bits.len()..].copy_from_slice(bits);
        map.key(u32::from_ne_bytes(word))
    };
    let cols = problem.cols as u64;
    // Only the shape matters for the size of a batch.
    let shape = Problem::new(RankKind::TopK, problem.rows, problem.cols, 0);
    let row_bytes = [(problem.row_stride * size_of::<T>()) as u64, cols * 8];
    let batch_rows = run::batch(gpu.most_bytes(), &shape, &row_bytes)?;

    let mut out = CompactOutput { offsets: vec![0], values: Vec::new(), indices: Vec::new() };
    let mut row0 = 0;
    while row0 < problem.rows {
        let here = usize::try_from(batch_rows).unwrap_or(usize::MAX).min(problem.rows - row0);
        let params = Params {
            rows: here as u32,
            cols: problem.cols as u32,
            stride: problem.row_stride as u32,
            parts: 1,
            list_stride: problem.cols as u32,
            ragged: problem.lengths.is_ragged().into(),
            lo: key(lo),
            hi: key(hi),
            ..map
        };
        let kept = gpu.guarded("a compaction", || {
            let lengths = input.lengths.map_or(&[][..], |all| &all[row0..row0 + here]);
            let rows = rows_of(input, problem.row_stride, problem.cols, row0, here);
            let stage = |what| Dispatch {
                permutation: Permutation::compaction(&plan.choice, problem.dtype, &caps, what),
                workgroups: here as u64,
                params,
            };
            let input = gpu.upload(rows);
            let lengths = gpu.upload(bytemuck::cast_slice(lengths));
            batch(exec, gpu, input, lengths, here, problem.cols, plan.choice.use_2ce, stage)
        })?;
        for (&count, &start) in kept.counts.iter().zip(&kept.starts) {
            let pairs = &kept.pairs[2 * start..2 * (start + count as usize)];
            out.values.extend(pairs.iter().step_by(2).map(|&word| from_top::<T>(word)));
            out.indices.extend(pairs.iter().skip(1).step_by(2));
            out.offsets.push(out.values.len());
        }
        row0 += here;
    }
    Ok(out)
}

#[allow(clippy::too_many_arguments, reason = "all of it is the one batch")]
fn batch(
    exec: &WgpuExecutor,
    gpu: &Gpu,
    input: wgpu::Buffer,
    lengths: wgpu::Buffer,
    rows: usize,
    cols: usize,
    two: bool,
    stage: impl Fn(Compaction) -> Dispatch,
) -> Result<Kept> {
    let both = BufferUsages::COPY_SRC | BufferUsages::COPY_DST;
    let pair_room = |pairs: usize| gpu.buffer(pairs as u64 * 8, both);
    let mut buffers = Buffers {
        input,
        lengths,
        lists: pair_room(if two { 0 } else { rows * cols }),
        values: gpu.buffer(0, both),
        indices: gpu.buffer(rows as u64 * 4, both),
    };
    let first = stage(if two { Compaction::Count } else { Compaction::Whole });
    exec.note(&[first]);
    let mut encoder = gpu.device.create_command_encoder(&Default::default());
    gpu.record(&mut encoder, &[first], &buffers)?;
    if !two {
        let words = rows as u64 * cols as u64 * 2;
        let mut read =
            gpu.read(encoder, &[(&buffers.indices, rows as u64), (&buffers.lists, words)])?;
        let pairs = read.pop().unwrap_or_default();
        let counts = read.pop().unwrap_or_default();
        return Ok(Kept { counts, starts: (0..rows).map(|row| row * cols).collect(), pairs });
    }
    let counts = gpu.read(encoder, &[(&buffers.indices, rows as u64)])?.pop().unwrap_or_default();
    let mut all = 0;
    let starts: Vec<usize> = counts
        .iter()
        .map(|&count| {
            all += count as usize;
            all - count as usize
        })
        .collect();
    let words: Vec<u32> = starts.iter().map(|&start| start as u32).collect();
    gpu.queue.write_buffer(&buffers.indices, 0, bytemuck::cast_slice(&words));
    buffers.lists = pair_room(all);
    let second = stage(Compaction::Apply);
    exec.note(&[second]);
    let mut encoder = gpu.device.create_command_encoder(&Default::default());
    gpu.record(&mut encoder, &[second], &buffers)?;
    let pairs = gpu.read(encoder, &[(&buffers.lists, all as u64 * 2)])?.pop();
    pairs
        .map(|pairs| Kept { counts, starts, pairs })
        .ok_or(Error::OutOfMemory { what: "pairs", elements: all })
}

/// The element whose bits stand in the upper part of a word.
fn from_top<T: Element>(word: u32) -> T {
    run::from_word(word >> (32 - 8 * size_of::<T>()))
}
