//! `st-bench cuda`: our CUDA kernels by the device's own clock, replaying graphs over inputs that lie on the
//! device. Every result is compared with the CPU's, bit for bit. One binary, for machines without Rust.

mod measure;

use std::path::PathBuf;

use serde::Serialize;
use st_core::backend::cuda_exec::CudaExecutor;
use st_core::backend::device_caps::DeviceCaps;
use st_core::ops::rank_entry::{Choice, RankKind};
use st_core::settings::Settings;
use st_core::{DType, bf16, f16};

use crate::cells::{Cell, given};
use crate::markdown::short;
use crate::numbers::{Kind, Spread};
use crate::untuned::{of_untuned, swept};
use crate::{Result, answer, note, system};
use measure::Bench;
use st_tune::stats::geometric_mean;
use st_tune::tournament::Outcome;

/// Options of `st-bench cuda`.
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
    /// Results by index instead of by rank.
    #[arg(long)]
    unsorted: bool,
    /// Also time a choice given by hand: `mk=4,tile=8192,wg=512,kl=8,ch=0`, as numbers or as the names that
    /// plans show; fields left out are the planner's. Repeatable.
    #[arg(long, value_name = "FIELDS")]
    choice: Vec<String>,
    /// Plan with this machine's rules and tables; a sweep also times the choice without them.
    #[arg(long)]
    tables: bool,
    /// Also try every candidate of the planner, and time the best one.
    #[arg(long)]
    sweep: bool,
    /// Seconds of a cell's sweep; candidates for which no time is left are counted.
    #[arg(long, default_value_t = 20.0)]
    seconds: f64,
    /// Which device.
    #[arg(long, default_value_t = 0)]
    device: u32,
    /// Bandwidth in bytes per second for the floors; without it, what the driver makes one expect.
    #[arg(long, default_value_t = 0.0)]
    bandwidth: f64,
    /// Megabytes that the copies of a small input fill, so that calls do not find it in a cache.
    #[arg(long, value_name = "MB", default_value_t = 200)]
    rotate: u64,
    /// Samples of each number.
    #[arg(long, default_value_t = 9)]
    samples: u32,
    /// Write everything found into this file as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Everything a run found.
#[derive(Debug, Serialize)]
struct Report {
    date: String,
    command: String,
    version: &'static str,
    /// Of the sources, if `ST_BENCH_COMMIT` was set when this was built.
    commit: Option<&'static str>,
    adapter: String,
    driver: String,
    caps: DeviceCaps,
    kind: RankKind,
    bandwidth: f64,
    cells: Vec<CellReport>,
}

/// One cell.
#[derive(Debug, Serialize)]
struct CellReport {
    cell: Cell,
    /// Why there are no numbers.
    not_measured: Option<String>,
    /// Inputs that calls take by turns.
    copies: usize,
    checked_rows: usize,
    floor_us: f64,
    contenders: Vec<Contender>,
    /// Every candidate of the planner, but for those that are too few blocks to be as fast as its choice.
    sweep: Option<Outcome>,
    out_of_reach: usize,
}

/// A plan and what was found of it: times in microseconds.
#[derive(Debug, Serialize)]
struct Contender {
    name: String,
    choice: Choice,
    predicted_us: Option<f64>,
    /// What is wrong with it: then there are no numbers.
    fault: Option<String>,
    /// Of a call, by replaying a graph of `calls` calls.
    shared_us: Option<Spread>,
    /// The same with one call in the graph.
    pass_us: Option<Spread>,
    /// Of a call, when the host launches many and waits for the last.
    loop_us: Option<f64>,
    calls: u32,
}

/// Runs the benchmark; false if a result was wrong.
pub(crate) fn run(args: &Args) -> Result<bool> {
    let cells = given(args.cells.as_deref(), &args.cell)?;
    let exec = CudaExecutor::new(args.device).with_libraries(Settings::from_env().cuda());
    let found = exec.report()?;
    let bandwidth = if args.bandwidth > 0.0 { args.bandwidth } else { found.caps.bandwidth as f64 };
    let (major, minor) = found.nvrtc?;
    let mut report = Report {
        date: st_core::tune::today(),
        command: system::command(),
        version: env!("CARGO_PKG_VERSION"),
        commit: option_env!("ST_BENCH_COMMIT"),
        adapter: found.name.clone(),
        driver: format!("driver for CUDA {}, NVRTC {major}.{minor}", found.driver),
        caps: found.caps,
        kind: args.kind.rank(),
        bandwidth,
        cells: Vec::new(),
    };
    note(&format!(
        "{}, {}, {}: {}, {:.0} GB/s",
        report.date,
        report.adapter,
        report.driver,
        report.kind,
        bandwidth / 1e9
    ));
    let bench = Bench { args, exec: &exec, caps: found.caps, kind: report.kind, bandwidth };
    for cell in &cells {
        let done = match cell.dtype {
            DType::F32 => bench.cell::<f32>(cell),
            DType::F16 => bench.cell::<f16>(cell),
            DType::Bf16 => bench.cell::<bf16>(cell),
            DType::I32 => bench.cell::<i32>(cell),
            DType::U32 => bench.cell::<u32>(cell),
            dtype => Err(format!("no kernel fills {dtype}").into()),
        };
        let done = done.unwrap_or_else(|error| CellReport {
            not_measured: Some(error.to_string()),
            ..CellReport::new(*cell)
        });
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
    let mut faults = report.cells.iter().flat_map(|c| &c.contenders).map(|c| c.fault.as_deref());
    Ok(!faults.any(|fault| fault.is_some_and(|f| f.starts_with(crate::by_cpu::WRONG))))
}

impl CellReport {
    const fn new(cell: Cell) -> Self {
        Self {
            cell,
            not_measured: None,
            copies: 0,
            checked_rows: 0,
            floor_us: 0.0,
            contenders: Vec::new(),
            sweep: None,
            out_of_reach: 0,
        }
    }

    fn planned(&self) -> Option<&Contender> {
        self.contenders.iter().find(|c| c.name == "planned")
    }

    fn planned_us(&self) -> Option<f64> {
        self.planned()?.shared_us.map(|us| us.median)
    }

    /// For people.
    fn lines(&self) -> String {
        if let Some(why) = &self.not_measured {
            return format!("{}: not measured: {why}", self.cell);
        }
        let (copies, rows, floor) = (self.copies, self.checked_rows, self.floor_us);
        let mut lines = vec![format!(
            "{}: floor {} us; {copies} inputs, {rows} rows checked",
            self.cell,
            short(Some(floor))
        )];
        for c in &self.contenders {
            let name = &c.name;
            lines.push(match (&c.fault, c.shared_us) {
                (None, Some(us)) => format!(
                    "  {name}: {} ({}..{}, {} calls) alone {} loop {}; {:.2} floors; predicted {}\n      {}",
                    short(Some(us.median)),
                    short(Some(us.min)),
                    short(Some(us.max)),
                    c.calls,
                    short(c.pass_us.map(|us| us.median)),
                    short(c.loop_us),
                    us.median / floor,
                    short(c.predicted_us),
                    c.choice
                ),
                (fault, _) => {
                    let fault = fault.as_deref().unwrap_or("not timed");
                    format!("  {name}: {fault}\n      {}", c.choice)
                }
            });
        }
        lines.extend(self.sweep.as_ref().map(|outcome| swept(outcome, self.out_of_reach)));
        lines.join("\n")
    }
}

impl Report {
    /// Of all cells.
    fn summary(&self) -> String {
        let ratios: Vec<f64> =
            self.cells.iter().filter_map(|c| Some(c.planned_us()? / c.floor_us)).collect();
        let swept: Vec<f64> =
            self.cells.iter().filter_map(|c| Some(c.sweep.as_ref()?.ratio)).collect();
        let (floors, best) = (geometric_mean(&ratios), geometric_mean(&swept));
        let outcomes: Vec<_> = self.cells.iter().filter_map(|c| c.sweep.as_ref()).collect();
        let untuned = of_untuned(&outcomes).map_or_else(String::new, |text| format!("; {text}"));
        format!(
            "{} cells, {} with a number for the planner's choice; planned / floor: geometric mean {}; planned / \
             best: geometric mean {}, worst {:.3}{untuned}",
            self.cells.len(),
            ratios.len(),
            short(floors),
            best.map_or("-".to_owned(), |mean| format!("{mean:.3}")),
            swept.iter().copied().fold(0.0, f64::max)
        )
    }

    /// The planner's choices as Markdown.
    fn table(&self) -> String {
        let mut lines = vec![
            "| rows x cols, k | input | type | floor | graph | alone | loop | graph / floor |"
                .to_owned(),
            "|---|---|---|--:|--:|--:|--:|--:|".to_owned(),
        ];
        for c in &self.cells {
            let Cell { rows, cols, k, input, dtype } = c.cell;
            let planned = c.planned();
            lines.push(format!(
                "| {rows}x{cols}, {k} | {input} | {dtype} | {} | {} | {} | {} | {} |",
                short(Some(c.floor_us)),
                short(c.planned_us()),
                short(planned.and_then(|p| p.pass_us).map(|us| us.median)),
                short(planned.and_then(|p| p.loop_us)),
                short(c.planned_us().map(|us| us / c.floor_us))
            ));
        }
        lines.join("\n")
    }
}
