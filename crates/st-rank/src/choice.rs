//! How a kernel is configured: one record for every backend.

use core::fmt;

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($(#[$m:meta])* $name:ident { $($(#[$vm:meta])* $v:ident = $code:literal, $text:literal;)* }) => {
        $(#[$m])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(into = "u8", try_from = "u8")]
        pub enum $name { $($(#[$vm])* $v = $code,)* }

        impl $name {
            /// Every value, by ascending code.
            pub const ALL: &'static [Self] = &[$(Self::$v,)*];

            /// The code used in rules, tables and JSON.
            #[must_use]
            pub const fn code(self) -> u8 { self as u8 }

            /// The name used in explanations.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$v => $text,)* }
            }
        }

        impl From<$name> for u8 {
            fn from(x: $name) -> u8 { x.code() }
        }

        impl TryFrom<u8> for $name {
            type Error = String;
            fn try_from(code: u8) -> Result<Self, String> {
                match code {
                    $($code => Ok(Self::$v),)*
                    _ => Err(format!(
                        "{code} is no {}: use one of {}",
                        stringify!($name),
                        [$(concat!(stringify!($code), " (", $text, ")"),)*].join(", "),
                    )),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(self.name()) }
        }
    };
}

codes! {
    /// The merge kind `mk`: which family of kernel.
    MergeKind {
        /// Sorting networks.
        Bitonic = 0, "bitonic";
        /// Memory shared by a workgroup.
        Shared = 1, "shared";
        /// Lanes of a subgroup, or of a vector.
        Warp = 2, "warp";
        /// Histogram passes.
        Radix = 3, "radix";
        /// A read-once stream against a running threshold.
        Filter = 4, "filter";
    }
}

codes! {
    /// The sub-strategy `mkd` within a merge kind.
    MergeDetail {
        /// Left to the kernel.
        Auto = 0, "auto";
        /// A bounded heap.
        Heap = 1, "heap";
        /// A k-way merge of sorted runs.
        Kway = 2, "kway";
        /// A bitonic network.
        Bitonic = 3, "bitonic";
        /// A heap for each lane.
        WarpHeap = 4, "warp_heap";
        /// A bitonic network across lanes.
        WarpBitonic = 5, "warp_bitonic";
        /// Several short rows for each subgroup, candidates put where counting says.
        GroupRank = 6, "group_rank";
        /// Several short rows for each subgroup, candidates ordered by a network in registers.
        GroupNetwork = 7, "group_network";
    }
}

/// The decision. What each field means on a backend, and which choices its kernels can run, is said
/// in the crate `st-kernels`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Choice {
    /// Merge kind.
    pub mk: MergeKind,
    /// Sub-strategy.
    pub mkd: MergeDetail,
    /// Columns swept for each tile.
    pub tile: u32,
    /// Columns for each compaction tile.
    pub ctile: u32,
    /// Two compute commands (candidates then merge, or scan then apply) instead of one.
    pub use_2ce: bool,
    /// Threads of a workgroup; on the CPU, threads.
    pub wg: u32,
    /// Candidates a lane keeps.
    pub kl: u32,
    /// Columns of a part of a long row that is split over workgroups; 0: rows are not split.
    pub ch: u32,
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "mk={} mkd={} tile={} ctile={} use_2ce={} wg={} kl={} ch={}",
            self.mk, self.mkd, self.tile, self.ctile, self.use_2ce, self.wg, self.kl, self.ch
        )
    }
}

/// A field of a [`Choice`], so that rules, tables and solvers can speak of fields as data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
#[allow(missing_docs, reason = "the fields are those of Choice")]
pub enum Field {
    Mk,
    Mkd,
    Tile,
    Ctile,
    Use2ce,
    Wg,
    Kl,
    Ch,
}

impl Field {
    /// Every field, in the order of [`Choice`].
    pub const ALL: [Self; 8] =
        [Self::Mk, Self::Mkd, Self::Tile, Self::Ctile, Self::Use2ce, Self::Wg, Self::Kl, Self::Ch];

    /// The name in rules, tables and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mk => "mk",
            Self::Mkd => "mkd",
            Self::Tile => "tile",
            Self::Ctile => "ctile",
            Self::Use2ce => "use_2ce",
            Self::Wg => "wg",
            Self::Kl => "kl",
            Self::Ch => "ch",
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Fields(u8);

impl Fields {
    /// No field.
    pub const NONE: Self = Self(0);
    /// Every field.
    pub const ALL: Self = Self(u8::MAX);

    /// The set of these.
    #[must_use]
    pub const fn of(fields: &[Field]) -> Self {
        let mut bits = 0;
        let mut i = 0;
        while i < fields.len() {
            bits |= 1 << fields[i] as u8;
            i += 1;
        }
        Self(bits)
    }

    /// The set with one more.
    #[must_use]
    pub const fn with(self, field: Field) -> Self {
        Self(self.0 | 1 << field as u8)
    }

    /// Whether the field is in the set.
    #[must_use]
    pub const fn has(self, field: Field) -> bool {
        self.0 >> field as u8 & 1 == 1
    }
}

impl Choice {
    /// A field as a number: codes for `mk` and `mkd`, 0 or 1 for `use_2ce`.
    #[must_use]
    pub const fn get(&self, field: Field) -> u32 {
        match field {
            Field::Mk => self.mk.code() as u32,
            Field::Mkd => self.mkd.code() as u32,
            Field::Tile => self.tile,
            Field::Ctile => self.ctile,
            Field::Use2ce => self.use_2ce as u32,
            Field::Wg => self.wg,
            Field::Kl => self.kl,
            Field::Ch => self.ch,
        }
    }

    /// The same with a field set from a number. `None` for a number that is no code of the field.
    #[must_use]
    pub fn with(mut self, field: Field, value: u32) -> Option<Self> {
        match field {
            Field::Mk => self.mk = MergeKind::try_from(u8::try_from(value).ok()?).ok()?,
            Field::Mkd => self.mkd = MergeDetail::try_from(u8::try_from(value).ok()?).ok()?,
            Field::Use2ce if value > 1 => return None,
            Field::Use2ce => self.use_2ce = value == 1,
            Field::Tile => self.tile = value,
            Field::Ctile => self.ctile = value,
            Field::Wg => self.wg = value,
            Field::Kl => self.kl = value,
            Field::Ch => self.ch = value,
        }
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_the_contracts_and_travel_as_numbers() {
        let codes: Vec<u8> = MergeKind::ALL.iter().map(|m| m.code()).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4]);
        assert_eq!(MergeDetail::WarpBitonic.code(), 5);
        assert_eq!(MergeDetail::GroupNetwork.code(), 7);
        let choice = Choice {
            mk: MergeKind::Filter,
            mkd: MergeDetail::Auto,
            tile: 256,
            ctile: 4096,
            use_2ce: false,
            wg: 2,
            kl: 4,
            ch: 0,
        };
        let json = serde_json::to_string(&choice).unwrap();
        assert_eq!(
            json,
            r#"{"mk":4,"mkd":0,"tile":256,"ctile":4096,"use_2ce":false,"wg":2,"kl":4,"ch":0}"#
        );
        assert_eq!(serde_json::from_str::<Choice>(&json).unwrap(), choice);
        for field in Field::ALL {
            assert_eq!(choice.with(field, choice.get(field)), Some(choice));
        }
        assert_eq!(choice.with(Field::Mk, 9), None);
        assert_eq!(choice.with(Field::Use2ce, 2), None);
        assert_eq!(choice.with(Field::Mkd, 256), None, "not cut to a code");
        let set = Fields::of(&[Field::Mk, Field::Ch]);
        assert!(set.has(Field::Ch) && !set.has(Field::Kl) && set.with(Field::Kl).has(Field::Kl));
        let bad = serde_json::from_str::<Choice>(&json.replace("\"mk\":4", "\"mk\":9"));
        assert!(bad.unwrap_err().to_string().contains("4 (filter)"));
    }
}
