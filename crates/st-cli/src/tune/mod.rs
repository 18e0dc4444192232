//! `spiral tune`: measures every sensible choice for a grid of shapes on a device, and keeps what it finds.

pub(crate) mod device;
mod live;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;
use st_core::hints;
use st_core::ops::rank_entry::Choice;
use st_core::settings::Settings;
use st_core::tune::{Cell, Device, Event, Outcome, Summary, TableFile, TuneError, report, tune};

use self::live::Live;
use crate::args::{CpuArgs, Device as Named};
use crate::error::Error;
use crate::output;

#[derive(Debug, Args)]
pub(crate) struct TuneArgs {
    /// Device to tune
    #[arg(long, value_enum, default_value_t = Named::Auto)]
    device: Named,
    #[command(flatten)]
    cpu: CpuArgs,
    /// How long it may take: 45s, 10m, 1h, or seconds. Nothing begins that is not expected to end in time
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = time)]
    budget: Duration,
    /// Shapes to tune, as a JSON list of [rows, cols, k], [rows, cols, k, INPUT, "bf16"] or
    /// {"kind": "midk", "rows": .., "cols": .., "k": .., "dtype": "f32"}; the device's usual ones if not given
    #[arg(long, value_name = "FILE")]
    grid: Option<PathBuf>,
    /// Measure again what the table has already
    #[arg(long)]
    fresh: bool,
    /// Write a page with maps and plots of the whole table: HTML that needs nothing else
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Print one JSON document and nothing else
    #[arg(long)]
    json: bool,
    /// Print no progress
    #[arg(long, short)]
    quiet: bool,
}

/// A time of day's length: a number with `ms`, `s`, `m` or `h`, or seconds.
fn time(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let unit = match unit {
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        other => return Err(format!("`{other}` is no unit: use ms, s, m or h")),
    };
    let seconds = number.parse::<f64>().map_err(|_| "give a number, as in 90s".to_owned())?;
    Duration::try_from_secs_f64(seconds * unit).map_err(|e| e.to_string())
}

#[derive(Serialize)]
struct Document<'a> {
    device: String,
    driver: String,
    table: String,
    /// Why an earlier table was put aside.
    put_aside: Option<&'a str>,
    measured: usize,
    /// Of those, the ones that were timed again because it was in doubt which choice is best.
    again: usize,
    known: usize,
    refused: usize,
    left: usize,
    failed: usize,
    records: usize,
    cells: &'a [Found],
}

/// What was found of a cell.
#[derive(Serialize)]
struct Found {
    kind: &'static str,
    rows: usize,
    cols: usize,
    k: usize,
    dtype: &'static str,
    candidates: usize,
    /// Not made ready: the model expects them to be far too slow.
    unpromising: usize,
    untried: usize,
    planned_us: f64,
    #[serde(skip)]
    planned: Choice,
    best_us: f64,
    best: Choice,
    /// How many times as fast as the best another may be, as far as noise tells: at most 2.
    doubt: f64,
}

impl Found {
    fn new(cell: &Cell, outcome: &Outcome) -> Self {
        Self {
            kind: cell.kind.name(),
            rows: cell.rows,
            cols: cell.cols,
            k: cell.k,
            dtype: cell.dtype.name(),
            candidates: outcome.candidates.len() + outcome.hopeless.len(),
            unpromising: outcome.unpromising.len(),
            untried: outcome.untried,
            planned_us: outcome.planned_us,
            planned: outcome.planned,
            best_us: outcome.best_us,
            best: outcome.best,
            doubt: outcome.doubt.exp(),
        }
    }

    /// Takes in what was found later, perhaps beside the best one so far in the place of the planner's.
    fn again(&mut self, outcome: &Outcome) {
        if outcome.planned == self.planned {
            self.planned_us = outcome.planned_us;
        } else {
            self.planned_us *= outcome.planned_us / self.best_us;
            self.candidates += outcome.candidates.len() + outcome.hopeless.len() - 1;
            self.untried = outcome.untried;
        }
        (self.best, self.best_us) = (outcome.best, outcome.best_us);
        self.doubt = outcome.doubt.exp();
    }
}

pub(crate) fn run(args: &TuneArgs) -> Result<(), Error> {
    device::with(args.device, &args.cpu, |device| session(args, device))
}

fn session(args: &TuneArgs, device: &dyn Device<Error = TuneError>) -> Result<(), Error> {
    let settings = Settings::from_env();
    let home = settings.home().ok_or(Error::NoHome)?;
    let (caps, versions) = (device.caps(), device.versions());
    let cells = device::cells(args.grid.as_deref(), device)?;
    let table = TableFile::new(&home.join("tables"), caps, versions.clone());
    let (_, put_aside) = table.load()?;
    let begun = Instant::now();
    let now = || begun.elapsed();
    let live = Live::new(args.quiet, cells.len(), args.budget);
    if let Some(why) = &put_aside {
        live.say(&format!("an earlier table is put aside: {why}"));
    }
    let mut found = BTreeMap::new();
    let mut wrong = 0;
    let limits = (args.budget, args.fresh);
    let summary = tune(device, &cells, limits, &table, &now, &mut |event| {
        live.event(&event);
        match event {
            Event::Done { cell, at, outcome } => {
                found.insert(at, Found::new(cell, outcome));
            }
            Event::Again { at, outcome, .. } => {
                if let Some(found) = found.get_mut(&at) {
                    found.again(outcome);
                }
            }
            Event::Failed { .. } => wrong += 1,
            _ => {}
        }
    });
    live.end();
    let Summary { measured, again, known, refused, left, failed, records, .. } = summary?;
    let found: Vec<Found> = found.into_values().collect();
    // Other machines with this device profit, if there is a place to share.
    if records > 0 && hints::publish(&caps, table.load()?.0.records()) {
        match hints::flush(hints::PATIENCE) {
            Ok(()) => live.say("what was measured is shared with other machines"),
            Err(why) => live.say(&format!("what was measured is not shared: {why}")),
        }
    }
    let path = table.path().display().to_string();
    if let Some(file) = &args.report {
        let knowledge = settings.load().knowledge;
        let page = report::html(&table.load()?.0, &caps, &knowledge);
        output::write_file(file, &page)?;
    }
    output::stdout(|out| {
        if args.json {
            let document = Document {
                device: versions.device.clone(),
                driver: versions.driver.clone(),
                table: path.clone(),
                put_aside: put_aside.as_deref(),
                measured,
                again,
                known,
                refused,
                left,
                failed,
                records,
                cells: &found,
            };
            return output::json::document(out, &document);
        }
        for cell in &found {
            let Found { kind, rows, cols, k, dtype, planned_us, best_us, best, doubt, .. } = cell;
            let (faster, doubt) = (100.0 * (planned_us / best_us - 1.0), 100.0 * (doubt - 1.0));
            writeln!(
                out,
                "{kind} {rows}x{cols} k={k} {dtype}: {best_us:.1} us, in doubt by {doubt:.1} %, the planner's {planned_us:.1} ({faster:+.1} %): {best}"
            )?;
        }
        writeln!(
            out,
            "{measured} cells measured ({records} records), {known} known, {refused} that the device cannot do, {left} left"
        )?;
        if left > 0 {
            writeln!(out, "run it again to go on where this ended")?;
        }
        writeln!(out, "table {path}")
    })?;
    if wrong > 0 { Err(Error::FailedChoices { choices: wrong }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        for (text, seconds) in
            [("60s", 60.0), ("1.5m", 90.0), ("2h", 7200.0), ("250ms", 0.25), ("7", 7.0)]
        {
            assert_eq!(time(text), Ok(Duration::from_secs_f64(seconds)), "{text}");
        }
        for text in ["", "s", "5d", "-3s", "1e3s", "99999999999999999999h"] {
            assert!(time(text).is_err(), "{text}");
        }
    }
}
