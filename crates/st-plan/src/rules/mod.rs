//! What the rules say of a problem on a device. With the feature `kdsl` they are SpiralK
//! programs; without it there are none, and adding some is refused.

#[cfg(feature = "kdsl")]
mod enabled;
#[cfg(feature = "kdsl")]
pub(crate) use enabled::RuleBook;
#[cfg(feature = "kdsl")]
pub use enabled::{RuleError, SCHEMA};

#[cfg(not(feature = "kdsl"))]
mod disabled;
#[cfg(not(feature = "kdsl"))]
pub(crate) use disabled::RuleBook;
#[cfg(not(feature = "kdsl"))]
pub use disabled::RuleError;

use std::cell::OnceCell;

#[cfg(feature = "logic")]
use st_rank::Fields;
use st_rank::{Choice, Field};

/// Where a rule stands: its program's name and its line.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Place {
    /// The program.
    pub source: String,
    /// The line, from 1.
    pub line: u32,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.source, self.line)
    }
}

/// A hard assignment.
#[derive(Clone, Debug)]
pub(crate) struct Hard {
    pub(crate) field: Field,
    /// As written: a number, or 0 or 1.
    pub(crate) asked: f64,
    pub(crate) place: Place,
}

/// A condition on a candidate; or why it has no value.
pub(crate) type Condition<'a> = Box<dyn Fn(&Choice) -> Result<bool, String> + 'a>;

/// A soft rule that speaks of this problem.
pub(crate) struct Vote<'a> {
    /// The value it speaks for, or against; none for a penalty on its condition alone.
    pub(crate) value: Option<(Field, u32)>,
    /// As a natural-log speed ratio; negative for penalties.
    pub(crate) weight: f64,
    /// Fields of the candidate that the condition reads.
    #[cfg(feature = "logic")]
    pub(crate) scope: Fields,
    /// Whether it speaks of a candidate; none: of each.
    pub(crate) when: Option<Condition<'a>>,
    /// Why it says nothing of some candidates: the condition has no finite value there. Known once one was asked about.
    pub(crate) void: OnceCell<String>,
    pub(crate) place: Place,
}

impl Vote<'_> {
    /// Whether it counts for (or against) a choice.
    pub(crate) fn counts(&self, choice: &Choice) -> bool {
        self.value.is_none_or(|(field, value)| choice.get(field) == value)
            && self.when.as_ref().is_none_or(|when| {
                when(choice).unwrap_or_else(|why| {
                    self.void.get_or_init(|| why);
                    false
                })
            })
    }
}

/// All that the rules say.
#[derive(Default)]
pub(crate) struct Said<'a> {
    /// At most one for each field.
    pub(crate) hard: Vec<Hard>,
    pub(crate) votes: Vec<Vote<'a>>,
    pub(crate) notes: Vec<String>,
}
