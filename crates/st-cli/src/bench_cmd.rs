//! `spiral bench`: how long the planner's choices take for the usual shapes, in one document to share.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use st_core::backend::device_caps::DeviceCaps;
use st_core::ops::rank_entry::{Choice, plan};
use st_core::tune::stats::{Samples, spread};
use st_core::tune::{Cell, Device, Entrant, TuneError, Versions};

use crate::args::{CpuArgs, Device as Named};
use crate::error::Error;
use crate::output;
use crate::settings;
use crate::tune::device;

/// Turns of a cell.
const TURNS: usize = 9;

#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// Device to measure. auto: the processor; a document is about one device, so name the others
    #[arg(long, value_enum, default_value_t = Named::Auto)]
    device: Named,
    #[command(flatten)]
    cpu: CpuArgs,
    /// Shapes to measure, as for `spiral tune`; the device's usual ones if not given
    #[arg(long, value_name = "FILE")]
    grid: Option<PathBuf>,
    /// Write the JSON document to a file
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
    /// Print the JSON document and nothing else
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Document {
    schema: u32,
    device: DeviceCaps,
    versions: Versions,
    /// Tables whose word counted.
    tables: Vec<String>,
    cells: Vec<Measured>,
}

/// A cell with its times in microseconds, or why there are none.
#[derive(Serialize)]
struct Measured {
    kind: &'static str,
    rows: usize,
    cols: usize,
    k: usize,
    dtype: &'static str,
    choice: Choice,
    predicted_us: Option<f64>,
    median_us: Option<f64>,
    min_us: Option<f64>,
    spread: Option<f64>,
    samples: usize,
    /// Bytes of the input, read once, over the median.
    gigabytes_per_second: Option<f64>,
    fault: Option<String>,
}

pub(crate) fn run(args: &BenchArgs) -> Result<(), Error> {
    let document = device::with(args.device, &args.cpu, |device| measure(args, device))?;
    let text = serde_json::to_string_pretty(&document).unwrap_or_default() + "\n";
    if let Some(path) = &args.out {
        output::write_file(path, &text)?;
    }
    output::stdout(|out| {
        if args.json {
            return out.write_all(text.as_bytes());
        }
        let Versions { device, driver, .. } = &document.versions;
        writeln!(out, "{device} {driver}")?;
        for cell in &document.cells {
            let Measured { kind, rows, cols, k, dtype, choice, .. } = cell;
            write!(out, "{kind} {rows}x{cols} k={k} {dtype}: ")?;
            match (cell.median_us, cell.gigabytes_per_second, &cell.fault) {
                (Some(us), Some(rate), _) => writeln!(out, "{us:.1} us, {rate:.1} GB/s: {choice}")?,
                (.., Some(fault)) => writeln!(out, "not measured: {fault}")?,
                _ => writeln!(out, "not measured")?,
            }
        }
        match &args.out {
            Some(path) => writeln!(out, "wrote {}", path.display()),
            None => writeln!(out, "--json or --out FILE gives all of it in one document"),
        }
    })?;
    match document.cells.iter().filter(|cell| cell.fault.is_some()).count() {
        0 => Ok(()),
        cells => Err(Error::NotMeasured { cells }),
    }
}

fn measure(args: &BenchArgs, device: &dyn Device<Error = TuneError>) -> Result<Document, Error> {
    let caps = device.caps();
    let knowledge = settings::load(&caps).knowledge;
    let tables = knowledge.tables().iter().filter(|table| table.origin(&caps).is_some());
    let tables = tables.map(|table| table.name().to_owned()).collect();
    let mut cells = Vec::new();
    for cell in device::cells(args.grid.as_deref(), device)? {
        let planned = plan(&cell.problem(), &caps, &knowledge);
        let mut samples = Samples::default();
        let measured = device.with_cell(&planned, &mut |arena| {
            let choice = planned.choice;
            arena.prepare(&[choice])?;
            let about_us = arena.admit(choice, true)?.unwrap_or_default();
            let mut entrants = [Entrant { choice, about_us, samples: Samples::default() }];
            while entrants[0].samples.wants_more(TURNS) {
                arena.turns(&mut entrants)?;
            }
            let [entrant] = entrants;
            samples = entrant.samples;
            Ok(())
        });
        let Cell { kind, rows, cols, k, dtype } = cell;
        let timing = samples.timing();
        cells.push(Measured {
            kind: kind.name(),
            rows,
            cols,
            k,
            dtype: dtype.name(),
            choice: planned.choice,
            predicted_us: planned.predicted_us,
            median_us: timing.map(|t| t.median_us),
            min_us: timing.map(|t| t.min_us),
            spread: timing.map(|_| spread(samples.turns())),
            samples: samples.turns().len(),
            gigabytes_per_second: timing
                .map(|t| cell.problem().input_bytes() as f64 / t.median_us / 1e3),
            fault: measured.err().map(|why| why.to_string()),
        });
    }
    Ok(Document { schema: 1, device: caps, versions: device.versions(), tables, cells })
}
