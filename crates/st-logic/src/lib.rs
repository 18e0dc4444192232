//! SoftLogic: an exact solver for small finite domains with hard and weighted soft constraints.
//!
//! A [`Model`] has up to 16 variables, each with an ordered list of at most 255 values. What an
//! assignment may be is said by
//!
//! - [`Model::table`]: a table of short tuples, each of which holds some variables and leaves the
//!   others free. An assignment must match a row, and scores as the best row that it matches;
//! - [`Model::fix`] and [`Model::require`]: one value, and any predicate over some variables;
//!
//! and what is good about it, in addition to its table score, by
//!
//! - [`Model::prefer`]: a weight on one value of one variable;
//! - [`Model::when`]: a weight, of either sign, on any predicate over some variables.
//!
//! [`Model::solve`] returns the allowed assignment of the greatest score, exactly: what a loop over
//! all assignments would return that keeps the first of the greatest. [`Model::best_n`] returns the
//! `n` best.
//!
//! ```
//! use st_logic::{Model, Pattern};
//!
//! let mut model = Model::new();
//! let size = model.variable(&[64, 128, 256])?;
//! let depth = model.variable(&[1, 2, 4])?;
//! let exact = model.variable(&[0, 1])?;
//!
//! // Known combinations; `exact` is left free by both.
//! model.table([
//!     (Pattern::ANY.with(size, 0).with(depth, 2), 1.0),
//!     (Pattern::ANY.with(size, 2), 0.75),
//! ])?;
//! model.require(&[size, depth], |v| v[0] * v[1] <= 512)?;
//! model.prefer(depth, 2, 0.5)?;
//! model.when(&[exact, size], |v| v[0] == 1 && v[1] > 64, 0.125)?;
//!
//! let best = model.solve().expect("some row is allowed");
//! assert_eq!(best.values, [256, 2, 1]);
//! assert_eq!(best.score, 0.75 + 0.5 + 0.125);
//! # Ok::<(), st_logic::Error>(())
//! ```
//!
//! # The score and its order
//!
//! The score is summed in one fixed order: the table's score (0 without a table), the weight of
//! each variable's value in order of the variables (each being the sum of its [`Model::prefer`]s as
//! they were given), then the weight of each [`Model::when`] that holds as they were given. Equal
//! scores mean equal results of this sum; among them the assignment wins that is lexicographically
//! first in domain indices. [`Model::score`] computes the same sum for one assignment.
//!
//! # The algorithm
//!
//! Depth-first branch and bound for weighted constraint satisfaction (as surveyed by Meseguer,
//! Rossi and Schiex, "Soft Constraints", in the Handbook of Constraint Programming, 2006, chapter
//! 9) over a table of short tuples (Jefferson and Nightingale, "Extending Simple Tabular Reduction
//! with Short Supports", IJCAI 2013).
//!
//! The best assignment is the best over all rows of the best that matches the row, counting the
//! row's own score: an assignment counted by a row other than its best only scores less. So the
//! search branches on rows first. Within a row each held variable adds a known weight and each free
//! one at most its greatest; these, with the positive weights of all predicates, bound the row. The
//! row of the greatest bound is searched first and sets a bar; the other rows follow in descending
//! order of bound, those below the bar never. Without predicates a row's bound is reached, so the
//! search goes straight down one row.
//!
//! Within a row the free variables are assigned in order, the values of each in descending order of
//! their bound. As soon as a predicate has one variable left, it is projected onto that variable: its
//! weight is added to the values for which it holds, or the values that a hard one forbids are
//! struck out. So each variable's best is known with all that is settled so far (the partial
//! forward checking of Freuder and Wallace, "Partial constraint satisfaction", Artificial
//! Intelligence 58, 1992), and a row without two free variables in one predicate is bounded tightly.
//!
//! # Why it is exact
//!
//! There are two bounds. The tight one, just described, sums in its own order, and prunes only
//! below the bar by more than rounding can account for. The other takes a weight at its greatest
//! until it is decided, and sums *in the order of the score*: rounded addition never reverses an
//! order, so it is never below a score under it, needs no slack, and is the score itself at a
//! complete assignment. It settles ties: indices are packed into a word, first variable highest, so
//! the least assignment of a subtree is known, and a subtree whose bound equals the bar is searched
//! only if that one would win. So weights that tie do not multiply the search by themselves.
//!
//! # Cost
//!
//! A pass over the rows, a handful of additions for each, and the nodes that remain: about ten
//! microseconds for hundreds of rows (`cargo run --release --example measure`). The answers of a
//! predicate over few tuples are kept during a search, so it is asked once for each. The problem is
//! NP-hard through its predicates: those over many variables, or weights that exclude each other,
//! can make the search visit each assignment, and that for each row that it matches.
//! [`Model::with_node_limit`] bounds that.
//!
//! The same model gives the same result, nodes included, at each call and on each machine.

#![forbid(unsafe_code)]

mod constraint;
mod cost;
mod domain;
mod error;
mod model;
mod path;
mod search;

pub use cost::WEIGHT_LIMIT;
pub use domain::{MAX_VALUES, MAX_VARIABLES, Pattern, Var};
pub use error::Error;
pub use model::Model;
pub use search::{Best, Solution};
