//! What an executor can be bound to.

use st_rank::{HostInput, Input};

use crate::device_buffers::DeviceInput;
use crate::exec::WgpuExecutor;
use crate::host::OnWgpu;
use crate::record::OnDevice;

/// What `exec.on(&x)` takes: host memory, and buffers on the device.
pub trait WgpuInput {
    /// The executor bound to it.
    type Bound<'a>
    where
        Self: 'a;

    /// Binds an executor.
    fn bind<'a>(&'a self, exec: &'a WgpuExecutor) -> Self::Bound<'a>;
}

impl<X: HostInput + ?Sized> WgpuInput for X {
    type Bound<'a>
        = OnWgpu<'a, X::Elem>
    where
        X: 'a;

    fn bind<'a>(&'a self, exec: &'a WgpuExecutor) -> OnWgpu<'a, X::Elem> {
        let input: Input<'a, X::Elem> = self.input();
        OnWgpu { exec, input }
    }
}

impl WgpuInput for DeviceInput {
    type Bound<'a> = OnDevice<'a>;

    fn bind<'a>(&'a self, exec: &'a WgpuExecutor) -> OnDevice<'a> {
        OnDevice { exec, input: self }
    }
}
