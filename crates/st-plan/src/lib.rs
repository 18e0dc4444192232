//! The pure planner: from a problem, a device and what is known, to a plan.
//!
//! Same input, same plan: no file, clock, environment, global or hash order is looked at.
//!
//! - [`knowledge`]: what the planner is told: rules, measured tables, weights.
//! - [`table`]: measured tables and how they are read.
//! - [`explain`](mod@explain): why a plan was made, candidate by candidate and vote by vote.
//! - [`planner`]: a planner that keeps its plans.
//!
//! How a choice is made ("consensus"): the cost model offers feasible candidates and predicts
//! their times, measured records put them right, and a candidate's score is the natural logarithm
//! of how fast it is beside the fastest, plus the weights of the soft rules that speak for it.
//! Hard rules (B) hold; under them the candidate with the best score (A) stands against the
//! measured table's (C), which gets a prior.

#![forbid(unsafe_code)]

mod calibrate;
mod consensus;
pub mod explain;
mod hard;
pub mod knowledge;
mod model;
pub mod planner;
mod rules;
mod solve;
pub mod table;

pub use explain::{Explanation, explain};
pub use knowledge::{Knowledge, Prior, RuleError};
pub use model::costs::CpuCosts;
pub use planner::Planner;
#[cfg(feature = "kdsl")]
pub use rules::SCHEMA;
use st_rank::{Backend, Choice, CompactPlan, CompactProblem, DeviceCaps, Problem, RankPlan};
pub use table::Table;

/// Decides how to run a problem on a device.
///
/// Never fails: an impossible problem gets a plan too, which every executor refuses.
#[must_use]
pub fn plan(problem: &Problem, caps: &DeviceCaps, knowledge: &Knowledge) -> RankPlan {
    consensus::Session::new(problem, caps, knowledge).decide().plan
}

/// A name for what measurements are true of: a device's [fingerprint](DeviceCaps::fingerprint), its driver where known,
/// and the kernels of this build. Fit for a file's name.
#[must_use]
pub fn identity(device: &DeviceCaps) -> String {
    let (fingerprint, kernels) = (device.fingerprint(), st_kernels::version(device.backend));
    match device.driver {
        0 => format!("{fingerprint}-kernels{kernels:x}"),
        driver => format!("{fingerprint}-driver{driver:08x}-kernels{kernels:x}"),
    }
}

/// What an [`identity`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity<'a> {
    /// The device's [fingerprint](DeviceCaps::fingerprint).
    pub fingerprint: &'a str,
    /// The driver's tag; 0 where unknown.
    pub driver: u32,
    /// The kernels' version.
    pub kernels: u32,
}

impl<'a> Identity<'a> {
    /// Reads what [`identity`] writes; none for anything else.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let hex = |digits: &str| u32::from_str_radix(digits, 16).ok();
        let (rest, kernels) = text.rsplit_once("-kernels")?;
        let kernels = hex(kernels)?;
        Some(match rest.rsplit_once("-driver") {
            Some((fingerprint, driver)) => Self { fingerprint, driver: hex(driver)?, kernels },
            None => Self { fingerprint: rest, driver: 0, kernels },
        })
    }

    /// Whether it is of the kernels of this build.
    #[must_use]
    pub fn is_of_this_build(&self) -> bool {
        // A fingerprint begins with its backend's name.
        let name = self.fingerprint.split('-').next().unwrap_or_default();
        let all = [Backend::Cpu, Backend::Wgpu, Backend::Cuda, Backend::Hip, Backend::Mps];
        let backend = all.into_iter().find(|backend| backend.name() == name);
        backend.is_some_and(|own| st_kernels::version(own) == self.kernels)
    }
}

/// The time that the cost model alone predicts for a choice, in microseconds; none if the device cannot run it for the
/// problem.
#[must_use]
pub fn predict(problem: &Problem, caps: &DeviceCaps, choice: &Choice) -> Option<f64> {
    let caps = caps.normalised();
    st_kernels::check(choice, problem, &caps).ok()?;
    Some(model::Model::new(problem, &caps).ns(choice) / 1e3)
}

/// Decides how to run a compaction on a device: there is little to decide, and no rule speaks of
/// it.
#[must_use]
pub fn plan_compact(problem: &CompactProblem, caps: &DeviceCaps) -> CompactPlan {
    let choice = match caps.backend {
        Backend::Cpu => model::cpu::compact_choice(problem, caps),
        Backend::Wgpu | Backend::Mps => model::gpu::compact_choice(problem, caps),
        Backend::Cuda | Backend::Hip => model::cuda::compact_choice(problem, caps),
    };
    CompactPlan { problem: *problem, caps: *caps, choice }
}

/// The time that the CPU's cost model predicts with the given coefficients, in nanoseconds, for a
/// choice that can be run. For fitting them: plans are made with [`CpuCosts::BY_HAND`].
#[must_use]
pub fn predict_cpu(problem: &Problem, caps: &DeviceCaps, choice: &Choice, costs: CpuCosts) -> f64 {
    model::cpu::Model::new(problem, caps).ns_with(choice, costs)
}
