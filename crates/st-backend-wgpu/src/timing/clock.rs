//! Timestamps at full clock.

use std::cell::Cell;
use std::time::{Duration, Instant};

use st_rank::Result;
use wgpu::{
    Buffer, BufferDescriptor, BufferUsages, CommandBuffer, CommandEncoder, ComputePass,
    ComputePassDescriptor, ComputePassTimestampWrites, Features, MapMode, PollType, QuerySet,
    QuerySetDescriptor, QueryType,
};

use super::kernel::{Bound, Kernel};
use super::resident::Prepared;
use crate::gpu::Gpu;

/// How long a device is kept busy before it is timed, and when to give up on its clock.
const BUSY: Duration = Duration::from_millis(60);
const LONGEST_BUSY: Duration = Duration::from_millis(700);

/// Rounds of keeping busy end when one takes at most so much longer than the shortest ever seen.
const STEADY: f64 = 1.15;

/// Samples are thrown away when the reference took so much longer than the shortest ever seen.
const SLOW: f64 = 1.12;

/// Command buffers run at most to get one at full clock.
const MOST_TRIES: u32 = 6;

/// Timestamps of a query set, as WebGPU allows.
const MOST_QUERIES: u32 = 4096;

/// Arithmetic alone: about 28 us on an H200 at its full clock with two workgroups for each of its
/// multiprocessors.
const REFERENCE: &str = "
@group(0) @binding(0) var<storage, read_write> y: array<u32>;
@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    var v = y[id.x & 255u] + id.x;
    for (var i = 0u; i < ROUNDS; i++) {
        v = v * 1664525u + i;
    }
    y[id.x & 255u] = v & 1u;
}
";

/// Reads everything once.
const READ: &str = "
@group(0) @binding(0) var<storage, read> x: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;
@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>,
        @builtin(num_workgroups) groups: vec3<u32>) {
    let n = arrayLength(&x);
    let step = groups.x * 256u;
    var best = vec4<u32>(0u);
    var i = id.x;
    for (; i + 3u * step < n; i += 4u * step) {
        let a = max(x[i], x[i + step]);
        let b = max(x[i + 2u * step], x[i + 3u * step]);
        best = max(best, max(a, b));
    }
    for (; i < n; i += step) {
        best = max(best, x[i]);
    }
    let m = max(max(best.x, best.y), max(best.z, best.w));
    // Never so: but the compiler must read everything to know.
    if (m == 0xdeadbeefu) {
        y[0] = m;
    }
}
";

/// The device's clock.
pub struct Clock<'e> {
    gpu: &'e Gpu,
    /// Timed at the beginning and end of each command buffer.
    reference: Bound,
    /// Keeps the device busy.
    work: Bound,
    /// Dispatches of `work` in a round.
    rounds: u32,
    best_reference_us: Cell<f64>,
    best_round: Cell<f64>,
}

impl std::fmt::Debug for Clock<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clock").field("best_reference_us", &self.best_reference_us).finish()
    }
}

/// What a command buffer showed.
#[derive(Clone, Debug)]
pub struct Timed {
    /// Of each entry, each sample: microseconds of the pass.
    pub passes: Vec<Vec<f64>>,
    /// The longer of the two times of the reference.
    pub reference_us: f64,
    /// The shortest time of the reference so far.
    pub best_reference_us: f64,
    /// Command buffers thrown away before this one.
    pub discarded: u32,
    /// Whether this one was at full clock; if not, it was the best of several tries.
    pub steady: bool,
}

impl<'e> Clock<'e> {
    pub(super) fn new(gpu: &'e Gpu) -> Result<Self> {
        if !gpu.device.features().contains(Features::TIMESTAMP_QUERY) {
            return Err(gpu.refused("to be timed: it has no timestamps"));
        }
        // A processor needs no waking, and takes long over what a GPU does in no time.
        let (trips, groups, rounds) = if gpu.software { (30, 8, 0) } else { (3000, 264, 100) };
        let wgsl = REFERENCE.replace("ROUNDS", &format!("{trips}u"));
        let kernel = Kernel::new(gpu, "reference", &wgsl)?;
        let scratch = gpu.buffer(1024, BufferUsages::empty());
        Ok(Self {
            gpu,
            reference: kernel.bind(gpu, &[&scratch], &[], groups),
            work: kernel.bind(gpu, &[&scratch], &[], 8 * groups),
            rounds,
            best_reference_us: Cell::new(f64::INFINITY),
            best_round: Cell::new(f64::INFINITY),
        })
    }

    /// Keeps the device busy until its clock is up.
    pub(super) fn busy(&self) -> Result<()> {
        if self.rounds == 0 {
            return Ok(());
        }
        let begun = Instant::now();
        loop {
            let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
            {
                let mut pass = encoder.begin_compute_pass(&ComputePassDescriptor::default());
                (0..self.rounds).for_each(|_| self.work.dispatch(&mut pass));
            }
            let commands = encoder.finish();
            let round = Instant::now();
            self.gpu.queue.submit([commands]);
            self.wait()?;
            let took = round.elapsed().as_secs_f64();
            self.best_round.set(self.best_round.get().min(took));
            let (steady, all) = (took < STEADY * self.best_round.get(), begun.elapsed());
            if steady && all >= BUSY || all >= LONGEST_BUSY {
                return Ok(());
            }
        }
    }

    pub(super) fn wait(&self) -> Result<()> {
        let waited = self.gpu.device.poll(PollType::wait_indefinitely());
        waited.map(drop).map_err(|e| self.gpu.refused(&format!("to finish: {e}")))
    }

    /// Times prepared plans, in turns: each sample of an entry is a pass of its own with that many
    /// calls, which take the inputs by turns.
    ///
    /// # Errors
    /// A device that fails, or more than about two thousand passes.
    pub fn time(&self, entries: &[(&Prepared, u32)], samples: u32) -> Result<Timed> {
        let records: Vec<_> = entries
            .iter()
            .map(|&(prepared, calls)| {
                let mut next = 0;
                move |pass: &mut ComputePass<'_>| {
                    for _ in 0..calls {
                        prepared.dispatch(next, pass);
                        next += 1;
                    }
                }
            })
            .collect();
        self.passes(records, samples)
    }

    /// Times passes, in turns.
    fn passes<F>(&self, entries: Vec<F>, samples: u32) -> Result<Timed>
    where
        F: FnMut(&mut ComputePass<'_>) + Clone,
    {
        let passes = entries.len() as u32 * samples;
        if passes.saturating_add(2) > MOST_QUERIES / 2 {
            return Err(self.gpu.refused("so many timed passes at a time"));
        }
        let mut kept: Option<Timed> = None;
        for tries in 0..MOST_TRIES {
            let us = self.command_buffer(entries.clone(), samples, passes)?;
            let Some((&reference, rest)) = us.split_first() else { break };
            let Some((&last, us)) = rest.split_last() else { break };
            let best = self.best_reference_us.get().min(reference).min(last);
            self.best_reference_us.set(best);
            let reference_us = reference.max(last);
            let steady = reference_us <= SLOW * best || self.gpu.software;
            if kept.as_ref().is_none_or(|k| reference_us < k.reference_us) {
                let of = |entry| us.iter().skip(entry).step_by(entries.len()).copied().collect();
                let passes = (0..entries.len()).map(of).collect();
                kept = Some(Timed {
                    passes,
                    reference_us,
                    best_reference_us: best,
                    discarded: tries,
                    steady,
                });
            }
            if let Some(kept) = &mut kept {
                kept.discarded = tries;
            }
            if steady {
                break;
            }
        }
        kept.ok_or_else(|| self.gpu.refused("to be timed"))
    }

    /// Runs one command buffer right after a busy time: the reference, the passes, the reference.
    fn command_buffer<F>(&self, mut entries: Vec<F>, samples: u32, passes: u32) -> Result<Vec<f64>>
    where
        F: FnMut(&mut ComputePass<'_>) + Clone,
    {
        let Self { gpu, reference, .. } = self;
        gpu.guarded("a timing", || {
            let stamps = Stamps::new(gpu, passes + 2);
            let mut encoder = gpu.device.create_command_encoder(&Default::default());
            // Untimed, so that nothing is done for the first time.
            for warm in &mut entries.clone() {
                let mut pass = encoder.begin_compute_pass(&ComputePassDescriptor::default());
                warm(&mut pass);
            }
            let mut at = 0;
            let mut timed =
                |encoder: &mut CommandEncoder, run: &mut dyn FnMut(&mut ComputePass<'_>)| {
                    let mut pass = stamps.pass(encoder, at);
                    run(&mut pass);
                    at += 1;
                };
            timed(&mut encoder, &mut |pass| reference.dispatch(pass));
            for _ in 0..samples {
                entries.iter_mut().for_each(|entry| timed(&mut encoder, &mut |pass| entry(pass)));
            }
            timed(&mut encoder, &mut |pass| reference.dispatch(pass));
            let (commands, staging) = stamps.finish(gpu, encoder);
            self.busy()?;
            gpu.queue.submit([commands]);
            stamps.us(self, &staging)
        })
    }

    /// Bytes per second that the device reads by a plain reduction over a large buffer.
    ///
    /// # Errors
    /// A device that fails.
    pub fn bandwidth(&self) -> Result<f64> {
        let gpu = self.gpu;
        let (bytes, calls) = if gpu.software { (16 << 20, 2) } else { (1 << 30, 8) };
        let bytes = gpu.most_bytes().min(bytes) / 16 * 16;
        gpu.guarded("a measurement", || {
            let input = gpu.buffer(bytes, BufferUsages::empty());
            let sink = gpu.buffer(16, BufferUsages::empty());
            let kernel = Kernel::new(gpu, "read", READ)?;
            let sizes: &[u32] = if gpu.software { &[64] } else { &[528, 1056, 2112, 4224, 16_896] };
            let mut best: f64 = 0.0;
            for &groups in sizes {
                let bound = kernel.bind(gpu, &[&input, &sink], &[], groups);
                let bound = &bound;
                let pass = |calls: u32| {
                    move |pass: &mut ComputePass<'_>| (0..calls).for_each(|_| bound.dispatch(pass))
                };
                let timed = self.passes(vec![pass(1), pass(calls + 1)], 5)?;
                let middle = |entry: usize| {
                    let mut us = timed.passes.get(entry).cloned().unwrap_or_default();
                    us.sort_by(f64::total_cmp);
                    us.get(us.len() / 2).copied().unwrap_or_default()
                };
                let us = (middle(1) - middle(0)) / f64::from(calls);
                if us > 0.0 {
                    best = best.max(bytes as f64 / us * 1e6);
                }
            }
            if best > 0.0 { Ok(best) } else { Err(gpu.refused("to have its bandwidth measured")) }
        })
    }

    /// Microseconds on the host from recording one call to its end, everything resident: `calls`
    /// of them, one after the other, right after a busy time.
    ///
    /// # Errors
    /// A device that fails.
    pub fn latency(&self, prepared: &Prepared, calls: usize) -> Result<Vec<f64>> {
        let gpu = self.gpu;
        gpu.guarded("a timing", || {
            self.busy()?;
            let call = |copy| -> Result<f64> {
                let begun = Instant::now();
                let mut encoder = gpu.device.create_command_encoder(&Default::default());
                {
                    let mut pass = encoder.begin_compute_pass(&ComputePassDescriptor::default());
                    prepared.dispatch(copy, &mut pass);
                }
                gpu.queue.submit([encoder.finish()]);
                self.wait()?;
                Ok(begun.elapsed().as_secs_f64() * 1e6)
            };
            call(0)?;
            (0..calls).map(call).collect()
        })
    }
}

/// The timestamps of a command buffer's passes.
struct Stamps {
    queries: QuerySet,
    count: u32,
}

impl Stamps {
    fn new(gpu: &Gpu, passes: u32) -> Self {
        let queries = gpu.device.create_query_set(&QuerySetDescriptor {
            label: Some("spiraltorch"),
            ty: QueryType::Timestamp,
            count: 2 * passes,
        });
        Self { queries, count: 2 * passes }
    }

    fn pass<'a>(&self, encoder: &'a mut CommandEncoder, number: u32) -> ComputePass<'a> {
        encoder.begin_compute_pass(&ComputePassDescriptor {
            label: Some("spiraltorch"),
            timestamp_writes: Some(ComputePassTimestampWrites {
                query_set: &self.queries,
                beginning_of_pass_write_index: Some(2 * number),
                end_of_pass_write_index: Some(2 * number + 1),
            }),
        })
    }

    fn finish(&self, gpu: &Gpu, mut encoder: CommandEncoder) -> (CommandBuffer, Buffer) {
        let buffer = |usage| {
            gpu.device.create_buffer(&BufferDescriptor {
                label: Some("spiraltorch"),
                size: u64::from(self.count) * 8,
                usage,
                mapped_at_creation: false,
            })
        };
        let resolved = buffer(BufferUsages::QUERY_RESOLVE | BufferUsages::COPY_SRC);
        let staging = buffer(BufferUsages::MAP_READ | BufferUsages::COPY_DST);
        encoder.resolve_query_set(&self.queries, 0..self.count, &resolved, 0);
        encoder.copy_buffer_to_buffer(&resolved, 0, &staging, 0, u64::from(self.count) * 8);
        (encoder.finish(), staging)
    }

    /// Waits, and gives each pass's microseconds.
    fn us(&self, clock: &Clock<'_>, staging: &Buffer) -> Result<Vec<f64>> {
        let gpu = clock.gpu;
        staging.slice(..).map_async(MapMode::Read, drop);
        clock.wait()?;
        let mapped = staging
            .slice(..)
            .get_mapped_range()
            .map_err(|e| gpu.refused(&format!("to give its timestamps: {e}")))?;
        let ticks: Vec<u64> = bytemuck::pod_collect_to_vec(&mapped[..]);
        let period = f64::from(gpu.queue.get_timestamp_period());
        Ok(ticks.chunks(2).map(|t| t[1].wrapping_sub(t[0]) as f64 * period / 1e3).collect())
    }
}
