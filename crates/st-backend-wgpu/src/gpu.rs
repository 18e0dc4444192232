//! An opened device with its pipelines.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use st_kernels::wgsl::Permutation;
use st_rank::{Backend, DeviceCaps, Error, Result};
use wgpu::{
    Adapter, BindGroupLayout, BindGroupLayoutDescriptor, BindGroupLayoutEntry, BindingType,
    BufferBindingType, ComputePipeline, ComputePipelineDescriptor, Device, DeviceDescriptor,
    ErrorFilter, Limits, PipelineCompilationOptions, PipelineLayout, PipelineLayoutDescriptor,
    Queue, ShaderModule, ShaderModuleDescriptor, ShaderRuntimeChecks, ShaderSource, ShaderStages,
};

use crate::device::{self, WANTED, unavailable};

/// A device, what it can do, and the pipelines made for it so far.
pub(crate) struct Gpu {
    pub(crate) device: Device,
    pub(crate) queue: Queue,
    pub(crate) caps: DeviceCaps,
    pub(crate) limits: Limits,
    pub(crate) name: String,
    pub(crate) software: bool,
    /// Lanes of the widest subgroup.
    pub(crate) most_lanes: u32,
    pub(crate) bindings: BindGroupLayout,
    layout: PipelineLayout,
    pipelines: Mutex<HashMap<Permutation, ComputePipeline>>,
    /// Why the device is gone, if it is.
    lost: Arc<Mutex<Option<String>>>,
}

impl std::fmt::Debug for Gpu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gpu").field("name", &self.name).field("caps", &self.caps).finish()
    }
}

/// The bindings of every stage: see `params.wgsl`.
const READ_ONLY: [bool; 5] = [true, true, false, false, false];

impl Gpu {
    /// Opens an adapter with all it has of what kernels use.
    pub(crate) async fn open(adapter: &Adapter, backend: Backend) -> Result<Self> {
        let (info, limits) = (adapter.get_info(), adapter.limits());
        let asked = DeviceDescriptor {
            label: Some("spiraltorch"),
            required_features: adapter.features() & WANTED,
            required_limits: limits.clone(),
            ..Default::default()
        };
        let (device, queue) = adapter
            .request_device(&asked)
            .await
            .map_err(|e| unavailable(backend, format!("{} refused: {e}", info.name)))?;
        Ok(Self::of(device, queue, backend, &info))
    }

    /// A device that is open already.
    pub(crate) fn of(
        device: Device,
        queue: Queue,
        backend: Backend,
        info: &wgpu::AdapterInfo,
    ) -> Self {
        let limits = device.limits();
        let caps = device::caps(backend, info, device.features(), &limits);
        let mut entries: Vec<BindGroupLayoutEntry> = (0..)
            .zip(READ_ONLY)
            .map(|(binding, read_only)| entry(binding, BufferBindingType::Storage { read_only }))
            .collect();
        entries.push(entry(5, BufferBindingType::Uniform));
        // The input once more, as vectors.
        entries.push(entry(6, BufferBindingType::Storage { read_only: true }));
        let bindings = device.create_bind_group_layout(&BindGroupLayoutDescriptor {
            label: Some("spiraltorch"),
            entries: &entries,
        });
        let layout = device.create_pipeline_layout(&PipelineLayoutDescriptor {
            label: Some("spiraltorch"),
            bind_group_layouts: &[Some(&bindings)],
            ..Default::default()
        });
        let lost = Arc::new(Mutex::new(None));
        let noted = Arc::clone(&lost);
        device.set_device_lost_callback(move |reason, message| {
            let why = format!("{reason:?}: {message}");
            *noted.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
        });
        Self {
            name: info.name.clone(),
            software: device::is_software(info),
            most_lanes: info.subgroup_max_size,
            device,
            queue,
            caps,
            limits,
            bindings,
            layout,
            pipelines: Mutex::default(),
            lost,
        }
    }

    /// Refuses to go on with a device that is gone.
    pub(crate) fn alive(&self) -> Result<()> {
        match &*self.lost.lock().unwrap_or_else(PoisonError::into_inner) {
            None => Ok(()),
            Some(why) => {
                let why = format!("{} was lost: {why}", self.name);
                Err(unavailable(self.caps.backend, why))
            }
        }
    }

    /// The pipeline of a permutation, made when it is first asked for.
    pub(crate) fn pipeline(&self, permutation: &Permutation) -> Result<ComputePipeline> {
        let mut pipelines = self.pipelines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pipeline) = pipelines.get(permutation) {
            return Ok(pipeline.clone());
        }
        let name = permutation.stage.name();
        let scope = self.device.push_error_scope(ErrorFilter::Validation);
        let module = self.module(ShaderModuleDescriptor {
            label: Some(name),
            source: ShaderSource::Wgsl(permutation.source(cfg!(target_arch = "wasm32")).into()),
        });
        let pipeline = self.device.create_compute_pipeline(&ComputePipelineDescriptor {
            label: Some(name),
            layout: Some(&self.layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: PipelineCompilationOptions {
                zero_initialize_workgroup_memory: false,
                ..Default::default()
            },
            cache: None,
        });
        if let Some(error) = pollster::block_on(scope.pop()) {
            return Err(self.refused(&format!("the kernel {name}: {error}")));
        }
        pipelines.insert(*permutation, pipeline.clone());
        Ok(pipeline)
    }

    /// Compiles one of our sources with every run-time check but the one that counts each loop's
    /// rounds, which costs up to half of a kernel's time.
    #[allow(unsafe_code, reason = "the one place, for the one check")]
    fn module(&self, source: ShaderModuleDescriptor<'_>) -> ShaderModule {
        let checks =
            ShaderRuntimeChecks { force_loop_bounding: false, ..ShaderRuntimeChecks::checked() };
        // SAFETY: without that check loops must end by themselves, and ours do, whatever the data:
        // each counts by a step of at least one, or by halving or doubling, towards a bound that is
        // fixed before it begins and is at most the columns, the list's or the part's size. Bounds
        // checks stay on.
        unsafe { self.device.create_shader_module_trusted(source, checks) }
    }

    /// The driver did not do what it should.
    pub(crate) fn refused(&self, what: &str) -> Error {
        unavailable(self.caps.backend, format!("{} refused {what}", self.name))
    }
}

fn entry(binding: u32, ty: BufferBindingType) -> BindGroupLayoutEntry {
    BindGroupLayoutEntry {
        binding,
        visibility: ShaderStages::COMPUTE,
        ty: BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
        count: None,
    }
}
