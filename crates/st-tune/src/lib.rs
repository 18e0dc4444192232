//! What measurements prove.
//!
//! Self-Rewrite compares a challenger with the choice that is in use, in pairs of calls: [`Evidence`] of such
//! pairs says when the challenger may be called faster, and later when it may not any more. Both questions may be
//! asked after every pair.
//!
//! ```
//! use st_tune::{Bar, Evidence};
//!
//! let mut evidence = Evidence::default();
//! for _ in 0..40 {
//!     // Microseconds of the choice in use, and of the challenger.
//!     evidence.record(110.0, 100.0)?;
//! }
//! let bar = Bar::default();
//! assert!(evidence.is_won(&bar, 1));
//! assert!((evidence.median_ratio().unwrap() - 1.1).abs() < 0.001);
//! # Ok::<(), st_tune::Error>(())
//! ```

#![forbid(unsafe_code)]

mod candidates;
pub mod date;
mod evidence;
mod files;
mod grid;
pub mod inputs;
mod pages;
mod ratios;
pub mod report;
pub mod rewrite;
pub mod session;
pub mod stats;
mod store;
pub mod tournament;

pub use candidates::{candidates, launched_alike};
pub use evidence::{Bar, Evidence};
pub use grid::{Cell, GridError};
pub use pages::Pages;
pub use ratios::Ratios;
pub use store::{StoreError, TableFile};

/// Why a pair was not taken.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A time that is none.
    #[error("{what} took {given}: give a time that is finite and greater than 0")]
    NotATime {
        /// Which of the two.
        what: &'static str,
        /// What was given.
        given: f64,
    },
    /// Evidence that cannot have come from pairs, as when a file was changed by hand.
    #[error(
        "{half_wins} half wins of {trials} pairs and {ratios} ratios: these do not belong together; leave it out"
    )]
    Inconsistent {
        /// Half wins in it.
        half_wins: u64,
        /// Pairs in it.
        trials: u64,
        /// Ratios in it.
        ratios: u64,
    },
}
