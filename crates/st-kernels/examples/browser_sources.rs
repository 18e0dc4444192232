//! Writes the source of every permutation, as browsers get it, into a folder: for
//! `tools/tint/check.mjs`, which asks the compiler of Chrome about them.

#[path = "../tests/product/mod.rs"]
mod product;

use std::path::Path;

use st_kernels::wgsl::Dialect;

fn main() -> std::io::Result<()> {
    let Some(folder) = std::env::args_os().nth(1) else {
        return Err(std::io::Error::other("say into which folder"));
    };
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder)?;
    for (nth, permutation) in product::permutations().iter().enumerate() {
        let name = format!("{nth:04}_{}_{}.wgsl", permutation.stage.name(), permutation.wg);
        std::fs::write(
            folder.join(name),
            permutation.source(Dialect { web: true, ..Dialect::default() }),
        )?;
    }
    Ok(())
}
