//! Small kernels of measurements: each with bindings of its own.

use st_rank::Result;
use wgpu::util::{BufferInitDescriptor, DeviceExt};
use wgpu::{
    BindGroup, BindGroupDescriptor, BindGroupEntry, Buffer, BufferUsages, ComputePass,
    ComputePipeline, ComputePipelineDescriptor, ErrorFilter, PipelineCompilationOptions,
    ShaderModuleDescriptor, ShaderSource,
};

use crate::gpu::Gpu;

/// A kernel with the entry point `main`, compiled with every run-time check.
pub(super) struct Kernel(ComputePipeline);

/// A kernel with its bindings.
pub(super) struct Bound {
    pipeline: ComputePipeline,
    bindings: BindGroup,
    workgroups: u32,
}

impl Kernel {
    pub(super) fn new(gpu: &Gpu, name: &str, wgsl: &str) -> Result<Self> {
        let scope = gpu.device.push_error_scope(ErrorFilter::Validation);
        let module = gpu.device.create_shader_module(ShaderModuleDescriptor {
            label: Some(name),
            source: ShaderSource::Wgsl(wgsl.into()),
        });
        let pipeline = gpu.device.create_compute_pipeline(&ComputePipelineDescriptor {
            label: Some(name),
            layout: None,
            module: &module,
            entry_point: Some("main"),
            compilation_options: PipelineCompilationOptions::default(),
            cache: None,
        });
        match pollster::block_on(scope.pop()) {
            Some(error) => Err(gpu.refused(&format!("the kernel {name}: {error}"))),
            None => Ok(Self(pipeline)),
        }
    }

    /// Binds buffers, and behind them, if there are any, words as a uniform.
    pub(super) fn bind(
        &self,
        gpu: &Gpu,
        buffers: &[&Buffer],
        words: &[u32],
        workgroups: u32,
    ) -> Bound {
        let uniform = (!words.is_empty()).then(|| {
            gpu.device.create_buffer_init(&BufferInitDescriptor {
                label: Some("spiraltorch"),
                contents: bytemuck::cast_slice(words),
                usage: BufferUsages::UNIFORM,
            })
        });
        let all = buffers.iter().copied().chain(uniform.as_ref());
        let entries: Vec<BindGroupEntry<'_>> = (0..)
            .zip(all)
            .map(|(binding, buffer)| BindGroupEntry {
                binding,
                resource: buffer.as_entire_binding(),
            })
            .collect();
        let bindings = gpu.device.create_bind_group(&BindGroupDescriptor {
            label: Some("spiraltorch"),
            layout: &self.0.get_bind_group_layout(0),
            entries: &entries,
        });
        Bound { pipeline: self.0.clone(), bindings, workgroups }
    }
}

impl Bound {
    pub(super) fn dispatch(&self, pass: &mut ComputePass<'_>) {
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.bindings, &[]);
        pass.dispatch_workgroups(self.workgroups, 1, 1);
    }
}
