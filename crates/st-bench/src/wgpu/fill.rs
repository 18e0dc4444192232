//! Inputs that are made where they are needed.

use st_core::DType;

use crate::cells::Pattern;

const SOURCE: &str = include_str!("fill.wgsl");

/// Names of the patterns in the kernel, in the order of [`Pattern::ALL`].
const PATTERNS: [&str; 10] = [
    "NORMAL", "UNIFORM", "EQUAL", "TIES", "RADIXADV", "RELU", "PIVOT", "BLOCKASC", "LASTWIN",
    "SORTED",
];

/// The types that the kernel makes.
const DTYPES: [(DType, &str); 5] = [
    (DType::F32, "F32"),
    (DType::F16, "F16"),
    (DType::Bf16, "BF16"),
    (DType::I32, "I32"),
    (DType::U32, "U32"),
];

/// The kernel that fills words with elements of a pattern; none for types it does not know.
pub(crate) fn kernel(pattern: Pattern, dtype: DType) -> Option<String> {
    let mut wgsl = String::new();
    for (code, name) in PATTERNS.iter().enumerate() {
        wgsl.push_str(&format!("const {name} = {code}u;\n"));
    }
    for (code, (_, name)) in DTYPES.iter().enumerate() {
        wgsl.push_str(&format!("const {name} = {code}u;\n"));
    }
    let pattern = Pattern::ALL.iter().position(|&p| p == pattern)?;
    let dtype = DTYPES.iter().position(|&(d, _)| d == dtype)?;
    wgsl.push_str(&format!("const PATTERN = {pattern}u;\nconst DTYPE = {dtype}u;\n"));
    Some(wgsl + SOURCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_have_their_names() {
        for (pattern, name) in Pattern::ALL.iter().zip(PATTERNS) {
            assert_eq!(format!("{pattern:?}").to_uppercase(), name);
        }
        assert!(kernel(Pattern::Ties, DType::Bf16).unwrap().contains("const PATTERN = 3u;"));
        assert!(kernel(Pattern::Ties, DType::F64).is_none());
    }
}
