//! Self-Rewrite (feature `rewrite`, and `SPIRAL_SELF_REWRITE=1`): a share of calls runs another choice beside the
//! planner's, and one that is shown to be faster becomes a soft rule in the file of rules.
//!
//! Off by default. It hooks into [`execute_rank`](crate::ops::rank_entry::execute_rank) and
//! [`execute_rank_into`](crate::ops::rank_entry::execute_rank_into), for executors whose calls return when the work is done
//! ([`RankKExecutor::RETURNS_WHEN_DONE`](crate::ops::rank_entry::RankKExecutor::RETURNS_WHEN_DONE)) and plans that are the
//! process's planner's. `docs/tuning.md` says what it costs and what is promised of it.

#[cfg(feature = "rewrite")]
mod enabled;
#[cfg(feature = "rewrite")]
pub use enabled::*;

#[cfg(not(feature = "rewrite"))]
mod disabled;
#[cfg(not(feature = "rewrite"))]
pub use disabled::*;
