//! What a device can do, as far as planning needs it.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::DType;

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

    /// Whether its kernels read elements of a type: WGSL's know 32-bit numbers and 16-bit floats alone.
    #[must_use]
    pub const fn reads(self, dtype: DType) -> bool {
        match self {
            Self::Wgpu | Self::Mps => {
                matches!(dtype, DType::F32 | DType::F16 | DType::Bf16 | DType::I32 | DType::U32)
            }
            Self::Cpu | Self::Cuda | Self::Hip => true,
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
    /// Rounds of loops after which the driver ends a thread, right or wrong; 0 where none does.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub loop_rounds: u32,
    /// Which device it is, as a [tag](Self::tag) of its name; 0 where it has none. Two devices alike in all numbers
    /// are two devices for what was measured.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unit: u32,
    /// Which driver runs it, as a [tag](Self::tag) of its name and version; 0 where unknown. What was measured with
    /// another driver is not believed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub driver: u32,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
const fn is_zero(n: &u32) -> bool {
    *n == 0
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
            loop_rounds: 0,
            unit: 0,
            driver: 0,
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
            loop_rounds: 0,
            unit: 0,
            driver: 0,
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

    /// The same device with a driver that ends threads after so many rounds of loops.
    #[must_use]
    pub const fn with_loop_rounds(mut self, rounds: u32) -> Self {
        self.loop_rounds = rounds;
        self
    }

    /// The same for the device of that name under that driver, each with its version; an empty text says nothing.
    #[must_use]
    pub const fn with_names(mut self, device: &str, driver: &str) -> Self {
        self.unit = Self::tag(device);
        self.driver = Self::tag(driver);
        self
    }
}

/// What the planner starts from: one coherent set, from which every other setting is weighed. All
/// tiles are in columns, all workgroups in threads. Each value is a multiple of [`lane`], a
/// workgroup is at most [`max_workgroup`], and a tile's entries (a key and an index of 4 bytes
/// each) fit [`shared_mem`], unless it holds less than one for each lane.
///
/// [`lane`]: Self::lane
/// [`max_workgroup`]: Self::max_workgroup
/// [`shared_mem`]: Self::shared_mem
impl DeviceCaps {
    /// Bytes of a candidate in shared memory: a key and an index.
    pub const ENTRY_BYTES: u32 = 8;
    /// Greatest tile, in columns.
    pub const MAX_TILE: u32 = 1 << 16;
    /// Multiprocessors assumed of a GPU that does not say.
    pub const ASSUMED_CORES: u32 = 32;
    /// Most threads that are worth a workgroup of their own on any GPU known.
    const MAX_USEFUL_WORKGROUP: u32 = 1024;
    /// Columns that a GPU's thread has in flight at a time: enough to hide the memory's latency.
    const COLUMNS_A_THREAD: u32 = 8;
    /// Columns between two tests on a CPU: one test for some hundred bytes of any type.
    const CPU_TILE: u32 = 512;
    /// Columns that a CPU turns into codes at a time: they fit the first-level cache.
    const CPU_CTILE: u32 = 2048;
    /// Most candidates a GPU's lane keeps in its registers.
    const MAX_GPU_K_LOOP: u32 = 32;
    /// Most that the CPU's kernels keep for a lane.
    const MAX_CPU_K_LOOP: u32 = 4096;

    /// The same with values that no device has put right: at least one lane, one core's worth of
    /// threads, and a workgroup that holds the lanes.
    #[must_use]
    pub fn normalised(mut self) -> Self {
        self.lane = self.lane.clamp(1, 1 << 10);
        self.max_workgroup = match self.backend {
            Backend::Cpu => self.max_workgroup.max(1),
            _ => self.max_workgroup.max(self.lane),
        };
        self
    }

    /// A name for devices that are alike to the planner, fit for a file's name: all numbers but the
    /// bandwidth, which no two measurements of give the same, and the driver, which changes; with the device's tag
    /// where it has a name.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let subgroups = if self.subgroups { "sg" } else { "nosg" };
        let numbers = format!(
            "{}-lane{}-{subgroups}-wg{}-smem{}-cores{}-l2_{}",
            self.backend, self.lane, self.max_workgroup, self.shared_mem, self.cores, self.l2
        );
        match self.unit {
            0 => numbers,
            unit => format!("{numbers}-{unit:08x}"),
        }
    }

    /// Whether two have one [fingerprint](Self::fingerprint).
    #[must_use]
    pub fn is_same_device(&self, other: &Self) -> bool {
        let told = |caps: &Self| Self { bandwidth: 0, loop_rounds: 0, driver: 0, ..*caps };
        told(self) == told(other)
    }

    /// Multiprocessors, or the assumed number.
    #[must_use]
    pub fn cores_or_assumed(&self) -> u32 {
        if self.cores > 0 { self.cores } else { Self::ASSUMED_CORES }
    }

    /// Threads of a workgroup for rows of `cols` columns: enough for 8 columns each and no more
    /// than 1024. On a CPU: all threads.
    #[must_use]
    pub fn recommended_workgroup(&self, cols: usize) -> u32 {
        let caps = self.normalised();
        if caps.backend == Backend::Cpu {
            return caps.max_workgroup.min(Self::MAX_USEFUL_WORKGROUP);
        }
        let wanted = cols.div_ceil(Self::COLUMNS_A_THREAD as usize).min(1 << 10) as u32;
        let most = caps.max_workgroup.min(Self::MAX_USEFUL_WORKGROUP).max(caps.lane);
        // Whole subgroups, in powers of two as reductions want them.
        let groups = (most / caps.lane).max(1);
        let groups = 1 << groups.ilog2();
        let wanted = wanted.div_ceil(caps.lane).max(1).next_power_of_two();
        wanted.min(groups) * caps.lane
    }

    /// Columns of a tile that a workgroup sweeps at a time.
    #[must_use]
    pub fn recommended_sweep_tile(&self, cols: usize) -> u32 {
        let caps = self.normalised();
        if caps.backend == Backend::Cpu {
            return Self::CPU_TILE;
        }
        let wanted = caps.recommended_workgroup(cols).saturating_mul(Self::COLUMNS_A_THREAD);
        caps.fit_tile(wanted.min(Self::MAX_TILE))
    }

    /// Columns of a compaction tile: half a sweep tile where that is 1024 or more.
    #[must_use]
    pub fn recommended_compaction_tile(&self, cols: usize) -> u32 {
        let caps = self.normalised();
        if caps.backend == Backend::Cpu {
            return Self::CPU_CTILE;
        }
        let tile = caps.recommended_sweep_tile(cols);
        if tile >= 1024 { caps.fit_tile(tile / 2) } else { tile }
    }

    /// Both tiles: [sweep](Self::recommended_sweep_tile), then
    /// [compaction](Self::recommended_compaction_tile).
    #[must_use]
    pub fn recommended_tiles(&self, cols: usize) -> (u32, u32) {
        (self.recommended_sweep_tile(cols), self.recommended_compaction_tile(cols))
    }

    /// Candidates that each lane of a subgroup keeps so that together they hold `k`: a power of
    /// two, at most 32 (4096 on a CPU, where they lie in memory). A greater k needs more lanes.
    #[must_use]
    pub fn preferred_k_loop(&self, k: usize) -> u32 {
        let caps = self.normalised();
        let most = match caps.backend {
            Backend::Cpu => Self::MAX_CPU_K_LOOP,
            _ => Self::MAX_GPU_K_LOOP,
        };
        let wanted = k.div_ceil(caps.lane as usize).clamp(1, most as usize);
        (wanted as u32).next_power_of_two().min(most)
    }

    /// Whether splitting rows over workgroups (threads, on a CPU), with a second command that
    /// merges, is worth weighing: the rows alone do not fill the device, each is long enough to be
    /// shared, and on a GPU a workgroup can hold two lists of k candidates to merge (for a greater
    /// k only the radix kernel, which merges counts, is split). The planner splits rows of its own
    /// accord only then; a rule may where the device can.
    #[must_use]
    pub fn prefers_two_stage(&self, rows: usize, cols: usize, k: usize) -> bool {
        let caps = self.normalised();
        if caps.backend == Backend::Cpu {
            let threads = caps.max_workgroup as usize;
            return threads > 1 && rows < 4 * threads && cols > 64;
        }
        let lists = k.saturating_mul(2 * Self::ENTRY_BYTES as usize);
        rows < 2 * caps.cores_or_assumed() as usize
            && cols >= 4 * caps.recommended_sweep_tile(cols) as usize
            && lists <= caps.shared_mem as usize
    }

    /// The greatest tile up to `wanted` that is whole lanes and fits shared memory.
    fn fit_tile(&self, wanted: u32) -> u32 {
        let fits = wanted.min(self.shared_mem / Self::ENTRY_BYTES);
        (fits / self.lane * self.lane).max(self.lane)
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_caps() -> impl Strategy<Value = DeviceCaps> {
        let backend = prop::sample::select(vec![
            Backend::Cpu,
            Backend::Wgpu,
            Backend::Cuda,
            Backend::Hip,
            Backend::Mps,
        ]);
        (backend, 1u32..=128, 1u32..=32, any::<bool>(), 0u32..=256 << 10, 0u32..200).prop_map(
            |(backend, lane, groups, subgroups, shared, cores)| DeviceCaps {
                backend,
                ..DeviceCaps::wgpu(lane, subgroups, lane * groups)
                    .with_shared_mem(shared)
                    .with_cores(cores)
            },
        )
    }

    #[test]
    fn devices_are_the_same_if_their_fingerprints_are() {
        let caps = DeviceCaps::wgpu(32, true, 256).with_names("a device", "1.0");
        let others = [
            caps.with_bandwidth(7),
            caps.with_loop_rounds(9),
            caps.with_names("a device", "2.0"),
            caps.with_names("another", "1.0"),
            caps.with_l2(1),
            caps.with_cores(1),
            caps.with_shared_mem(1),
            caps.with_max_workgroup(512),
            caps.with_subgroup(16, true),
            caps.with_subgroup(32, false),
            DeviceCaps { backend: Backend::Mps, ..caps },
        ];
        for other in others {
            let by_name = caps.fingerprint() == other.fingerprint();
            assert_eq!(caps.is_same_device(&other), by_name, "{other}");
        }
    }

    proptest! {
        #[test]
        fn recommendations_are_aligned_and_fit(
            caps in any_caps(),
            rows in 0usize..1 << 20,
            cols in prop_oneof![0usize..5000, 0usize..1 << 32],
            k in prop_oneof![0usize..5000, 0usize..1 << 32],
        ) {
            let wg = caps.recommended_workgroup(cols);
            prop_assert!(wg >= 1 && wg <= caps.max_workgroup);
            let (tile, ctile) = caps.recommended_tiles(cols);
            prop_assert_eq!(tile, caps.recommended_sweep_tile(cols));
            prop_assert_eq!(ctile, caps.recommended_compaction_tile(cols));
            let loops = caps.preferred_k_loop(k);
            prop_assert!(loops.is_power_of_two());
            if caps.backend != Backend::Cpu {
                prop_assert_eq!(wg % caps.lane, 0);
                for tile in [tile, ctile] {
                    prop_assert!(tile > 0 && tile % caps.lane == 0);
                    let least = caps.lane * DeviceCaps::ENTRY_BYTES;
                    prop_assert!(tile * DeviceCaps::ENTRY_BYTES <= caps.shared_mem.max(least));
                }
                prop_assert!(loops <= 32);
                prop_assert!(loops == 32 || (loops * caps.lane) as usize >= k.min(32));
            }
            if caps.prefers_two_stage(rows, cols, k) {
                prop_assert!(caps.prefers_two_stage(rows / 2, cols, k), "fewer rows, the more so");
                prop_assert!(caps.prefers_two_stage(rows, cols, k / 2), "so too with fewer ranks");
            }
            prop_assert_eq!(caps.normalised(), caps.normalised().normalised());
        }
    }

    #[test]
    fn the_founding_documents_device() {
        let caps = DeviceCaps::wgpu(32, true, 256);
        assert_eq!(caps.recommended_workgroup(65_536), 256);
        assert_eq!(caps.recommended_workgroup(100), 32);
        assert_eq!(caps.recommended_tiles(65_536), (2048, 1024));
        assert_eq!(caps.preferred_k_loop(100), 4);
        assert!(caps.prefers_two_stage(1, 1 << 20, 100));
        assert!(!caps.prefers_two_stage(4096, 1 << 20, 100), "enough rows");
        assert!(!caps.prefers_two_stage(1, 1000, 100), "short");
        assert!(!caps.with_shared_mem(1024).prefers_two_stage(1, 1 << 20, 100), "no room to merge");
    }

    #[test]
    fn nonsense_is_put_right_and_never_panics() {
        let caps = DeviceCaps { lane: 0, ..DeviceCaps::wgpu(0, true, 0).with_shared_mem(0) };
        assert_eq!(caps.recommended_workgroup(usize::MAX), 1);
        assert_eq!(caps.recommended_tiles(usize::MAX), (1, 1));
        assert_eq!(caps.preferred_k_loop(usize::MAX), 32);
        assert!(!caps.prefers_two_stage(usize::MAX, usize::MAX, usize::MAX));
    }
}
