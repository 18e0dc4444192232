//! A selection in the middle of an app's own GPU work: one encoder, one submission, one readback.
//!
//! The app scores items against queries (its first pass), has the best of each query selected, and
//! sums the prices of those (its last pass, which reads the indices where they lie).
//!
//! ```sh
//! cargo run -p st-backend-wgpu --example own_device
//! ```
//!
//! An app that uses `st-core` with the feature `wgpu` finds the same types in
//! `st_core::backend::wgpu_exec` and plans with `st_core::ops::rank_entry::plan_rank`.

#![expect(clippy::print_stdout, reason = "an example")]

use std::error::Error;

use st_backend_wgpu::{DeviceInput, DeviceOutput, WgpuExecutor};
use st_plan::{Knowledge, plan};
use st_rank::{DType, Problem, RankKind};
use wgpu::util::{BufferInitDescriptor, DeviceExt};
use wgpu::{BindGroup, Buffer, BufferUsages, ComputePipeline, Device};

const QUERIES: usize = 6;
const ITEMS: usize = 20_000;
const FEATURES: usize = 8;
const BEST: usize = 10;

const SCORE: &str = "
@group(0) @binding(0) var<storage, read> queries: array<f32>;
@group(0) @binding(1) var<storage, read> items: array<f32>;
@group(0) @binding(2) var<storage, read_write> scores: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) at: vec3<u32>) {
    if (at.x >= 20000u) {
        return;
    }
    var sum = 0.0;
    for (var i = 0u; i < 8u; i++) {
        sum += queries[at.y * 8u + i] * items[at.x * 8u + i];
    }
    scores[at.y * 20000u + at.x] = sum;
}";

const SUM: &str = "
@group(0) @binding(0) var<storage, read> chosen: array<u32>;
@group(0) @binding(1) var<storage, read> prices: array<u32>;
@group(0) @binding(2) var<storage, read_write> sums: array<u32>;

@compute @workgroup_size(1)
fn main(@builtin(workgroup_id) query: vec3<u32>) {
    var sum = 0u;
    for (var i = 0u; i < 10u; i++) {
        sum += prices[chosen[query.x * 10u + i]];
    }
    sums[query.x] = sum;
}";

/// Small whole numbers, so that every sum of products is exact in any order.
fn numbers(count: usize, seed: usize) -> Vec<f32> {
    (0..count).map(|i| ((i * 7919 + seed) % 201) as f32 - 100.0).collect()
}

fn prices() -> Vec<u32> {
    (0..ITEMS as u32).map(|i| i * 31 % 1009).collect()
}

/// What the app asks its device for: of the features only those that make selections faster.
async fn open() -> Result<(Device, wgpu::Queue, wgpu::AdapterInfo), Box<dyn Error>> {
    let descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    let instance = wgpu::Instance::new(descriptor);
    let adapter = instance.request_adapter(&wgpu::RequestAdapterOptions::default()).await?;
    let asked = wgpu::DeviceDescriptor {
        required_features: adapter.features() & wgpu::Features::SUBGROUP,
        ..Default::default()
    };
    let (device, queue) = adapter.request_device(&asked).await?;
    Ok((device, queue, adapter.get_info()))
}

/// A pass of the app's own.
fn pass(
    device: &Device,
    source: &'static str,
    buffers: [&Buffer; 3],
) -> (ComputePipeline, BindGroup) {
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: None,
        source: wgpu::ShaderSource::Wgsl(source.into()),
    });
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: None,
        layout: None,
        module: &module,
        entry_point: Some("main"),
        compilation_options: Default::default(),
        cache: None,
    });
    let entries: Vec<_> = (0..)
        .zip(buffers)
        .map(|(binding, buffer)| wgpu::BindGroupEntry {
            binding,
            resource: buffer.as_entire_binding(),
        })
        .collect();
    let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: None,
        layout: &pipeline.get_bind_group_layout(0),
        entries: &entries,
    });
    (pipeline, group)
}

/// For each query, the sum of the prices of its best items.
fn run() -> Result<Vec<u32>, Box<dyn Error>> {
    let (device, queue, info) = pollster::block_on(open())?;
    let filled = |bytes: &[u8]| {
        device.create_buffer_init(&BufferInitDescriptor {
            label: None,
            contents: bytes,
            usage: BufferUsages::STORAGE,
        })
    };
    let empty = |words: usize, usage: BufferUsages| {
        device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: words as u64 * 4,
            usage,
            mapped_at_creation: false,
        })
    };
    let queries = filled(bytemuck::cast_slice(&numbers(QUERIES * FEATURES, 17)));
    let items = filled(bytemuck::cast_slice(&numbers(ITEMS * FEATURES, 5)));
    let prices = filled(bytemuck::cast_slice(&prices()));
    let scores = empty(QUERIES * ITEMS, BufferUsages::STORAGE);
    let chosen = empty(QUERIES * BEST, BufferUsages::STORAGE);
    let best = empty(QUERIES * BEST, BufferUsages::STORAGE);
    let sums = empty(QUERIES, BufferUsages::STORAGE | BufferUsages::COPY_SRC);
    let back = empty(QUERIES, BufferUsages::MAP_READ | BufferUsages::COPY_DST);

    // Once, when the app starts: the executor, a plan, its kernels.
    let exec = WgpuExecutor::on_device(device.clone(), queue.clone(), &info);
    let problem = Problem::new(RankKind::TopK, QUERIES, ITEMS, BEST);
    let plan = plan(&problem, &exec.caps()?, &Knowledge::default());
    exec.prepare(&plan)?;
    let (score, score_group) = pass(&device, SCORE, [&queries, &items, &scores]);
    let (sum, sum_group) = pass(&device, SUM, [&chosen, &prices, &sums]);

    // For each frame: three passes in one encoder.
    let mut encoder = device.create_command_encoder(&Default::default());
    {
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_pipeline(&score);
        pass.set_bind_group(0, &score_group, &[]);
        pass.dispatch_workgroups(ITEMS.div_ceil(64) as u32, QUERIES as u32, 1);
    }
    let input = DeviceInput::new(&scores, DType::F32);
    exec.record(&plan, &mut encoder, &input, &DeviceOutput::new(&best, &chosen))?;
    {
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_pipeline(&sum);
        pass.set_bind_group(0, &sum_group, &[]);
        pass.dispatch_workgroups(QUERIES as u32, 1, 1);
    }
    encoder.copy_buffer_to_buffer(&sums, 0, &back, 0, back.size());
    queue.submit([encoder.finish()]);

    let (sender, receiver) = std::sync::mpsc::channel();
    back.map_async(wgpu::MapMode::Read, .., move |mapped| drop(sender.send(mapped)));
    device.poll(wgpu::PollType::wait_indefinitely())?;
    receiver.recv()??;
    let words = bytemuck::pod_collect_to_vec(&back.get_mapped_range(..)?);
    Ok(words)
}

fn main() -> Result<(), Box<dyn Error>> {
    for (query, sum) in run()?.into_iter().enumerate() {
        println!("query {query}: its {BEST} best of {ITEMS} items cost {sum}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_pass_has_the_prices_of_the_best() {
        let (queries, items) = (numbers(QUERIES * FEATURES, 17), numbers(ITEMS * FEATURES, 5));
        let prices = prices();
        let sum_of = |query: &[f32]| -> u32 {
            let score = |item: &[f32]| -> f32 { query.iter().zip(item).map(|(a, b)| a * b).sum() };
            let scores: Vec<f32> = items.chunks(FEATURES).map(score).collect();
            let mut order: Vec<usize> = (0..ITEMS).collect();
            order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
            order[..BEST].iter().map(|&i| prices[i]).sum()
        };
        let want: Vec<u32> = queries.chunks(FEATURES).map(sum_of).collect();
        assert_eq!(run().expect("mesa-vulkan-drivers has a software adapter"), want);
        assert!(want.iter().any(|sum| *sum != want[0]), "queries differ");
    }
}
