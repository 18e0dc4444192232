//! What this machine has, and what this build can use of it: the report of `spiral doctor` and of Python's `doctor`.

use std::fmt;
use std::fs;

use serde::Serialize;
use st_rank::{Backend, DeviceCaps, Result};

use crate::backend::cpu_exec::{CpuExecutor, Isa, processor};
use crate::backend::cuda_exec::{self, DeviceReport, KeptKernels, Libraries};
use crate::backend::wgpu_exec::{self, AdapterReport};
use crate::hints::{self, Fetch};
use crate::settings::{Loaded, Settings};

/// What differs between front ends.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    /// What the program is called.
    pub program: &'static str,
    /// What to do about a backend that is not in the build.
    pub absent: &'static str,
}

/// What was found, as a document (by `serde`) and as lines to be read (by `Display`).
#[derive(Debug, Serialize)]
pub struct Report {
    #[serde(skip)]
    program: &'static str,
    version: &'static str,
    target: String,
    /// None: there is no executor, and the processor's entry among the backends says why.
    cpu: Option<Cpu>,
    backends: Vec<BackendState>,
    rules: RulesState,
    tables: Vec<TableState>,
    /// What others share for this processor, or why nothing is known of it.
    hints: String,
    /// What is wrong with rules, tables and settings.
    faults: Vec<String>,
}

#[derive(Debug, Serialize)]
struct RulesState {
    /// The file that is read if it is there.
    file: Option<String>,
    /// Why there is no such file.
    no_file: Option<String>,
    /// Programs in force, in their order.
    loaded: Vec<String>,
}

#[derive(Debug, Serialize)]
struct TableState {
    name: String,
    records: usize,
    skipped: usize,
    /// Why the first of those were left out.
    reasons: Vec<String>,
    /// Whether its word counts on this processor: own, shared, any device, shipped or near; none: it does not.
    here: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct Cpu {
    processor: String,
    cores: u32,
    isa: IsaState,
    caches: Caches,
    read_bandwidth_bytes_per_second: u64,
    caps: DeviceCaps,
}

#[derive(Debug, Serialize)]
struct IsaState {
    available: Vec<&'static str>,
    chosen: &'static str,
}

/// In bytes; 0 where unknown.
#[derive(Debug, Serialize)]
struct Caches {
    l1d: u64,
    l2: u64,
    l3: u64,
}

#[derive(Debug, Serialize)]
struct BackendState {
    backend: Backend,
    found: bool,
    detail: String,
}

impl Report {
    /// Looks: at the processor by its executor (whose memory is timed), at GPUs with these libraries, at settings and what
    /// was loaded by them, and at what is shared, for which it waits 50 ms at most.
    #[must_use]
    pub fn new(
        words: Words,
        cpu: Result<&CpuExecutor>,
        libraries: &Libraries,
        settings: &Settings,
        loaded: &Loaded,
    ) -> Self {
        let backend = Backend::Cpu;
        let (cpu, own) = match cpu {
            Ok(exec) => {
                let cpu = Cpu::new(exec);
                let detail = format!("{} on {} threads", cpu.isa.chosen, cpu.caps.max_workgroup);
                (Some(cpu), BackendState { backend, found: true, detail })
            }
            Err(why) => (None, BackendState { backend, found: false, detail: why.to_string() }),
        };
        let caps = cpu.as_ref().map(|cpu| cpu.caps);
        // The answer may come while GPUs are looked for.
        let hints = caps.map(|caps| Fetch::start(settings.redis_url(), &caps));
        let others = [Backend::Wgpu, Backend::Cuda, Backend::Hip, Backend::Mps]
            .map(|backend| state(backend, libraries, words.absent));
        Self {
            program: words.program,
            version: env!("CARGO_PKG_VERSION"),
            target: format!("{} {}", std::env::consts::ARCH, std::env::consts::OS),
            cpu,
            backends: [own].into_iter().chain(others).collect(),
            rules: RulesState {
                file: settings.rules_file().map(|file| file.display().to_string()),
                no_file: settings.why_no_rules_file(),
                loaded: loaded.rules.clone(),
            },
            tables: loaded
                .knowledge
                .tables()
                .iter()
                .map(|table| TableState {
                    name: table.name().to_owned(),
                    records: table.records().len(),
                    skipped: table.left_out(),
                    reasons: table.skipped().to_vec(),
                    here: caps.and_then(|caps| table.origin(&caps)).map(|origin| origin.name()),
                })
                .collect(),
            hints: hints.map_or_else(|| "not asked for".to_owned(), shared),
            faults: loaded.faults.iter().map(ToString::to_string).collect(),
        }
    }
}

impl Cpu {
    fn new(exec: &CpuExecutor) -> Self {
        let caps = exec.probe();
        Self {
            processor: processor().unwrap_or("unknown").to_owned(),
            cores: caps.cores,
            isa: IsaState {
                available: Isa::available().into_iter().map(Isa::name).collect(),
                chosen: exec.isa().name(),
            },
            caches: Caches {
                l1d: caps.shared_mem.into(),
                l2: caps.l2,
                l3: third_level_cache().unwrap_or(0),
            },
            read_bandwidth_bytes_per_second: caps.bandwidth,
            caps,
        }
    }
}

impl fmt::Display for Cpu {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "processor        {}", self.processor)?;
        writeln!(out, "cores            {}", self.cores)?;
        let IsaState { available, chosen } = &self.isa;
        writeln!(out, "instruction set  {chosen} (available: {})", available.join(", "))?;
        let Caches { l1d, l2, l3 } = self.caches;
        writeln!(out, "caches           L1d {}, L2 {}, L3 {}", size(l1d), size(l2), size(l3))?;
        match self.read_bandwidth_bytes_per_second {
            0 => writeln!(out, "read bandwidth   not measured"),
            b => writeln!(out, "read bandwidth   {:.1} GB/s", b as f64 / 1e9),
        }
    }
}

impl fmt::Display for Report {
    /// Ends with a line's end.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{} {} for {}", self.program, self.version, self.target)?;
        if let Some(cpu) = &self.cpu {
            write!(out, "{cpu}")?;
        }
        for state in &self.backends {
            writeln!(out, "{:<16} {}", state.backend.name(), state.detail)?;
        }
        let RulesState { file, no_file, loaded } = &self.rules;
        let none = no_file.as_deref().unwrap_or_default();
        let file = file.as_ref().map_or_else(|| format!("none: {none}"), String::clone);
        match &loaded[..] {
            [] => writeln!(out, "rules            none (file: {file})")?,
            loaded => writeln!(out, "rules            {}", loaded.join(", then "))?,
        }
        for table in &self.tables {
            let here = table.here.unwrap_or("not for this processor");
            let TableState { name, records, skipped, reasons, .. } = table;
            write!(out, "table            {name}: {records} records, {here}")?;
            match skipped {
                0 => writeln!(out)?,
                n => writeln!(out, ", {n} left out")?,
            }
            for why in reasons {
                writeln!(out, "{:17}{why}", "")?;
            }
        }
        writeln!(out, "shared hints     {}", self.hints)?;
        for fault in &self.faults {
            writeln!(out, "fault            {fault}")?;
        }
        Ok(())
    }
}

fn shared(asked: Fetch) -> String {
    match asked.wait(hints::WAIT) {
        Ok(found) => {
            let counting = found.rules.iter().filter(|rule| rule.unheard.is_none()).count();
            let (times, left_out) = (found.times.len(), found.left_out);
            format!("{times} measured choices, {counting} soft rules, {left_out} entries left out")
        }
        Err(hints::Error::NoUrl) => "none: REDIS_URL is not set".to_owned(),
        Err(why @ hints::Error::Late { .. }) => {
            format!("{why}: a command that plans waits no longer either, and does without them")
        }
        Err(why) => why.to_string(),
    }
}

/// What was found of a backend but the processor's.
fn state(backend: Backend, libraries: &Libraries, absent: &str) -> BackendState {
    if cuda_exec::IN_THIS_BUILD && backend == Backend::Cuda {
        return match cuda_exec::devices(libraries) {
            Ok(devices) if devices.is_empty() => {
                BackendState { backend, found: false, detail: "a driver, and no device".to_owned() }
            }
            Ok(devices) => {
                let list: Vec<String> = devices.iter().map(cuda_device).collect();
                BackendState { backend, found: true, detail: list.join("; ") }
            }
            Err(why) => BackendState { backend, found: false, detail: why.to_string() },
        };
    }
    if !(wgpu_exec::IN_THIS_BUILD && matches!(backend, Backend::Wgpu | Backend::Mps)) {
        return BackendState { backend, found: false, detail: absent.to_owned() };
    }
    let adapters = wgpu_exec::adapters(backend);
    let numbered = |(at, found)| format!("{at}: {}", adapter(found));
    let list: Vec<String> = adapters.iter().enumerate().map(numbered).collect();
    let detail = match (list.is_empty(), backend) {
        (false, _) => list.join("; "),
        (true, Backend::Mps) => "no Metal device: it is on Apple's systems alone".to_owned(),
        (true, _) => "no adapter: install a Vulkan driver (mesa-vulkan-drivers has a software \
                      one)"
            .to_owned(),
    };
    BackendState { backend, found: !adapters.is_empty(), detail }
}

fn adapter(found: &AdapterReport) -> String {
    let AdapterReport { name, interface, driver, software, caps } = found;
    let software = if *software { "software, " } else { "" };
    let subgroups = match caps.subgroups {
        true => format!("subgroups of {}", caps.lane),
        false => "no subgroups".to_owned(),
    };
    let multiprocessors = match caps.cores {
        0 => String::new(),
        count => format!("{count} multiprocessors, "),
    };
    format!(
        "{name} ({software}{interface}, {driver}): {subgroups}, workgroups up to {}, {multiprocessors}{} of shared memory",
        caps.max_workgroup,
        size(caps.shared_mem.into())
    )
}

fn cuda_device(found: &DeviceReport) -> String {
    let DeviceReport { ordinal, name, capability, driver, nvrtc, cache, caps } = found;
    let nvrtc = match nvrtc {
        Ok((major, minor)) => format!("NVRTC {major}.{minor}"),
        Err(why) => why.to_string(),
    };
    let cache = match cache {
        Some(KeptKernels { folder, kernels, fault: None }) => {
            format!("{kernels} kernels kept in {}", folder.display())
        }
        Some(KeptKernels { folder, kernels, fault: Some(why) }) => format!(
            "{kernels} kernels kept in {}, and no more can be, so that every process compiles those it needs ({why}): \
             SPIRAL_HOME names another place",
            folder.display()
        ),
        None => "no kernels kept".to_owned(),
    };
    format!(
        "{ordinal}: {name}, compute capability {}.{}, driver for CUDA {}.{}, {nvrtc}: {} \
         multiprocessors, {} of shared memory; {cache}",
        capability.0,
        capability.1,
        driver / 1000,
        driver % 1000 / 10,
        caps.cores,
        size(caps.shared_mem.into())
    )
}

fn size(bytes: u64) -> String {
    match bytes {
        0 => "unknown".to_owned(),
        b if b >= 1 << 20 => format!("{:.1} MiB", b as f64 / f64::from(1 << 20)),
        b => format!("{} KiB", b >> 10),
    }
}

fn third_level_cache() -> Option<u64> {
    let text = fs::read_to_string("/sys/devices/system/cpu/cpu0/cache/index3/size").ok()?;
    let kib: u64 = text.trim().strip_suffix('K')?.parse().ok()?;
    Some(kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_that_cannot_be_kept_are_told_of() {
        let told = |fault: Option<&str>| {
            cuda_device(&DeviceReport {
                ordinal: 0,
                name: "a GPU".to_owned(),
                capability: (9, 0),
                driver: 13_000,
                nvrtc: Ok((13, 0)),
                cache: Some(KeptKernels {
                    folder: "kernels".into(),
                    kernels: 7,
                    fault: fault.map(str::to_owned),
                }),
                caps: DeviceCaps::cuda(32, 1024),
            })
        };
        assert!(told(None).ends_with("; 7 kernels kept in kernels"), "{}", told(None));
        let full = told(Some("no space is left"));
        for part in
            ["; 7 kernels kept in kernels, and no more can be", "no space is left", "SPIRAL_HOME"]
        {
            assert!(full.contains(part), "{part}: {full}");
        }
    }
}
