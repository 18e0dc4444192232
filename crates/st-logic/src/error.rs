//! Everything that can be refused while a model is built. A search itself refuses nothing.

use crate::cost::WEIGHT_LIMIT;
use crate::domain::{MAX_VALUES, MAX_VARIABLES};

/// Why a variable, constraint or cost was refused. The model is left as it was.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A domain is empty or too large for one byte.
    #[error("a domain of {len} values was given: give 1 to {MAX_VALUES}")]
    DomainSize {
        /// Values given.
        len: usize,
    },
    /// A domain names a value twice.
    #[error("the domain holds {value} more than once: give each value once")]
    DuplicateValue {
        /// The value.
        value: i64,
    },
    /// A packed assignment has no room for another variable.
    #[error("a model has at most {MAX_VARIABLES} variables: merge or drop one")]
    TooManyVariables,
    /// A variable is not of this model.
    #[error("variable {var} is not of this model, which has {variables}: use its own variables")]
    UnknownVariable {
        /// Position of the variable.
        var: usize,
        /// Variables of the model.
        variables: usize,
    },
    /// A value is not in the variable's domain.
    #[error("{value} is not in the domain of variable {var}: {allowed:?}")]
    NotInDomain {
        /// Position of the variable.
        var: usize,
        /// The value given.
        value: i64,
        /// The values of the domain.
        allowed: Vec<i64>,
    },
    /// A domain index lies behind the last value.
    #[error(
        "index {index} of variable {var} is behind its domain of {len} values: indices are from 0"
    )]
    IndexOutOfDomain {
        /// Position of the variable.
        var: usize,
        /// The index given.
        index: usize,
        /// Values of the domain.
        len: usize,
    },
    /// An assignment does not have one index for each variable.
    #[error("{got} indices were given for {variables} variables: give one for each")]
    AssignmentLength {
        /// Indices given.
        got: usize,
        /// Variables of the model.
        variables: usize,
    },
    /// A scope names a variable twice.
    #[error("the scope names variable {var} more than once: name each variable once")]
    DuplicateInScope {
        /// Position of the variable.
        var: usize,
    },
    /// A weight or score cannot be summed safely.
    #[error(
        "a weight or score of {weight} was given: give a finite one of at most {WEIGHT_LIMIT} in magnitude"
    )]
    Weight {
        /// What was given.
        weight: f64,
    },
    /// There is one table at most.
    #[error("the model has a table already: put all rows into one")]
    SecondTable,
}
