//! Operations.

pub mod compact;
pub mod rank_entry;
