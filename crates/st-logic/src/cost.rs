//! Soft constraints: weights on single values, and weights on predicates.

use crate::constraint::Scoped;
use crate::error::Error;

/// Greatest magnitude of one weight or score.
///
/// Thousands of such terms sum to less than 2^43, where an f64 still resolves a thousandth.
pub const WEIGHT_LIMIT: f64 = 1e9;

/// The weight, if it can be summed; a negative zero becomes a positive one.
pub(crate) fn checked(weight: f64) -> Result<f64, Error> {
    // False for a NaN too.
    if weight.abs() <= WEIGHT_LIMIT { Ok(weight + 0.0) } else { Err(Error::Weight { weight }) }
}

/// A weight that counts where its predicate holds.
pub(crate) struct When<'a> {
    pub(crate) test: Scoped<'a>,
    pub(crate) weight: f64,
}

impl When<'_> {
    /// The most that it can add while it is undecided.
    #[inline]
    pub(crate) fn optimistic(&self) -> f64 {
        self.weight.max(0.0)
    }

    /// What it adds, once its scope is assigned.
    #[inline]
    pub(crate) fn decided(&self, values: &[i64; crate::domain::MAX_VARIABLES]) -> f64 {
        if self.test.holds(values) { self.weight } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_finite_and_bounded() {
        for weight in [f64::NAN, f64::INFINITY, -f64::INFINITY, 1.1e9, -2e9] {
            assert!(matches!(checked(weight), Err(Error::Weight { .. })), "{weight}");
        }
        assert_eq!(checked(-1e9), Ok(-1e9));
        assert!(checked(-0.0).unwrap().is_sign_positive());
    }
}
