//! `spiral tables`: the measured tables of this machine, and those of others.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;
use st_core::backend::device_caps::{Backend, DeviceCaps};
use st_core::ops::rank_entry::Choice;
use st_core::settings::{Settings, backend_of};
use st_core::tune::{Record, Table, TableFile};

use crate::args::{CpuArgs, Device};
use crate::error::Error;
use crate::exec::Exec;
use crate::output;

#[derive(Debug, Subcommand)]
pub(crate) enum TablesCommand {
    /// The tables of this machine, with what they are good for
    List {
        /// Print one JSON document and nothing else
        #[arg(long)]
        json: bool,
    },
    /// Write a device's own table to a file
    Export {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Whose table
        #[arg(long, value_enum, default_value_t = Device::Auto)]
        device: Device,
        #[command(flatten)]
        cpu: CpuArgs,
    },
    /// Add a file's records to the tables of this machine, under the device they were measured on
    Import {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Join tables of one device; of two records of one choice that of more samples stays
    Merge {
        /// The files
        #[arg(value_name = "FILE", required = true, num_args = 2..)]
        files: Vec<PathBuf>,
        /// Where to write the whole
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Where two tables of one backend have another best choice, or another time
    Diff(DiffArgs),
}

#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// The one table
    #[arg(value_name = "A")]
    a: PathBuf,
    /// The other
    #[arg(value_name = "B")]
    b: PathBuf,
    /// Print one JSON document and nothing else
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(command: &TablesCommand) -> Result<(), Error> {
    match command {
        TablesCommand::List { json } => list(*json),
        TablesCommand::Export { file, device, cpu } => export(file, *device, cpu),
        TablesCommand::Import { file } => import(file),
        TablesCommand::Merge { files, out } => merge(files, out),
        TablesCommand::Diff(args) => diff(args),
    }
}

fn home() -> Result<PathBuf, Error> {
    Settings::from_env().home().map(Path::to_owned).ok_or(Error::NoHome)
}

fn read(file: &Path) -> Result<Table, Error> {
    let text =
        fs::read_to_string(file).map_err(|source| Error::Open { path: file.to_owned(), source })?;
    let name = file.display().to_string();
    let table = Table::from_json(&name, &text, backend_of(file))?;
    match table.left_out_in_short() {
        // Nothing of it is usable.
        Some(why) if table.records().is_empty() => Err(Error::TableRefused { why }),
        _ => Ok(table),
    }
}

#[derive(Default, Serialize)]
struct Listed {
    file: String,
    /// Why it is not used.
    refused: Option<String>,
    backend: Option<Backend>,
    device: String,
    driver: String,
    date: String,
    records: usize,
    skipped: usize,
}

impl Listed {
    /// What stands for a file, or the folder, that cannot be used.
    fn unused(path: &Path, why: &dyn std::fmt::Display) -> Self {
        let file = path.display().to_string();
        Self { file, refused: Some(why.to_string()), ..Self::default() }
    }

    fn of(file: &Path) -> Self {
        let table = match read(file) {
            Ok(table) => table,
            Err(why) => return Self::unused(file, &why),
        };
        let versions = table.versions();
        Self {
            file: file.display().to_string(),
            refused: None,
            backend: Some(table.backend()),
            device: versions.device.clone(),
            driver: versions.driver.clone(),
            date: versions.date.clone(),
            records: table.records().len(),
            skipped: table.left_out(),
        }
    }
}

fn list(json: bool) -> Result<(), Error> {
    let listed: Vec<Listed> = match Settings::from_env().table_files() {
        Ok(files) => files.iter().map(|file| Listed::of(file)).collect(),
        Err(why) => vec![Listed::unused(&why.folder, &why)],
    };
    output::stdout(|out| {
        if json {
            return output::json::document(out, &listed);
        }
        if listed.is_empty() {
            return writeln!(out, "no tables: `spiral tune` makes one");
        }
        for table in &listed {
            let Listed { file, refused, device, driver, date, records, skipped, .. } = table;
            let Some(why) = refused else {
                let mut line = format!("{file}: {records} records");
                if *skipped > 0 {
                    let _ = write!(line, ", {skipped} left out");
                }
                for part in [device, driver, date].into_iter().filter(|part| !part.is_empty()) {
                    let _ = write!(line, ", {part}");
                }
                writeln!(out, "{line}")?;
                continue;
            };
            writeln!(out, "not used: {why}")?;
        }
        Ok(())
    })
}

fn export(file: &Path, device: Device, cpu: &CpuArgs) -> Result<(), Error> {
    let advice = "use --device cpu, or a build with that backend";
    let caps = Exec::open(device, cpu, advice)?.caps();
    let place = TableFile::new(&home()?.join("tables"), caps, Default::default());
    let name = place.path().to_owned();
    match name.try_exists() {
        Ok(true) => {}
        Ok(false) => return Err(Error::NoTable { path: name }),
        Err(source) => return Err(Error::Open { path: name, source }),
    }
    let table = read(&name)?;
    if let Some(why) = table.refusal(&caps) {
        return Err(Error::TableRefused { why });
    }
    output::write_file(file, &table.to_json())?;
    let records = table.records().len();
    output::stdout(|out| writeln!(out, "{records} records written to {}", file.display()))
}

fn import(file: &Path) -> Result<(), Error> {
    let table = read(file)?;
    let Some(&caps) = table.device() else {
        return Err(Error::TableRefused {
            why: format!(
                "{}: it names no device: put it into the folder of tables under a name that begins with its backend, as wgpu-mine.json",
                file.display()
            ),
        });
    };
    let place = TableFile::new(&home()?.join("tables"), caps, table.versions().clone());
    if let Some(why) = not_of_here(&table, &caps, &place) {
        return Err(Error::TableRefused { why });
    }
    let before = place.load()?.0.records().len();
    let after = place.add(table.records())?.records().len();
    output::stdout(|out| {
        let skipped = table.left_out();
        writeln!(
            out,
            "{} new records in {} ({} known, {skipped} left out)",
            after - before,
            place.path().display(),
            table.records().len() - (after - before).min(table.records().len())
        )
    })
}

/// Why a table must not take its place among those of this machine: the device is here and has another driver, or a good table
/// of another driver stands there, which it would put aside.
fn not_of_here(table: &Table, caps: &DeviceCaps, place: &TableFile) -> Option<String> {
    // Where the device is not to be had the table is for later; the processor has no driver.
    let here = Exec::gpu(caps.backend, "use a build with that backend").ok();
    let here = here.map(|exec| exec.caps());
    let refusal = |table: &Table| here.and_then(|caps| table.refusal(&caps));
    if let Some(why) = refusal(table) {
        return Some(why);
    }
    let known = place.path().exists().then(|| read(place.path()).ok()).flatten()?;
    // One that the device here refuses, too, may go.
    known.refusal(caps).filter(|_| refusal(&known).is_none()).map(|_| {
        let (path, driver) = (place.path().display(), &known.versions().driver);
        let other = &table.versions().driver;
        format!("{path} has what was measured with the driver {driver}, this was with {other}: remove that file first if the driver was replaced")
    })
}

fn merge(files: &[PathBuf], to: &Path) -> Result<(), Error> {
    let mut tables = files.iter().map(|file| read(file));
    // Two at least are asked for.
    let Some(first) = tables.next() else { return Ok(()) };
    let mut all = first?.merged(&[]);
    let id = |table: &Table| table.device().map(|caps| (caps.fingerprint(), caps.driver));
    for table in tables {
        let table = table?;
        if (table.backend(), id(&table)) != (all.backend(), id(&all)) {
            let of = |table: &Table| match table.device() {
                Some(caps) => caps.fingerprint(),
                None => format!("any {}", table.backend()),
            };
            let (a, b) = (of(&all), of(&table));
            let (first, other) = (all.name(), table.name());
            return Err(Error::TableRefused {
                why: format!(
                    "{first} is of {a} and {other} of {b}: tables of one device can be merged"
                ),
            });
        }
        all = all.merged(table.records());
    }
    output::write_file(to, &all.to_json())?;
    let records = all.records().len();
    output::stdout(|out| writeln!(out, "{records} records written to {}", to.display()))
}

/// A bucket that both tables have measured.
#[derive(Serialize)]
struct Difference {
    kind: &'static str,
    dtype: &'static str,
    rows: u32,
    cols: u32,
    k: u32,
    a_us: f64,
    b_us: f64,
    a: Option<Choice>,
    b: Option<Choice>,
    same_choice: bool,
}

#[derive(Serialize)]
struct Differences {
    only_in_a: usize,
    only_in_b: usize,
    differences: Vec<Difference>,
}

fn diff(args: &DiffArgs) -> Result<(), Error> {
    let (a, b) = (read(&args.a)?, read(&args.b)?);
    if a.backend() != b.backend() {
        return Err(Error::TableRefused {
            why: format!(
                "{} is of {} and {} of {}: tables of one backend can be compared",
                a.name(),
                a.backend(),
                b.name(),
                b.backend()
            ),
        });
    }
    let (best_a, best_b) = (best(&a), best(&b));
    let mut found = Differences { only_in_a: 0, only_in_b: 0, differences: Vec::new() };
    for x in &best_a {
        match best_b.iter().find(|y| x.shares_bucket(y)) {
            None => found.only_in_a += 1,
            Some(y) => found.differences.push(Difference {
                kind: x.kind,
                dtype: x.dtype.name(),
                rows: x.rows,
                cols: x.at.0,
                k: x.at.1,
                a_us: x.median_us.unwrap_or(f64::NAN),
                b_us: y.median_us.unwrap_or(f64::NAN),
                a: x.choice.whole(),
                b: y.choice.whole(),
                same_choice: x.choice == y.choice,
            }),
        }
    }
    found.only_in_b = best_b.iter().filter(|y| !best_a.iter().any(|x| x.shares_bucket(y))).count();
    output::stdout(|out| {
        if args.json {
            return output::json::document(out, &found);
        }
        for d in &found.differences {
            let Difference { kind, dtype, rows, cols, k, a_us, b_us, .. } = d;
            let ratio = b_us / a_us;
            write!(
                out,
                "{kind} {rows}x{cols} k={k} {dtype}: {a_us:.1} us, {b_us:.1} us ({ratio:.2})"
            )?;
            match (d.same_choice, d.a, d.b) {
                (true, ..) => writeln!(out, ", the same choice")?,
                (false, Some(a), Some(b)) => writeln!(out, "\n    {a}\n    {b}")?,
                (false, ..) => writeln!(out, ", other choices")?,
            }
        }
        let (a, b) = (found.only_in_a, found.only_in_b);
        writeln!(
            out,
            "{} buckets in both, {a} in the first alone, {b} in the second alone",
            found.differences.len()
        )
    })
}

/// The fastest record of each bucket.
fn best(table: &Table) -> Vec<Record> {
    let mut best: Vec<Record> = Vec::new();
    for record in table.records().iter().filter(|r| r.median_us.is_some()) {
        match best.iter_mut().find(|b| b.shares_bucket(record)) {
            Some(b) if b.median_us <= record.median_us => {}
            Some(b) => *b = *record,
            None => best.push(*record),
        }
    }
    best
}
