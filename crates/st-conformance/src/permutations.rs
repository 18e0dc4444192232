//! The settings on which a GPU kernel's permutation and its way through the code depend, as the
//! factors of a covering array: see [`cover`].
//!
//! What is here is for any GPU backend: sizes follow from the device's. A combination that
//! `st_kernels::check` refuses, or that would be another one over again, is not possible and so not
//! among the pairs.

use st_kernels::gpu;
use st_kernels::wgsl::Permutation;
use st_rank::{
    Choice, DType, DeviceCaps, Lengths, MergeDetail, MergeKind, NanOrder, Problem, RankKind,
};

use crate::cover::{self, Pairs, Row};
use crate::pattern::Pattern;
use crate::rng::Rng;

/// Kernels: kinds with their details.
const KERNELS: [(MergeKind, MergeDetail); 10] = [
    (MergeKind::Bitonic, MergeDetail::Bitonic),
    (MergeKind::Shared, MergeDetail::Heap),
    (MergeKind::Shared, MergeDetail::Kway),
    (MergeKind::Shared, MergeDetail::Bitonic),
    (MergeKind::Warp, MergeDetail::WarpHeap),
    (MergeKind::Warp, MergeDetail::WarpBitonic),
    (MergeKind::Warp, MergeDetail::GroupRank),
    (MergeKind::Warp, MergeDetail::GroupNetwork),
    (MergeKind::Radix, MergeDetail::Auto),
    (MergeKind::Filter, MergeDetail::Auto),
];

/// How a selection is commanded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Commands {
    One,
    Two,
    /// Two, over parts of rows.
    Split,
}

const COMMANDS: [Commands; 3] = [Commands::One, Commands::Two, Commands::Split];
pub(crate) const TYPES: [DType; 5] = [DType::F32, DType::F16, DType::Bf16, DType::I32, DType::U32];
pub(crate) const WORKGROUPS: [u32; 5] = [64, 128, 256, 512, 1024];

/// How a part is cut into tiles.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// One holds it: where the kernel can, it stays in registers.
    One,
    /// One that threads do not share evenly, which the part fills to the last column.
    Exact,
    /// Several, and a rest.
    Several,
    /// Several, which threads do not share evenly.
    Uneven,
}

const STEPS: [Step; 4] = [Step::One, Step::Exact, Step::Several, Step::Uneven];
const KINDS: [RankKind; 4] =
    [RankKind::TopK, RankKind::BottomK, RankKind::MidK, RankKind::Range { start: 5 }];

/// Where rows are and how long.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rows {
    /// Each begins with a vector.
    Aligned,
    /// Each begins anywhere.
    Odd,
    /// With lengths, anywhere.
    Ragged,
    /// With lengths, some less than is wanted or nothing.
    Padded,
}

const ROWS: [Rows; 4] = [Rows::Aligned, Rows::Odd, Rows::Ragged, Rows::Padded];

/// How many are wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    One,
    Few,
    /// More than a workgroup's threads.
    Threads,
    /// All but one.
    Nearly,
    /// More than can be ordered in shared memory.
    Beyond,
}

const WANTED: [Wanted; 5] =
    [Wanted::One, Wanted::Few, Wanted::Threads, Wanted::Nearly, Wanted::Beyond];
const NANS: [NanOrder; 2] = [NanOrder::Greatest, NanOrder::Last];

/// Factors that decide what is possible: kernel, commands, type, subgroups, workgroup, step, kl
/// (least, more), kind, by rank or by index, rows, wanted. They decide the last of them, too: the
/// permutation's flags, of which some need three of the others to meet.
const BOUND: usize = 12;
const BOUND_LEVELS: [usize; BOUND] = [
    KERNELS.len(),
    COMMANDS.len(),
    TYPES.len(),
    2,
    WORKGROUPS.len(),
    STEPS.len(),
    2,
    KINDS.len(),
    2,
    ROWS.len(),
    WANTED.len(),
    FLAGS,
];
const FLAGS: usize = 1 << 6;

/// All factors: those, the order of NaN, the pattern.
pub const FACTORS: usize = BOUND + 2;

/// Their levels.
pub const LEVELS: [usize; FACTORS] = {
    let mut all = [0; FACTORS];
    let mut i = 0;
    while i < BOUND {
        all[i] = BOUND_LEVELS[i];
        i += 1;
    }
    all[BOUND] = NANS.len();
    all[BOUND + 1] = Pattern::ALL.len();
    all
};

/// One test.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// With subgroup operations.
    pub subgroups: bool,
    /// The choice to be forced.
    pub choice: Choice,
    /// The question.
    pub problem: Problem,
    /// What the data looks like.
    pub pattern: Pattern,
    /// What its random numbers come from.
    pub seed: u64,
}

impl core::fmt::Display for Setting {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { subgroups, choice, problem, pattern, seed } = self;
        let with = if *subgroups { "with" } else { "without" };
        let (nan, lengths) = (problem.nan, problem.lengths);
        write!(
            f,
            "{problem}, NaN {nan:?}, rows {lengths:?}, {pattern:?} (seed {seed:#x}), {with} subgroups, {choice}"
        )
    }
}

/// The tests that cover all pairs on a device, and what they cover.
#[derive(Clone, Debug)]
pub struct Covering {
    /// The tests.
    pub settings: Vec<Setting>,
    /// Pairs that they have.
    pub covered: usize,
    /// Pairs that are possible.
    pub possible: usize,
    /// Pairs of any kind.
    pub all: usize,
}

/// Every possible combination of the factors on a device, with the first pattern and order of NaN.
#[must_use]
pub fn product(caps: &DeviceCaps) -> Vec<Setting> {
    possible(caps).iter().filter_map(|row| setting(&with(row, 0, 0), caps)).collect()
}

/// A covering set for a device.
#[must_use]
pub fn covering(caps: &DeviceCaps) -> Covering {
    let bound = possible(caps);
    // First the factors on which permutations depend: each new one costs the driver a compilation.
    // Then the others are distributed over those rows, as often as it takes.
    let few: Vec<Row<BOUND>> =
        cover::cover(&BOUND_LEVELS, &bound).into_iter().map(|i| bound[i]).collect();
    let mut wide = Vec::new();
    for row in &few {
        for nan in 0..NANS.len() as u8 {
            wide.extend((0..Pattern::ALL.len() as u8).map(|pattern| with(row, nan, pattern)));
        }
    }
    let rows: Vec<Row<FACTORS>> =
        cover::cover(&LEVELS, &wide).into_iter().map(|i| wide[i]).collect();
    // Counted from all that is possible, not from what was chosen on the way.
    let mut wanted = Pairs::none(&LEVELS);
    for row in &bound {
        wanted.add(&with(row, 0, 0));
    }
    for &row in &rows_of_each_level(&bound) {
        for nan in 0..NANS.len() as u8 {
            for pattern in 0..Pattern::ALL.len() as u8 {
                wanted.add(&with(row, nan, pattern));
            }
        }
    }
    let all: usize =
        (0..FACTORS).map(|f| (f + 1..FACTORS).map(|g| LEVELS[f] * LEVELS[g]).sum::<usize>()).sum();
    Covering {
        covered: Pairs::of(&LEVELS, &rows).len(),
        possible: wanted.len(),
        all,
        settings: rows.iter().filter_map(|row| setting(row, caps)).collect(),
    }
}

/// Rows that between them have every level that any row has.
fn rows_of_each_level(rows: &[Row<BOUND>]) -> Vec<&Row<BOUND>> {
    let mut some = Vec::new();
    for f in 0..BOUND {
        for level in 0..BOUND_LEVELS[f] as u8 {
            some.extend(rows.iter().find(|row| row[f] == level));
        }
    }
    some
}

fn with(row: &Row<BOUND>, nan: u8, pattern: u8) -> Row<FACTORS> {
    let mut all = [0; FACTORS];
    all[..BOUND].copy_from_slice(row);
    all[BOUND] = nan;
    all[BOUND + 1] = pattern;
    all
}

/// The combinations of the bound factors that a device can run.
fn possible(caps: &DeviceCaps) -> Vec<Row<BOUND>> {
    let free = &BOUND_LEVELS[..BOUND - 1];
    let mut rows = Vec::new();
    for mut n in 0..free.iter().product::<usize>() {
        let mut row = [0; BOUND];
        for (level, levels) in row.iter_mut().zip(free) {
            *level = (n % levels) as u8;
            n /= levels;
        }
        if let Some(setting) = setting(&with(&row, 0, 0), caps) {
            row[BOUND - 1] = flags(&setting, caps);
            rows.push(row);
        }
    }
    rows
}

/// The flags of the first command's permutation.
fn flags(setting: &Setting, caps: &DeviceCaps) -> u8 {
    let Setting { subgroups, choice, problem, .. } = setting;
    let caps = caps.with_subgroup(caps.lane, *subgroups);
    let p = Permutation::first(choice, problem, &caps, gpu::is_aligned(problem));
    let shared_evenly = p.vectors.is_multiple_of(p.wg);
    let flags = [p.two, p.resident, p.refine, p.full, p.range, shared_evenly];
    (0..).zip(flags).map(|(bit, on)| u8::from(on) << bit).sum()
}

/// What a row of levels stands for, if the device can run it and no other row stands for the same.
#[must_use]
pub fn setting(row: &Row<FACTORS>, caps: &DeviceCaps) -> Option<Setting> {
    let level = row.map(usize::from);
    let [
        kernel,
        commands,
        dtype,
        subgroups,
        wg,
        step,
        more,
        kind,
        by_rank,
        rows,
        wanted,
        _,
        nan,
        pattern,
    ] = level;
    let (mk, mkd) = KERNELS[kernel];
    let (commands, step, rows, wanted) =
        (COMMANDS[commands], STEPS[step], ROWS[rows], WANTED[wanted]);
    let (wg, subgroups, more) = (WORKGROUPS[wg], subgroups == 1, more == 1);
    if subgroups && !caps.subgroups || wg > caps.max_workgroup {
        return None;
    }
    let caps = &caps.with_subgroup(caps.lane, subgroups);
    let dtype = TYPES[dtype];
    let problem = Problem::new(RankKind::TopK, 3, 0, 1)
        .with_dtype(dtype)
        .with_nan(NANS[nan])
        .with_sorted(by_rank == 0);
    let tile = tile(mk, wg, step, caps);
    let mut choice =
        Choice { mk, mkd, tile, ctile: tile, use_2ce: commands != Commands::One, wg, kl: 1, ch: 0 };

    // Columns: of a part first.
    let grouped = gpu::is_grouped(mk, mkd);
    let part = match (grouped, step) {
        (true, Step::One) => 128,
        (true, Step::Exact) => 256,
        (true, Step::Several) => 203,
        (true, Step::Uneven) => 77,
        (false, Step::One) => tile as usize - 13,
        (false, Step::Exact) => tile as usize,
        (false, _) => 2 * tile as usize + 101,
    };
    let mut cols = part;
    if commands == Commands::Split {
        // A part is whole lanes, and the last is shorter.
        choice.ch =
            if step == Step::One { tile } else { (part as u32).next_multiple_of(caps.lane) };
        cols = 2 * choice.ch as usize + part;
    }
    let k = match wanted {
        Wanted::One => 1,
        Wanted::Few => 7,
        Wanted::Threads => wg as usize + 37,
        Wanted::Nearly => cols - 1,
        Wanted::Beyond => beyond(&choice, &problem, caps),
    };
    if wanted == Wanted::Beyond {
        cols = match commands {
            // So many parts that few of their candidates are among those wanted.
            Commands::Split => cols.max(17 * k),
            _ => cols.max(k + 501),
        };
        if matches!(step, Step::One | Step::Exact)
            && commands != Commands::Split
            && cols > tile as usize
        {
            return None;
        }
    }
    if k > cols || wanted == Wanted::Threads && k >= cols - 1 {
        return None;
    }
    let kind = match KINDS[kind] {
        RankKind::Range { start } => RankKind::Range { start: start.min(cols - k) },
        other => other,
    };
    let stride = match rows {
        Rows::Aligned | Rows::Padded => cols.next_multiple_of(8),
        Rows::Odd | Rows::Ragged => cols + 1 + cols % 2,
    };
    let lengths = match rows {
        Rows::Aligned | Rows::Odd => Lengths::Full,
        Rows::Ragged => Lengths::Ragged,
        Rows::Padded => Lengths::Padded,
    };
    // More rows than a workgroup has, where it has several.
    let count = match mk {
        MergeKind::Warp if grouped => wg as usize / gpu::GROUP as usize + 37,
        MergeKind::Warp => 21,
        _ => 3,
    };
    let problem = Problem { kind, rows: count, cols, k, row_stride: stride, lengths, ..problem };
    choice.kl = kl(&choice, &problem, caps, more)?;
    problem.check().ok()?;
    st_kernels::check(&choice, &problem, caps).ok()?;
    let seed = Rng::new(
        level.iter().fold(0u64, |n, &level| n.wrapping_mul(37).wrapping_add(level as u64)),
    )
    .bits();
    Some(Setting { subgroups, choice, problem, pattern: Pattern::ALL[pattern], seed })
}

/// A tile, also for the kernels that call it a compaction tile.
fn tile(mk: MergeKind, wg: u32, step: Step, caps: &DeviceCaps) -> u32 {
    match (mk, step) {
        // A software driver ends a loop after 65,535 rounds: a lane of the warp kernel, which may
        // read its part again for every rank, has few columns.
        (MergeKind::Warp, Step::One) => 512,
        (MergeKind::Warp, Step::Several) => 256,
        (MergeKind::Warp, _) => 256 + caps.lane,
        // A tile beside what is kept must fit shared memory.
        (MergeKind::Shared, Step::Uneven | Step::Exact) => {
            wg + (wg / 2).next_multiple_of(caps.lane) + caps.lane
        }
        (MergeKind::Shared, _) => wg,
        (_, Step::One) => 8 * wg,
        (_, Step::Several) => 4 * wg,
        (_, Step::Uneven | Step::Exact) => 6 * wg + caps.lane.max(8),
    }
}

/// The first k of which the second command orders candidates in device memory, and which one
/// command cannot order in shared memory.
fn beyond(choice: &Choice, problem: &Problem, caps: &DeviceCaps) -> usize {
    let of = |k: usize| Problem { cols: 2 * k, k, ..*problem };
    let two = Choice { use_2ce: true, ..*choice };
    let fits = |k: &usize| gpu::merges_in_memory(&two, &of(*k), caps);
    (10..).map(|bits| (1usize << bits) + 52).find(fits).unwrap_or(1)
}

/// The least that a lane or thread can keep, or twice that, where the kernel keeps so many.
fn kl(choice: &Choice, problem: &Problem, caps: &DeviceCaps, more: bool) -> Option<u32> {
    if !gpu::uses(choice.mk, choice.mkd).has(st_rank::Field::Kl) {
        return if more { None } else { Some(1) };
    }
    let b = gpu::kept(choice, problem);
    let (wg, lane) = (u64::from(choice.wg), u64::from(caps.lane));
    let least = match (choice.mk, choice.mkd) {
        (_, MergeDetail::GroupRank) => b.div_ceil(gpu::GROUP.into()),
        (_, MergeDetail::GroupNetwork) => 4,
        (MergeKind::Warp, _) => b.div_ceil(lane),
        (MergeKind::Filter, _) if !gpu::merges_in_memory(choice, problem, caps) => {
            (b + wg).div_ceil(wg)
        }
        _ => b.div_ceil(wg),
    };
    let least = u32::try_from(least.next_power_of_two()).ok()?;
    Some(if more { 2 * least } else { least })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn devices() -> [DeviceCaps; 3] {
        [
            DeviceCaps::wgpu(8, true, 1024).with_shared_mem(32 << 10),
            DeviceCaps::wgpu(32, true, 1024).with_shared_mem(48 << 10),
            DeviceCaps::wgpu(32, false, 256),
        ]
    }

    #[test]
    fn every_possible_pair_is_covered_on_devices_of_all_sizes() {
        for caps in devices() {
            let found = covering(&caps);
            assert_eq!(found.covered, found.possible);
            assert!(found.possible < found.all);
            let n = found.settings.len();
            assert!((Pattern::ALL.len()..500).contains(&n), "{n}");
            for Setting { subgroups, choice, problem, .. } in &found.settings {
                problem.check().unwrap();
                let caps = caps.with_subgroup(caps.lane, *subgroups);
                st_kernels::check(choice, problem, &caps).unwrap();
            }
        }
    }

    #[test]
    fn pairs_that_are_not_possible_are_those_one_would_think() {
        let caps = devices()[0];
        let rows = possible(&caps);
        let has = |f: usize, a: u8, g: usize, b: u8| rows.iter().any(|r| r[f] == a && r[g] == b);
        let (kernel, commands, subgroups, more, wanted) = (0, 1, 3, 6, 10);
        for (nth, (mk, mkd)) in (0..).zip(KERNELS) {
            let warp = mk == MergeKind::Warp;
            assert_eq!(has(kernel, nth, subgroups, 0), !warp, "{mk} {mkd} without subgroups");
            assert_eq!(
                has(kernel, nth, commands, 2),
                !gpu::is_grouped(mk, mkd),
                "{mk} {mkd} split"
            );
            let lists = gpu::uses(mk, mkd).has(st_rank::Field::Kl);
            assert_eq!(has(kernel, nth, more, 1), lists, "{mk} {mkd} with more");
            for (f, levels) in (0..).zip(BOUND_LEVELS).skip(1) {
                let levels = (0..levels as u8).filter(|&level| has(kernel, nth, f, level));
                assert!(levels.count() > 0);
            }
        }
        for nth in [0, 8, 9] {
            assert!(
                has(kernel, nth, wanted, 4),
                "{:?} beyond shared memory",
                KERNELS[nth as usize]
            );
        }
    }
}
