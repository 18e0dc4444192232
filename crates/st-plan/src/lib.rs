//! The pure planner: from a problem, a device and what is known, to a plan.
//!
//! Same input, same plan: no file, clock, environment, global or hash order is looked at.

#![forbid(unsafe_code)]

mod cpu;
mod safe;

use st_rank::{Backend, CompactPlan, CompactProblem, DeviceCaps, Problem, RankPlan};

/// What the planner knows beyond the device: nothing yet but its own cost models.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Knowledge {}

/// Decides how to run a problem on a device.
///
/// Never fails: an impossible problem gets a plan too, which every executor refuses.
#[must_use]
pub fn plan(problem: &Problem, caps: &DeviceCaps, _knowledge: &Knowledge) -> RankPlan {
    match caps.backend {
        Backend::Cpu => cpu::plan(problem, caps),
        Backend::Wgpu | Backend::Cuda | Backend::Hip | Backend::Mps => safe::plan(problem, caps),
    }
}

/// Decides how to run a compaction on a device.
#[must_use]
pub fn plan_compact(problem: &CompactProblem, caps: &DeviceCaps) -> CompactPlan {
    let choice = match caps.backend {
        Backend::Cpu => cpu::compact_choice(problem, caps),
        Backend::Wgpu | Backend::Cuda | Backend::Hip | Backend::Mps => safe::choice(caps),
    };
    CompactPlan { problem: *problem, caps: *caps, choice }
}
