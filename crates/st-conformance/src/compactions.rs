//! The settings on which a GPU's compaction depends, as [`permutations`](crate::permutations) has
//! those of selections.

use st_rank::{Choice, CompactProblem, DeviceCaps, Input, Lengths, MergeDetail, MergeKind};

use crate::cover::{self, Row};
use crate::layouts::winner;
use crate::pattern::Pattern;
use crate::permutations::{TYPES, WORKGROUPS};
use crate::rng::Rng;
use crate::value::Value;

/// Two commands or one, type, subgroups, workgroup, columns for each thread, lengths, pattern.
const FACTORS: usize = 7;
const LEVELS: [usize; FACTORS] =
    [2, TYPES.len(), 2, WORKGROUPS.len(), COLUMNS.len(), 2, Pattern::ALL.len()];

/// Columns of a tile, for each thread: one, several; and a tile that is no multiple of threads.
const COLUMNS: [u32; 3] = [2, 8, 11];

/// One test.
#[derive(Clone, Copy, Debug)]
pub struct Compaction {
    /// With subgroup operations.
    pub subgroups: bool,
    /// The choice to be forced.
    pub choice: Choice,
    /// The question.
    pub problem: CompactProblem,
    /// What the data looks like.
    pub pattern: Pattern,
    /// What its random numbers come from.
    pub seed: u64,
}

/// A covering set for a device.
#[must_use]
pub fn covering(caps: &DeviceCaps) -> Vec<Compaction> {
    let count: usize = LEVELS.iter().product();
    let row = |mut n: usize| {
        LEVELS.map(|levels| {
            let level = n % levels;
            n /= levels;
            level as u8
        })
    };
    let possible: Vec<Row<FACTORS>> =
        (0..count).map(row).filter(|row| setting(row, caps).is_some()).collect();
    // As few kernels as will do first, each with as many patterns as it takes then.
    let one_pattern: Vec<Row<FACTORS>> =
        possible.iter().copied().filter(|row| row[FACTORS - 1] == 0).collect();
    let few: Vec<&Row<FACTORS>> =
        cover::cover(&LEVELS, &one_pattern).into_iter().map(|i| &one_pattern[i]).collect();
    let of_few =
        |row: &Row<FACTORS>| few.iter().any(|few| few[..FACTORS - 1] == row[..FACTORS - 1]);
    let wide: Vec<Row<FACTORS>> = possible.into_iter().filter(of_few).collect();
    let rows = cover::cover(&LEVELS, &wide).into_iter().map(|i| &wide[i]);
    rows.filter_map(|row| setting(row, caps)).collect()
}

fn setting(row: &Row<FACTORS>, caps: &DeviceCaps) -> Option<Compaction> {
    let level = row.map(usize::from);
    let [two, dtype, subgroups, wg, columns, ragged, pattern] = level;
    let (wg, columns, subgroups) = (WORKGROUPS[wg], COLUMNS[columns], subgroups == 1);
    if subgroups && !caps.subgroups {
        return None;
    }
    let choice = Choice {
        mk: MergeKind::Filter,
        mkd: MergeDetail::Auto,
        tile: wg,
        ctile: columns * wg / 2,
        use_2ce: two == 1,
        wg,
        kl: 1,
        ch: 0,
    };
    let caps = caps.with_subgroup(caps.lane, subgroups);
    st_kernels::gpu::check_compact(&choice, &caps).ok()?;
    let cols = 2 * choice.ctile as usize + 37;
    let problem = CompactProblem {
        rows: 5,
        cols,
        dtype: TYPES[dtype],
        row_stride: cols + ragged,
        lengths: if ragged == 1 { Lengths::Ragged } else { Lengths::Full },
    };
    let seed = Rng::new(level.iter().fold(1, |n, &level| 32 * n + level as u64)).bits();
    Some(Compaction { subgroups, choice, problem, pattern: Pattern::ALL[pattern], seed })
}

/// A test's input and bounds.
#[derive(Clone, Debug)]
pub struct Data<T> {
    values: Vec<T>,
    lengths: Option<Vec<u32>>,
    /// What is kept: from here
    pub lo: T,
    /// to here.
    pub hi: T,
}

impl<T: Value> Data<T> {
    /// For the test, by its seed.
    #[must_use]
    pub fn new(setting: &Compaction) -> Self {
        let CompactProblem { rows, cols, row_stride, lengths, .. } = setting.problem;
        let mut rng = Rng::new(setting.seed);
        let of_rows: Vec<u32> = (0..rows)
            .map(|row| match row % 3 {
                _ if !lengths.is_ragged() => cols as u32,
                0 => rng.below(cols + 1) as u32,
                1 => cols as u32,
                _ => 0,
            })
            .collect();
        let mut values: Vec<T> = (0..rows * row_stride).map(winner).collect();
        for (row, &n) in of_rows.iter().enumerate() {
            let own = setting.pattern.matrix::<T>(1, n as usize, &mut rng);
            values[row * row_stride..][..n as usize].copy_from_slice(&own);
        }
        let (lo, hi) = (values[rng.below(cols)], values[rng.below(cols)]);
        let greater = lo.is_nan() || !hi.is_nan() && lo.compare(hi).is_gt();
        let (lo, hi) = if greater { (hi, lo) } else { (lo, hi) };
        Self { values, lengths: lengths.is_ragged().then_some(of_rows), lo, hi }
    }

    /// As executors take it.
    #[must_use]
    pub fn input(&self) -> Input<'_, T> {
        Input { values: &self.values, lengths: self.lengths.as_deref() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_commands_and_all_types_and_workgroups_are_there() {
        let caps = DeviceCaps::wgpu(8, true, 1024);
        let all = covering(&caps);
        assert!(all.len() < 120, "{}", all.len());
        for dtype in TYPES {
            for wg in WORKGROUPS {
                assert!(all.iter().any(|c| c.problem.dtype == dtype && c.choice.wg == wg));
            }
            for (two, subgroups) in [(false, false), (false, true), (true, false), (true, true)] {
                let has = |c: &&Compaction| c.choice.use_2ce == two && c.subgroups == subgroups;
                assert!(all.iter().any(|c| has(&c)));
            }
        }
    }
}
