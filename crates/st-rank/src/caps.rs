//! What a device can do, as far as planning needs it.

use core::fmt;

use serde::{Deserialize, Serialize};

/// Where a plan runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// The processor: vectors and threads.
    Cpu,
    /// Whatever `wgpu` finds: Vulkan, DX12, Metal, GL, a browser.
    Wgpu,
    /// NVIDIA.
    Cuda,
    /// AMD.
    Hip,
    /// Metal, through `wgpu`.
    Mps,
}

impl Backend {
    /// The name used in commands, tables and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Wgpu => "wgpu",
            Self::Cuda => "cuda",
            Self::Hip => "hip",
            Self::Mps => "mps",
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A device in the few numbers a plan depends on. Numbers of another device than the one at hand
/// may be put in by hand, to see what would be planned there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DeviceCaps {
    /// Which backend runs there.
    pub backend: Backend,
    /// Lanes of 32 bits that run together: a subgroup (warp, wave) on a GPU, a vector on a CPU.
    pub lane: u32,
    /// Whether lanes of a subgroup can exchange values.
    pub subgroups: bool,
    /// Greatest workgroup, in threads. On a CPU: the threads worth running.
    pub max_workgroup: u32,
    /// Memory a workgroup shares, in bytes. On a CPU: the first-level data cache of a core.
    pub shared_mem: u32,
    /// Multiprocessors of a GPU, cores of a CPU; 0 where unknown.
    pub cores: u32,
    /// Read bandwidth of the memory with all cores, in bytes per second; 0 where unknown.
    pub bandwidth: u64,
    /// Second-level cache in bytes (of one core on a CPU, of the device on a GPU); 0 where unknown.
    pub l2: u64,
}

impl DeviceCaps {
    const fn gpu(backend: Backend, lane: u32, subgroups: bool, max_wg: u32, shared: u32) -> Self {
        Self {
            backend,
            lane,
            subgroups,
            max_workgroup: max_wg,
            shared_mem: shared,
            cores: 0,
            bandwidth: 0,
            l2: 0,
        }
    }

    /// A WebGPU adapter: lanes of a subgroup, whether subgroup operations are there, the greatest
    /// workgroup. Shared memory is WebGPU's guaranteed 16 KiB.
    #[must_use]
    pub const fn wgpu(lane: u32, subgroups: bool, max_wg: u32) -> Self {
        Self::gpu(Backend::Wgpu, lane, subgroups, max_wg, 16 << 10)
    }

    /// An NVIDIA device with the 48 KiB of shared memory every kernel may have.
    #[must_use]
    pub const fn cuda(lane: u32, max_wg: u32) -> Self {
        Self::gpu(Backend::Cuda, lane, true, max_wg, 48 << 10)
    }

    /// An AMD device with 64 KiB of local data share.
    #[must_use]
    pub const fn hip(lane: u32, max_wg: u32) -> Self {
        Self::gpu(Backend::Hip, lane, true, max_wg, 64 << 10)
    }

    /// A Metal device with 32 KiB of threadgroup memory.
    #[must_use]
    pub const fn mps(lane: u32, max_wg: u32) -> Self {
        Self::gpu(Backend::Mps, lane, true, max_wg, 32 << 10)
    }

    /// A processor: 32-bit lanes of its widest usable vector (16 for AVX-512, 8 for AVX2, 4 for
    /// NEON and the portable code) and its cores. Caches are set to common sizes (32 KiB, 1 MiB).
    #[must_use]
    pub const fn cpu(lane: u32, cores: u32) -> Self {
        Self {
            backend: Backend::Cpu,
            lane,
            subgroups: false,
            max_workgroup: cores,
            shared_mem: 32 << 10,
            cores,
            bandwidth: 0,
            l2: 1 << 20,
        }
    }

    /// The same with other lanes and subgroup support.
    #[must_use]
    pub const fn with_subgroup(mut self, lane: u32, subgroups: bool) -> Self {
        self.lane = lane;
        self.subgroups = subgroups;
        self
    }

    /// The same with another greatest workgroup (threads, on a CPU).
    #[must_use]
    pub const fn with_max_workgroup(mut self, max_wg: u32) -> Self {
        self.max_workgroup = max_wg;
        self
    }

    /// The same with other shared memory (first-level cache, on a CPU), in bytes.
    #[must_use]
    pub const fn with_shared_mem(mut self, bytes: u32) -> Self {
        self.shared_mem = bytes;
        self
    }

    /// The same with a core count.
    #[must_use]
    pub const fn with_cores(mut self, cores: u32) -> Self {
        self.cores = cores;
        self
    }

    /// The same with a read bandwidth in bytes per second.
    #[must_use]
    pub const fn with_bandwidth(mut self, bytes_per_second: u64) -> Self {
        self.bandwidth = bytes_per_second;
        self
    }

    /// The same with a second-level cache in bytes.
    #[must_use]
    pub const fn with_l2(mut self, bytes: u64) -> Self {
        self.l2 = bytes;
        self
    }
}

impl fmt::Display for DeviceCaps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} lanes", self.backend, self.lane)?;
        match self.backend {
            Backend::Cpu => write!(f, ", {} threads", self.max_workgroup)?,
            _ => write!(f, ", workgroup {}", self.max_workgroup)?,
        }
        if self.bandwidth > 0 {
            write!(f, ", {:.1} GB/s", self.bandwidth as f64 / 1e9)?;
        }
        Ok(())
    }
}
