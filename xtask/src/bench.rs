//! `cargo xtask bench`: the benchmark program, beside the libraries it is measured against.

use crate::error::Result;
use crate::setup;
use crate::shell::cargo;

pub(crate) fn bench(suite: &str, no_peers: bool, args: &[String]) -> Result<()> {
    let program = cargo().words("run --release -p st-bench --").arg(suite);
    let program = if no_peers || suite != "cpu" {
        program
    } else {
        let peers = "crates/st-bench/peers/requirements.txt";
        let python = setup::venv(".venv-bench", peers, &["--no-deps"])?;
        program.arg("--python").arg(python)
    };
    program.args(args).run()
}
