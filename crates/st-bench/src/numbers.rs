//! What the GPU benches ask for and report alike.

use clap::ValueEnum;
use serde::Serialize;
use st_core::ops::rank_entry::RankKind;

use st_tune::stats::median;

/// Which ranks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    Topk,
    Bottomk,
    Midk,
}

impl Kind {
    pub(crate) const fn rank(self) -> RankKind {
        match self {
            Self::Topk => RankKind::TopK,
            Self::Bottomk => RankKind::BottomK,
            Self::Midk => RankKind::MidK,
        }
    }
}

/// Of samples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) max: f64,
}

impl Spread {
    pub(crate) fn of(us: Vec<f64>) -> Option<Self> {
        let min = us.iter().copied().reduce(f64::min)?;
        let max = us.iter().copied().reduce(f64::max)?;
        Some(Self { min, median: median(us)?, max })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads_are_of_their_samples() {
        assert_eq!(Spread::of(vec![]), None);
        let spread = Spread::of(vec![3.0, 1.0, 2.0]);
        assert_eq!(spread, Some(Spread { min: 1.0, median: 2.0, max: 3.0 }));
    }
}
