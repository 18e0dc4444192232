//! Adapters and what they can do.

use st_rank::{Backend, DeviceCaps, Error, Result};
use wgpu::{
    Adapter, AdapterInfo, Backends, DeviceType, Features, Instance, InstanceDescriptor, Limits,
};

use crate::multiprocessors;

/// What was found of an adapter.
#[derive(Clone, Debug)]
pub struct AdapterReport {
    /// Its name, as the driver gives it.
    pub name: String,
    /// The interface it is reached through: Vulkan, Metal and so on.
    pub interface: String,
    /// The driver and its version.
    pub driver: String,
    /// Whether a processor pretends to be it.
    pub software: bool,
    /// What plans are made for.
    pub caps: DeviceCaps,
}

/// Features that kernels or measurements use where they are there.
pub(crate) const WANTED: Features =
    Features::SUBGROUP.union(Features::SUBGROUP_BARRIER).union(Features::TIMESTAMP_QUERY);

/// The interfaces of a backend: all there are, or Metal alone.
pub(crate) fn interfaces(backend: Backend) -> Backends {
    match backend {
        Backend::Mps => Backends::METAL,
        _ => Backends::all(),
    }
}

fn instance(interfaces: Backends) -> Instance {
    Instance::new(InstanceDescriptor {
        backends: interfaces,
        ..InstanceDescriptor::new_without_display_handle()
    })
}

/// A backend's interfaces by ranks. Those of the second (GL) are opened only where the first has no adapter at all: Mesa's GL
/// loads a compiler whose symbols the whole process sees from then on, and a process that loads another one later (Triton's,
/// with PyTorch's) dies of it.
fn ranks(backend: Backend) -> impl Iterator<Item = Backends> {
    let interfaces = interfaces(backend);
    [interfaces & Backends::PRIMARY, interfaces - Backends::PRIMARY]
        .into_iter()
        .filter(|ranked| !ranked.is_empty())
}

/// Every adapter of these interfaces, real ones before software ones, otherwise as the system lists
/// them.
async fn list(interfaces: Backends) -> Vec<Adapter> {
    let mut adapters = instance(interfaces).enumerate_adapters(interfaces).await;
    adapters.sort_by_key(|adapter| is_software(&adapter.get_info()));
    adapters
}

pub(crate) fn is_software(info: &AdapterInfo) -> bool {
    info.device_type == DeviceType::Cpu
}

/// The adapters there are, the one that an executor would take first: of all interfaces but GL, which is not opened to be
/// looked at. Natively they are there at once, but for other threads that list adapters or open devices.
#[cfg_attr(not(target_arch = "wasm32"), allow(clippy::unused_async, reason = "as in a browser"))]
pub async fn adapters_async(backend: Backend) -> Vec<AdapterReport> {
    #[cfg(target_arch = "wasm32")]
    return reports(backend).await;
    #[cfg(not(target_arch = "wasm32"))]
    return crate::native::adapters(backend);
}

pub(crate) async fn reports(backend: Backend) -> Vec<AdapterReport> {
    let first = ranks(backend).next().unwrap_or(Backends::empty());
    list(first).await.iter().map(|adapter| report(adapter, backend)).collect()
}

fn report(adapter: &Adapter, backend: Backend) -> AdapterReport {
    let info = adapter.get_info();
    AdapterReport {
        software: is_software(&info),
        caps: caps(
            backend,
            &info,
            adapter.features(),
            &adapter.limits(),
            multiprocessors::of_adapter(adapter),
        ),
        interface: format!("{:?}", info.backend),
        driver: driver(&info),
        name: info.name,
    }
}

pub(crate) fn driver(info: &AdapterInfo) -> String {
    format!("{} {}", info.driver, info.driver_info).trim().to_owned()
}

/// What plans are made for, from what an adapter or a device says. Lanes are those of its smallest
/// subgroup: kernels that need more lanes than there are would be wrong, more is only wasteful.
pub(crate) fn caps(
    backend: Backend,
    info: &AdapterInfo,
    features: Features,
    limits: &Limits,
    multiprocessors: u32,
) -> DeviceCaps {
    let subgroups = features.contains(Features::SUBGROUP) && info.subgroup_min_size >= 4;
    let lane = if subgroups { info.subgroup_min_size } else { FALLBACK_LANES };
    let workgroup =
        limits.max_compute_invocations_per_workgroup.min(limits.max_compute_workgroup_size_x);
    let caps = DeviceCaps { backend, ..DeviceCaps::wgpu(lane, subgroups, workgroup) }
        .with_shared_mem(limits.max_compute_workgroup_storage_size)
        .with_cores(multiprocessors)
        .with_names(&info.name, &driver(info));
    let is_card = info.device_type == DeviceType::DiscreteGpu;
    let caps = if is_card { caps.with_bandwidth(card_bandwidth(multiprocessors)) } else { caps };
    if info.name.contains("llvmpipe") { caps.with_loop_rounds(LLVMPIPE_ROUNDS) } else { caps }
}

/// Bytes per second that a card is assumed to read, for neither wgpu nor Vulkan tells. Those of today have 8 to 33 GB/s
/// for each multiprocessor; a card that does not tell how many it has is taken for a middling one. With the bandwidth of
/// an integrated GPU reading would hide what else kernels do.
const fn card_bandwidth(multiprocessors: u32) -> u64 {
    match multiprocessors {
        0 => 500_000_000_000,
        count => count as u64 * 10_000_000_000,
    }
}

/// Mesa's software driver ends a thread after 65,535 rounds of all its loops together, and says
/// nothing; some are kept for what is not counted.
const LLVMPIPE_ROUNDS: u32 = 60_000;

/// Lanes assumed without subgroups: workgroups of multiples of this suit every GPU.
const FALLBACK_LANES: u32 = 32;

pub(crate) fn unavailable(backend: Backend, why: impl Into<String>) -> Error {
    let advice = match backend {
        Backend::Mps => "Metal is on Apple's systems alone; use wgpu or cpu",
        _ => "install a Vulkan driver (mesa-vulkan-drivers has a software one), or use cpu",
    };
    Error::Unavailable { backend, why: why.into(), advice }
}

/// Whether an adapter of that number and name is the one that is meant.
fn is_meant(which: &str, number: usize, name: &str) -> bool {
    match which.trim().parse::<usize>() {
        Ok(meant) => meant == number,
        Err(_) => name.to_lowercase().contains(&which.trim().to_lowercase()),
    }
}

/// The adapter that an executor takes: the first real one, or a software one if there is no other. Where real ones alone are
/// asked for, or `which` of all, all interfaces are looked at.
pub(crate) async fn choose(
    backend: Backend,
    software: Option<bool>,
    which: Option<&str>,
) -> Result<Adapter> {
    let (mut last, mut has_software) = (None, false);
    let mut others = Vec::new();
    for ranked in ranks(backend) {
        for adapter in list(ranked).await {
            let info = adapter.get_info();
            let is_software = is_software(&info);
            if let Some(which) = which {
                let meant = is_meant(which, others.len(), &info.name);
                if meant && software.is_none_or(|wanted| wanted == is_software) {
                    return Ok(adapter);
                }
                others.push(info.name);
                continue;
            }
            has_software |= is_software;
            match (is_software, software) {
                (false, None | Some(false)) | (true, Some(true)) => return Ok(adapter),
                (true, None) if last.is_none() => last = Some(adapter),
                _ => {}
            }
        }
        if last.is_some() {
            break;
        }
    }
    last.ok_or_else(|| match software {
        _ if !others.is_empty() => {
            let list: Vec<String> =
                others.iter().enumerate().map(|(at, name)| format!("{at}: {name}")).collect();
            let which = which.unwrap_or_default();
            Error::Unavailable {
                backend,
                why: format!("no adapter is {which:?}; there are {}", list.join(", ")),
                advice: "say the number of one, or a part of its name",
            }
        }
        Some(true) => unavailable(backend, "no software adapter was found"),
        // Another software one, which the usual advice is, would be refused, too.
        Some(false) if has_software => Error::Unavailable {
            backend,
            why: "no adapter was found but software ones".to_owned(),
            advice: "install the device's own driver, allow a software adapter, or use cpu",
        },
        _ => unavailable(backend, "no adapter was found"),
    })
}
