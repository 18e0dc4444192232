//! One record of a table.

use std::cmp::Ordering;

use st_rank::{Choice, DType, DeviceCaps, Field, MergeDetail, MergeKind, Problem, RankKind};

/// A choice of which some fields are given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of Choice")]
pub struct Partial {
    pub mk: Option<MergeKind>,
    pub mkd: Option<MergeDetail>,
    pub tile: Option<u32>,
    pub ctile: Option<u32>,
    pub use_2ce: Option<bool>,
    pub wg: Option<u32>,
    pub kl: Option<u32>,
    pub ch: Option<u32>,
}

impl Partial {
    /// Nothing is given.
    pub const NONE: Self = Self {
        mk: None,
        mkd: None,
        tile: None,
        ctile: None,
        use_2ce: None,
        wg: None,
        kl: None,
        ch: None,
    };

    /// A field as a number, as [`Choice::get`] has it.
    #[must_use]
    pub fn get(&self, field: Field) -> Option<u32> {
        match field {
            Field::Mk => self.mk.map(|mk| mk.code().into()),
            Field::Mkd => self.mkd.map(|mkd| mkd.code().into()),
            Field::Tile => self.tile,
            Field::Ctile => self.ctile,
            Field::Use2ce => self.use_2ce.map(u32::from),
            Field::Wg => self.wg,
            Field::Kl => self.kl,
            Field::Ch => self.ch,
        }
    }

    /// Whether a choice has all that is given.
    #[must_use]
    pub fn is_of(&self, choice: &Choice) -> bool {
        Field::ALL.iter().all(|&f| self.get(f).is_none_or(|value| choice.get(f) == value))
    }

    /// The choice, if all of it is given.
    #[must_use]
    pub fn whole(&self) -> Option<Choice> {
        Some(Choice {
            mk: self.mk?,
            mkd: self.mkd?,
            tile: self.tile?,
            ctile: self.ctile?,
            use_2ce: self.use_2ce?,
            wg: self.wg?,
            kl: self.kl?,
            ch: self.ch?,
        })
    }

    /// The whole choice, what is not given being usual: the merge kind's own detail, half a tile
    /// (if it is 1024 or more) for compaction, one command, a workgroup of 256, enough candidates
    /// for lanes of 32, rows not split. The planner does better: it completes a record by its
    /// model, for the device at hand.
    #[must_use]
    pub fn complete(&self, k: u32) -> Choice {
        let caps = DeviceCaps::wgpu(32, true, 256);
        let mk = self.mk.unwrap_or(MergeKind::Bitonic);
        let usual = st_kernels::gpu::details(mk)[0];
        let tile = self.tile.unwrap_or(256);
        Choice {
            mk,
            mkd: self.mkd.unwrap_or(usual),
            tile,
            ctile: self.ctile.unwrap_or(if tile >= 1024 { tile / 2 } else { tile }),
            use_2ce: self.use_2ce.unwrap_or(false),
            wg: self.wg.unwrap_or(256),
            kl: self.kl.unwrap_or_else(|| caps.preferred_k_loop(k as usize)),
            ch: self.ch.unwrap_or(0),
        }
    }
}

impl From<Choice> for Partial {
    fn from(choice: Choice) -> Self {
        let Choice { mk, mkd, tile, ctile, use_2ce, wg, kl, ch } = choice;
        Self {
            mk: Some(mk),
            mkd: Some(mkd),
            tile: Some(tile),
            ctile: Some(ctile),
            use_2ce: Some(use_2ce),
            wg: Some(wg),
            kl: Some(kl),
            ch: Some(ch),
        }
    }
}

/// What was found best for a bucket of shapes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Record {
    /// Rows it was measured with.
    pub rows: u32,
    /// Least columns it is for.
    pub cols_min: u32,
    /// Most columns it is for.
    pub cols_max: u32,
    /// Greatest k it is for.
    pub k_max: u32,
    /// With subgroups, without, or either.
    pub sg: Option<bool>,
    /// Kind it is for, by name.
    pub kind: &'static str,
    /// Element type it is for.
    pub dtype: DType,
    /// The choice, or what is known of it.
    pub choice: Partial,
    /// Columns and k of the measurement.
    pub at: (u32, u32),
    /// Measured time in microseconds.
    pub median_us: Option<f64>,
    /// Distance between the quartiles of the samples, as a share of the median.
    pub spread: Option<f64>,
    /// Samples.
    pub samples: u32,
}

impl Record {
    /// A record of nothing yet, for `TopK` of f32, with subgroups or without, as if measured at
    /// its most columns and greatest k.
    #[must_use]
    pub const fn new(rows: u32, cols_min: u32, cols_max: u32, k_max: u32) -> Self {
        Self {
            rows,
            cols_min,
            cols_max,
            k_max,
            sg: None,
            kind: "topk",
            dtype: DType::F32,
            choice: Partial::NONE,
            at: (cols_max, k_max),
            median_us: None,
            spread: None,
            samples: 0,
        }
    }

    /// The same with or without subgroups.
    #[must_use]
    pub const fn with_sg(mut self, sg: bool) -> Self {
        self.sg = Some(sg);
        self
    }

    /// The same with a choice.
    #[must_use]
    pub const fn with_choice(mut self, choice: Partial) -> Self {
        self.choice = choice;
        self
    }

    /// The same for another kind (by name) and element type.
    #[must_use]
    pub const fn with_kind(mut self, kind: &'static str, dtype: DType) -> Self {
        self.kind = kind;
        self.dtype = dtype;
        self
    }

    /// The same with a measured time, in microseconds, at so many columns and that k.
    #[must_use]
    pub const fn with_time(mut self, median_us: f64, cols: u32, k: u32) -> Self {
        self.median_us = Some(median_us);
        self.at = (cols, k);
        self
    }

    /// Whether it speaks of such a problem, on a device with or without subgroups.
    #[must_use]
    pub fn covers(&self, problem: &Problem, sg: bool) -> bool {
        let Self { cols_min, cols_max, k_max, .. } = *self;
        (cols_min as usize..=cols_max as usize).contains(&problem.cols)
            && problem.k <= k_max as usize
            && self.sg.is_none_or(|own| own == sg)
            && self.kind == problem.kind.name()
            && self.dtype == problem.dtype
    }

    /// Whether another is for the same bucket, measured at the same place, whatever its choice.
    #[must_use]
    pub fn shares_bucket(&self, other: &Self) -> bool {
        self.by_bucket(other).is_eq()
    }

    /// Whether another is about the same choice for the same bucket, measured at the same place.
    #[must_use]
    pub fn is_about(&self, other: &Self) -> bool {
        self.in_order(other).is_eq()
    }

    /// An order of records by what they are about: bucket, place, choice.
    #[must_use]
    pub fn in_order(&self, other: &Self) -> Ordering {
        let fields = |r: &Self| Field::ALL.map(|field| r.choice.get(field));
        self.by_bucket(other).then_with(|| fields(self).cmp(&fields(other)))
    }

    fn by_bucket(&self, other: &Self) -> Ordering {
        let bucket = |r: &Self| {
            (r.kind, r.dtype.name(), r.rows, r.cols_min, r.cols_max, r.k_max, r.sg, r.at)
        };
        bucket(self).cmp(&bucket(other))
    }

    /// The problem that was measured. A range's first rank is not recorded; it counts from the
    /// least.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let kind = match self.kind {
            "bottomk" => RankKind::BottomK,
            "midk" => RankKind::MidK,
            "range" => RankKind::Range { start: 0 },
            _ => RankKind::TopK,
        };
        let (cols, k) = self.at;
        Problem::new(kind, self.rows as usize, cols as usize, k as usize).with_dtype(self.dtype)
    }
}
