//! Dispatches with their buffers: all that a pass needs.

use st_kernels::wgsl::BINDINGS;
use st_rank::Result;
use wgpu::{
    BindGroup, BindGroupDescriptor, BindGroupEntry, BindingResource, Buffer, BufferBinding,
    BufferDescriptor, BufferSize, BufferUsages, CommandEncoder, ComputePass, ComputePassDescriptor,
    ComputePipeline,
};

use crate::gpu::Gpu;
use crate::layout::{Dispatch, ENTRY_BYTES, Params};
use crate::pool::LEAST_BYTES;

/// Whole buffers for a batch of rows, in the order of the bindings.
#[allow(dead_code, reason = "for timings over buffers of their own")]
pub(crate) struct Buffers {
    pub(crate) input: Buffer,
    pub(crate) lengths: Buffer,
    pub(crate) lists: Buffer,
    pub(crate) values: Buffer,
    pub(crate) indices: Buffer,
}

/// A part of a buffer, in bytes.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    buffer: Buffer,
    begin: u64,
    bytes: u64,
}

impl Part {
    /// From a multiple of the device's alignment on.
    pub(crate) fn new(buffer: &Buffer, begin: u64, bytes: u64) -> Self {
        Self { buffer: buffer.clone(), begin, bytes }
    }

    /// From the beginning on.
    pub(crate) fn first(buffer: &Buffer, bytes: u64) -> Self {
        Self::new(buffer, 0, bytes.next_multiple_of(LEAST_BYTES).clamp(LEAST_BYTES, buffer.size()))
    }

    /// What lies before some byte of it, and from there on.
    fn split(&self, at: u64) -> (Self, Self) {
        let at = at.min(self.bytes);
        let from_there = Self::new(&self.buffer, self.begin + at, self.bytes - at);
        (Self::new(&self.buffer, self.begin, at), from_there)
    }

    fn whole(buffer: &Buffer) -> Self {
        Self::new(buffer, 0, buffer.size())
    }

    fn resource(&self) -> BindingResource<'_> {
        BindingResource::Buffer(BufferBinding {
            buffer: &self.buffer,
            offset: self.begin,
            size: BufferSize::new(self.bytes),
        })
    }
}

/// What dispatches work on, in the order of the bindings.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    pub(crate) input: Part,
    pub(crate) lengths: Part,
    pub(crate) lists: Part,
    pub(crate) values: Part,
    pub(crate) indices: Part,
    /// Where it is said that a row was bad, if someone asked for it.
    pub(crate) status: Option<Part>,
}

impl From<&Buffers> for Parts {
    fn from(buffers: &Buffers) -> Self {
        Self {
            input: Part::whole(&buffers.input),
            lengths: Part::whole(&buffers.lengths),
            lists: Part::whole(&buffers.lists),
            values: Part::whole(&buffers.values),
            indices: Part::whole(&buffers.indices),
            status: None,
        }
    }
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

impl Gpu {
    /// A buffer that is not from the pool.
    pub(crate) fn buffer(&self, bytes: u64, usage: BufferUsages) -> Buffer {
        self.pool.note();
        self.device.create_buffer(&BufferDescriptor {
            label: Some("spiraltorch"),
            size: bytes.next_multiple_of(LEAST_BYTES).max(LEAST_BYTES),
            usage: usage | BufferUsages::STORAGE,
            mapped_at_creation: false,
        })
    }

    /// Makes what a pass needs of dispatches over whole buffers.
    #[allow(dead_code, reason = "for timings over buffers of their own")]
    pub(crate) fn prepare(&self, dispatches: &[Dispatch], buffers: &Buffers) -> Result<Vec<Ready>> {
        self.readied(dispatches, &Parts::from(buffers))
    }

    /// Makes what a pass needs of dispatches: pipelines, parameters, bindings.
    pub(crate) fn readied(&self, dispatches: &[Dispatch], parts: &Parts) -> Result<Vec<Ready>> {
        dispatches.iter().map(|dispatch| self.ready(dispatch, parts)).collect()
    }

    fn ready(&self, dispatch: &Dispatch, parts: &Parts) -> Result<Ready> {
        let most = u64::from(self.limits.max_compute_workgroups_per_dimension.max(1));
        let x = dispatch.workgroups.clamp(1, most);
        let y = dispatch.workgroups.div_ceil(x).max(1);
        if y > most {
            return Err(self.refused("so many workgroups"));
        }
        // What is less than a vector cannot be bound as vectors, and is read as words alone.
        let vectors = (parts.input.bytes / LEAST_BYTES).min(u64::from(u32::MAX)) as u32;
        let as_vectors = match vectors {
            0 => Part::whole(&self.nothing),
            _ => parts.input.clone(),
        };
        let params = Params { groups_x: x as u32, vectors, ..dispatch.params };
        let uniform = Part::whole(&self.uniform(&params)?);
        // Bins are bound apart from the lists before them: no memory twice.
        let apart = dispatch.permutation.stage.has_bins_in_memory();
        let (lists, bins) = match apart {
            true => parts.lists.split(u64::from(params.bins_base) * ENTRY_BYTES),
            false => (parts.lists.clone(), parts.values.clone()),
        };
        let status = parts.status.clone().unwrap_or_else(|| Part::whole(&self.unasked));
        let bound: [&Part; BINDINGS.len()] = [
            &parts.input,
            &parts.lengths,
            &lists,
            &bins,
            &parts.indices,
            &uniform,
            &as_vectors,
            &status,
        ];
        let entries: Vec<BindGroupEntry<'_>> = (0..)
            .zip(bound)
            .map(|(binding, part)| BindGroupEntry { binding, resource: part.resource() })
            .collect();
        let bindings = self.device.create_bind_group(&BindGroupDescriptor {
            label: Some("spiraltorch"),
            layout: &self.bindings,
            entries: &entries,
        });
        let pipeline = self.pipeline(&dispatch.permutation)?;
        Ok(Ready { pipeline, bindings, grid: [x as u32, y as u32] })
    }
}

/// Records dispatches, in order, into one pass.
pub(crate) fn record(encoder: &mut CommandEncoder, ready: &[Ready]) {
    let mut pass = encoder.begin_compute_pass(&ComputePassDescriptor {
        label: Some("spiraltorch"),
        timestamp_writes: None,
    });
    ready.iter().for_each(|r| r.dispatch(&mut pass));
}
