//! The WGSL sources, and how a permutation of one is put together.
//!
//! A stage is one file; it imports shared parts by `#import name`, each once, and `#ifdef`,
//! `#ifndef`, `#else` and `#endif` choose lines by the permutation's defines. Sizes are constants put
//! before everything. There are no other directives.

use st_rank::{Choice, DType, DeviceCaps, MergeDetail, MergeKind, Problem};

use crate::gpu;

/// A stage: one file, one entry point `main`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the files say what they do")]
pub enum Stage {
    Bitonic,
    SharedHeap,
    SharedKway,
    SharedBitonic,
    Warp,
    Radix,
    Filter,
    Merge,
    Compact,
}

impl Stage {
    /// Every stage.
    pub const ALL: [Self; 9] = [
        Self::Bitonic,
        Self::SharedHeap,
        Self::SharedKway,
        Self::SharedBitonic,
        Self::Warp,
        Self::Radix,
        Self::Filter,
        Self::Merge,
        Self::Compact,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bitonic => "bitonic",
            Self::SharedHeap => "shared_heap",
            Self::SharedKway => "shared_kway",
            Self::SharedBitonic => "shared_bitonic",
            Self::Warp => "warp",
            Self::Radix => "radix",
            Self::Filter => "filter",
            Self::Merge => "merge",
            Self::Compact => "compact",
        }
    }

    /// Whether it sums over a workgroup or a subgroup, which subgroup operations make faster.
    #[must_use]
    pub const fn sums(self) -> bool {
        matches!(self, Self::SharedKway | Self::Warp | Self::Radix | Self::Merge | Self::Compact)
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Bitonic => include_str!("../wgsl/bitonic.wgsl"),
            Self::SharedHeap => include_str!("../wgsl/shared_heap.wgsl"),
            Self::SharedKway => include_str!("../wgsl/shared_kway.wgsl"),
            Self::SharedBitonic => include_str!("../wgsl/shared_bitonic.wgsl"),
            Self::Warp => include_str!("../wgsl/warp.wgsl"),
            Self::Radix => include_str!("../wgsl/radix.wgsl"),
            Self::Filter => include_str!("../wgsl/filter.wgsl"),
            Self::Merge => include_str!("../wgsl/merge.wgsl"),
            Self::Compact => include_str!("../wgsl/compact.wgsl"),
        }
    }
}

/// What a compaction's dispatch does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Compaction {
    /// Pairs and counts in one command.
    #[default]
    Whole,
    /// Counts alone.
    Count,
    /// Pairs, where the counts before them end.
    Apply,
}

/// One permutation of a stage: all that its source and its pipeline depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Permutation {
    /// The file.
    pub stage: Stage,
    /// Elements of 16 bits.
    pub half: bool,
    /// With subgroup operations.
    pub subgroup: bool,
    /// The first of two commands: it leaves lists.
    pub two: bool,
    /// Threads of a workgroup.
    pub wg: u32,
    /// Entries of the list in shared memory.
    pub cap: u32,
    /// Columns swept for each tile.
    pub tile: u32,
    /// Columns of a compaction tile for each thread.
    pub each: u32,
    /// Candidates a lane keeps.
    pub kl: u32,
    /// The warp kernel's network instead of taking off one by one.
    pub network: bool,
    /// What a compaction does.
    pub compaction: Compaction,
}

impl Permutation {
    /// A permutation with nothing but its workgroup.
    #[must_use]
    pub const fn new(stage: Stage, wg: u32) -> Self {
        Self {
            stage,
            half: false,
            subgroup: false,
            two: false,
            wg,
            cap: 2,
            tile: wg,
            each: 1,
            kl: 1,
            network: false,
            compaction: Compaction::Whole,
        }
    }

    /// The first command of a choice.
    #[must_use]
    pub fn first(choice: &Choice, problem: &Problem, caps: &DeviceCaps) -> Self {
        let stage = match (choice.mk, choice.mkd) {
            (MergeKind::Bitonic, _) => Stage::Bitonic,
            (MergeKind::Shared, MergeDetail::Kway) => Stage::SharedKway,
            (MergeKind::Shared, MergeDetail::Bitonic) => Stage::SharedBitonic,
            (MergeKind::Shared, _) => Stage::SharedHeap,
            (MergeKind::Warp, _) => Stage::Warp,
            (MergeKind::Radix, _) => Stage::Radix,
            (MergeKind::Filter, _) => Stage::Filter,
        };
        let cap = gpu::list_entries(choice, problem, caps).max(2);
        let base = Self {
            half: is_half(problem.dtype),
            subgroup: caps.subgroups && stage.sums(),
            two: choice.use_2ce,
            cap: u32::try_from(cap).unwrap_or(u32::MAX),
            ..Self::new(stage, choice.wg)
        };
        // Constants that a stage does not use stay as they are, so that permutations are few.
        match stage {
            Stage::Radix => Self { each: each(choice), ..base },
            Stage::SharedKway => {
                Self { tile: choice.tile, kl: choice.kl, each: each(choice), ..base }
            }
            Stage::Warp => Self {
                tile: choice.tile,
                kl: choice.kl,
                network: choice.mkd == MergeDetail::WarpBitonic,
                ..base
            },
            Stage::Bitonic => base,
            _ => Self { tile: choice.tile, ..base },
        }
    }

    /// The second command of a choice.
    #[must_use]
    pub fn second(choice: &Choice, problem: &Problem, caps: &DeviceCaps) -> Self {
        let cap = gpu::radix_entries(choice.wg, problem, caps).max(2);
        Self {
            half: is_half(problem.dtype),
            subgroup: caps.subgroups,
            cap: u32::try_from(cap).unwrap_or(u32::MAX),
            each: each(choice),
            ..Self::new(Stage::Merge, choice.wg)
        }
    }

    /// A compaction with tiles of `ctile` columns.
    #[must_use]
    pub fn compaction(choice: &Choice, dtype: DType, caps: &DeviceCaps, what: Compaction) -> Self {
        Self {
            half: is_half(dtype),
            subgroup: caps.subgroups,
            each: each(choice),
            compaction: what,
            ..Self::new(Stage::Compact, choice.wg)
        }
    }

    /// The WGSL source. `web` adds what browsers want said and naga does not know.
    #[must_use]
    pub fn source(&self, web: bool) -> String {
        let mut out = String::new();
        if web && self.subgroup {
            out.push_str("enable subgroups;\n");
        }
        let passes = if self.half { 2 } else { 4 };
        let bins = gpu::DIGITS.div_ceil(self.wg);
        for (name, value) in [
            ("WG", self.wg),
            ("CAP", self.cap),
            ("ROOM", self.cap),
            ("TILE", self.tile),
            ("EACH", self.each),
            ("KL", self.kl),
            ("PASSES", passes),
            ("BINS", bins),
            // No subgroup has fewer than four lanes.
            ("SUBGROUPS", self.wg.div_ceil(4)),
        ] {
            out.push_str(&format!("const {name}: u32 = {value}u;\n"));
        }
        let mut defines = Vec::new();
        for (name, on) in [
            ("HALF", self.half),
            ("SUBGROUP", self.subgroup),
            ("TWO", self.two),
            ("NETWORK", self.network),
            ("FROM_LIST", self.stage == Stage::Merge),
            ("COUNT", self.compaction == Compaction::Count),
            ("APPLY", self.compaction == Compaction::Apply),
        ] {
            if on {
                defines.push(name);
            }
        }
        let mut imported = Vec::new();
        expand(self.stage.text(), &defines, &mut imported, &mut out);
        out
    }
}

fn is_half(dtype: DType) -> bool {
    dtype.size() == 2
}

/// Columns of a compaction tile for each thread; two counts of a tile must fit one word.
fn each(choice: &Choice) -> u32 {
    (choice.ctile / choice.wg).clamp(1, (1 << 15) / choice.wg.max(1)).max(1)
}

fn shared(name: &str) -> Option<&'static str> {
    Some(match name {
        "params" => include_str!("../wgsl/shared/params.wgsl"),
        "keys" => include_str!("../wgsl/shared/keys.wgsl"),
        "scan" => include_str!("../wgsl/shared/scan.wgsl"),
        "sort" => include_str!("../wgsl/shared/sort.wgsl"),
        "output" => include_str!("../wgsl/shared/output.wgsl"),
        "finish" => include_str!("../wgsl/shared/finish.wgsl"),
        "radix" => include_str!("../wgsl/shared/radix.wgsl"),
        "collected" => include_str!("../wgsl/shared/collected.wgsl"),
        "sweep" => include_str!("../wgsl/shared/sweep.wgsl"),
        "part_run" => include_str!("../wgsl/shared/part_run.wgsl"),
        "main" => include_str!("../wgsl/shared/main.wgsl"),
        _ => return None,
    })
}

/// Appends a text with its imports and the lines that the defines choose. Directives that make no
/// sense become comments that no compiler accepts, so that the tests over all permutations find
/// them.
fn expand(text: &str, defines: &[&str], imported: &mut Vec<String>, out: &mut String) {
    // For each open condition: whether its lines count.
    let mut open: Vec<bool> = Vec::new();
    for line in text.lines() {
        let (word, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        let all_on = open.iter().all(|&on| on);
        match word {
            "#ifdef" => open.push(defines.contains(&rest.trim())),
            "#ifndef" => open.push(!defines.contains(&rest.trim())),
            "#else" => match open.last_mut() {
                Some(on) => *on = !*on,
                None => out.push_str("#else without #ifdef\n"),
            },
            "#endif" if open.pop().is_none() => out.push_str("#endif without #ifdef\n"),
            "#endif" => {}
            "#import" if all_on => {
                let name = rest.trim();
                if imported.iter().any(|known| known == name) {
                    continue;
                }
                imported.push(name.to_owned());
                match shared(name) {
                    Some(text) => expand(text, defines, imported, out),
                    None => out.push_str(&format!("#import of {name}, which is not there\n")),
                }
            }
            "#import" => {}
            _ if all_on => {
                out.push_str(line);
                out.push('\n');
            }
            _ => {}
        }
    }
    if !open.is_empty() {
        out.push_str("#ifdef without #endif\n");
    }
}
