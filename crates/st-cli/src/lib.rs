//! The `spiral` command: selections over arrays in files, plans, and what this machine has.
//!
//! One way through: `args` -> [`input`] (a [`tensor::Tensor`] over mapped bytes) -> `select`
//! (problem, plan, executor) -> `output`. The readers are public because they take bytes from
//! anywhere and are fuzzed.

#![deny(unsafe_code)]

mod args;
mod bench_cmd;
mod cpu;
mod doctor;
mod error;
mod exec;
mod explain;
mod hints_cmd;
pub mod input;
mod output;
mod plan_cmd;
mod progress;
mod rewrite_cmd;
mod rules_cmd;
mod select;
mod settings;
mod tables;
mod target;
pub mod tensor;
mod tune;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use st_core::ops::rank_entry::RankKind;

use crate::args::{Cli, Command};
pub use crate::error::Error;

/// Exit status of everything that was refused: bad input, no such device, no place to write.
const REFUSED: u8 = 2;

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to do if standard error is gone too.
            let _ = writeln!(io::stderr().lock(), "spiral: {error}");
            ExitCode::from(REFUSED)
        }
    }
}

fn run(command: Command) -> Result<(), Error> {
    match command {
        Command::Topk(args) => select::run(RankKind::TopK, &args),
        Command::Bottomk(args) => select::run(RankKind::BottomK, &args),
        Command::Midk(args) => select::run(RankKind::MidK, &args),
        Command::Range(args) => select::run(RankKind::Range { start: args.start }, &args.select),
        Command::Plan(args) => plan_cmd::run(&args),
        Command::Explain(args) => plan_cmd::explained(&args),
        Command::Rules { command } => rules_cmd::run(&command),
        Command::Tune(args) => tune::run(&args),
        Command::Bench(args) => bench_cmd::run(&args),
        Command::Tables { command } => tables::run(&command),
        Command::Hints(args) => hints_cmd::run(&args),
        Command::Rewrite(args) => rewrite_cmd::run(&args),
        Command::Doctor(args) => doctor::run(&args),
    }
}
