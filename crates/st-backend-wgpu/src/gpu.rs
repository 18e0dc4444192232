//! An opened device with its pipelines and buffers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use st_kernels::wgsl::{BINDINGS, Binding, Dialect, Permutation, STORAGE_BUFFERS};
use st_rank::{Backend, DeviceCaps, Result};
use wgpu::{
    Adapter, BindGroupLayout, BindGroupLayoutDescriptor, BindGroupLayoutEntry, BindingType, Buffer,
    BufferBindingType, BufferUsages, ComputePipeline, ComputePipelineDescriptor, Device,
    DeviceDescriptor, Features, Limits, PipelineCompilationOptions, PipelineLayout,
    PipelineLayoutDescriptor, Queue, ShaderModule, ShaderModuleDescriptor, ShaderRuntimeChecks,
    ShaderSource, ShaderStages,
};

use crate::device::{self, WANTED, unavailable};
use crate::fault;
use crate::layout::Params;
use crate::multiprocessors;
use crate::pool::{Kind, LEAST_BYTES, Pool};

/// A device, what it can do, and the pipelines and buffers made for it so far.
pub(crate) struct Gpu {
    pub(crate) device: Device,
    pub(crate) queue: Queue,
    pub(crate) caps: DeviceCaps,
    pub(crate) limits: Limits,
    pub(crate) name: String,
    pub(crate) driver: String,
    pub(crate) software: bool,
    /// Lanes of the widest subgroup.
    pub(crate) most_lanes: u32,
    pub(crate) bindings: BindGroupLayout,
    pub(crate) pool: Arc<Pool>,
    /// Bound where a kernel reads nothing.
    pub(crate) nothing: Buffer,
    /// Bound where a kernel writes what nobody asked for.
    pub(crate) unasked: Buffer,
    layout: PipelineLayout,
    pipelines: Mutex<HashMap<Permutation, ComputePipeline>>,
    /// What the self-tests said of permutations.
    tested: Mutex<HashMap<Permutation, bool>>,
    /// Lists of what is recorded; see [`Gpu::workspace`].
    workspace: Mutex<Option<Buffer>>,
    uniforms: Mutex<HashMap<Vec<u8>, Buffer>>,
    /// Why the device is gone, if it is.
    pub(crate) lost: Arc<Mutex<Option<String>>>,
    dialect: Dialect,
    /// A stage whose kernels are spoilt.
    miscompiled: Option<&'static str>,
}

/// What tests want otherwise.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ForTests {
    /// A stage whose kernels are wrong.
    pub(crate) miscompiled: Option<&'static str>,
    /// Kernels as they are for a GPU, on a software adapter too.
    pub(crate) unrolled: bool,
}

impl std::fmt::Debug for Gpu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gpu").field("name", &self.name).field("caps", &self.caps).finish()
    }
}

/// Parameters that are kept on the device for when they are used again.
const UNIFORMS: usize = 256;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Gpu {
    /// Opens an adapter with all it has of what kernels use.
    pub(crate) async fn open(
        adapter: &Adapter,
        backend: Backend,
        ForTests { miscompiled, unrolled }: ForTests,
    ) -> Result<Self> {
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
        let mut this = Self { miscompiled, ..Self::of(device, queue, backend, &info)? };
        this.dialect.rolled &= !unrolled;
        let noted = Arc::clone(&this.lost);
        this.device.set_device_lost_callback(move |reason, message| {
            *lock(&noted) = Some(format!("{reason:?}: {message}"));
        });
        Ok(this)
    }

    /// A device that is open already. What its owner is called back for stays as it is.
    pub(crate) fn of(
        device: Device,
        queue: Queue,
        backend: Backend,
        info: &wgpu::AdapterInfo,
    ) -> Result<Self> {
        let limits = device.limits();
        let params = size_of::<Params>() as u64;
        for (limit, has, needs) in [
            (
                "max_storage_buffers_per_shader_stage",
                limits.max_storage_buffers_per_shader_stage.into(),
                STORAGE_BUFFERS.into(),
            ),
            ("max_uniform_buffer_binding_size", limits.max_uniform_buffer_binding_size, params),
            ("max_storage_buffer_binding_size", limits.max_storage_buffer_binding_size, 1 << 10),
            ("max_buffer_size", limits.max_buffer_size, 1 << 10),
        ] {
            if has < needs {
                let why = format!("{} was opened with {limit} = {has}", info.name);
                let advice = "open it with wgpu::Limits::default() or more";
                return Err(st_rank::Error::Unavailable { backend, why, advice });
            }
        }
        let features = device.features();
        let multiprocessors = multiprocessors::of_device(&device);
        let caps = device::caps(backend, info, features, &limits, multiprocessors);
        let dialect = Dialect {
            web: cfg!(target_arch = "wasm32"),
            subgroup_barrier: features.contains(Features::SUBGROUP_BARRIER),
            // Mesa's compiler takes the square of a kernel's length: minutes for all that a plan may
            // want.
            rolled: device::is_software(info),
        };
        let entries: Vec<BindGroupLayoutEntry> =
            (0..).zip(BINDINGS).map(|(number, binding)| entry(number, binding)).collect();
        let pool = Arc::<Pool>::default();
        let (made, said) = fault::scoped(&device, || {
            let bindings = device.create_bind_group_layout(&BindGroupLayoutDescriptor {
                label: Some("spiraltorch"),
                entries: &entries,
            });
            let layout = device.create_pipeline_layout(&PipelineLayoutDescriptor {
                label: Some("spiraltorch"),
                bind_group_layouts: &[Some(&bindings)],
                ..Default::default()
            });
            let small = || pool.take(&device, Kind::Device, LEAST_BYTES);
            Ok((bindings, layout, small(), small()))
        });
        if let Some(error) = fault::now(said).flatten() {
            return Err(fault::fault(&info.name, "to be set up", &error));
        }
        let (bindings, layout, nothing, unasked) = made?;
        Ok(Self {
            name: info.name.clone(),
            driver: device::driver(info),
            software: device::is_software(info),
            most_lanes: info.subgroup_max_size,
            nothing,
            unasked,
            device,
            queue,
            caps,
            limits,
            bindings,
            pool,
            layout,
            pipelines: Mutex::default(),
            tested: Mutex::default(),
            workspace: Mutex::default(),
            uniforms: Mutex::default(),
            lost: Arc::default(),
            dialect,
            miscompiled: None,
        })
    }

    /// The pipeline of a permutation, if it was made.
    pub(crate) fn made(&self, permutation: &Permutation) -> Option<ComputePipeline> {
        lock(&self.pipelines).get(permutation).cloned()
    }

    /// Makes the pipelines that are not there yet.
    pub(crate) async fn compile(&self, permutations: &[Permutation]) -> Result<()> {
        for permutation in permutations {
            if self.made(permutation).is_none() {
                let what = format!("the kernel {}", permutation.stage.name());
                let pipeline = self.caught(&what, || Ok(self.compiled(permutation))).await?;
                lock(&self.pipelines).insert(*permutation, pipeline);
            }
        }
        Ok(())
    }

    /// The pipeline of a permutation, made when it is first asked for.
    pub(crate) fn pipeline(&self, permutation: &Permutation) -> Result<ComputePipeline> {
        if let Some(pipeline) = self.made(permutation) {
            return Ok(pipeline);
        }
        let what = format!("the kernel {}", permutation.stage.name());
        let pipeline = self.caught_now(&what, || Ok(self.compiled(permutation)))?;
        lock(&self.pipelines).insert(*permutation, pipeline.clone());
        Ok(pipeline)
    }

    fn compiled(&self, permutation: &Permutation) -> ComputePipeline {
        let name = permutation.stage.name();
        let mut source = permutation.source(self.dialect);
        if self.miscompiled == Some(name) {
            // Every order is turned round, and indices are wrong.
            source = source.replace("p.flip", "~p.flip");
            source = source.replace("indices[out] = column;", "indices[out] = column ^ 1u;");
        }
        let module = self.module(ShaderModuleDescriptor {
            label: Some(name),
            source: ShaderSource::Wgsl(source.into()),
        });
        self.device.create_compute_pipeline(&ComputePipelineDescriptor {
            label: Some(name),
            layout: Some(&self.layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: PipelineCompilationOptions {
                zero_initialize_workgroup_memory: false,
                ..Default::default()
            },
            cache: None,
        })
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

    /// What the self-tests said of a permutation, if they were run.
    pub(crate) fn verdict(&self, permutation: &Permutation) -> Option<bool> {
        lock(&self.tested).get(permutation).copied()
    }

    /// Notes what a self-test said; what was found right before stays so.
    pub(crate) fn judge(&self, permutations: &[Permutation], right: bool) {
        let mut tested = lock(&self.tested);
        for permutation in permutations {
            tested.entry(*permutation).or_insert(right);
        }
    }

    /// Scratch memory for what is recorded, of at least so many bytes. All recordings share one
    /// buffer: commands of a queue run in order, and so do the dispatches of an encoder that use the
    /// same buffer, whichever command buffer they are in.
    pub(crate) fn workspace(&self, bytes: u64) -> Buffer {
        let mut held = lock(&self.workspace);
        match &*held {
            Some(buffer) if buffer.size() >= bytes => buffer.clone(),
            _ => {
                let buffer = self.pool.take(&self.device, Kind::Device, bytes);
                held.insert(buffer).clone()
            }
        }
    }

    /// A buffer with these parameters.
    pub(crate) fn uniform(&self, params: &Params) -> Result<Buffer> {
        let bytes = bytemuck::bytes_of(params);
        let mut uniforms = lock(&self.uniforms);
        if let Some(buffer) = uniforms.get(bytes) {
            return Ok(buffer.clone());
        }
        // Whoever uses one of them has a handle of its own.
        if uniforms.len() >= UNIFORMS {
            uniforms.clear();
        }
        self.pool.note();
        let buffer = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("spiraltorch"),
            size: bytes.len() as u64,
            usage: BufferUsages::UNIFORM,
            mapped_at_creation: true,
        });
        self.write_mapped(&buffer, bytes)?;
        uniforms.insert(bytes.to_vec(), buffer.clone());
        Ok(buffer)
    }

    /// Fills a buffer that is mapped, and unmaps it.
    pub(crate) fn write_mapped(&self, buffer: &Buffer, bytes: &[u8]) -> Result<()> {
        let (whole, rest) = bytes.split_at(bytes.len() / 4 * 4);
        let size = bytes.len().next_multiple_of(4);
        let mut view = buffer
            .slice(..size as u64)
            .get_mapped_range_mut()
            .map_err(|e| self.gone(&format!("it gives no memory to write to ({e})")))?;
        view.slice(..whole.len()).copy_from_slice(whole);
        if !rest.is_empty() {
            let mut last = [0; 4];
            last[..rest.len()].copy_from_slice(rest);
            view.slice(whole.len()..).copy_from_slice(&last);
        }
        drop(view);
        buffer.unmap();
        Ok(())
    }

    /// Forgets buffers that are kept: after a failure some may never have been made.
    pub(crate) fn forget_buffers(&self) {
        self.pool.clear();
        lock(&self.uniforms).clear();
        *lock(&self.workspace) = None;
    }

    /// Greatest binding, in bytes: whole vectors.
    pub(crate) fn most_bytes(&self) -> u64 {
        let limits = &self.limits;
        let most = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
        most / LEAST_BYTES * LEAST_BYTES
    }
}

fn entry(number: u32, binding: Binding) -> BindGroupLayoutEntry {
    let ty = match binding {
        Binding::Read => BufferBindingType::Storage { read_only: true },
        Binding::Write => BufferBindingType::Storage { read_only: false },
        Binding::Uniform => BufferBindingType::Uniform,
    };
    BindGroupLayoutEntry {
        binding: number,
        visibility: ShaderStages::COMPUTE,
        ty: BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
        count: None,
    }
}
