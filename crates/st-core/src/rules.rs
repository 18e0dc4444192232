//! SpiralK, the rules language, over the planner's names. See `docs/rules.md`.

pub use st_kdsl::{Diagnostic, Diagnostics, Name, Program, Rules, decode};
pub use st_plan::SCHEMA;
