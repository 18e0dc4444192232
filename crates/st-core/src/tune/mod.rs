//! This machine's devices, to be tuned (feature `tune`): the tuner itself is [`st_tune`].

mod cpu;
#[cfg(feature = "cuda")]
mod cuda;
mod stoppable;
mod tuned;
#[cfg(feature = "wgpu")]
mod wgpu;

use std::io;

pub use cpu::CpuDevice;
#[cfg(feature = "cuda")]
pub use cuda::CudaDevice;
pub use st_plan::Table;
pub use st_plan::table::{Record, TableError, Versions};
use st_rank::{Choice, DeviceCaps, Element, RankPlan};
use st_tune::Pages;
pub use st_tune::session::{Device, Event, SessionError, Summary, tune};
pub use st_tune::tournament::{Arena, Entrant, NoChoice, Outcome, Timed};
pub use st_tune::{Cell, GridError, StoreError, TableFile};
pub use st_tune::{report, stats};
pub use stoppable::Stoppable;
pub use tuned::{Found, Tuned};
#[cfg(feature = "wgpu")]
pub use wgpu::WgpuDevice;

/// Why a choice or a device failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TuneError {
    /// The executor refused.
    #[error(transparent)]
    Rank(#[from] st_rank::Error),
    /// A wrong result.
    #[error("its result is wrong: {0}")]
    Wrong(String),
    /// No choice was right.
    #[error(transparent)]
    NoChoice(#[from] NoChoice),
    /// There is not so much memory.
    #[error("no memory for inputs and results of this size: {0}; tune smaller shapes (`--grid`)")]
    Memory(#[from] std::io::Error),
    /// Somebody wanted it: see [`Stoppable`].
    #[error("tuning was ended before its time")]
    Stopped,
}

impl TuneError {
    /// Whether memory was lacking, the host's or the device's.
    #[must_use]
    pub const fn is_memory(&self) -> bool {
        use st_rank::Error::{DeviceMemory, OutOfMemory};
        matches!(self, Self::Memory(_) | Self::Rank(OutOfMemory { .. } | DeviceMemory { .. }))
    }
}

/// Today's date (UTC), `YYYY-MM-DD`.
#[must_use]
pub fn today() -> String {
    st_tune::date::date(st_tune::date::today())
}

/// What measures a device's choices.
fn versions(caps: &DeviceCaps, device: String, driver: String) -> Versions {
    Versions {
        spiral: env!("CARGO_PKG_VERSION").to_owned(),
        kernels: st_kernels::version(caps.backend),
        device,
        driver,
        date: today(),
    }
}

/// So many inputs of a plan's size, none alike; a type that the device does not read is refused here, once for all candidates.
fn inputs<T: Element>(plan: &RankPlan) -> Result<Vec<Pages<T>>, TuneError> {
    let (dtype, backend) = (plan.problem.dtype, plan.caps.backend);
    if !backend.reads(dtype) {
        return Err(st_rank::Error::UnsupportedType { dtype, backend }.into());
    }
    let n = st_tune::inputs::copies(plan.problem.input_bytes());
    let elements = plan.problem.rows.checked_mul(plan.problem.cols);
    let elements = elements.ok_or(io::Error::from(io::ErrorKind::OutOfMemory))?;
    let random = |seed| Ok(st_tune::inputs::random(elements, 0x7475_6E65 + seed)?);
    (0..n).map(random).collect()
}

/// The plan with another choice.
fn with(plan: &RankPlan, choice: Choice) -> RankPlan {
    RankPlan::by_hand(plan.problem, plan.caps, choice)
}

/// The same with each of these.
#[cfg(any(feature = "cuda", feature = "wgpu"))]
fn with_each(plan: &RankPlan, choices: &[Choice]) -> Vec<RankPlan> {
    choices.iter().map(|&choice| with(plan, choice)).collect()
}

/// Kernels that are compiled side by side.
#[cfg(any(feature = "cuda", feature = "wgpu"))]
fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// A candidate that takes so many times as long as the shortest, and longer than what says nothing, is not timed.
fn is_hopeless(us: f64, least_us: f64, times: f64, nothing_us: f64) -> bool {
    us > least_us * times + nothing_us
}
