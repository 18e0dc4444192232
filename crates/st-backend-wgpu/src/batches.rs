//! Host memory through the device: upload, record, read back, batch by batch.

use st_rank::{DType, Element, Error, Input, Problem, Result};

use crate::gpu::Gpu;
use crate::layout::{Layout, Params, key_map};
use crate::pool::Lease;
use crate::readback::{Pending, Wait};
use crate::run::{Part, Parts, record};

/// Host memory to select from, whatever its type.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) lengths: Option<&'a [u32]>,
}

impl<'a, T: Element> From<Input<'a, T>> for Rows<'a> {
    fn from(input: Input<'a, T>) -> Self {
        Self { bytes: bytemuck::cast_slice(input.values), lengths: input.lengths }
    }
}

impl<'a> Rows<'a> {
    /// The bytes of some rows, from the first's first element to the last's last.
    pub(crate) fn of(
        &self,
        dtype: DType,
        stride: usize,
        cols: usize,
        row0: usize,
        rows: usize,
    ) -> &'a [u8] {
        if rows == 0 || cols == 0 {
            return &[];
        }
        let first = row0 * stride;
        let last = first + (rows - 1) * stride + cols;
        &self.bytes[first * dtype.size()..last * dtype.size()]
    }

    /// The lengths of some rows, as bytes.
    pub(crate) fn lengths_of(&self, row0: usize, rows: usize) -> &'a [u8] {
        self.lengths.map_or(&[], |all| bytemuck::cast_slice(&all[row0..row0 + rows]))
    }
}

/// The code map of a problem; of the types that kernels do not read, none is asked for.
pub(crate) fn map_of(problem: &Problem) -> Params {
    let (direction, nan) = (problem.kind.direction(), problem.nan);
    match problem.dtype {
        DType::F32 => key_map::<f32>(direction, nan),
        DType::F16 => key_map::<st_rank::f16>(direction, nan),
        DType::Bf16 => key_map::<st_rank::bf16>(direction, nan),
        DType::I32 => key_map::<i32>(direction, nan),
        _ => key_map::<u32>(direction, nan),
    }
}

/// The pool's buffers for a batch of rows.
pub(crate) struct Leases {
    input: Lease,
    lengths: Lease,
    lists: Lease,
    pub(crate) values: Lease,
    pub(crate) indices: Lease,
    /// Bytes of each that are used, in that order.
    used: [u64; 5],
}

impl Leases {
    /// Room for so many bytes of input, lengths, lists, values and indices.
    pub(crate) fn new(gpu: &Gpu, used: [u64; 5]) -> Self {
        let [input, lengths, lists, values, indices] =
            used.map(|bytes| gpu.pool.lease(&gpu.device, bytes));
        Self { input, lengths, lists, values, indices, used }
    }

    /// Records the upload of rows and lengths.
    pub(crate) fn fill(
        &self,
        gpu: &Gpu,
        encoder: &mut wgpu::CommandEncoder,
        rows: &[u8],
        lengths: &[u8],
    ) -> Result<()> {
        gpu.upload(encoder, self.input.buffer(), rows)?;
        gpu.upload(encoder, self.lengths.buffer(), lengths)
    }

    /// Room for some rows and their results, with the upload of those rows recorded.
    pub(crate) fn uploaded(
        gpu: &Gpu,
        layout: &Layout,
        input: Rows<'_>,
        row0: usize,
        rows: usize,
        encoder: &mut wgpu::CommandEncoder,
    ) -> Result<Self> {
        let Problem { cols, k, row_stride, dtype, .. } = layout.problem;
        let matrix = input.of(dtype, row_stride, cols, row0, rows);
        let lengths = input.lengths_of(row0, rows);
        let output = rows as u64 * k as u64 * 4;
        let lists = layout.list_bytes() * rows as u64;
        let used = [matrix.len() as u64, lengths.len() as u64, lists, output, output];
        let buffers = Self::new(gpu, used);
        buffers.fill(gpu, encoder, matrix, lengths)?;
        Ok(buffers)
    }

    /// Other lists.
    pub(crate) fn with_lists(mut self, gpu: &Gpu, bytes: u64) -> Self {
        self.lists = gpu.pool.lease(&gpu.device, bytes);
        self.used[2] = bytes;
        self
    }

    pub(crate) const fn lists(&self) -> &Lease {
        &self.lists
    }

    pub(crate) fn parts(&self) -> Parts {
        let part = |lease: &Lease, bytes| Part::first(lease.buffer(), bytes);
        let [input, lengths, lists, values, indices] = self.used;
        Parts {
            input: part(&self.input, input),
            lengths: part(&self.lengths, lengths),
            lists: part(&self.lists, lists),
            values: part(&self.values, values),
            indices: part(&self.indices, indices),
            // Lengths of the host's were checked there.
            status: None,
        }
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

/// Rows that can be bound at a time.
pub(crate) fn rows_at_once(gpu: &Gpu, layout: &Layout) -> Result<u64> {
    let Problem { k, row_stride, dtype, .. } = layout.problem;
    let row_bytes =
        [(row_stride * dtype.size()) as u64, layout.list_bytes(), (k as u64).saturating_mul(4)];
    batch(gpu.most_bytes(), &layout.problem, &row_bytes)
}

/// Runs a plan's dispatches over all rows, batch by batch, and hands each batch's results on: the
/// words of values and of indices.
pub(crate) async fn run(
    gpu: &Gpu,
    layout: &Layout,
    input: Rows<'_>,
    wait: Wait,
    mut done: impl FnMut(usize, &[u32], &[u32]),
) -> Result<()> {
    let rows = layout.problem.rows;
    let batch_rows = usize::try_from(rows_at_once(gpu, layout)?).unwrap_or(usize::MAX);
    let mut row0 = 0;
    while row0 < rows {
        let here = batch_rows.min(rows - row0);
        // The buffers are held until their results are read: a batch in flight shares none.
        let (pending, _buffers) =
            gpu.caught("a selection", || begun(gpu, layout, input, row0, here)).await?;
        let results = pending.arrive(gpu, wait).await?;
        done(row0, &results[0], &results[1]);
        row0 += here;
    }
    Ok(())
}

/// Uploads rows, runs the dispatches over them, and asks for the results.
fn begun(
    gpu: &Gpu,
    layout: &Layout,
    input: Rows<'_>,
    row0: usize,
    rows: usize,
) -> Result<(Pending, Leases)> {
    let mut encoder = gpu.device.create_command_encoder(&Default::default());
    let buffers = Leases::uploaded(gpu, layout, input, row0, rows, &mut encoder)?;
    let ready = gpu.readied(&layout.dispatches(0, rows as u64, 0), &buffers.parts())?;
    record(&mut encoder, &ready);
    let words = rows as u64 * layout.problem.k as u64;
    let wanted = [(buffers.values.buffer(), words), (buffers.indices.buffer(), words)];
    Ok((gpu.submit(encoder, &wanted), buffers))
}

/// The element whose bits a shader wrote into a word.
pub(crate) fn from_word<T: Element>(word: u32) -> T {
    T::from_lane(st_rank::order::Lane::from_i64(i64::from(word)))
}
