//! Timings of SpiralTorch, beside its peers and interleaved with them in one run.
//!
//! - `st-bench cpu --python VENV/bin/python`: our CPU backend against NumPy, ONNX Runtime and
//!   torch, over a grid of shapes and inputs. Every result is checked.
//! - `st-bench plan`: what planning costs, with rules, solver and table.
//! - `st-bench cpu-sweep`: every feasible choice of the CPU kernels against the planner's.
//! - `st-bench fit-costs`: the cost model's coefficients fitted to measured times, and the plans
//!   they make.
//! - `st-bench hypergrad --python VENV/bin/python`: hyper-gradients beside jaxopt and NumPy, and the
//!   convergence tables.
//! - `st-bench wgpu`: our WGPU kernels by the device's timestamps, beside the floor.
//! - `st-bench cuda`: our CUDA kernels by replaying graphs, beside the floor. The CUDA peers of the same
//!   cells are in `peers/gpu_compare.py`.

#[cfg(any(feature = "cuda", feature = "wgpu"))]
mod bounds;
#[cfg(any(feature = "cuda", feature = "wgpu"))]
mod by_cpu;
mod cells;
mod check;
#[cfg(any(feature = "cuda", feature = "wgpu"))]
mod choices;
mod cpu;
#[cfg(feature = "cuda")]
mod cuda;
mod data;
mod fit;
mod hypergrad;
mod markdown;
#[cfg(any(feature = "cuda", feature = "wgpu"))]
mod numbers;
mod ours;
#[cfg(any(feature = "cuda", feature = "wgpu"))]
mod patterns;
mod peer;
mod planning;
mod read;
mod report;
mod sweep;
mod system;
mod talk;
mod untuned;
#[cfg(feature = "wgpu")]
mod wgpu;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Errors are only ever shown.
type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// Timings of SpiralTorch beside its peers.
#[derive(Debug, Parser)]
#[command(name = "st-bench", version)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Our CPU backend against NumPy, ONNX Runtime and torch, interleaved.
    Cpu(cpu::Args),
    /// Every feasible choice of the CPU kernels against the planner's.
    CpuSweep(sweep::Args),
    /// The CPU cost model fitted to measured times by hyper-gradients, and how it plans.
    FitCosts,
    /// Hyper-gradients beside jaxopt and NumPy, interleaved, and convergence tables.
    Hypergrad(hypergrad::Args),
    /// What planning itself costs.
    Plan,
    /// The WGPU kernels by the device's timestamps.
    #[cfg(feature = "wgpu")]
    Wgpu(wgpu::Args),
    /// The CUDA kernels by replaying graphs.
    #[cfg(feature = "cuda")]
    Cuda(cuda::Args),
}

fn main() -> ExitCode {
    let done = match Args::parse().command {
        Command::Cpu(args) => cpu::run(&args),
        Command::CpuSweep(args) => sweep::run(&args),
        Command::FitCosts => fit::run(),
        Command::Hypergrad(args) => hypergrad::run(&args),
        Command::Plan => planning::run(),
        #[cfg(feature = "wgpu")]
        Command::Wgpu(args) => wgpu::run(&args),
        #[cfg(feature = "cuda")]
        Command::Cuda(args) => cuda::run(&args),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            note(&format!("error: {error}"));
            ExitCode::from(2)
        }
    }
}

/// Progress and failures.
#[allow(clippy::print_stderr, reason = "a command's way to speak")]
fn note(line: &str) {
    eprintln!("{line}");
}

/// What was asked for.
#[allow(clippy::print_stdout, reason = "a command's way to answer")]
fn answer(text: &str) {
    println!("{text}");
}
