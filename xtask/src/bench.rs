//! `cargo xtask bench`: the benchmark program, beside the libraries it is measured against.

use crate::error::Result;
use crate::setup;
use crate::shell::cargo;

pub(crate) fn bench(suite: &str, no_peers: bool, args: &[String]) -> Result<()> {
    let program = cargo().words("run --release -p st-bench --").arg(suite);
    // Each suite's peers have an environment of their own: one is of gigabytes.
    let program = match suite {
        _ if no_peers => program,
        "cpu" => {
            let peers = "crates/st-bench/peers/requirements.txt";
            program.arg("--python").arg(setup::venv(".venv-bench", peers, &["--no-deps"])?)
        }
        "hypergrad" => {
            let peers = "crates/st-bench/peers/hypergrad_requirements.txt";
            let python = setup::venv(".venv-bench-hypergrad", peers, &["--no-deps"])?;
            program.arg("--python").arg(python)
        }
        _ => program,
    };
    program.args(args).run()
}
