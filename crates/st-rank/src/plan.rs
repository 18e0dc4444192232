//! A plan: what will be run, for which problem and device, and why.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::caps::DeviceCaps;
use crate::choice::{Choice, Field, MergeKind};
use crate::problem::{CompactProblem, Problem};

/// Where a field of a choice came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Source {
    /// The cost model predicted the least time with it.
    #[default]
    Model,
    /// A hard rule assigned it.
    Rule,
    /// A hard rule assigned a value that cannot be run here: the nearest that can.
    Adjusted,
    /// Soft rules or hints tipped the balance towards it.
    Soft,
    /// A measured table's entry was adopted.
    Table,
    /// A fixed value that is safe on the device; no prediction was made.
    Safe,
    /// The chosen kernel does not use the field.
    Unused,
    /// Written by the caller.
    Caller,
}

impl Source {
    /// The name used in explanations and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Rule => "rule",
            Self::Adjusted => "adjusted",
            Self::Soft => "soft",
            Self::Table => "table",
            Self::Safe => "safe",
            Self::Unused => "unused",
            Self::Caller => "caller",
        }
    }
}

/// Where each field of the choice came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the fields are those of Choice")]
pub struct Sources {
    pub mk: Source,
    pub mkd: Source,
    pub tile: Source,
    pub ctile: Source,
    pub use_2ce: Source,
    pub wg: Source,
    pub kl: Source,
    pub ch: Source,
}

impl Sources {
    /// The same source for every field.
    #[must_use]
    pub const fn all(s: Source) -> Self {
        Self { mk: s, mkd: s, tile: s, ctile: s, use_2ce: s, wg: s, kl: s, ch: s }
    }

    /// The source of one field.
    #[must_use]
    pub const fn get(&self, field: Field) -> Source {
        match field {
            Field::Mk => self.mk,
            Field::Mkd => self.mkd,
            Field::Tile => self.tile,
            Field::Ctile => self.ctile,
            Field::Use2ce => self.use_2ce,
            Field::Wg => self.wg,
            Field::Kl => self.kl,
            Field::Ch => self.ch,
        }
    }

    /// Says where one field came from.
    pub const fn set(&mut self, field: Field, source: Source) {
        match field {
            Field::Mk => self.mk = source,
            Field::Mkd => self.mkd = source,
            Field::Tile => self.tile = source,
            Field::Ctile => self.ctile = source,
            Field::Use2ce => self.use_2ce = source,
            Field::Wg => self.wg = source,
            Field::Kl => self.kl = source,
            Field::Ch => self.ch = source,
        }
    }
}

/// The best candidate of another merge kind, and its predicted time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunnerUp {
    /// Its merge kind.
    pub mk: MergeKind,
    /// Predicted time in microseconds.
    pub predicted_us: f64,
}

/// A decision for one problem on one device. Plain data: it can be stored, sent, and written by
/// hand ([`RankPlan::by_hand`]); executors obey it and choose nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankPlan {
    /// What it is for. May be impossible (k beyond the columns): executors refuse that.
    pub problem: Problem,
    /// The device it is for.
    pub caps: DeviceCaps,
    /// How the kernel is configured.
    pub choice: Choice,
    /// Where each field of the choice came from.
    pub sources: Sources,
    /// Predicted time in microseconds, if a model knows this backend.
    pub predicted_us: Option<f64>,
    /// What would have been next best.
    pub runner_up: Option<RunnerUp>,
    /// Diagnostics of the planning; empty when there was nothing to say.
    pub notes: Vec<String>,
}

impl RankPlan {
    /// A plan with the caller's choice.
    #[must_use]
    pub const fn by_hand(problem: Problem, caps: DeviceCaps, choice: Choice) -> Self {
        Self {
            problem,
            caps,
            choice,
            sources: Sources::all(Source::Caller),
            predicted_us: None,
            runner_up: None,
            notes: Vec::new(),
        }
    }
}

impl fmt::Display for RankPlan {
    /// One line: the problem, the choice, and why it was made.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}: {}", self.problem, self.caps, self.choice)?;
        match (self.predicted_us, self.sources.mk) {
            (Some(us), _) => {
                write!(f, "; predicted {us:.1} us")?;
                if let Some(r) = self.runner_up {
                    write!(f, ", next best {} {:.1} us", r.mk, r.predicted_us)?;
                }
            }
            (None, Source::Caller) => f.write_str("; chosen by the caller")?,
            (None, _) => f.write_str("; a safe choice, nothing is predicted for this device")?,
        }
        for note in &self.notes {
            write!(f, "; note: {note}")?;
        }
        Ok(())
    }
}

/// A decision for a compaction. `use_2ce` and `ctile` of the choice are what matters: see
/// the crate `st-kernels`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CompactPlan {
    /// What it is for.
    pub problem: CompactProblem,
    /// The device it is for.
    pub caps: DeviceCaps,
    /// How the kernel is configured.
    pub choice: Choice,
}
