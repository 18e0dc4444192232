//! What a [`Choice`] means on each backend, what the kernels that run it need, and which choices
//! they can run.
//!
//! The planner calls feasible what [`check`] passes, and executors refuse what it refuses: one
//! check, kept beside the kernels, so that neither can drift from them. Nothing is chosen here and
//! no device is touched.
//!
//! - [`cpu`]: vectors and threads.
//! - [`gpu`]: WGPU and Metal; their sources are in [`wgsl`].
//! - [`cuda`]: CUDA and HIP.

#![forbid(unsafe_code)]

pub mod cpu;
pub mod cuda;
pub mod gpu;
pub mod wgsl;

use std::sync::LazyLock;

use st_rank::{
    Backend, Choice, DeviceCaps, Field, Fields, MergeDetail, MergeKind, Problem, Result,
};

/// Refuses a choice that the device's kernels cannot run as it stands.
///
/// # Errors
/// [`st_rank::Error::Infeasible`] with the first field that cannot be obeyed.
pub fn check(choice: &Choice, problem: &Problem, caps: &DeviceCaps) -> Result<()> {
    match caps.backend {
        Backend::Cpu => cpu::check(choice, problem, caps.lane),
        Backend::Wgpu | Backend::Mps => gpu::check(choice, problem, caps),
        Backend::Cuda | Backend::Hip => cuda::check(choice, problem, caps),
    }
}

/// A number for a backend's kernels: what was measured with other kernels is not believed. Of a GPU's it is made from
/// their sources.
#[must_use]
pub fn version(backend: Backend) -> u32 {
    // Some hundred kilobytes, which every table that is read would go through.
    static WGSL: LazyLock<u32> = LazyLock::new(|| {
        let stages = wgsl::Stage::ALL.iter().map(|stage| stage.text());
        DeviceCaps::tag_of(stages.chain(wgsl::SHARED.iter().map(|&(_, text)| text)))
    });
    static CUDA: LazyLock<u32> =
        LazyLock::new(|| DeviceCaps::tag_of(cuda::SOURCES.iter().map(|&(_, text)| text)));
    match backend {
        Backend::Cpu => cpu::VERSION,
        Backend::Wgpu | Backend::Mps => *WGSL,
        Backend::Cuda | Backend::Hip => *CUDA,
    }
}

/// What a choice launches: its merge kind and the fields that its kernel uses, as numbers in the order of [`Field`]; the
/// others as 0. Equal for choices that are launched alike.
#[must_use]
pub fn launched(choice: &Choice, backend: Backend) -> [u32; 8] {
    let used = uses(choice.mk, choice.mkd, backend);
    Field::ALL.map(|f| if f == Field::Mk || used.has(f) { choice.get(f) } else { 0 })
}

/// The fields that change what is launched for that merge kind and sub-strategy. The others keep
/// their value and have no effect.
#[must_use]
pub const fn uses(mk: MergeKind, mkd: MergeDetail, backend: Backend) -> Fields {
    match backend {
        Backend::Cpu => cpu::uses(mk),
        Backend::Wgpu | Backend::Mps => gpu::uses(mk, mkd),
        Backend::Cuda | Backend::Hip => cuda::uses(mk, mkd),
    }
}

/// The sub-strategies that a merge kind has on a backend, the usual one first.
#[must_use]
pub const fn details(mk: MergeKind, backend: Backend) -> &'static [MergeDetail] {
    match backend {
        Backend::Cpu => cpu::details(mk),
        Backend::Wgpu | Backend::Mps => gpu::details(mk),
        Backend::Cuda | Backend::Hip => cuda::details(mk),
    }
}

/// The value nearest to the one asked for that a field can have on a device, whatever the other
/// fields are. Of two that are as near, the smaller.
#[must_use]
pub fn nearest(field: Field, asked: f64, caps: &DeviceCaps) -> u32 {
    let caps = caps.normalised();
    let cpu = caps.backend == Backend::Cpu;
    let code = |codes: usize| nearest_step(asked, 1, 0, codes as u32 - 1);
    match field {
        Field::Mk => code(MergeKind::ALL.len()),
        Field::Mkd => code(MergeDetail::ALL.len()),
        Field::Use2ce => u32::from(asked != 0.0),
        Field::Tile | Field::Ctile if cpu => {
            nearest_step(asked, cpu::COLUMN_STEP, cpu::COLUMN_STEP, cpu::MAX_TILE)
        }
        Field::Tile | Field::Ctile => nearest_step(asked, caps.lane, caps.lane, gpu::MAX_TILE),
        Field::Wg if cpu => nearest_step(asked, 1, 1, caps.max_workgroup.min(cpu::MAX_THREADS)),
        Field::Wg if matches!(caps.backend, Backend::Cuda | Backend::Hip) => {
            cuda::nearest_block(asked, &caps)
        }
        Field::Wg => nearest_step(asked, caps.lane, caps.lane, caps.max_workgroup),
        Field::Kl if cpu => nearest_step(asked, 1, 1, cpu::MAX_KL),
        Field::Kl => nearest_step(asked, 1, 1, gpu::MAX_KL),
        Field::Ch => {
            nearest_step(asked, if cpu { cpu::COLUMN_STEP } else { caps.lane }, 0, u32::MAX)
        }
    }
}

/// The multiple of `step` in `least..=most` nearest to `asked`; the least for NaN.
fn nearest_step(asked: f64, step: u32, least: u32, most: u32) -> u32 {
    let (step, least, most) = (f64::from(step), f64::from(least), f64::from(most));
    let most = (most / step).floor() * step;
    let below = (asked / step).floor() * step;
    let near = if asked - below <= below + step - asked { below } else { below + step };
    // Both ends fit u32; `max` makes the least of NaN.
    near.max(least).min(most.max(least)) as u32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_nearest_value_is_whole_lanes_within_limits() {
        let caps = DeviceCaps::wgpu(32, true, 256);
        let near = |field, asked| nearest(field, asked, &caps);
        assert_eq!(near(Field::Wg, 100.0), 96);
        assert_eq!(near(Field::Wg, 5000.0), 256);
        assert_eq!(near(Field::Wg, -1.0), 32);
        assert_eq!(near(Field::Tile, 48.0), 32, "of two as near, the smaller");
        assert_eq!(near(Field::Tile, 1e18), 65_536);
        assert_eq!(near(Field::Mk, 7.0), 4);
        assert_eq!(near(Field::Ch, 10.0), 0);
        assert_eq!(near(Field::Kl, f64::NAN), 1);
        assert_eq!(nearest(Field::Tile, 100.0, &DeviceCaps::cpu(16, 4)), 128);
    }

    proptest! {
        #[test]
        fn nearest_values_stay(
            field in prop::sample::select(Field::ALL.to_vec()),
            asked in any::<f64>(),
            lane in 1u32..=128,
            cpu in any::<bool>(),
        ) {
            let caps = if cpu {
                DeviceCaps::cpu(lane, 8)
            } else {
                DeviceCaps::wgpu(lane, true, lane * 3 + 1)
            };
            let value = nearest(field, asked, &caps);
            prop_assert_eq!(nearest(field, f64::from(value), &caps), value);
        }
    }
}
