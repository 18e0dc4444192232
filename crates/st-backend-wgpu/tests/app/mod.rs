//! An app with a device of its own, as tests want it.

#![allow(dead_code, reason = "shared by several test crates")]

use st_backend_wgpu::WgpuExecutor;
use wgpu::util::{BufferInitDescriptor, DeviceExt};
use wgpu::{Buffer, BufferUsages, Device, Features, Limits, Queue};

/// Its device.
pub(crate) struct App {
    pub(crate) device: Device,
    pub(crate) queue: Queue,
    info: wgpu::AdapterInfo,
}

impl App {
    /// With these limits, on the first adapter.
    pub(crate) fn new(limits: impl FnOnce(Limits) -> Limits) -> Self {
        let descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
        let instance = wgpu::Instance::new(descriptor);
        let opened = pollster::block_on(async {
            let all = instance.enumerate_adapters(wgpu::Backends::all()).await;
            let adapter = all.into_iter().next()?;
            let asked = wgpu::DeviceDescriptor {
                required_limits: limits(adapter.limits()),
                required_features: adapter.features() & Features::SUBGROUP,
                ..Default::default()
            };
            let (device, queue) = adapter.request_device(&asked).await.ok()?;
            Some(Self { device, queue, info: adapter.get_info() })
        });
        opened.expect("an adapter: mesa-vulkan-drivers has a software one")
    }

    /// An executor on it.
    pub(crate) fn exec(&self) -> WgpuExecutor {
        WgpuExecutor::on_device(self.device.clone(), self.queue.clone(), &self.info)
    }

    /// A buffer that kernels can read and write and that can be copied, with these bytes.
    pub(crate) fn filled(&self, bytes: &[u8]) -> Buffer {
        self.device.create_buffer_init(&BufferInitDescriptor {
            label: None,
            contents: bytes,
            usage: BufferUsages::STORAGE | BufferUsages::COPY_SRC | BufferUsages::COPY_DST,
        })
    }

    /// One with so many words, all the same.
    pub(crate) fn words(&self, count: usize, word: u32) -> Buffer {
        self.filled(bytemuck::cast_slice(&vec![word; count]))
    }

    /// The words of a buffer.
    pub(crate) fn read(&self, buffer: &Buffer) -> Vec<u32> {
        read(&self.device, &self.queue, buffer)
    }
}

/// The words of a buffer.
pub(crate) fn read(device: &Device, queue: &Queue, buffer: &Buffer) -> Vec<u32> {
    let staging = device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: buffer.size(),
        usage: BufferUsages::MAP_READ | BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    let mut encoder = device.create_command_encoder(&Default::default());
    encoder.copy_buffer_to_buffer(buffer, 0, &staging, 0, buffer.size());
    queue.submit([encoder.finish()]);
    staging.map_async(wgpu::MapMode::Read, .., |mapped| mapped.expect("it can be mapped"));
    device.poll(wgpu::PollType::wait_indefinitely()).expect("the device finishes");
    let view = staging.get_mapped_range(..).expect("it is mapped");
    bytemuck::cast_slice(&view).to_vec()
}
