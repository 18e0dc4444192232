//! The executor bound to host memory.

use st_rank::{
    CompactExecutor, CompactOutput, CompactPlan, Element, Error, ExecuteInto, HostInput,
    HostOutput, Input, Problem, RankKExecutor, RankOutput, RankPlan, Result,
};
use std::sync::PoisonError;

use crate::compaction;
use crate::device::Gpu;
use crate::exec::CudaExecutor;
use crate::layout::Layout;
use crate::memory::{Block, host_room};
use crate::params::Addresses;
use crate::resident::CudaInput;

/// A [`CudaExecutor`] bound to host memory: rows are copied to the device and results back, in several batches
/// if they do not fit the device together.
#[derive(Clone, Copy, Debug)]
pub struct OnCuda<'a, T> {
    exec: &'a CudaExecutor,
    input: Input<'a, T>,
}

impl<X: HostInput + ?Sized> CudaInput for X {
    type Bound<'a>
        = OnCuda<'a, X::Elem>
    where
        X: 'a;

    fn bind<'a>(&'a self, exec: &'a CudaExecutor) -> OnCuda<'a, X::Elem> {
        OnCuda { exec, input: self.input() }
    }
}

/// Device memory that calls from the host use, one after another.
#[derive(Debug, Default)]
pub(crate) struct HostMemory {
    pub(crate) input: Block,
    pub(crate) lengths: Block,
    pub(crate) values: Block,
    pub(crate) indices: Block,
    pub(crate) scratch: Block,
    zeroed: Block,
    /// Whether the last call ended, and so left zeros there.
    clean: bool,
}

impl HostMemory {
    /// Room of so many bytes in each block, in the order of [`all`](Self::all); none: it is in use and stays. Whether the
    /// last is new. Blocks that earlier calls left are larger than this one's where they want it so: if there is no memory
    /// beside them, all but those in use are given back and made anew. The context is current.
    pub(crate) fn reserve(&mut self, gpu: &Gpu, bytes: [Option<u64>; 6]) -> Result<bool> {
        // To allocate would end the capture.
        gpu.uncaptured(gpu.stream)?;
        match self.grown(gpu, bytes) {
            Err(Error::DeviceMemory { .. }) => {
                let unused = self.all().into_iter().zip(bytes).filter(|(_, bytes)| bytes.is_some());
                unused.for_each(|(block, _)| block.free(gpu));
                self.grown(gpu, bytes)
            }
            done => done,
        }
    }

    fn grown(&mut self, gpu: &Gpu, bytes: [Option<u64>; 6]) -> Result<bool> {
        const NAMES: [&str; 6] =
            ["input", "lengths", "values", "indices", "workspace", "workspace of zeros"];
        let mut grown = false;
        for ((block, bytes), name) in self.all().into_iter().zip(bytes).zip(NAMES) {
            grown = match bytes {
                Some(bytes) => block.reserve(gpu, bytes, name)?,
                None => false,
            };
        }
        Ok(grown)
    }

    fn all(&mut self) -> [&mut Block; 6] {
        let Self { input, lengths, values, indices, scratch, zeroed, .. } = self;
        [input, lengths, values, indices, scratch, zeroed]
    }

    pub(crate) fn free(&mut self, gpu: &Gpu) {
        if let Ok(_current) = gpu.current() {
            for block in self.all() {
                block.free(gpu);
            }
        }
    }

    /// Bytes that are held.
    pub(crate) fn held(&mut self) -> u64 {
        self.all().iter().map(|block| block.bytes()).sum()
    }
}

/// Of the memory that is free, what a call takes at most: something is left to others.
pub(crate) const TAKEN: f64 = 0.9;

/// The elements of a batch of rows.
pub(crate) fn rows_of<'a, T>(
    input: &Input<'a, T>,
    stride: usize,
    row0: usize,
    rows: usize,
) -> Input<'a, T> {
    let from = (row0 * stride).min(input.values.len());
    let to = ((row0 + rows) * stride).min(input.values.len());
    Input {
        values: &input.values[from..to],
        lengths: input.lengths.map(|lengths| &lengths[row0..row0 + rows]),
    }
}

impl<T: Element> OnCuda<'_, T> {
    fn fill<O: HostOutput<T> + ?Sized>(&self, plan: &RankPlan, out: &mut O) -> Result<()> {
        let &Self { exec, input } = self;
        let problem = &plan.problem;
        exec.refuse(&plan.caps, problem.dtype, T::DTYPE)?;
        problem.check()?;
        problem.check_input(T::DTYPE, input.values.len(), input.lengths)?;
        let layout = exec.laid_out(plan)?;
        if problem.output_len() == 0 {
            out.slots(0)?;
            return Ok(());
        }
        // Side by side, and before other threads wait for this one.
        exec.gpu()?.compile_ahead(&layout.units());
        // Results are complete before the caller's memory is touched.
        let mut values = host_room::<T>("the values", problem.output_len())?;
        let mut indices = host_room::<u32>("the indices", problem.output_len())?;
        let opened = exec.opened()?;
        let mut memory = opened.host.lock().unwrap_or_else(PoisonError::into_inner);
        let gpu = &opened.gpu;
        let _current = gpu.current()?;
        let free = (gpu.free_bytes()? + memory.held()) as f64 * TAKEN;
        let each = Layout::rows_in(problem, &plan.choice, gpu.shape(), free as u64);
        for row0 in (0..problem.rows).step_by(each) {
            let rows = each.min(problem.rows - row0);
            let batch = Problem { rows, ..*problem };
            let input = rows_of(&input, problem.row_stride, row0, rows);
            let slots = row0 * problem.k..(row0 + rows) * problem.k;
            let (values, indices) = (&mut values[slots.clone()], &mut indices[slots]);
            let was_clean = std::mem::replace(&mut memory.clean, false);
            self.batch(&batch, plan, input, values, indices, (&mut memory, was_clean))?;
            memory.clean = true;
        }
        let (all_values, all_indices) = out.slots(problem.output_len())?;
        all_values.copy_from_slice(&values);
        all_indices.copy_from_slice(&indices);
        Ok(())
    }

    fn batch(
        &self,
        problem: &Problem,
        plan: &RankPlan,
        input: Input<'_, T>,
        values: &mut [T],
        indices: &mut [u32],
        (memory, was_clean): (&mut HostMemory, bool),
    ) -> Result<()> {
        let gpu = self.exec.gpu()?;
        let stream = gpu.stream;
        let layout = Layout::new(problem, &plan.choice, gpu.shape());
        let bytes = bytemuck::cast_slice(input.values);
        let lengths = input.lengths.map(bytemuck::cast_slice);
        let sizes = [
            bytes.len() as u64,
            lengths.map_or(0, <[u8]>::len) as u64,
            size_of_val(values) as u64,
            size_of_val(indices) as u64,
            layout.scratch,
            layout.zeroed,
        ];
        let grown = memory.reserve(gpu, sizes.map(Some))?;
        let at = Addresses {
            input: memory.input.at,
            lengths: if lengths.is_some() { memory.lengths.at } else { 0 },
            values: memory.values.at,
            indices: memory.indices.at,
            status: 0,
            zeroed: memory.zeroed.at,
            scratch: memory.scratch.at,
            wide: false,
        };
        gpu.copying(stream, |copies| {
            if grown || !was_clean {
                gpu.clear(stream, memory.zeroed.at, memory.zeroed.bytes())?;
            }
            copies.upload(memory.input.at, bytes)?;
            copies.upload(memory.lengths.at, lengths.unwrap_or_default())?;
            self.exec.launch(stream, &layout.steps(&at))?;
            copies.download(memory.values.at, bytemuck::cast_slice_mut(values))?;
            copies.download(memory.indices.at, bytemuck::cast_slice_mut(indices))
        })
    }
}

impl<T: Element> RankKExecutor for OnCuda<'_, T> {
    type Output = RankOutput<T>;
    const RETURNS_WHEN_DONE: bool = true;

    fn execute(&self, plan: &RankPlan) -> Result<RankOutput<T>> {
        let mut out = RankOutput::default();
        self.fill(plan, &mut out)?;
        Ok(out)
    }

    fn written(&self, out: &RankOutput<T>) -> Vec<u8> {
        out.bytes()
    }
}

impl<T: Element, O: HostOutput<T> + ?Sized> ExecuteInto<O> for OnCuda<'_, T> {
    const RETURNS_WHEN_DONE: bool = true;

    fn execute_into(&self, plan: &RankPlan, out: &mut O) -> Result<()> {
        self.fill(plan, out)
    }

    fn written(&self, plan: &RankPlan, out: &mut O) -> Vec<u8> {
        out.bytes(plan.problem.output_len())
    }
}

impl<T: Element> CompactExecutor<T> for OnCuda<'_, T> {
    fn compact(&self, plan: &CompactPlan, lo: T, hi: T) -> Result<CompactOutput<T>> {
        compaction::run(self.exec, plan, self.input, lo, hi)
    }
}
