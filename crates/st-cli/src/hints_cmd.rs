//! `spiral hints`: what machines share through `REDIS_URL`.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, Table as Grid};
use serde::Serialize;
use serde_json::json;
use st_core::backend::device_caps::{Backend, DeviceCaps};
use st_core::hints::{self, Fetch, Hints, PATIENCE, Publisher, Record, Table};
use st_core::settings::Settings;

use crate::args::{HintsArgs, HintsCommand, HintsDevice};
use crate::error::Error;
use crate::exec::Exec;
use crate::settings::warn;
use crate::{cpu, output};

pub(crate) fn run(args: &HintsArgs) -> Result<(), Error> {
    if !hints::IN_THIS_BUILD {
        return Err(hints::Error::NotInThisBuild.into());
    }
    let settings = Settings::from_env();
    let url = settings.redis_url().ok_or(hints::Error::NoUrl)?;
    match &args.command {
        None => list(url, &args.device, args.json),
        Some(HintsCommand::Push { files, tables, json }) => {
            push(&settings, url, files, *tables, *json)
        }
        Some(HintsCommand::Pull { device, out }) => pull(url, device, out),
        Some(HintsCommand::Clear { device }) => {
            let caps = caps(device)?;
            let removed = hints::clear(Some(url), &caps, PATIENCE)?;
            let device = hints::identity(&caps);
            output::stdout(|out| writeln!(out, "{removed} hints of {device} removed"))
        }
    }
}

fn caps(device: &HintsDevice) -> Result<DeviceCaps, Error> {
    let advice = "describe it, as --caps wgpu,lane=32,subgroup=true,wg=256,smem=32768";
    match device.caps {
        Some(caps) => cpu::without(&device.cpu, "--caps").map(|()| caps),
        None => Ok(Exec::open(device.device, &device.cpu, advice)?.caps()),
    }
}

fn fetch(url: &str, device: &HintsDevice) -> Result<Hints, Error> {
    Ok(Fetch::start(Some(url), &caps(device)?).wait(PATIENCE)?)
}

#[derive(Serialize)]
struct Listing<'a> {
    fingerprint: String,
    #[serde(flatten)]
    hints: &'a Hints,
}

fn list(url: &str, device: &HintsDevice, json: bool) -> Result<(), Error> {
    let hints = fetch(url, device)?;
    let fingerprint = hints::identity(&hints.device);
    output::stdout(|out| {
        if json {
            return output::json::document(out, &Listing { fingerprint, hints: &hints });
        }
        let (times, rules) = (hints.times.len(), hints.rules.len());
        writeln!(out, "{fingerprint}: {times} measured choices, {rules} soft rules")?;
        write_times(out, &hints)?;
        write_rules(out, &hints)?;
        match hints.complaint() {
            Some(complaint) => writeln!(out, "{complaint}"),
            None => Ok(()),
        }
    })
}

fn grid<const N: usize>(titles: [&str; N]) -> Grid {
    let mut grid = Grid::new();
    grid.load_style(NOTHING);
    grid.set_header(titles.map(Cell::new));
    grid
}

fn right(text: String) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

fn write_grid(out: &mut (impl Write + ?Sized), grid: &Grid) -> io::Result<()> {
    grid.lines().try_for_each(|line| writeln!(out, "  {}", line.trim_end()))
}

fn write_times(out: &mut (impl Write + ?Sized), hints: &Hints) -> io::Result<()> {
    if hints.times.is_empty() {
        return Ok(());
    }
    let mut grid = grid(["median us", "spread", "samples", "age", "what"]);
    for time in &hints.times {
        grid.add_row([
            right(format!("{:.1}", time.median_us)),
            right(format!("{:.1} %", 100.0 * time.spread)),
            right(format!("{:.1}", time.weight)),
            right(age(time.age_s)),
            Cell::new(&time.key),
        ]);
    }
    write_grid(out, &grid)
}

fn write_rules(out: &mut (impl Write + ?Sized), hints: &Hints) -> io::Result<()> {
    if hints.rules.is_empty() {
        return Ok(());
    }
    let mut grid = grid(["ratio", "won", "pairs", "age", "rule"]);
    for rule in &hints.rules {
        let line = match &rule.unheard {
            None => rule.line.clone(),
            Some(why) => format!("{} (does not count: {why})", rule.line),
        };
        grid.add_row([
            right(format!("{:.3}", rule.ratio)),
            right(format!("{:.0} %", 100.0 * rule.wins)),
            right(format!("{:.1}", rule.weight)),
            right(age(rule.age_s)),
            // What others wrote may hold anything.
            Cell::new(line.replace(char::is_control, " ")),
        ]);
    }
    write_grid(out, &grid)
}

fn age(seconds: u64) -> String {
    match seconds {
        s if s < 120 => format!("{s} s"),
        s if s < 2 * 3600 => format!("{} min", s / 60),
        s if s < 48 * 3600 => format!("{} h", s / 3600),
        s => format!("{} days", s / (24 * 3600)),
    }
}

#[derive(Serialize)]
struct Pushed {
    table: String,
    device: String,
    /// Records that were published: those with a time.
    published: usize,
    without_time: usize,
}

fn push(
    settings: &Settings,
    url: &str,
    files: &[std::path::PathBuf],
    tables: bool,
    json: bool,
) -> Result<(), Error> {
    let mut all: Vec<Table> = files.iter().map(|file| read(file)).collect::<Result<_, _>>()?;
    if tables {
        let loaded = settings.load();
        loaded.faults.iter().for_each(|fault| warn(&fault.to_string()));
        let own = |table: &&Table| table.device().is_some() && !table.is_shared();
        all.extend(loaded.knowledge.tables().iter().filter(own).cloned());
    }
    let publisher = Publisher::new(Some(url));
    let mut pushed = Vec::new();
    for table in &all {
        let Some(device) = table.device() else {
            return Err(Error::NoDevice { table: table.name().to_owned() });
        };
        if table.is_shared() {
            return Err(Error::NotOwn { table: table.name().to_owned() });
        }
        let timed: Vec<Record> =
            table.records().iter().filter(|r| r.median_us.is_some()).copied().collect();
        let without_time = table.records().len() - timed.len();
        if !timed.is_empty() {
            publisher.publish(device, &timed);
            // One after the other: the queue is short, and nothing of an explicit command may be dropped.
            publisher.flush(PATIENCE)?;
        }
        pushed.push(Pushed {
            table: table.name().to_owned(),
            device: hints::identity(device),
            published: timed.len(),
            without_time,
        });
    }
    output::stdout(|out| {
        if json {
            return output::json::document(out, &json!({ "pushed": pushed }));
        }
        if pushed.is_empty() {
            writeln!(out, "no table of this machine's own that names its device")?;
        }
        for Pushed { table, device, published, without_time } in &pushed {
            write!(out, "{table}: {published} records published for {device}")?;
            match without_time {
                0 => writeln!(out)?,
                n => writeln!(out, ", {n} without a time left out")?,
            }
        }
        Ok(())
    })
}

/// Longest table that is read, in bytes.
const MOST_BYTES: u64 = 64 << 20;

fn read(file: &Path) -> Result<Table, Error> {
    let failed = |source| Error::Open { path: file.to_owned(), source };
    let length = fs::metadata(file).map_err(failed)?.len();
    if length > MOST_BYTES {
        return Err(failed(io::Error::other(format!("more than {MOST_BYTES} bytes"))));
    }
    let text = String::from_utf8_lossy(&fs::read(file).map_err(failed)?).into_owned();
    let name = file.display().to_string();
    Ok(Table::from_json(&name, &text, Backend::Cpu)?)
}

fn pull(url: &str, device: &HintsDevice, path: &Path) -> Result<(), Error> {
    let hints = fetch(url, device)?;
    let records: Vec<Record> = hints.times.iter().map(|time| time.record).collect();
    let count = records.len();
    let text = Table::shared(hints::NAME, hints.device, &records).to_json();
    output::write_file(path, &text)?;
    output::stdout(|out| writeln!(out, "{}: {count} records", path.display()))
}
