//! What kernels that fill inputs are told: patterns and types by number.

use st_core::DType;

use crate::cells::Pattern;

/// Names of the patterns in kernels, in the order of [`Pattern::ALL`].
const PATTERNS: [&str; 10] = [
    "NORMAL", "UNIFORM", "EQUAL", "TIES", "RADIXADV", "RELU", "PIVOT", "BLOCKASC", "LASTWIN",
    "SORTED",
];

/// The types that kernels make.
const DTYPES: [(DType, &str); 5] = [
    (DType::F32, "F32"),
    (DType::F16, "F16"),
    (DType::Bf16, "BF16"),
    (DType::I32, "I32"),
    (DType::U32, "U32"),
];

/// The constants of a pattern and a type, with their values: all that there are by name, then `PATTERN` and
/// `DTYPE`; none for a type that kernels do not make.
pub(crate) fn constants(pattern: Pattern, dtype: DType) -> Option<Vec<(&'static str, usize)>> {
    let patterns = PATTERNS.iter().enumerate().map(|(code, &name)| (name, code));
    let dtypes = DTYPES.iter().enumerate().map(|(code, &(_, name))| (name, code));
    let pattern = Pattern::ALL.iter().position(|&p| p == pattern)?;
    let dtype = DTYPES.iter().position(|&(d, _)| d == dtype)?;
    Some(patterns.chain(dtypes).chain([("PATTERN", pattern), ("DTYPE", dtype)]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_have_their_names() {
        for (pattern, name) in Pattern::ALL.iter().zip(PATTERNS) {
            assert_eq!(format!("{pattern:?}").to_uppercase(), name);
        }
        assert!(constants(Pattern::Ties, DType::Bf16).unwrap().contains(&("PATTERN", 3)));
        assert_eq!(constants(Pattern::Ties, DType::F64), None);
    }
}
