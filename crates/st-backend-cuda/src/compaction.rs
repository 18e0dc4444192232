//! Compactions from host memory.

use st_kernels::cuda::{Unit, check_compact, small_bytes};
use st_rank::order::Lane;
use st_rank::{
    CompactOutput, CompactPlan, CompactProblem, Direction, Element, Error, Input, NanOrder,
    Problem, RankKind, Result,
};
use std::sync::PoisonError;

use crate::device::Gpu;
use crate::exec::CudaExecutor;
use crate::host::{HostMemory, TAKEN, rows_of};
use crate::layout::Step;
use crate::memory::host_room;
use crate::params::{Addresses, CompactParams, key_of, map_of, problem_params};

/// Parts of a row, at most.
const MOST_PARTS: usize = 1 << 16;
/// Blocks of a launch, at most.
const MOST_BLOCKS: usize = 1 << 30;

struct Compaction<'a> {
    exec: &'a CudaExecutor,
    gpu: &'a Gpu,
    plan: &'a CompactPlan,
    /// As the kernels see it.
    problem: Problem,
    low: u64,
    high: u64,
    parts: usize,
}

/// Of each row the elements of `[lo, hi]`, in the order of their columns.
pub(crate) fn run<T: Element>(
    exec: &CudaExecutor,
    plan: &CompactPlan,
    input: Input<'_, T>,
    lo: T,
    hi: T,
) -> Result<CompactOutput<T>> {
    let CompactProblem { rows, cols, dtype, row_stride, lengths } = plan.problem;
    exec.refuse(&plan.caps, dtype, T::DTYPE)?;
    plan.problem.check()?;
    plan.problem.check_input(T::DTYPE, input.values.len(), input.lengths)?;
    let opened = exec.opened()?;
    check_compact(&plan.choice, &opened.gpu.caps)?;
    let mut out =
        CompactOutput { offsets: host_room("the offsets", rows + 1)?, ..CompactOutput::default() };
    if rows == 0 || cols == 0 {
        return Ok(out);
    }
    let map = map_of(dtype, Direction::Ascending, NanOrder::Greatest);
    let width = T::Lane::BITS;
    let bits = |x: T| x.to_lane().to_i64().cast_unsigned() & (u64::MAX >> (64 - width));
    let problem = Problem::new(RankKind::BottomK, rows, cols, 0)
        .with_dtype(dtype)
        .with_row_stride(row_stride)
        .with_lengths(lengths);
    let columns = plan.choice.ctile as usize;
    let call = Compaction {
        exec,
        gpu: &opened.gpu,
        plan,
        problem,
        low: key_of(&map, bits(lo), width),
        high: key_of(&map, bits(hi), width),
        parts: if plan.choice.use_2ce { cols.div_ceil(columns).clamp(1, MOST_PARTS) } else { 1 },
    };
    let mut memory = opened.host.lock().unwrap_or_else(PoisonError::into_inner);
    let _current = call.gpu.current()?;
    let free = (call.gpu.free_bytes()? + memory.held()) as f64 * TAKEN;
    // All of a row may be kept.
    let size = dtype.size();
    let row_bytes = (row_stride * size + cols * (size + 4) + call.parts * 12) as f64;
    let each = ((free / row_bytes) as usize).min(MOST_BLOCKS / call.parts).clamp(1, rows);
    for row0 in (0..rows).step_by(each) {
        let here = each.min(rows - row0);
        call.batch(rows_of(&input, row_stride, row0, here), here, &mut memory, &mut out, row0)?;
    }
    Ok(out)
}

impl Compaction<'_> {
    fn batch<T: Element>(
        &self,
        input: Input<'_, T>,
        rows: usize,
        memory: &mut HostMemory,
        out: &mut CompactOutput<T>,
        row0: usize,
    ) -> Result<()> {
        let (gpu, parts, cols) = (self.gpu, self.parts, self.problem.cols);
        let stream = gpu.stream;
        let two = self.plan.choice.use_2ce;
        let bytes = bytemuck::cast_slice(input.values);
        let lengths = input.lengths.map(bytemuck::cast_slice).unwrap_or_default();
        // Where parts begin, 8 bytes each, then their counts, 4 each.
        let all_parts = rows * parts;
        let of_results = |kept: usize| [kept * size_of::<T>(), kept * 4].map(|b| Some(b as u64));
        // How many are kept is known after the first of two commands.
        let [values, indices] = of_results(if two { 0 } else { rows * cols });
        let [elements, row_lengths, workspace] =
            [bytes.len(), lengths.len(), all_parts * 12].map(|b| Some(b as u64));
        memory.reserve(gpu, [elements, row_lengths, values, indices, workspace, Some(0)])?;
        let begins_at = memory.scratch.at;
        let counts_at = begins_at + all_parts as u64 * 8;
        let mut counts = host_room::<u32>("the counts", all_parts)?;
        let mut begins = host_room::<u64>("where parts begin", if two { all_parts } else { 0 })?;
        let mut kept = rows * cols;
        if two {
            gpu.copying(stream, |copies| {
                copies.upload(memory.input.at, bytes)?;
                copies.upload(memory.lengths.at, lengths)?;
                self.launch("compact_count", memory, rows, counts_at, 0)?;
                copies.download(counts_at, bytemuck::cast_slice_mut(&mut counts))
            })?;
            let mut at = 0;
            for (begin, &count) in begins.iter_mut().zip(&counts) {
                *begin = at;
                at += u64::from(count);
            }
            kept = at as usize;
            let [values, indices] = of_results(kept.max(1));
            memory.reserve(gpu, [None, None, values, indices, None, Some(0)])?;
        }
        let mut values = host_room::<T>("the values", kept)?;
        let mut indices = host_room::<u32>("the indices", kept)?;
        gpu.copying(stream, |copies| {
            if two {
                copies.upload(begins_at, bytemuck::cast_slice(&begins))?;
                self.launch("compact_apply", memory, rows, counts_at, begins_at)?;
            } else {
                copies.upload(memory.input.at, bytes)?;
                copies.upload(memory.lengths.at, lengths)?;
                self.launch("compact_apply", memory, rows, counts_at, 0)?;
                copies.download(counts_at, bytemuck::cast_slice_mut(&mut counts))?;
            }
            copies.download(memory.values.at, bytemuck::cast_slice_mut(&mut values))?;
            copies.download(memory.indices.at, bytemuck::cast_slice_mut(&mut indices))
        })?;
        let of_row = |row: usize| {
            counts[row * parts..(row + 1) * parts].iter().map(|&n| n as usize).sum::<usize>()
        };
        let total = (0..rows).map(of_row).sum::<usize>();
        let full = |what| Error::OutOfMemory { what, elements: total };
        out.values.try_reserve(total).map_err(|_| full("the values"))?;
        out.indices.try_reserve(total).map_err(|_| full("the indices"))?;
        let mut at = 0;
        for row in 0..rows {
            let many = of_row(row);
            let from = if two { at } else { row * cols };
            out.values.extend_from_slice(&values[from..from + many]);
            out.indices.extend_from_slice(&indices[from..from + many]);
            at += many;
            out.offsets[row0 + row + 1] = out.values.len();
        }
        Ok(())
    }

    fn launch(
        &self,
        kernel: &'static str,
        memory: &HostMemory,
        rows: usize,
        counts: u64,
        begins: u64,
    ) -> Result<()> {
        let choice = &self.plan.choice;
        let at = Addresses {
            input: memory.input.at,
            lengths: if self.problem.lengths.is_ragged() { memory.lengths.at } else { 0 },
            values: memory.values.at,
            indices: memory.indices.at,
            ..Addresses::default()
        };
        let map = map_of(self.problem.dtype, Direction::Ascending, NanOrder::Greatest);
        let part_columns =
            if self.parts > 1 { self.problem.cols.div_ceil(self.parts) } else { self.problem.cols };
        let params = CompactParams {
            p: problem_params(&self.problem, rows, map, &at),
            low: self.low,
            high: self.high,
            counts,
            begins,
            parts: self.parts as u32,
            part_columns: part_columns as u32,
        };
        let unit = Unit::plain("compact.cu", self.problem.dtype, choice.wg);
        let blocks = (rows * self.parts) as u64;
        let step = Step::new(unit, kernel, blocks, small_bytes(choice.wg), &params);
        self.exec.launch(self.gpu.stream, std::slice::from_ref(&step))
    }
}
