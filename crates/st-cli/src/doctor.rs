//! `spiral doctor`: what this machine has, and what this build can use of it.

use st_core::doctor::{Report, Words};
use st_core::settings::{Fault, Settings};

use crate::args::{CpuArgs, DoctorArgs};
use crate::error::Error;
use crate::{cpu, output};

const WORDS: Words = Words {
    program: "spiral",
    absent: "not in this build: use --device cpu, or `spiral plan KIND --caps BACKEND,..` to see what would be planned",
};

pub(crate) fn run(args: &DoctorArgs) -> Result<(), Error> {
    let settings = Settings::from_env();
    let loaded = settings.load();
    let exec = cpu::executor(&CpuArgs { threads: None, isa: None })?;
    let report = Report::new(WORDS, Ok(&exec), settings.cuda(), &settings, &loaded);
    output::stdout(|out| {
        if args.json { output::json::document(out, &report) } else { write!(out, "{report}") }
    })?;
    let broken: Vec<&str> = loaded
        .faults
        .iter()
        .filter_map(|fault| match fault {
            Fault::Rules(text) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    if broken.is_empty() { Ok(()) } else { Err(Error::Unhealthy(broken.join("\n"))) }
}
