//! Upload, record, read back.

use st_rank::{Error, Input, Problem, Result};
use wgpu::util::{BufferInitDescriptor, DeviceExt};
use wgpu::{
    BindGroup, BindGroupDescriptor, BindGroupEntry, Buffer, BufferDescriptor, BufferUsages,
    CommandEncoder, ComputePass, ComputePassDescriptor, ComputePipeline, ErrorFilter, MapMode,
    PollType,
};

use crate::gpu::Gpu;
use crate::layout::{Dispatch, Layout};

/// The buffers of a batch of rows, in the order of the bindings.
pub(crate) struct Buffers {
    pub(crate) input: Buffer,
    pub(crate) lengths: Buffer,
    pub(crate) lists: Buffer,
    pub(crate) values: Buffer,
    pub(crate) indices: Buffer,
}

/// A dispatch that only has to be put into a pass.
pub(crate) struct Ready {
    pipeline: ComputePipeline,
    bindings: BindGroup,
    grid: [u32; 2],
}

impl Ready {
    pub(crate) fn dispatch(&self, pass: &mut ComputePass<'_>) {
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.bindings, &[]);
        pass.dispatch_workgroups(self.grid[0], self.grid[1], 1);
    }
}

/// Bytes of a vector that kernels read at once, and of a binding of which nothing is read.
const LEAST_BYTES: u64 = 16;

impl Gpu {
    /// Runs what may make the driver refuse, and turns its refusal into an error.
    pub(crate) fn guarded<T>(&self, what: &str, run: impl FnOnce() -> Result<T>) -> Result<T> {
        self.alive()?;
        let memory = self.device.push_error_scope(ErrorFilter::OutOfMemory);
        let validation = self.device.push_error_scope(ErrorFilter::Validation);
        let done = run();
        let refused = pollster::block_on(validation.pop());
        let full = pollster::block_on(memory.pop());
        self.alive()?;
        match full.or(refused) {
            Some(error) => Err(self.refused(&format!("{what}: {error}"))),
            None => done,
        }
    }

    pub(crate) fn buffer(&self, bytes: u64, usage: BufferUsages) -> Buffer {
        self.device.create_buffer(&BufferDescriptor {
            label: Some("spiraltorch"),
            size: bytes.next_multiple_of(LEAST_BYTES).max(LEAST_BYTES),
            usage: usage | BufferUsages::STORAGE,
            mapped_at_creation: false,
        })
    }

    /// A buffer with these bytes in it.
    pub(crate) fn upload(&self, bytes: &[u8]) -> Buffer {
        let buffer = self.buffer(bytes.len() as u64, BufferUsages::COPY_DST);
        let whole = bytes.len() / 4 * 4;
        self.queue.write_buffer(&buffer, 0, &bytes[..whole]);
        if whole < bytes.len() {
            let mut last = [0; 4];
            last[..bytes.len() - whole].copy_from_slice(&bytes[whole..]);
            self.queue.write_buffer(&buffer, whole as u64, &last);
        }
        buffer
    }

    /// Makes what a pass needs of dispatches: pipelines, parameters, bindings.
    pub(crate) fn prepare(&self, dispatches: &[Dispatch], buffers: &Buffers) -> Result<Vec<Ready>> {
        dispatches.iter().map(|dispatch| self.ready(dispatch, buffers)).collect()
    }

    fn ready(&self, dispatch: &Dispatch, buffers: &Buffers) -> Result<Ready> {
        let most = u64::from(self.limits.max_compute_workgroups_per_dimension.max(1));
        let x = dispatch.workgroups.clamp(1, most);
        let y = dispatch.workgroups.div_ceil(x).max(1);
        if y > most {
            return Err(self.refused("so many workgroups"));
        }
        let vectors = (buffers.input.size() / LEAST_BYTES).min(u64::from(u32::MAX)) as u32;
        let params = crate::layout::Params { groups_x: x as u32, vectors, ..dispatch.params };
        let uniform = self.device.create_buffer_init(&BufferInitDescriptor {
            label: Some("spiraltorch"),
            contents: bytemuck::bytes_of(&params),
            usage: BufferUsages::UNIFORM,
        });
        let bound = [
            &buffers.input,
            &buffers.lengths,
            &buffers.lists,
            &buffers.values,
            &buffers.indices,
            &uniform,
            &buffers.input,
        ];
        let entries: Vec<BindGroupEntry<'_>> = (0..)
            .zip(bound)
            .map(|(binding, buffer)| BindGroupEntry {
                binding,
                resource: buffer.as_entire_binding(),
            })
            .collect();
        let bindings = self.device.create_bind_group(&BindGroupDescriptor {
            label: Some("spiraltorch"),
            layout: &self.bindings,
            entries: &entries,
        });
        let pipeline = self.pipeline(&dispatch.permutation)?;
        Ok(Ready { pipeline, bindings, grid: [x as u32, y as u32] })
    }

    /// Records dispatches, in order, into one pass.
    pub(crate) fn record(
        &self,
        encoder: &mut CommandEncoder,
        dispatches: &[Dispatch],
        buffers: &Buffers,
    ) -> Result<()> {
        let ready = self.prepare(dispatches, buffers)?;
        let mut pass = encoder.begin_compute_pass(&ComputePassDescriptor::default());
        ready.iter().for_each(|r| r.dispatch(&mut pass));
        Ok(())
    }

    /// Submits, waits, and gives the words that these buffers begin with.
    pub(crate) fn read(
        &self,
        mut encoder: CommandEncoder,
        wanted: &[(&Buffer, u64)],
    ) -> Result<Vec<Vec<u32>>> {
        let mut stagings = Vec::with_capacity(wanted.len());
        for &(buffer, words) in wanted {
            let bytes = (words * 4).max(4);
            let staging = self.device.create_buffer(&BufferDescriptor {
                label: Some("spiraltorch"),
                size: bytes,
                usage: BufferUsages::MAP_READ | BufferUsages::COPY_DST,
                mapped_at_creation: false,
            });
            encoder.copy_buffer_to_buffer(buffer, 0, &staging, 0, bytes);
            stagings.push((staging, words));
        }
        self.queue.submit([encoder.finish()]);
        let (sender, receiver) = std::sync::mpsc::channel();
        for (staging, _) in &stagings {
            let sender = sender.clone();
            staging.slice(..).map_async(MapMode::Read, move |done| {
                // The receiver waits for as many as were asked for.
                let _ = sender.send(done);
            });
        }
        let waited = self.device.poll(PollType::wait_indefinitely());
        waited.map_err(|e| self.refused(&format!("to finish: {e}")))?;
        let mut results = Vec::with_capacity(stagings.len());
        for _ in &stagings {
            match receiver.recv() {
                Ok(Ok(())) => {}
                _ => return Err(self.refused("to give results back")),
            }
        }
        for (staging, words) in &stagings {
            let mapped = staging
                .slice(..)
                .get_mapped_range()
                .map_err(|e| self.refused(&format!("to give results back: {e}")))?;
            results.push(bytemuck::cast_slice(&mapped)[..*words as usize].to_vec());
        }
        Ok(results)
    }

    /// Greatest binding, in bytes.
    pub(crate) fn most_bytes(&self) -> u64 {
        self.limits.max_storage_buffer_binding_size.min(self.limits.max_buffer_size)
    }
}

/// Rows of a batch, so that every buffer can be bound; an error if not even one can.
pub(crate) fn batch(most_bytes: u64, problem: &Problem, row_bytes: &[u64]) -> Result<u64> {
    let widest = row_bytes.iter().copied().max().unwrap_or(0).max(1);
    match most_bytes / widest {
        0 => Err(Error::TooLarge {
            what: "a binding of this device",
            rows: 1,
            per_row: problem.cols.max(problem.k),
        }),
        rows => Ok(rows),
    }
}

/// The rows of a batch, as bytes, from its first element to its last.
pub(crate) fn rows_of<T: st_rank::Element>(
    input: Input<'_, T>,
    stride: usize,
    cols: usize,
    row0: usize,
    rows: usize,
) -> &[u8] {
    if rows == 0 || cols == 0 {
        return &[];
    }
    let first = row0 * stride;
    let last = first + (rows - 1) * stride + cols;
    bytemuck::cast_slice(&input.values[first..last])
}

/// Rows that can be bound at a time.
pub(crate) fn rows_at_once<T>(gpu: &Gpu, layout: &Layout) -> Result<u64> {
    let Problem { k, row_stride, .. } = layout.problem;
    let row_bytes =
        [(row_stride * size_of::<T>()) as u64, layout.list_bytes(), (k as u64).saturating_mul(4)];
    batch(gpu.most_bytes(), &layout.problem, &row_bytes)
}

/// Buffers for some rows, the input in its place.
pub(crate) fn uploaded<T: st_rank::Element>(
    gpu: &Gpu,
    layout: &Layout,
    input: Input<'_, T>,
    row0: usize,
    rows: usize,
) -> Buffers {
    let Problem { cols, k, row_stride, .. } = layout.problem;
    let lengths = input.lengths.map_or(&[][..], |all| &all[row0..row0 + rows]);
    let (words, out) = (rows as u64 * k as u64, BufferUsages::COPY_SRC);
    Buffers {
        input: gpu.upload(rows_of(input, row_stride, cols, row0, rows)),
        lengths: gpu.upload(bytemuck::cast_slice(lengths)),
        lists: gpu.buffer(layout.list_bytes() * rows as u64, out),
        values: gpu.buffer(words * 4, out),
        indices: gpu.buffer(words * 4, out),
    }
}

/// Runs a plan's dispatches over all rows, batch by batch, and hands each batch's results on: the
/// words of values and of indices.
pub(crate) fn run<T: st_rank::Element>(
    gpu: &Gpu,
    layout: &Layout,
    input: Input<'_, T>,
    mut done: impl FnMut(usize, &[u32], &[u32]),
) -> Result<()> {
    let Problem { rows, k, .. } = layout.problem;
    let batch_rows = rows_at_once::<T>(gpu, layout)?;
    let mut row0 = 0;
    while row0 < rows {
        let here = usize::try_from(batch_rows).unwrap_or(usize::MAX).min(rows - row0);
        let words = here as u64 * k as u64;
        let results = gpu.guarded("a selection", || {
            let buffers = uploaded(gpu, layout, input, row0, here);
            let mut encoder = gpu.device.create_command_encoder(&Default::default());
            gpu.record(&mut encoder, &layout.dispatches(0, here as u64, 0), &buffers)?;
            gpu.read(encoder, &[(&buffers.values, words), (&buffers.indices, words)])
        })?;
        done(row0, &results[0], &results[1]);
        row0 += here;
    }
    Ok(())
}

/// The element whose bits a shader wrote into a word.
pub(crate) fn from_word<T: st_rank::Element>(word: u32) -> T {
    T::from_lane(st_rank::order::Lane::from_i64(i64::from(word)))
}
