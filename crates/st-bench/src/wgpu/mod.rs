//! `st-bench wgpu`: our WGPU kernels by the device's own timestamps, at full clock, over inputs
//! that lie on the device. Every result is compared with the CPU's, bit for bit. One binary, for
//! machines without Rust.

mod compact;
mod fill;
mod measure;
mod passes;
mod report;
mod sweep;

use std::path::PathBuf;

use st_core::backend::device_caps::Backend;
use st_core::backend::wgpu_exec::adapters;
use st_core::settings::Settings;
use st_core::{DType, bf16, f16};

use crate::cells::{Cell, given};
use crate::numbers::Kind;
use crate::{Result, answer, note, system};
use measure::Bench;
use report::{CellReport, Report};

/// Options of `st-bench wgpu`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A JSON list of cells: `[rows, cols, k, input, dtype]`, the last two only if wanted. Inputs:
    /// normal, uniform, equal, ties, radixadv, relu, pivot, blockasc, lastwin, sorted. Types: f32,
    /// bf16, f16, i32, u32.
    #[arg(long, value_name = "FILE")]
    cells: Option<PathBuf>,
    /// A cell, in the same form. Repeatable.
    #[arg(long, value_name = "JSON")]
    cell: Vec<String>,
    /// Which ranks.
    #[arg(long, value_enum, default_value_t = Kind::Topk)]
    kind: Kind,
    /// Also time a choice given by hand: `mk=4,mkd=0,tile=512,ctile=4096,use_2ce=0,wg=256,kl=8,ch=0`,
    /// as numbers or as the names that plans show; fields left out are the planner's. Repeatable.
    #[arg(long, value_name = "FIELDS")]
    choice: Vec<String>,
    /// Also time what the planner makes of each merge kind, in one command and in two, with
    /// subgroups and without.
    #[arg(long)]
    all_kinds: bool,
    /// Plan with this machine's rules and tables; a sweep also times the choice without them.
    #[arg(long)]
    tables: bool,
    /// Also try every candidate of the planner, and time the best one.
    #[arg(long)]
    sweep: bool,
    /// Instead, time compactions from the host and back, in one command and in two: of what lies between
    /// the first row's greatest element and its k-th.
    #[arg(long, conflicts_with_all = ["choice", "all_kinds", "sweep", "kind", "json", "rotate"])]
    compact: bool,
    /// Seconds of a cell's sweep; candidates for which no time is left are counted.
    #[arg(long, default_value_t = 20.0)]
    seconds: f64,
    /// Plan as if there were so many multiprocessors.
    #[arg(long)]
    cores: Option<u32>,
    /// Plan as if the memory were that fast, in bytes per second, which wgpu does not tell.
    #[arg(long)]
    caps_bandwidth: Option<u64>,
    /// Bandwidth in bytes per second for the floors; without it, it is measured.
    #[arg(long, default_value_t = 0.0)]
    bandwidth: f64,
    /// Megabytes that the copies of a small input fill, so that calls do not find it in a cache.
    #[arg(long, value_name = "MB")]
    rotate: Option<u64>,
    /// Samples of each number at most.
    #[arg(long, default_value_t = 15)]
    samples: u32,
    /// Write everything found into this file as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Runs the benchmark; false if a result was wrong.
pub(crate) fn run(args: &Args) -> Result<bool> {
    let cells = given(args.cells.as_deref(), &args.cell)?;
    let exec = Settings::from_env().wgpu(Backend::Wgpu);
    let caps = exec.caps()?;
    let caps = caps
        .with_cores(args.cores.unwrap_or(caps.cores))
        .with_bandwidth(args.caps_bandwidth.unwrap_or(caps.bandwidth));
    let (name, software) = exec.adapter()?;
    let driver = adapters(Backend::Wgpu).into_iter().find(|a| a.name == name).map(|a| a.driver);
    let clock = exec.clock()?;
    let bandwidth = if args.bandwidth > 0.0 { args.bandwidth } else { clock.bandwidth()? };
    let mut report = Report {
        date: st_core::tune::today(),
        command: system::command(),
        version: env!("CARGO_PKG_VERSION"),
        commit: option_env!("ST_BENCH_COMMIT"),
        adapter: name.to_owned(),
        software,
        driver,
        caps,
        kind: args.kind.rank(),
        bandwidth,
        cells: Vec::new(),
    };
    note(&report.head());
    let bench = Bench { args, exec: &exec, clock: &clock, caps, bandwidth, software };
    if args.compact {
        return compactions(&bench, &cells);
    }
    for cell in &cells {
        let done = match cell.dtype {
            DType::F32 => bench.cell::<f32>(cell),
            DType::F16 => bench.cell::<f16>(cell),
            DType::Bf16 => bench.cell::<bf16>(cell),
            DType::I32 => bench.cell::<i32>(cell),
            DType::U32 => bench.cell::<u32>(cell),
            dtype => Err(format!("no WGSL kernel reads {dtype}").into()),
        };
        let done = done.unwrap_or_else(|error| CellReport::not_measured(*cell, &error.to_string()));
        note(&done.lines());
        report.cells.push(done);
        // After every cell, so that nothing is lost with the next one.
        if let Some(path) = &args.json {
            let text = serde_json::to_string_pretty(&report)?;
            std::fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))?;
        }
    }
    note(&report.summary());
    if args.json.is_none() {
        answer(&report.table());
    }
    Ok(!report.wrong())
}

/// A line for each cell; false if a result was wrong, or there was none.
fn compactions(bench: &Bench<'_>, cells: &[Cell]) -> Result<bool> {
    let mut right = true;
    for cell in cells {
        let line = match cell.dtype {
            DType::F32 => bench.compact::<f32>(cell),
            DType::F16 => bench.compact::<f16>(cell),
            DType::Bf16 => bench.compact::<bf16>(cell),
            DType::I32 => bench.compact::<i32>(cell),
            DType::U32 => bench.compact::<u32>(cell),
            dtype => Err(format!("no WGSL kernel reads {dtype}").into()),
        };
        let line = line.unwrap_or_else(|error| {
            right = false;
            format!("{cell}: {error}")
        });
        answer(&line);
    }
    Ok(right)
}
