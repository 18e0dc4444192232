//! `spiral rules check|fmt`.

use std::fs;
use std::path::Path;

use st_core::rules::{Name, Program, Rules, SCHEMA, decode};

use crate::args::{RulesCommand, RulesFile};
use crate::error::Error;
use crate::output;

pub(crate) fn run(command: &RulesCommand) -> Result<(), Error> {
    match command {
        RulesCommand::Check(args) => check(args),
        RulesCommand::Fmt { file, check } => format(file, *check),
    }
}

/// The names that rules may use, for the help text.
pub(crate) fn names() -> String {
    let list = |title: &str, names: &[Name]| {
        names.iter().fold(format!("{title}\n"), |text, name| {
            format!("{text}  {:<8} {:<7} {}\n", name.name, name.ty.to_string(), name.about)
        })
    };
    let fields = list("FIELDS (assigned, and voted on)", SCHEMA.fields);
    let variables = list("VARIABLES (read)", SCHEMA.variables);
    format!("{fields}\n{variables}\nThe grammar and examples are in docs/rules.md.")
}

fn check(args: &RulesFile) -> Result<(), Error> {
    let (name, program) = parse(&args.file)?;
    let rules = Rules::check(&program, &SCHEMA, &[]).map_err(Error::Rules)?;
    let statements = rules.statements().len();
    output::stdout(|out| writeln!(out, "{name}: {statements} statements, no fault found"))
}

/// Writes the program in its canonical form, or says that it is not in it.
fn format(args: &RulesFile, check: bool) -> Result<(), Error> {
    let (name, program) = parse(&args.file)?;
    let text = program.to_string();
    if text == program.text() {
        return output::stdout(|out| writeln!(out, "{name}: as it should be"));
    }
    if check {
        return Err(Error::NotFormatted { path: args.file.clone() });
    }
    output::write_file(&args.file, &text)?;
    output::stdout(|out| writeln!(out, "{name}: written in its canonical form"))
}

fn parse(file: &Path) -> Result<(String, Program), Error> {
    let name = file.display().to_string();
    let bytes = fs::read(file).map_err(|source| Error::Open { path: file.to_owned(), source })?;
    let text = decode(&name, &bytes).map_err(Error::Rules)?;
    let program = Program::parse(&name, text).map_err(Error::Rules)?;
    Ok((name, program))
}
