//! `cargo xtask fuzz`: builds a target of `fuzz/` with coverage and AddressSanitizer, and runs it
//! for a while. The flags are those of cargo-fuzz, which then need not be installed.

use crate::error::{Error, Result, at};
use crate::memory::host;
use crate::setup;
use crate::shell::{cargo, root, shell, target_dir};
use std::fs;

const FLAGS: &str = "-Zsanitizer=address --cfg fuzzing -Cdebug-assertions -Ccodegen-units=1 \
    -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares";

/// The targets' names: the files of `fuzz/fuzz_targets`.
fn targets() -> Result<Vec<String>> {
    let dir = root().join("fuzz/fuzz_targets");
    let mut names: Vec<_> = fs::read_dir(&dir)
        .map_err(at(&dir))?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".rs").map(str::to_owned))
        .collect();
    names.sort();
    Ok(names)
}

pub(crate) fn fuzz(target: Option<&str>, seconds: u32) -> Result<()> {
    let targets = targets()?;
    let Some(target) = target else {
        println!("{}", targets.join("\n"));
        return Ok(());
    };
    let chosen: Vec<_> = targets.iter().filter(|name| target == "all" || *name == target).collect();
    if chosen.is_empty() {
        let names = targets.join(", ");
        return Err(Error::Other(format!("no fuzz target {target}; there are {names}, or all")));
    }
    setup::need(setup::CXX)?;
    let (host, dir) = (host()?, target_dir().join("fuzz"));
    cargo()
        .words("build --release --manifest-path fuzz/Cargo.toml")
        .args(chosen.iter().flat_map(|name| ["--bin", name.as_str()]))
        .arg("--target")
        .arg(&host)
        .arg("--target-dir")
        .arg(&dir)
        .env("RUSTFLAGS", FLAGS)
        .env("RUSTC_BOOTSTRAP", "1")
        .run()?;
    for name in chosen {
        // Inputs that reached new code are kept for the next run, and those that failed.
        let (corpus, artifacts) = (format!("fuzz/corpus/{name}"), format!("fuzz/artifacts/{name}"));
        let seeds = format!("fuzz/seeds/{name}");
        for kept in [&corpus, &artifacts, &seeds] {
            let kept = root().join(kept);
            fs::create_dir_all(&kept).map_err(at(&kept))?;
        }
        shell(dir.join(&host).join("release").join(name))
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-artifact_prefix={artifacts}/"))
            .arg("-print_final_stats=1")
            .arg(&corpus)
            .arg(&seeds)
            .run()?;
    }
    Ok(())
}
