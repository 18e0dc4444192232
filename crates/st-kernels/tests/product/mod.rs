//! The full product of what a stage's source depends on.

use st_kernels::wgsl::{Compaction, Permutation, Stage};

/// The flags that matter to a stage's source.
fn flags(stage: Stage) -> &'static [fn(&mut Permutation)] {
    match stage {
        Stage::Warp => &[|p| p.two = true, |p| p.network = true],
        Stage::Radix => &[|p| p.two = true, |p| p.resident = true, |p| p.range = true],
        Stage::Filter => &[
            |p| p.two = true,
            |p| p.resident = true,
            |p| p.refine = true,
            |p| p.vectors += 64,
            |p| p.dense = true,
            |p| p.keyed = true,
        ],
        Stage::Merge | Stage::Settle => &[|p| p.range = true],
        Stage::Compact => {
            &[|p| p.compaction = Compaction::Count, |p| p.compaction = Compaction::Apply]
        }
        Stage::GroupRank | Stage::GroupNetwork => {
            &[|p| p.full = true, |p| p.kl = 8, |p| p.partial = 4]
        }
        Stage::Range
        | Stage::Coarse
        | Stage::Fine
        | Stage::Starts
        | Stage::Scatter
        | Stage::Rank => &[],
        _ => &[|p| p.two = true],
    }
}

/// Whether rows may have lengths of their own that nobody has checked.
const fn has_lengths(stage: Stage) -> bool {
    !matches!(stage, Stage::Compact | Stage::Coarse | Stage::Scatter)
}

/// The full product of what matters to the source, at some sizes.
pub(crate) fn permutations() -> Vec<Permutation> {
    let mut all = Vec::new();
    for stage in Stage::ALL {
        for wg in [64, 96, 256, 1024] {
            for (half, subgroup) in [(false, false), (false, true), (true, false), (true, true)] {
                if subgroup && !stage.uses_subgroups() || stage.needs_subgroups() && !subgroup {
                    continue;
                }
                let flags = flags(stage);
                for set in 0..1u32 << flags.len() {
                    let short = matches!(stage, Stage::GroupRank | Stage::GroupNetwork);
                    let vectors = if short { 4 } else { 2 * wg };
                    let base = Permutation::new(stage, wg);
                    let mut one = Permutation {
                        half,
                        subgroup,
                        cap: 1024,
                        tile: 2 * wg,
                        vectors,
                        sample: 2,
                        each: 2,
                        kl: 4,
                        ..base
                    };
                    flags
                        .iter()
                        .enumerate()
                        .filter(|(i, _)| set >> i & 1 == 1)
                        .for_each(|(_, flag)| flag(&mut one));
                    // Keys go to lists of whole rows that registers do not hold.
                    if one.keyed && (one.two || one.resident) {
                        continue;
                    }
                    // A part in registers is its own sample.
                    if stage == Stage::Filter && one.resident {
                        one.sample = one.vectors.div_ceil(wg);
                    }
                    all.push(one);
                    // Lengths are looked at alike whatever the workgroup.
                    if has_lengths(stage) && wg == 64 && !one.full {
                        all.push(Permutation { ragged: true, ..one });
                    }
                }
            }
        }
    }
    all
}
