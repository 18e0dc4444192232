//! What a device can do.

pub use st_rank::caps::{Backend, DeviceCaps};
