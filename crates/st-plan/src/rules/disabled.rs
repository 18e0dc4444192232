//! Without the rules language.

use st_rank::{DeviceCaps, Problem};

use super::Said;

/// Why rules were refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this build has no rules language: build with the feature `kdsl`")]
#[non_exhaustive]
pub struct RuleError {}

/// No rules.
#[derive(Clone, Debug, Default)]
pub(crate) struct RuleBook {}

impl RuleBook {
    #[expect(clippy::unused_self, reason = "the same interface with and without rules")]
    pub(crate) fn add(&mut self, _name: &str, _text: &[u8]) -> Result<(), RuleError> {
        Err(RuleError {})
    }

    #[expect(clippy::unused_self, reason = "the same interface with and without rules")]
    pub(crate) fn add_shared(
        &mut self,
        _name: &str,
        _device: &DeviceCaps,
        _text: &str,
    ) -> Result<(), RuleError> {
        Err(RuleError {})
    }

    #[expect(clippy::unused_self, reason = "the same interface with and without rules")]
    pub(crate) fn ask(&self, _problem: &Problem, _caps: &DeviceCaps) -> Said<'_> {
        Said::default()
    }
}
