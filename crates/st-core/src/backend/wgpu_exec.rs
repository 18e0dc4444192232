//! The WGPU executor's place. This build has no WGPU backend: binding works, running is refused
//! with a typed error, and nothing falls back to another device.

use st_rank::{Backend, Error, HostInput, Input, RankKExecutor, RankOutput, RankPlan, Result};

/// The executor of the default GPU path. Touches no device until first use.
#[derive(Clone, Debug, Default)]
pub struct WgpuExecutor {}

impl WgpuExecutor {
    /// Binds the executor to its input.
    #[must_use]
    pub fn on<'a, X: HostInput + ?Sized>(&'a self, x: &'a X) -> OnWgpu<'a, X::Elem> {
        OnWgpu { _input: x.input() }
    }
}

/// A [`WgpuExecutor`] bound to its input.
#[derive(Clone, Debug)]
pub struct OnWgpu<'a, T> {
    _input: Input<'a, T>,
}

impl<T: st_rank::Element> RankKExecutor for OnWgpu<'_, T> {
    type Output = RankOutput<T>;

    fn execute(&self, _plan: &RankPlan) -> Result<Self::Output> {
        Err(Error::Unavailable {
            backend: Backend::Wgpu,
            why: "this build has no WGPU backend".into(),
            advice: "use CpuExecutor",
        })
    }
}
