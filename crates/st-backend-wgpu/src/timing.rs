//! Plans timed by the device's own clock, over inputs that stay on the device: for benches and
//! tuners.
//!
//! - [`Clock`]: passes and their timestamps, taken at full clock or not at all.
//! - [`Resident`]: inputs, outputs and workspace on the device, and plans prepared for them.
//!
//! **An idle device lies.** Under light load an H200 falls to a fifth of its clock, and everything
//! measures four to five times too slow. So the device is kept busy right before each command
//! buffer that is timed, and a fixed kernel is timed at the buffer's beginning and end: a buffer
//! in which that kernel took notably longer than ever before is thrown away and run again.

mod clock;
mod kernel;
mod resident;

pub use clock::{Clock, Timed};
pub use resident::{Prepared, Resident};
use st_rank::{Element, Result};

use crate::exec::WgpuExecutor;

impl WgpuExecutor {
    /// The device's clock.
    ///
    /// # Errors
    /// No device, or one without timestamps.
    pub fn clock(&self) -> Result<Clock<'_>> {
        Clock::new(self.gpu()?)
    }

    /// Room on the device for several inputs of a shape, and for results of up to `k` per row.
    ///
    /// # Errors
    /// No device, or what does not fit it.
    pub fn resident<T: Element>(
        &self,
        rows: usize,
        cols: usize,
        k: usize,
        copies: usize,
    ) -> Result<Resident<'_, T>> {
        Resident::new(self, self.gpu()?, rows, cols, k, copies)
    }
}
