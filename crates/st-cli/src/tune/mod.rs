//! `spiral tune`: measures every sensible choice for a grid of shapes on a device, and keeps what it finds.

pub(crate) mod device;
mod live;
mod sharing;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use st_core::settings::Settings;
use st_core::tune::{Device, TableFile, TuneError, Tuned, report};

use self::live::Live;
use self::sharing::Sharing;
use crate::args::{CpuArgs, Device as Named};
use crate::error::Error;
use crate::output;

#[derive(Debug, Args)]
pub(crate) struct TuneArgs {
    /// Device to tune. auto: the processor; each device has a table of its own, so name the others
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
    /// Print no progress; warnings stay
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

pub(crate) fn run(args: &TuneArgs) -> Result<(), Error> {
    device::with(args.device, &args.cpu, |device| session(args, device))
}

fn session(args: &TuneArgs, device: &dyn Device<Error = TuneError>) -> Result<(), Error> {
    let settings = Settings::from_env();
    let home = settings.home().ok_or(Error::NoHome)?;
    let caps = device.caps();
    let cells = device::cells(args.grid.as_deref(), device)?;
    let table = TableFile::new(&home.join("tables"), caps, device.versions());
    let (_, put_aside) = table.load()?;
    let begun = Instant::now();
    let now = || begun.elapsed();
    let live = Live::new(args.quiet, cells.len(), args.budget);
    if let Some(why) = &put_aside {
        live.warn(&format!("an earlier table is put aside: {why}"));
    }
    let limits = (args.budget, args.fresh);
    let mut sharing = Sharing::new(&caps, &table, settings.redis_url().is_some());
    let tuned = Tuned::session(device, &cells, limits, &table, &now, &mut |event| {
        live.event(event);
        sharing.event(event);
    });
    live.end();
    let mut tuned = tuned?;
    match sharing.end() {
        None => {}
        Some(Ok(())) => live.say("what was measured is shared with other machines"),
        Some(Err(why)) => {
            let fault = format!(
                "what was measured is not all shared: {why}; `spiral hints push --tables` shares it"
            );
            live.warn(&fault);
            tuned.faults.push(fault);
        }
    }
    if let Some(file) = &args.report {
        let knowledge = settings.load().knowledge;
        let page = report::html(&table.load()?.0, &caps, &knowledge);
        output::write_file(file, &page)?;
    }
    output::stdout(|out| match args.json {
        true => output::json::document(out, &tuned),
        false => writeln!(out, "{tuned}"),
    })?;
    match tuned {
        Tuned { failed: choices @ 1.., .. } => Err(Error::FailedChoices { choices }),
        // Of the usual shapes some are too much for a small device, and nobody asked for those.
        Tuned { refused: cells @ 1.., .. } if args.grid.is_some() => {
            Err(Error::NotMeasured { cells })
        }
        _ => Ok(()),
    }
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
