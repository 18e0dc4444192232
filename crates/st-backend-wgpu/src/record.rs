//! Selections over buffers of the caller's, recorded into the caller's encoder.

use st_rank::{Error, ExecuteInto, Problem, RankKExecutor, RankPlan, Result};
use wgpu::{BufferUsages, CommandEncoder};

use crate::device_buffers::{DeviceInput, DeviceOutput};
use crate::exec::WgpuExecutor;
use crate::gpu::Gpu;
use crate::layout::Layout;
use crate::pool::LEAST_BYTES;
use crate::run::{Part, Parts, Ready, record};
use crate::windows::{Matrix, Span, Window};

impl WgpuExecutor {
    /// Records a selection into the caller's encoder, as one compute pass, from the caller's buffers
    /// to the caller's buffers. It neither submits, nor waits, nor reads back; once the caller
    /// submits, results are there for all commands that come later on the queue.
    ///
    /// The first plan that needs a kernel on a device compiles and tests it, which submits work of
    /// its own and waits for it. [`prepare`](Self::prepare) does that ahead of time; in a browser it
    /// must ([`prepare_async`](Self::prepare_async)).
    ///
    /// Any number of recordings may be in flight, in any encoders of the device's queue. They share
    /// one workspace ([`workspace_bytes`](Self::workspace_bytes)): a queue runs its commands in
    /// order. A recording like an earlier one makes no buffer.
    ///
    /// # Errors
    /// Before anything is recorded, so that the encoder is as it was: an impossible shape, another
    /// type, buffers without the usage or the room ([`Error::DeviceBuffer`]), a row that no binding
    /// can hold ([`Error::TooLarge`]), a failed self-test, no memory. Results that take more than a
    /// binding are bound in windows, too, which may have to begin some rows early, fewer than the
    /// words of an alignment: where so many rows of results do not fit a binding, that is
    /// `TooLarge` as well.
    ///
    /// The loss of an app's own device is told to the app alone; what is recorded then does nothing.
    ///
    /// [`Error::DeviceBuffer`]: st_rank::Error::DeviceBuffer
    /// [`Error::TooLarge`]: st_rank::Error::TooLarge
    pub fn record(
        &self,
        plan: &RankPlan,
        encoder: &mut CommandEncoder,
        input: &DeviceInput,
        output: &DeviceOutput,
    ) -> Result<()> {
        let (gpu, layout) = self.checked(plan, input)?;
        let align = u64::from(gpu.limits.min_storage_buffer_offset_alignment.max(4));
        output.check(&plan.problem, input, align)?;
        if plan.problem.output_len() == 0 {
            return Ok(());
        }
        let windows = matrix(gpu, &layout, input, output).windows()?;
        windows.iter().try_for_each(|window| layout.check_offset(window.first))?;
        self.prepared_now(plan)?;
        let mut launched = Vec::new();
        let ready = gpu.caught_now("a recording", || {
            let lists = gpu.workspace(lists_bytes(gpu, &layout));
            let mut ready: Vec<Ready> = Vec::new();
            for window in &windows {
                let dispatches = layout.dispatches(window.skip, window.rows, window.first);
                let lists = Part::first(&lists, layout.list_bytes() * window.rows);
                let parts = parts(gpu, window, input, output, lists);
                ready.extend(gpu.readied(&dispatches, &parts)?);
                launched.extend(dispatches);
            }
            Ok(ready)
        })?;
        self.note(&launched);
        record(encoder, &ready);
        Ok(())
    }

    /// Bytes of device memory that recordings of a plan work in, beside inputs and outputs. The
    /// device keeps one workspace of the greatest size that was asked for.
    ///
    /// # Errors
    /// A plan that cannot be run here; no device.
    pub fn workspace_bytes(&self, plan: &RankPlan) -> Result<u64> {
        let (gpu, layout) = self.laid_out(plan)?;
        let Problem { rows, cols, k, .. } = plan.problem;
        if rows == 0 || k == 0 {
            return Ok(0);
        }
        if layout.list_bytes() > gpu.most_bytes() {
            let (what, per_row) = ("a binding of this device", cols.max(k));
            return Err(Error::TooLarge { what, rows: 1, per_row });
        }
        Ok(lists_bytes(gpu, &layout))
    }

    /// Makes the workspace of a plan.
    pub(crate) fn reserve(&self, plan: &RankPlan) -> Result<()> {
        let bytes = self.workspace_bytes(plan)?;
        let gpu = self.gpu()?;
        gpu.caught_now("a workspace", || Ok(gpu.workspace(bytes))).map(drop)
    }

    fn checked(&self, plan: &RankPlan, input: &DeviceInput) -> Result<(&Gpu, Layout)> {
        let laid_out = self.laid_out(plan)?;
        input.check(&plan.problem)?;
        Ok(laid_out)
    }
}

/// Bytes of lists of the largest window.
fn lists_bytes(gpu: &Gpu, layout: &Layout) -> u64 {
    let row = layout.list_bytes();
    let rows = gpu.most_bytes().checked_div(row).unwrap_or(0).min(layout.problem.rows as u64);
    row * rows
}

fn matrix(gpu: &Gpu, layout: &Layout, input: &DeviceInput, output: &DeviceOutput) -> Matrix {
    let Problem { rows, cols, k, dtype, row_stride, .. } = layout.problem;
    Matrix {
        rows: rows as u64,
        cols: cols as u64,
        k: k as u64,
        element: dtype.size() as u64,
        stride: row_stride as u64,
        lists: layout.list_bytes(),
        input: input.rows.at,
        values: output.values.at,
        indices: output.indices.at,
        lengths: input.lengths.as_ref().map(|place| place.at),
        most: gpu.most_bytes(),
        align: u64::from(gpu.limits.min_storage_buffer_offset_alignment.max(4)),
    }
}

fn parts(
    gpu: &Gpu,
    window: &Window,
    input: &DeviceInput,
    output: &DeviceOutput,
    lists: Part,
) -> Parts {
    let nothing = || Part::first(&gpu.nothing, LEAST_BYTES);
    let of = |buffer: &wgpu::Buffer, span: Span| Part::new(buffer, span.begin, span.bytes);
    let rows = match window.input {
        Span { bytes: 0, .. } => nothing(),
        Span { begin, bytes } => {
            // To the end of the last vector, if the buffer has it.
            let buffer = &input.rows.buffer;
            let vectors = bytes.next_multiple_of(LEAST_BYTES).min(gpu.most_bytes());
            let fits = begin + vectors <= buffer.size();
            Part::new(buffer, begin, if fits { vectors } else { bytes.next_multiple_of(4) })
        }
    };
    let lengths = match (&input.lengths, window.lengths) {
        (Some(place), Some(span)) => of(&place.buffer, span),
        _ => nothing(),
    };
    Parts {
        input: rows,
        lengths,
        lists,
        values: of(&output.values.buffer, window.values),
        indices: of(&output.indices.buffer, window.indices),
        status: output.status.as_ref().map(|word| Part::new(&word.buffer, word.at, 4)),
    }
}

/// A [`WgpuExecutor`] bound to a [`DeviceInput`]: results stay on the device. Runs are submitted to
/// its queue and not waited for; what is submitted later sees their results.
#[derive(Clone, Copy, Debug)]
pub struct OnDevice<'a> {
    pub(crate) exec: &'a WgpuExecutor,
    pub(crate) input: &'a DeviceInput,
}

impl RankKExecutor for OnDevice<'_> {
    /// Buffers made for this result alone, with the usages `STORAGE`, `COPY_SRC` and `COPY_DST`.
    type Output = DeviceOutput;

    fn execute(&self, plan: &RankPlan) -> Result<DeviceOutput> {
        let (gpu, _) = self.exec.checked(plan, self.input)?;
        let Problem { rows, k, .. } = plan.problem;
        let bytes = plan.problem.output_len() as u64 * 4;
        if bytes > gpu.limits.max_buffer_size {
            return Err(Error::TooLarge { what: "a buffer of this device", rows, per_row: k });
        }
        let usage = BufferUsages::COPY_SRC | BufferUsages::COPY_DST;
        let mut out = gpu.caught_now("results", || {
            Ok(DeviceOutput::new(&gpu.buffer(bytes, usage), &gpu.buffer(bytes, usage)))
        })?;
        self.execute_into(plan, &mut out)?;
        Ok(out)
    }
}

impl ExecuteInto<DeviceOutput> for OnDevice<'_> {
    fn execute_into(&self, plan: &RankPlan, out: &mut DeviceOutput) -> Result<()> {
        let gpu = self.exec.gpu()?;
        let mut encoder = gpu.device.create_command_encoder(&Default::default());
        self.exec.record(plan, &mut encoder, self.input, out)?;
        gpu.caught_now("a selection", || {
            gpu.queue.submit([encoder.finish()]);
            Ok(())
        })
    }
}
