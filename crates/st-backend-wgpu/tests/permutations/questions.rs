//! What is asked beside the covering set.

use std::collections::HashSet;

use st_backend_wgpu::WgpuExecutor;
use st_conformance::compactions::Compaction;
use st_conformance::pattern::Pattern;
use st_conformance::permutations::{self, Setting};
use st_kernels::gpu::GROUP;
use st_rank::{
    Choice, DType, DeviceCaps, MergeDetail, MergeKind, NanOrder, Problem, RankKind, RankPlan,
};

/// One question.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Question {
    Select(Setting),
    Compact(Compaction),
}

impl Question {
    /// Questions that differ in this share no kernel.
    pub(crate) fn group(&self) -> (u32, bool, bool) {
        let (wg, dtype, subgroups) = match self {
            Self::Select(s) => (s.choice.wg, s.problem.dtype, s.subgroups),
            Self::Compact(s) => (s.choice.wg, s.problem.dtype, s.subgroups),
        };
        (wg, dtype.size() == 2, subgroups)
    }
}

/// More rows than a grid has workgroups in one dimension; of the kernels whose workgroups have
/// several rows, more than so many workgroups.
pub(crate) fn many_rows(caps: &DeviceCaps) -> Vec<Question> {
    const MOST: usize = 65_535;
    let wg = 64;
    let of = |mk, mkd, use_2ce, rows, dtype| {
        let choice = Choice { mk, mkd, tile: wg, ctile: wg, use_2ce, wg, kl: 4, ch: 0 };
        let problem = Problem::new(RankKind::TopK, rows, 5, 2).with_dtype(dtype);
        let subgroups = mk == MergeKind::Warp;
        Question::Select(Setting {
            subgroups,
            choice,
            problem,
            pattern: Pattern::Specials,
            seed: 7,
        })
    };
    let (one, two) = (false, true);
    let mut all = vec![
        of(MergeKind::Shared, MergeDetail::Heap, one, MOST + 2, DType::F32),
        of(MergeKind::Radix, MergeDetail::Auto, two, MOST + 1, DType::F16),
    ];
    let rows = (MOST + 1) * (wg / GROUP) as usize + 3;
    if has_groups(caps) {
        all.push(of(MergeKind::Warp, MergeDetail::GroupRank, one, rows, DType::F32));
        all.push(of(MergeKind::Warp, MergeDetail::GroupNetwork, one, MOST + 2, DType::Bf16));
    }
    if caps.subgroups {
        all.push(of(MergeKind::Warp, MergeDetail::WarpHeap, one, rows, DType::U32));
    }
    all
}

/// Whether kernels for short rows can be run: they need groups of eight lanes.
pub(crate) fn has_groups(caps: &DeviceCaps) -> bool {
    caps.subgroups && caps.lane >= GROUP
}

/// What was wrong once, where more than two settings had to meet.
pub(crate) fn once_wrong(caps: &DeviceCaps) -> Vec<Question> {
    let filter = Choice {
        mk: MergeKind::Filter,
        mkd: MergeDetail::Auto,
        tile: 256,
        ctile: 256,
        use_2ce: false,
        wg: 64,
        kl: 8,
        ch: 0,
    };
    let of = |choice, rows, cols, k, dtype, pattern| {
        let problem = Problem::new(RankKind::TopK, rows, cols, k).with_dtype(dtype);
        let subgroups = caps.subgroups;
        Question::Select(Setting { subgroups, choice, problem, pattern, seed: 7 })
    };
    // A row that fills the tile, of which half of the threads have nothing.
    let mut all = vec![of(filter, 1, 256, 255, DType::Bf16, Pattern::Normal)];
    // A list too long for bins, with keys from registers: equal ones that stand for several bit patterns.
    let long = Choice { kl: 32, ..filter };
    all.extend([Pattern::SignedZeros, Pattern::NanMix].map(|pattern| {
        let problem = Problem::new(RankKind::MidK, 2, 1000, 130).with_dtype(DType::Bf16);
        Question::Select(Setting { subgroups: false, choice: long, problem, pattern, seed: 7 })
    }));
    if has_groups(caps) {
        let group = Choice { mk: MergeKind::Warp, mkd: MergeDetail::GroupRank, ..filter };
        // A bound that falls between the two zeros of 16 bits.
        all.push(of(group, 64, 128, 1, DType::Bf16, Pattern::SignedZeros));
        let network = Choice { mkd: MergeDetail::GroupNetwork, wg: 32, kl: 4, ..group };
        let mut last = of(network, 2, 64, 8, DType::Bf16, Pattern::SignedZeros);
        if let Question::Select(setting) = &mut last {
            setting.problem.nan = NanOrder::Last;
        }
        all.push(last);
        // A row of so many columns that no other row may begin in the middle of a vector.
        all.push(of(group, 1, 256, 18, DType::F16, Pattern::Normal));
    }
    all
}

/// For every kernel that some combination of the settings needs, one question that needs it.
pub(crate) fn all_kernels(exec: &WgpuExecutor, caps: &DeviceCaps) -> Vec<Question> {
    let mut seen = HashSet::new();
    let mut asked = Vec::new();
    for mut setting in permutations::product(caps) {
        let caps = caps.with_subgroup(caps.lane, setting.subgroups);
        let plan = RankPlan::by_hand(setting.problem, caps, setting.choice);
        let kernels = exec.kernels(&plan).expect("it is feasible");
        let before = seen.len();
        seen.extend(kernels);
        if seen.len() > before {
            setting.pattern = Pattern::ALL[asked.len() % Pattern::ALL.len()];
            setting.problem.nan = [NanOrder::Greatest, NanOrder::Last][asked.len() / 2 % 2];
            asked.push(Question::Select(setting));
        }
    }
    asked
}
