//! What a device can do.

pub use super::caps_text::parse;
pub use st_rank::caps::{Backend, DeviceCaps};
