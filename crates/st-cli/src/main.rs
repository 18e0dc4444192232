//! The `spiral` command. Everything is in the library, so that the readers can be fuzzed.

use std::process::ExitCode;

fn main() -> ExitCode {
    st_cli::main()
}
