//! Inputs that are made where they are needed.

use st_core::DType;

use crate::cells::Pattern;
use crate::patterns::constants;

const SOURCE: &str = include_str!("fill.wgsl");

/// The kernel that fills words with elements of a pattern; none for types it does not know.
pub(crate) fn kernel(pattern: Pattern, dtype: DType) -> Option<String> {
    let consts: String = constants(pattern, dtype)?
        .iter()
        .map(|(name, n)| format!("const {name} = {n}u;\n"))
        .collect();
    Some(consts + SOURCE)
}
