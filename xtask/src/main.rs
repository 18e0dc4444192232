//! `cargo xtask`: the only place that installs anything or runs other tools.
//!
//! Each task is a list of steps; each step is a command of a tool that a person could type too,
//! and is printed as such before it runs.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it talks to whoever runs it")]

mod bench;
mod codegen;
mod error;
mod fresh;
mod fuzz;
mod memory;
mod report;
mod setup;
mod shell;
mod test;
mod wheel;

use clap::{Parser, Subcommand};
use error::Error;
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Sets up, tests, checks and measures SpiralTorch")]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install what the tests need: Debian packages, and Python packages into .venv
    Setup {
        /// Also what `test --all` and `fresh` need
        #[arg(long)]
        all: bool,
    },
    /// Set up, then run every test
    Test {
        /// Only the Rust checks and tests: no release build, no Python
        #[arg(long, conflicts_with = "all")]
        quick: bool,
        /// Also AddressSanitizer, valgrind and two minutes of each fuzz target
        #[arg(long)]
        all: bool,
    },
    /// Build the Python wheel as it is published, audit and test it
    Wheel {
        /// With overflow checks and debug assertions, as `test` does
        #[arg(long)]
        dev: bool,
    },
    /// The fast checks before a commit: formatting, clippy, tidiness, crate graph
    Check,
    /// Write the files that are generated
    Codegen {
        /// Change nothing; fail if one is stale
        #[arg(long)]
        check: bool,
    },
    /// Run a benchmark: `bench cpu`, `bench cpu-sweep`, `bench fit-costs`, `bench hypergrad`, `bench plan`; what follows goes to the benchmark program
    Bench {
        /// What to measure
        #[arg(value_parser = ["cpu", "cpu-sweep", "fit-costs", "hypergrad", "plan"])]
        suite: String,
        /// Leave the other libraries out, and so install none of them
        #[arg(long)]
        no_peers: bool,
        /// Arguments of the benchmark program
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Run a fuzz target (without a name: list them)
    Fuzz {
        /// The target's name, or `all`
        target: Option<String>,
        /// How long
        #[arg(long, default_value_t = 60)]
        seconds: u32,
    },
    /// Run the CPU kernels' tests under AddressSanitizer
    Asan,
    /// Run the CPU kernels' tests under valgrind
    Valgrind,
    /// Run the README's two commands in a fresh Debian root
    Fresh {
        /// The files of this work tree instead of the last commit's
        #[arg(long)]
        dirty: bool,
        /// Keep the root for a look afterwards
        #[arg(long)]
        keep: bool,
    },
}

fn main() -> ExitCode {
    let done = match Args::parse().task {
        Task::Setup { all } => setup::setup(all),
        Task::Test { quick, all } => test::test(quick, all),
        Task::Wheel { dev } => wheel::wheel(if dev { "dev" } else { "release" }),
        Task::Check => test::check(),
        Task::Codegen { check } => codegen::codegen(check),
        Task::Bench { suite, no_peers, args } => bench::bench(&suite, no_peers, &args),
        Task::Fuzz { target, seconds } => fuzz::fuzz(target.as_deref(), seconds),
        Task::Asan => memory::asan(),
        Task::Valgrind => memory::valgrind(),
        Task::Fresh { dirty, keep } => fresh::fresh(dirty, keep),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // The report has said which.
        Err(Error::Steps { .. }) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}
