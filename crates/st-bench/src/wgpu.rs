//! `st-bench wgpu`: each merge kind's best setting (as the planner has it) and the planner's own
//! choice, by the device's timestamps; every result is compared with the CPU's, bit for bit.

use std::path::PathBuf;

use serde::Serialize;
use st_core::backend::device_caps::DeviceCaps;
use st_core::backend::wgpu_exec::WgpuExecutor;
use st_core::ops::rank_entry::{
    Choice, Input, Knowledge, MergeKind, Problem, RankKind, RankPlan, execute_rank, plan,
};

use crate::cells::{Cell, cells};
use crate::data::Matrix;
use crate::ours::Ours;
use crate::stats::median;
use crate::{Result, answer, note, system};

/// Calls that share a pass, and passes.
const CALLS: u32 = 8;
const SAMPLES: u32 = 12;

/// Options of `st-bench wgpu`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A JSON list of cells, `[rows, cols, k]` or `[rows, cols, k, "normal|equal|ties|sorted"]`.
    #[arg(long, value_name = "FILE")]
    cells: Option<PathBuf>,
    /// Multiprocessors, which wgpu does not tell.
    #[arg(long, default_value_t = 0)]
    cores: u32,
    /// Read bandwidth in bytes per second, which wgpu does not tell.
    #[arg(long, default_value_t = 0)]
    bandwidth: u64,
    /// Print one JSON document instead of lines.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    date: String,
    command: String,
    adapter: String,
    caps: DeviceCaps,
    cells: Vec<Timed>,
}

#[derive(Debug, Serialize)]
struct Timed {
    cell: Cell,
    /// `planned`, or the merge kind that was forced.
    name: String,
    choice: Choice,
    predicted_us: Option<f64>,
    /// Time of a call in a pass of several.
    us: Option<f64>,
    /// What is wrong with it.
    fault: Option<String>,
}

/// Runs the benchmark; false if a result was wrong.
pub(crate) fn run(args: &Args) -> Result<bool> {
    let exec = WgpuExecutor::default();
    let caps = exec.caps()?.with_cores(args.cores).with_bandwidth(args.bandwidth);
    let (name, software) = exec.adapter()?;
    let adapter = format!("{name}{}", if software { " (software)" } else { "" });
    let mut report = Report {
        date: system::today(),
        command: system::command(),
        adapter,
        caps,
        cells: Vec::new(),
    };
    let mut cpu = Ours::new(None, None)?;
    for cell in &cells(args.cells.as_deref(), false)? {
        let matrix = Matrix::new(cell)?;
        let x = matrix.values();
        let want = cpu.run(x, &crate::ours::plan(cell, cpu.caps()))?.clone();
        let problem = Problem::new(RankKind::TopK, cell.rows, cell.cols, cell.k);
        let mut plans = vec![("planned".to_owned(), plan(&problem, &caps, &Knowledge::default()))];
        for mk in MergeKind::ALL {
            let mut knowledge = Knowledge::default();
            knowledge.add_rules("forced", format!("mk: {}", mk.code()).as_bytes())?;
            plans.push((mk.name().to_owned(), plan(&problem, &caps, &knowledge)));
        }
        for (name, plan) in plans {
            let timed = time(&exec, x, &plan, |out| *out == want);
            let (us, fault) = match timed {
                Ok(us) => (Some(us), None),
                Err(error) => (None, Some(error.to_string())),
            };
            let (choice, predicted_us) = (plan.choice, plan.predicted_us);
            let line = Timed { cell: *cell, name, choice, predicted_us, us, fault };
            note(&format!(
                "{} {}: {} (predicted {:.1}) {}",
                line.cell,
                line.name,
                line.us.map_or_else(
                    || line.fault.clone().unwrap_or_default(),
                    |us| format!("{us:.1} us")
                ),
                line.predicted_us.unwrap_or(f64::NAN),
                line.choice
            ));
            report.cells.push(line);
        }
    }
    if args.json {
        answer(&serde_json::to_string(&report)?);
    }
    let wrong = report.cells.iter().any(|t| t.fault.as_deref() == Some(WRONG));
    Ok(!wrong)
}

const WRONG: &str = "the result differs from the CPU's";

fn time(
    exec: &WgpuExecutor,
    x: &[f32],
    plan: &RankPlan,
    right: impl Fn(&st_core::ops::rank_entry::RankOutput<f32>) -> bool,
) -> Result<f64> {
    if !right(&execute_rank(&exec.on(x), plan)?) {
        return Err(WRONG.into());
    }
    let samples = exec.time(plan, Input::new(x), CALLS, SAMPLES)?;
    median(samples).ok_or_else(|| "no samples".into())
}
