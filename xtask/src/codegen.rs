//! `cargo xtask codegen`: files that are made from others.

use crate::error::{Error, Result, at};
use crate::shell::{root, shell};
use std::fs;

/// The generator, what it reads, and what it writes.
const GENERATED: &[(&str, &str, &str)] = &[(
    "tools/tuner/gen_generated_rs.py",
    "tools/tuner/tuner_results.json",
    "crates/st-core/src/backend/wgpu_heuristics_generated.rs",
)];

/// Writes each generated file, or fails if one is not what its generator makes.
pub(crate) fn codegen(check: bool) -> Result<()> {
    for (generator, source, target) in GENERATED {
        let made = shell("python3").args([generator, source]).read()?;
        let path = root().join(target);
        let there = fs::read_to_string(&path).unwrap_or_default();
        if there == made {
            println!("{target}: up to date");
        } else if check {
            return Err(Error::Stale { target, generator });
        } else {
            fs::write(&path, made).map_err(at(&path))?;
            println!("{target}: written");
        }
    }
    Ok(())
}
