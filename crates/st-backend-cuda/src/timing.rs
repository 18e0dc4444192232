//! Plans timed by the device's own clock, by replaying graphs over inputs that lie on the device: for benches.
#![allow(unsafe_code, reason = "a driver is called through pointers")]

use std::ops::Range;
use std::ptr;
use std::sync::PoisonError;
use std::time::Instant;

use bytemuck::{Pod, Zeroable};
use st_rank::{Element, Error, RankPlan, Result};

use crate::device::Gpu;
use crate::driver::Handle;
use crate::exec::CudaExecutor;
use crate::layout::Layout;
use crate::memory::{Block, host_room};
use crate::params::Addresses;
use crate::params::MOST_PARAMS;

/// What results are overwritten with before a run that is to be compared.
const POISON: u8 = 0x55;
/// Threads and blocks of a kernel that fills.
const FILL_THREADS: u32 = 256;
const FILL_BLOCKS: u32 = 4096;
/// A stream that is captured alone: what other threads do is not looked at.
const CAPTURE_THREAD: i32 = 1;

/// Inputs and places for results on an executor's device.
#[derive(Debug)]
pub struct Resident<'a, T> {
    exec: &'a CudaExecutor,
    rows: usize,
    cols: usize,
    k: usize,
    inputs: Vec<Block>,
    values: Block,
    indices: Block,
    zeroed: Block,
    scratch: Block,
    marker: std::marker::PhantomData<T>,
}

/// Several calls as a graph.
#[derive(Debug)]
pub struct Graph<'a> {
    gpu: &'a Gpu,
    exec: Handle,
    graph: Handle,
    events: [Handle; 2],
    /// Calls of a replay.
    pub calls: u32,
}

/// What a kernel that fills is told.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Fill {
    at: u64,
    elements: u64,
    cols: u32,
    copy: u32,
}

impl CudaExecutor {
    /// Room for that many inputs of that size, and for results with `k` ranks of each row.
    ///
    /// # Errors
    /// No device, or too little memory.
    pub fn resident<T: Element>(
        &self,
        rows: usize,
        cols: usize,
        k: usize,
        copies: usize,
    ) -> Result<Resident<'_, T>> {
        let gpu = self.gpu()?;
        let _current = gpu.current()?;
        let mut this = Resident {
            exec: self,
            rows,
            cols,
            k,
            inputs: Vec::new(),
            values: Block::default(),
            indices: Block::default(),
            zeroed: Block::default(),
            scratch: Block::default(),
            marker: std::marker::PhantomData,
        };
        for _ in 0..copies {
            let mut input = Block::default();
            input.reserve(gpu, (rows * cols * size_of::<T>()) as u64, "input")?;
            this.inputs.push(input);
        }
        this.values.reserve(gpu, (rows * k * size_of::<T>()) as u64, "values")?;
        this.indices.reserve(gpu, (rows * k * 4) as u64, "indices")?;
        Ok(this)
    }
}

impl<T: Element> Resident<'_, T> {
    fn gpu(&self) -> Result<&Gpu> {
        self.exec.gpu()
    }

    /// Fills the inputs by a kernel named `fill` of one block of parameters (`at`, `elements`, `cols`, `copy`),
    /// whose text may include our headers.
    ///
    /// # Errors
    /// It does not compile, or the device refuses.
    pub fn fill(&self, source: &str, defines: &[String]) -> Result<()> {
        let gpu = self.gpu()?;
        let _current = gpu.current()?;
        let threads = [format!("THREADS={FILL_THREADS}"), "GROUPS=1".to_owned()];
        let defines: Vec<String> = threads.iter().chain(defines).cloned().collect();
        let function = gpu.foreign("fill.cu", source, &defines, "fill")?;
        for (copy, input) in self.inputs.iter().enumerate() {
            let params = Fill {
                at: input.at,
                elements: (self.rows * self.cols) as u64,
                cols: self.cols as u32,
                copy: copy as u32,
            };
            let bytes = bytemuck::bytes_of(&params);
            debug_assert!(bytes.len() <= MOST_PARAMS, "a kernel's parameters");
            gpu.launch(gpu.stream, function, (FILL_BLOCKS, FILL_THREADS, 0), bytes, false)?;
        }
        gpu.wait(gpu.stream)
    }

    /// Copies a whole input to the device.
    ///
    /// # Errors
    /// Another number of elements than an input has, or the device refuses.
    pub fn upload(&self, copy: usize, values: &[T]) -> Result<()> {
        let (rows, cols, got) = (self.rows, self.cols, values.len());
        let most = rows * cols;
        if got != most {
            return Err(Error::InputLength {
                got,
                rows,
                cols,
                row_stride: cols,
                least: most,
                most,
            });
        }
        let gpu = self.gpu()?;
        let _current = gpu.current()?;
        let bytes = bytemuck::cast_slice(values);
        gpu.copying(gpu.stream, |copies| copies.upload(self.inputs[copy].at, bytes))
    }

    /// Rows of an input.
    ///
    /// # Errors
    /// The device refuses, or the host has no room.
    pub fn input(&self, copy: usize, rows: Range<usize>) -> Result<Vec<T>> {
        let at = self.inputs[copy].at + (rows.start * self.cols * size_of::<T>()) as u64;
        self.read(at, rows.len() * self.cols)
    }

    /// Results of rows.
    ///
    /// # Errors
    /// As for [`input`](Self::input).
    pub fn results(&self, rows: Range<usize>) -> Result<(Vec<T>, Vec<u32>)> {
        let (from, len) = (rows.start * self.k, rows.len() * self.k);
        let values = self.read(self.values.at + (from * size_of::<T>()) as u64, len)?;
        Ok((values, self.read(self.indices.at + (from * 4) as u64, len)?))
    }

    fn read<X: Pod>(&self, at: u64, len: usize) -> Result<Vec<X>> {
        let gpu = self.gpu()?;
        let _current = gpu.current()?;
        let mut out = host_room("what is read back", len)?;
        let bytes = bytemuck::cast_slice_mut(&mut out);
        gpu.copying(gpu.stream, |copies| copies.download(at, bytes))?;
        Ok(out)
    }

    fn at(&self, copy: usize) -> Addresses {
        Addresses {
            input: self.inputs[copy % self.inputs.len()].at,
            lengths: 0,
            values: self.values.at,
            indices: self.indices.at,
            status: 0,
            zeroed: self.zeroed.at,
            scratch: self.scratch.at,
            wide: false,
        }
    }

    /// Makes room for what a plan works in. Graphs made before are of no use after it has grown.
    ///
    /// # Errors
    /// The plan cannot be run, or there is too little memory.
    pub fn prepare(&mut self, plan: &RankPlan) -> Result<()> {
        let layout = self.exec.laid_out(plan)?;
        let gpu = self.exec.gpu()?;
        let _current = gpu.current()?;
        self.scratch.reserve(gpu, layout.scratch, "workspace")?;
        self.zeroed.reserve(gpu, layout.zeroed, "workspace")?;
        gpu.clear(gpu.stream, self.zeroed.at, self.zeroed.bytes())?;
        self.exec.prepare(plan)
    }

    /// Runs a plan that was [prepared](Self::prepare) on the first input, with results overwritten before, and
    /// waits.
    ///
    /// # Errors
    /// The plan cannot be run, or the device refuses.
    pub fn run(&self, plan: &RankPlan) -> Result<()> {
        let layout = self.exec.laid_out(plan)?;
        let gpu = self.gpu()?;
        let _current = gpu.current()?;
        for block in [&self.values, &self.indices] {
            // SAFETY: the block has as many bytes.
            let code = unsafe {
                (gpu.driver.set_bytes)(block.at, POISON, block.bytes() as usize, gpu.stream)
            };
            gpu.checked("to overwrite results", code)?;
        }
        self.exec.launch(gpu.stream, &layout.steps(&self.at(0)))?;
        gpu.wait(gpu.stream)
    }

    /// Captures `calls` calls of a plan that was [prepared](Self::prepare), each for the next input, into a graph.
    ///
    /// # Errors
    /// The plan cannot be run, or the device refuses.
    pub fn graph(&self, plan: &RankPlan, calls: u32) -> Result<Graph<'_>> {
        let layout = self.exec.laid_out(plan)?;
        let gpu = self.gpu()?;
        let _current = gpu.current()?;
        let events = {
            let mut events = [ptr::null_mut(); 2];
            for event in &mut events {
                // SAFETY: it writes the event.
                gpu.checked("an event", unsafe { (gpu.driver.event_create)(event, 0) })?;
            }
            events
        };
        let mut this = Graph { gpu, exec: ptr::null_mut(), graph: ptr::null_mut(), events, calls };
        // Calls from host memory use the same stream: theirs must not become part of the graph.
        let _alone = self.exec.opened()?.host.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: the stream is ours and is not being captured.
        let code = unsafe { (gpu.driver.capture_begin)(gpu.stream, CAPTURE_THREAD) };
        gpu.checked("to capture", code)?;
        let launched = (0..calls as usize)
            .try_for_each(|call| self.exec.launch(gpu.stream, &layout.steps(&self.at(call))));
        // SAFETY: it was begun above, and ends whatever was launched.
        let code = unsafe { (gpu.driver.capture_end)(gpu.stream, &raw mut this.graph) };
        launched?;
        gpu.checked("to end a capture", code)?;
        // SAFETY: the graph is whole.
        let code = unsafe { (gpu.driver.graph_instantiate)(&raw mut this.exec, this.graph, 0) };
        gpu.checked("a graph", code)?;
        Ok(this)
    }

    /// Microseconds of a call when `calls` follow one another from the host, the last waited for.
    ///
    /// # Errors
    /// As for [`run`](Self::run).
    pub fn loop_us(&self, plan: &RankPlan, calls: u32) -> Result<f64> {
        let gpu = self.gpu()?;
        let _current = gpu.current()?;
        gpu.wait(gpu.stream)?;
        let begun = Instant::now();
        for call in 0..calls as usize {
            let layout: Layout = self.exec.laid_out(plan)?;
            self.exec.launch(gpu.stream, &layout.steps(&self.at(call)))?;
        }
        gpu.wait(gpu.stream)?;
        Ok(begun.elapsed().as_secs_f64() * 1e6 / f64::from(calls.max(1)))
    }
}

impl<T> Drop for Resident<'_, T> {
    fn drop(&mut self) {
        let Ok(gpu) = self.exec.gpu() else { return };
        let Ok(_current) = gpu.current() else { return };
        let own = [&mut self.values, &mut self.indices, &mut self.zeroed, &mut self.scratch];
        for block in self.inputs.iter_mut().chain(own) {
            block.free(gpu);
        }
    }
}

impl Graph<'_> {
    /// Replays it once: microseconds of a call, by the device's clock.
    ///
    /// # Errors
    /// The device refuses.
    pub fn replay_us(&self) -> Result<f64> {
        let Self { gpu, exec, events: [begin, end], calls, .. } = *self;
        let _current = gpu.current()?;
        let mut ms = 0.0;
        // SAFETY: the graph and the events are whole, and the stream is not being captured.
        unsafe {
            gpu.checked("an event", (gpu.driver.event_record)(begin, gpu.stream))?;
            gpu.checked("a graph", (gpu.driver.graph_launch)(exec, gpu.stream))?;
            gpu.checked("an event", (gpu.driver.event_record)(end, gpu.stream))?;
            gpu.checked("an event", (gpu.driver.event_wait)(end))?;
            gpu.checked("an event", (gpu.driver.event_elapsed)(&raw mut ms, begin, end))?;
        }
        Ok(f64::from(ms) * 1e3 / f64::from(calls.max(1)))
    }
}

impl Drop for Graph<'_> {
    fn drop(&mut self) {
        let Ok(_current) = self.gpu.current() else { return };
        let driver = &self.gpu.driver;
        // SAFETY: they are ours, and whole or null.
        unsafe {
            for event in self.events {
                let _ = (driver.event_destroy)(event);
            }
            if !self.exec.is_null() {
                let _ = (driver.graph_exec_destroy)(self.exec);
            }
            if !self.graph.is_null() {
                let _ = (driver.graph_destroy)(self.graph);
            }
        }
    }
}
