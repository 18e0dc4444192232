//! `st-bench hypergrad`: the convergence tables of the reference problems, then the time of a
//! hyper-gradient beside jaxopt and NumPy, in turns on one core, with each value's error.

mod peer;
mod report;
mod tables;
mod timing;

/// The tests' problems: one definition for both.
#[path = "../../../st-grad/tests/problems/mod.rs"]
mod problems;

use std::path::PathBuf;

use report::Report;

use crate::{Result, answer, note, system};

/// Options of `st-bench hypergrad`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A Python with `peers/hypergrad_requirements.txt`; without it, ours alone.
    #[arg(long)]
    python: Option<PathBuf>,
    /// Numbers of weights.
    #[arg(long, value_delimiter = ',', default_values_t = [10, 100, 1000, 10_000])]
    d: Vec<usize>,
    /// Turns of each contender.
    #[arg(long, default_value_t = 9)]
    turns: usize,
    /// Print one JSON document instead of tables.
    #[arg(long)]
    json: bool,
}

/// Runs the benchmark; false if a value is wrong.
pub(crate) fn run(args: &Args) -> Result<bool> {
    let mut report = Report {
        date: st_core::tune::today(),
        command: system::command(),
        processor: system::processor(),
        load: system::load(),
        versions: Default::default(),
        convergence: tables::all()?,
        timing: Vec::new(),
        failures: Vec::new(),
    };
    let dir = tempfile::tempdir()?;
    let mut peers = match &args.python {
        Some(python) => {
            let (peers, versions) = peer::Peers::start(python, dir.path())?;
            report.versions = versions;
            Some(peers)
        }
        None => None,
    };
    for &d in &args.d {
        note(&format!("d = {d}"));
        let line = timing::time(d, args.turns, peers.as_mut(), &mut report.failures)?;
        report.timing.push(line);
    }
    answer(&if args.json { serde_json::to_string(&report)? } else { report.text() });
    for failure in &report.failures {
        note(&format!("WRONG: {failure}"));
    }
    Ok(report.failures.is_empty())
}
