//! Inputs, outputs and workspace that stay on the device.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::ops::Range;

use st_rank::{Element, Error, Lengths, RankPlan, Result};
use wgpu::{
    Buffer, BufferDescriptor, BufferUsages, ComputePass, ComputePassDescriptor, MapMode, PollType,
};

use super::kernel::Kernel;
use crate::exec::WgpuExecutor;
use crate::gpu::Gpu;
use crate::layout::{Layout, key_map};
use crate::run::{Buffers, Ready};

/// Bytes that are read back at a time.
const STAGING: u64 = 64 << 20;

/// Counts words that differ from the reference's, and poisons what was compared, so that a run
/// that writes nothing cannot look right.
const COMPARE: &str = "
@group(0) @binding(0) var<storage, read> want: array<u32>;
@group(0) @binding(1) var<storage, read_write> got: array<u32>;
@group(0) @binding(2) var<storage, read_write> faults: atomic<u32>;
@group(0) @binding(3) var<uniform> words: vec4<u32>;
@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>,
        @builtin(num_workgroups) groups: vec3<u32>) {
    for (var i = id.x; i < words.x; i += groups.x * 256u) {
        if (want[i] != got[i]) {
            atomicAdd(&faults, 1u);
        }
        got[i] = 0xfefefefeu;
    }
}
";

/// Some rows of an input that can be bound at a time.
#[derive(Clone, Debug)]
struct Window {
    row0: usize,
    rows: usize,
    words: u64,
    buffer: Buffer,
}

/// Several inputs of one shape on the device, with room for results. An input that is more than
/// one binding lies in several buffers, some rows in each, all of which a call reads.
pub struct Resident<'e, T> {
    exec: &'e WgpuExecutor,
    gpu: &'e Gpu,
    rows: usize,
    cols: usize,
    k: usize,
    copies: Vec<Vec<Window>>,
    lengths: Buffer,
    values: Buffer,
    indices: Buffer,
    lists: RefCell<Buffer>,
    /// Results that others are compared with: values and indices.
    reference: RefCell<Option<[Buffer; 2]>>,
    compare: Kernel,
    element: PhantomData<T>,
}

impl<T> std::fmt::Debug for Resident<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { rows, cols, k, copies, .. } = self;
        write!(f, "Resident({} of {rows}x{cols}, k {k})", copies.len())
    }
}

/// A plan that only has to be put into a pass.
pub struct Prepared {
    /// By input.
    ready: Vec<Vec<Ready>>,
    words: u64,
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let dispatches = self.ready.first().map_or(0, Vec::len);
        write!(f, "Prepared({dispatches} dispatches, {} inputs)", self.ready.len())
    }
}

impl Prepared {
    /// Puts a call into a pass; inputs are counted round and round.
    pub(super) fn dispatch(&self, input: usize, pass: &mut ComputePass<'_>) {
        if let Some(ready) = self.ready.get(input % self.ready.len().max(1)) {
            ready.iter().for_each(|r| r.dispatch(pass));
        }
    }
}

impl<'e, T: Element> Resident<'e, T> {
    pub(super) fn new(
        exec: &'e WgpuExecutor,
        gpu: &'e Gpu,
        rows: usize,
        cols: usize,
        k: usize,
        copies: usize,
    ) -> Result<Self> {
        let row_bytes = (cols as u64).saturating_mul(size_of::<T>() as u64).max(1);
        let most = gpu.most_bytes() / row_bytes;
        let output = (rows as u64).saturating_mul(k as u64).saturating_mul(4);
        if most == 0 || output > gpu.most_bytes() {
            let what = "a binding of this device";
            return Err(Error::TooLarge { what, rows, per_row: cols.max(k) });
        }
        // Windows of equal size: as a caller's own batches would be.
        let windows = (rows as u64).div_ceil(most).max(1);
        let window_rows = (rows as u64).div_ceil(windows).max(1) as usize;
        let io = BufferUsages::COPY_SRC | BufferUsages::COPY_DST;
        gpu.guarded("inputs of this size", || {
            let window = |row0: usize| {
                let rows = window_rows.min(rows - row0);
                let bytes = rows as u64 * row_bytes;
                Window { row0, rows, words: bytes.div_ceil(4), buffer: gpu.buffer(bytes, io) }
            };
            let copy = |_| (0..rows).step_by(window_rows).map(window).collect();
            Ok(Self {
                exec,
                gpu,
                rows,
                cols,
                k,
                copies: (0..copies.max(1)).map(copy).collect(),
                lengths: gpu.buffer(0, BufferUsages::empty()),
                values: gpu.buffer(output, io),
                indices: gpu.buffer(output, io),
                lists: RefCell::new(gpu.buffer(0, BufferUsages::empty())),
                reference: RefCell::default(),
                compare: Kernel::new(gpu, "compare", COMPARE)?,
                element: PhantomData,
            })
        })
    }

    /// Into how many buffers an input is split.
    #[must_use]
    pub fn windows(&self) -> usize {
        self.copies.first().map_or(0, Vec::len)
    }

    /// Fills every input by a kernel: binding 0 is the words of some rows; binding 1 a uniform of
    /// four words: how many words, columns of a row, the first row, and a number that differs from
    /// buffer to buffer. It is dispatched in workgroups of 256 over x, as many as are worth while.
    ///
    /// # Errors
    /// What the device refuses.
    pub fn fill(&self, wgsl: &str) -> Result<()> {
        self.gpu.guarded("to fill an input", || {
            let kernel = Kernel::new(self.gpu, "fill", wgsl)?;
            for (number, window) in (1..).zip(self.copies.iter().flatten()) {
                let words = [window.words, self.cols as u64, window.row0 as u64, number];
                let words = words.map(|w| u32::try_from(w).unwrap_or(u32::MAX));
                let groups = window.words.div_ceil(256).clamp(1, 16_384) as u32;
                let bound = kernel.bind(self.gpu, &[&window.buffer], &words, groups);
                self.submit(|pass| bound.dispatch(pass))?;
            }
            Ok(())
        })
    }

    /// Writes an input from the host: `rows x cols` elements.
    ///
    /// # Errors
    /// Another number of elements, or what the device refuses.
    pub fn upload(&self, copy: usize, values: &[T]) -> Result<()> {
        let (rows, cols) = (self.rows, self.cols);
        let most = rows * cols;
        if values.len() != most {
            let got = values.len();
            return Err(Error::InputLength {
                got,
                rows,
                cols,
                row_stride: cols,
                least: most,
                most,
            });
        }
        self.gpu.guarded("an upload", || {
            for window in self.copies.get(copy).into_iter().flatten() {
                let here = &values[window.row0 * cols..][..window.rows * cols];
                let bytes: &[u8] = bytemuck::cast_slice(here);
                let whole = bytes.len() / 4 * 4;
                self.gpu.queue.write_buffer(&window.buffer, 0, &bytes[..whole]);
                let mut last = [0; 4];
                if whole < bytes.len() {
                    last[..bytes.len() - whole].copy_from_slice(&bytes[whole..]);
                    self.gpu.queue.write_buffer(&window.buffer, whole as u64, &last);
                }
            }
            Ok(())
        })
    }

    /// Reads some rows of an input back.
    ///
    /// # Errors
    /// What the device refuses.
    pub fn input(&self, copy: usize, rows: Range<usize>) -> Result<Vec<T>> {
        let mut values = Vec::with_capacity(rows.len() * self.cols);
        for window in self.copies.get(copy).into_iter().flatten() {
            let first = rows.start.max(window.row0);
            let last = rows.end.min(window.row0 + window.rows);
            if first < last {
                let at = |row: usize| (row - window.row0) as u64 * self.cols as u64;
                self.read(&window.buffer, at(first)..at(last), &mut values)?;
            }
        }
        Ok(values)
    }

    /// The values and indices of some rows that were last written.
    ///
    /// # Errors
    /// What the device refuses.
    pub fn results(&self, rows: Range<usize>) -> Result<(Vec<u32>, Vec<u32>)> {
        let words = (rows.start * self.k) as u64..(rows.end * self.k) as u64;
        let (mut values, mut indices) = (Vec::new(), Vec::new());
        self.read(&self.values, words.clone(), &mut values)?;
        self.read(&self.indices, words, &mut indices)?;
        Ok((values, indices))
    }

    /// Prepares a plan for every input.
    ///
    /// # Errors
    /// A plan for another shape or device, and what the device refuses.
    pub fn prepare(&self, plan: &RankPlan) -> Result<Prepared> {
        let (gpu, problem) = (self.gpu, &plan.problem);
        self.exec.refuse(&plan.caps, T::DTYPE)?;
        problem.check()?;
        let shape = (problem.rows, problem.cols, problem.row_stride, problem.dtype);
        if shape != (self.rows, self.cols, self.cols, T::DTYPE)
            || problem.k > self.k
            || problem.lengths != Lengths::Full
        {
            return Err(gpu.refused(&format!("a plan for {problem} over inputs of another shape")));
        }
        let caps = self.exec.caps()?;
        let caps = caps.with_subgroup(caps.lane, caps.subgroups && plan.caps.subgroups);
        st_kernels::check(&plan.choice, problem, &caps)?;
        let map = key_map::<T>(problem.kind.direction(), problem.nan);
        let layout = Layout::new(plan, &caps, gpu.most_lanes, map);
        let batch = (gpu.most_bytes() / layout.list_bytes().max(1)) as usize;
        if batch == 0 {
            let what = "a binding of this device";
            return Err(Error::TooLarge { what, rows: 1, per_row: self.cols });
        }
        gpu.guarded("a plan", || {
            let most_rows = self.copies.iter().flatten().map(|w| w.rows).max().unwrap_or(0);
            let lists = self.lists(layout.list_bytes() * batch.min(most_rows) as u64);
            let on = |window: &Window| {
                let buffers = Buffers {
                    input: window.buffer.clone(),
                    lengths: self.lengths.clone(),
                    lists: lists.clone(),
                    values: self.values.clone(),
                    indices: self.indices.clone(),
                };
                let mut dispatches = Vec::new();
                for first in (0..window.rows).step_by(batch) {
                    let rows = batch.min(window.rows - first) as u64;
                    let (row0, offset) = (window.row0 + first, first * self.cols);
                    dispatches.extend(layout.dispatches(row0 as u64, rows, offset as u64));
                }
                gpu.prepare(&dispatches, &buffers)
            };
            let mut ready = Vec::with_capacity(self.copies.len());
            for copy in &self.copies {
                let windows: Result<Vec<Vec<Ready>>> = copy.iter().map(on).collect();
                ready.push(windows?.into_iter().flatten().collect());
            }
            Ok(Prepared { ready, words: problem.output_len() as u64 })
        })
    }

    /// Workspace of at least so many bytes.
    fn lists(&self, bytes: u64) -> Buffer {
        let mut lists = self.lists.borrow_mut();
        if lists.size() < bytes {
            *lists = self.gpu.buffer(bytes, BufferUsages::empty());
        }
        lists.clone()
    }

    /// Runs a plan over an input and waits for its results.
    ///
    /// # Errors
    /// A device that fails.
    pub fn run(&self, prepared: &Prepared, input: usize) -> Result<()> {
        self.gpu.guarded("a selection", || self.submit(|pass| prepared.dispatch(input, pass)))
    }

    /// Keeps a copy of the results last written, to compare others with.
    ///
    /// # Errors
    /// A device that fails.
    pub fn keep_results(&self) -> Result<()> {
        let gpu = self.gpu;
        gpu.guarded("a copy of results", || {
            let mut encoder = gpu.device.create_command_encoder(&Default::default());
            let copies = [&self.values, &self.indices].map(|from| {
                let to = gpu.buffer(from.size(), BufferUsages::COPY_DST);
                encoder.copy_buffer_to_buffer(from, 0, &to, 0, from.size());
                to
            });
            gpu.queue.submit([encoder.finish()]);
            *self.reference.borrow_mut() = Some(copies);
            Ok(())
        })
    }

    /// How many words of the results last written by a plan differ from the ones kept. Afterwards
    /// the results are gone: a plan that then writes nothing is found out.
    ///
    /// # Errors
    /// A device that fails, or no results kept.
    pub fn differences(&self, prepared: &Prepared) -> Result<u64> {
        let gpu = self.gpu;
        let kept = self.reference.borrow();
        let Some(kept) = kept.as_ref() else {
            return Err(gpu.refused("to compare results with none kept"));
        };
        let mut faults = 0;
        for (want, got) in kept.iter().zip([&self.values, &self.indices]) {
            gpu.guarded("a comparison", || {
                let words = u32::try_from(prepared.words).unwrap_or(u32::MAX);
                let count = gpu.buffer(4, BufferUsages::COPY_SRC);
                let groups = prepared.words.div_ceil(256).clamp(1, 16_384) as u32;
                let bound = self.compare.bind(gpu, &[want, got, &count], &[words, 0, 0, 0], groups);
                self.submit(|pass| bound.dispatch(pass))?;
                let mut found: Vec<u32> = Vec::new();
                self.read(&count, 0..1, &mut found)?;
                faults += u64::from(found.first().copied().unwrap_or(u32::MAX));
                Ok(())
            })?;
        }
        Ok(faults)
    }

    fn submit(&self, record: impl FnOnce(&mut ComputePass<'_>)) -> Result<()> {
        let gpu = self.gpu;
        let mut encoder = gpu.device.create_command_encoder(&Default::default());
        {
            let mut pass = encoder.begin_compute_pass(&ComputePassDescriptor::default());
            record(&mut pass);
        }
        gpu.queue.submit([encoder.finish()]);
        let waited = gpu.device.poll(PollType::wait_indefinitely());
        waited.map(drop).map_err(|e| gpu.refused(&format!("to finish: {e}")))
    }

    /// Appends elements of a buffer, read back piece by piece.
    fn read<E: bytemuck::Pod>(
        &self,
        from: &Buffer,
        elements: Range<u64>,
        to: &mut Vec<E>,
    ) -> Result<()> {
        let gpu = self.gpu;
        let size = size_of::<E>() as u64;
        let (mut at, end) = (elements.start * size, elements.end * size);
        while at < end {
            // Copies are of whole words; the piece may begin and end within one.
            let first = at / 4 * 4;
            let last = end.min(first + STAGING);
            let bytes = last.next_multiple_of(4) - first;
            let staging = gpu.device.create_buffer(&BufferDescriptor {
                label: Some("spiraltorch"),
                size: bytes,
                usage: BufferUsages::MAP_READ | BufferUsages::COPY_DST,
                mapped_at_creation: false,
            });
            let mut encoder = gpu.device.create_command_encoder(&Default::default());
            encoder.copy_buffer_to_buffer(from, first, &staging, 0, bytes);
            gpu.queue.submit([encoder.finish()]);
            staging.slice(..).map_async(MapMode::Read, drop);
            let waited = gpu.device.poll(PollType::wait_indefinitely());
            waited.map_err(|e| gpu.refused(&format!("to finish: {e}")))?;
            let mapped = staging
                .slice(..)
                .get_mapped_range()
                .map_err(|e| gpu.refused(&format!("to give results back: {e}")))?;
            let piece = &mapped[(at - first) as usize..(last - first) as usize];
            to.extend(bytemuck::pod_collect_to_vec::<u8, E>(piece));
            at = last;
        }
        Ok(())
    }
}
