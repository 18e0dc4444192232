//! Hints that machines share: what was measured, and which soft rules have won, for devices with the same
//! fingerprint.
//!
//! - [`store`]: where hints are kept, by one written contract: in [memory](MemoryStore), in a
//!   [folder](FileStore) that machines share, on a [Redis server](RedisStore). A store knows texts only.
//! - [`key`]: what a hint is about, as a text; [`evidence`]: what is known of it, as a text, how it is
//!   merged and how it fades.
//! - [`hints`]: reading and publishing, on any store.
//!
//! Everything here may wait for a disk or a network, for a bounded time: callers are background threads.
//! Nothing that is read is trusted.

#![forbid(unsafe_code)]

pub mod evidence;
mod file;
pub mod hints;
pub mod key;
mod memory;
mod redis;
pub mod store;

pub use evidence::Evidence;
pub use file::FileStore;
pub use key::Key;
pub use memory::MemoryStore;
pub use redis::RedisStore;
pub use store::{Entries, Step, Store, StoreError, open};
