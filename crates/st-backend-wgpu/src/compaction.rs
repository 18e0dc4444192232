//! Compactions: one command, which gives each row room for all of its columns, or two, which count
//! first and give it what it needs.

use st_kernels::wgsl::{Compaction, Permutation};
use st_rank::{
    CompactOutput, CompactPlan, DeviceCaps, Direction, Element, Error, Input, NanOrder, Problem,
    RankKind, Result,
};

use crate::batches::{self, Leases, Rows};
use crate::gpu::Gpu;
use crate::layout::{Dispatch, Params, key_map};
use crate::readback::Wait;
use crate::run::record;

/// One batch's pairs of bits and column, with how many each row has.
struct Kept {
    counts: Vec<u32>,
    /// For each row, where its pairs begin.
    starts: Vec<usize>,
    pairs: Vec<u32>,
}

/// The kernels of a plan, in order.
pub(crate) fn permutations(plan: &CompactPlan) -> Vec<Permutation> {
    let stages: &[Compaction] = if plan.choice.use_2ce {
        &[Compaction::Count, Compaction::Apply]
    } else {
        &[Compaction::Whole]
    };
    let dtype = plan.problem.dtype;
    stages.iter().map(|&what| Permutation::compaction(&plan.choice, dtype, what)).collect()
}

/// In this direction greater values have greater keys.
fn map<T: Element>() -> Params {
    key_map::<T>(Direction::Descending, NanOrder::Greatest)
}

/// The key of an element.
pub(crate) fn key<T: Element>() -> impl Fn(T) -> u32 {
    let map = map::<T>();
    move |x: T| {
        let bits: &[u8] = bytemuck::bytes_of(&x);
        let mut word = [0; 4];
        word[4 - bits.len()..].copy_from_slice(bits);
        map.key(u32::from_ne_bytes(word))
    }
}

/// Runs a compaction whose kernels were tested; `note` is told of its dispatches.
pub(crate) async fn run<T: Element>(
    gpu: &Gpu,
    caps: &DeviceCaps,
    plan: &CompactPlan,
    input: Input<'_, T>,
    [lo, hi]: [T; 2],
    wait: Wait,
    note: &mut impl FnMut(&Dispatch),
) -> Result<CompactOutput<T>> {
    let problem = plan.problem;
    let key = key::<T>();
    let cols = problem.cols as u64;
    let rounds = st_kernels::gpu::compaction_rounds(&plan.choice, problem.cols);
    if caps.loop_rounds > 0 && rounds > u64::from(caps.loop_rounds) {
        return Err(Error::InfeasibleCompaction {
            field: "wg",
            value: plan.choice.wg.into(),
            allowed: "the driver ends long loops: take more threads, or the cpu",
        });
    }
    // Only the shape matters for the size of a batch.
    let shape = Problem::new(RankKind::TopK, problem.rows, problem.cols, 0);
    let row_bytes = [(problem.row_stride * size_of::<T>()) as u64, cols * 8];
    let batch_rows = batches::batch(gpu.most_bytes(), &shape, &row_bytes)?;
    let batch_rows = usize::try_from(batch_rows).unwrap_or(usize::MAX);
    let stages = permutations(plan);
    let host = Rows::from(input);

    let mut out = CompactOutput { offsets: vec![0], values: Vec::new(), indices: Vec::new() };
    let mut row0 = 0;
    while row0 < problem.rows {
        let here = batch_rows.min(problem.rows - row0);
        let params = Params {
            rows: here as u32,
            cols: problem.cols as u32,
            stride: problem.row_stride as u32,
            parts: 1,
            list_stride: problem.cols as u32,
            ragged: problem.lengths.is_ragged().into(),
            lo: key(lo),
            hi: key(hi),
            ..map::<T>()
        };
        let commands: Vec<Dispatch> = stages
            .iter()
            .map(|&permutation| Dispatch { permutation, workgroups: here as u64, params })
            .collect();
        commands.iter().for_each(&mut *note);
        let rows = host.of(T::DTYPE, problem.row_stride, problem.cols, row0, here);
        let lengths = host.lengths_of(row0, here);
        let kept = batch(gpu, rows, lengths, here, problem.cols, &commands, wait).await?;
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

async fn batch(
    gpu: &Gpu,
    matrix: &[u8],
    lengths: &[u8],
    rows: usize,
    cols: usize,
    commands: &[Dispatch],
    wait: Wait,
) -> Result<Kept> {
    let what = "a compaction";
    let (first, second) = match commands {
        [first, second] => (first, Some(second)),
        _ => (&commands[0], None),
    };
    let (counted, whole) = (rows as u64, rows as u64 * cols as u64 * 2);
    let (pending, buffers) = gpu
        .caught(what, || {
            let lists = if second.is_some() { 0 } else { whole * 4 };
            let used = [matrix.len() as u64, lengths.len() as u64, lists, 0, counted * 4];
            let buffers = Leases::new(gpu, used);
            let mut encoder = gpu.device.create_command_encoder(&Default::default());
            buffers.fill(gpu, &mut encoder, matrix, lengths)?;
            record(&mut encoder, &gpu.readied(&[*first], &buffers.parts())?);
            let counts = (buffers.indices.buffer(), counted);
            let pairs = (buffers.lists().buffer(), whole);
            let wanted = [counts, pairs];
            Ok((gpu.submit(encoder, &wanted[..1 + usize::from(second.is_none())]), buffers))
        })
        .await?;
    let mut read = pending.arrive(gpu, wait).await?;
    let Some(second) = second else {
        let pairs = read.pop().unwrap_or_default();
        let counts = read.pop().unwrap_or_default();
        return Ok(Kept { counts, starts: (0..rows).map(|row| row * cols).collect(), pairs });
    };
    let counts = read.pop().unwrap_or_default();
    let mut all = 0;
    let starts: Vec<usize> = counts
        .iter()
        .map(|&count| {
            all += count as usize;
            all - count as usize
        })
        .collect();
    let words: Vec<u32> = starts.iter().map(|&start| start as u32).collect();
    let (pending, _buffers) = gpu
        .caught(what, || {
            let buffers = buffers.with_lists(gpu, all as u64 * 8);
            let mut encoder = gpu.device.create_command_encoder(&Default::default());
            gpu.upload(&mut encoder, buffers.indices.buffer(), bytemuck::cast_slice(&words))?;
            record(&mut encoder, &gpu.readied(&[*second], &buffers.parts())?);
            Ok((gpu.submit(encoder, &[(buffers.lists().buffer(), all as u64 * 2)]), buffers))
        })
        .await?;
    let pairs = pending.arrive(gpu, wait).await?.pop();
    pairs
        .map(|pairs| Kept { counts, starts, pairs })
        .ok_or(Error::OutOfMemory { what: "pairs", elements: all })
}

/// The element whose bits stand in the upper part of a word.
fn from_top<T: Element>(word: u32) -> T {
    batches::from_word(word >> (32 - 8 * size_of::<T>()))
}
