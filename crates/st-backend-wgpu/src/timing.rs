//! Timing a plan by the device's own clock.

use std::time::{Duration, Instant};

use st_rank::{Element, Error, Input, RankPlan, Result};
use wgpu::{
    BufferDescriptor, BufferUsages, ComputePassDescriptor, ComputePassTimestampWrites, Features,
    PollType, QuerySetDescriptor, QueryType,
};

use crate::batches::{Leases, rows_at_once};
use crate::exec::WgpuExecutor;
use crate::native;

/// How long a device is kept busy before it is timed: an idle one runs at a fraction of its clock.
const BUSY: Duration = Duration::from_millis(80);

impl WgpuExecutor {
    /// Times a plan over an input that lies on the device: `calls` calls share one pass, `samples`
    /// times, and each sample is the time of one call in microseconds by the device's timestamps.
    ///
    /// # Errors
    /// What running it refuses; a device without timestamps; rows that do not fit one batch.
    pub fn time<T: Element>(
        &self,
        plan: &RankPlan,
        input: Input<'_, T>,
        calls: u32,
        samples: u32,
    ) -> Result<Vec<f64>> {
        self.refuse(&plan.caps, T::DTYPE)?;
        plan.problem.check()?;
        plan.problem.check_input(T::DTYPE, input.values.len(), input.lengths)?;
        self.prepared_now(plan)?;
        let (gpu, layout) = self.laid_out(plan)?;
        if !gpu.device.features().contains(Features::TIMESTAMP_QUERY) {
            return Err(gpu.refused("to be timed: it has no timestamps"));
        }
        let rows = plan.problem.rows;
        if rows_at_once(gpu, &layout)? < rows as u64 {
            let what = "a batch on this device";
            return Err(Error::TooLarge { what, rows, per_row: plan.problem.cols });
        }
        gpu.guarded("a timing", || {
            let mut encoder = gpu.device.create_command_encoder(&Default::default());
            let buffers = Leases::uploaded(gpu, &layout, input.into(), 0, rows, &mut encoder)?;
            gpu.queue.submit([encoder.finish()]);
            let ready = gpu.readied(&layout.dispatches(0, rows as u64, 0), &buffers.parts())?;
            let begun = Instant::now();
            while begun.elapsed() < BUSY {
                let mut encoder = gpu.device.create_command_encoder(&Default::default());
                {
                    let mut pass = encoder.begin_compute_pass(&ComputePassDescriptor::default());
                    (0..calls).for_each(|_| ready.iter().for_each(|r| r.dispatch(&mut pass)));
                }
                gpu.queue.submit([encoder.finish()]);
                let waited = gpu.device.poll(PollType::wait_indefinitely());
                waited.map_err(|e| gpu.refused(&format!("to finish: {e}")))?;
            }
            let queries = gpu.device.create_query_set(&QuerySetDescriptor {
                label: Some("spiraltorch"),
                ty: QueryType::Timestamp,
                count: 2 * samples,
            });
            let mut encoder = gpu.device.create_command_encoder(&Default::default());
            for sample in 0..samples {
                let mut pass = encoder.begin_compute_pass(&ComputePassDescriptor {
                    label: Some("spiraltorch"),
                    timestamp_writes: Some(ComputePassTimestampWrites {
                        query_set: &queries,
                        beginning_of_pass_write_index: Some(2 * sample),
                        end_of_pass_write_index: Some(2 * sample + 1),
                    }),
                });
                (0..calls).for_each(|_| ready.iter().for_each(|r| r.dispatch(&mut pass)));
            }
            let words = u64::from(samples) * 4;
            let resolved = gpu.device.create_buffer(&BufferDescriptor {
                label: Some("spiraltorch"),
                size: words * 4,
                usage: BufferUsages::QUERY_RESOLVE | BufferUsages::COPY_SRC,
                mapped_at_creation: false,
            });
            encoder.resolve_query_set(&queries, 0..2 * samples, &resolved, 0);
            let pending = gpu.submit(encoder, &[(&resolved, words)]);
            let ticks = native::block_on(pending.arrive(gpu, native::block))?;
            let ticks = ticks.into_iter().next().unwrap_or_default();
            let ticks: Vec<u64> =
                ticks.chunks(2).map(|t| u64::from(t[0]) | u64::from(t[1]) << 32).collect();
            let period = f64::from(gpu.queue.get_timestamp_period());
            let us = |t: &[u64]| t[1].wrapping_sub(t[0]) as f64 * period / 1e3 / f64::from(calls);
            Ok(ticks.chunks(2).map(us).collect())
        })
    }
}
