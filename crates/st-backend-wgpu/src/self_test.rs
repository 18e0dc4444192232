//! A small question with a known answer for each kernel, before its first use on a device: drivers
//! misreport subgroups, and compilers have faults.
//!
//! The question is put through the plan's own dispatches, so that its first and second command are
//! tested together. Which kernels those are depends on the plan's sizes (of the lists in shared
//! memory, for one): few columns are taken that need the same kernels, at most the plan's; of many first
//! or last ranks, a share of them.

use st_kernels::wgsl::Permutation;
use st_rank::{
    CompactPlan, CompactProblem, DType, DeviceCaps, Element, Error, Input, Lengths, Problem,
    RankKind, RankPlan, Result, bf16, f16,
};

use crate::batches::{self, Rows, map_of};
use crate::compaction;
use crate::gpu::Gpu;
use crate::layout::Layout;
use crate::readback::Wait;

/// Rows that are asked: more than one, so that rows must be told apart.
const ROWS: usize = 3;

/// Columns between rows that nothing is to be read from.
const MARGIN: usize = 1;

/// A row stride of so many elements, or a multiple, is whole vectors.
const WHOLE: usize = 8;

/// So many ranks are not worth a search for a smaller question.
const FEW: usize = 1 << 10;

/// The kernels of a plan, each once.
pub(crate) fn permutations(layout: &Layout) -> Vec<Permutation> {
    let mut list = Vec::new();
    for dispatch in layout.dispatches(0, 1, 0) {
        if !list.contains(&dispatch.permutation) {
            list.push(dispatch.permutation);
        }
    }
    list
}

/// Whether some of these kernels have to be tested; an error if one was found wrong.
pub(crate) fn needed(gpu: &Gpu, permutations: &[Permutation], on: bool) -> Result<bool> {
    let verdicts = || permutations.iter().map(|p| gpu.verdict(p));
    if verdicts().any(|verdict| verdict == Some(false)) {
        let wrong: Vec<_> = permutations.iter().filter(|p| gpu.verdict(p) == Some(false)).collect();
        return Err(failed(gpu, wrong.into_iter()));
    }
    Ok(on && verdicts().any(|verdict| verdict.is_none()))
}

/// Tests the kernels of a plan and notes what came of it.
pub(crate) async fn selection(
    gpu: &Gpu,
    plan: &RankPlan,
    caps: &DeviceCaps,
    permutations: &[Permutation],
    wait: Wait,
) -> Result<()> {
    let layout = small(plan, caps, gpu.most_lanes, permutations);
    let problem = layout.problem;
    let elements = ROWS * problem.row_stride;
    let words = elements.div_ceil(4 / problem.dtype.size());
    let bits = question(problem.dtype, elements);
    let mut packed = vec![0u32; words];
    for (i, &bits) in bits.iter().enumerate() {
        match problem.dtype.size() {
            2 => packed[i / 2] |= bits << (16 * (i % 2)),
            _ => packed[i] = bits,
        }
    }
    let lengths: Vec<u32> = (0..ROWS).map(|row| problem.cols.saturating_sub(row) as u32).collect();
    let ragged = problem.lengths.is_ragged();
    let rows = Rows {
        bytes: &bytemuck::cast_slice(&packed)[..elements * problem.dtype.size()],
        lengths: ragged.then_some(&lengths),
    };
    let (want_values, want_indices) = answer(&problem, &bits, rows.lengths);
    let mut right = true;
    batches::run(gpu, &layout, rows, wait, |row0, values, indices| {
        let of = |all: &[u32]| all[row0 * problem.k..][..values.len()].to_vec();
        right &= values == of(&want_values) && indices == of(&want_indices);
    })
    .await?;
    gpu.judge(permutations, right);
    needed(gpu, permutations, true).map(|_| ())
}

/// The plan's kernels on the fewest columns; of many ranks, on a share of them: which kernels and samples
/// are needed depends on how many of how many columns are wanted.
fn small(
    plan: &RankPlan,
    caps: &DeviceCaps,
    most_lanes: u32,
    permutations_wanted: &[Permutation],
) -> Layout {
    let of = |cols: usize, k: usize, row_stride: usize| {
        let problem = Problem { rows: ROWS, cols, k, row_stride, ..plan.problem };
        let plan = RankPlan::by_hand(problem, plan.caps, plan.choice);
        let fits =
            problem.check().is_ok() && st_kernels::check(&plan.choice, &problem, caps).is_ok();
        (fits, Layout::new(&plan, caps, most_lanes, map_of(&problem)))
    };
    let most = plan.problem.cols;
    let first_ranks = matches!(plan.problem.kind, RankKind::TopK | RankKind::BottomK);
    // The least share first that needs the same kernels.
    let shares: &[usize] = if first_ranks { &[4096, 256, 16, 1] } else { &[1] };
    for share in shares {
        let k = plan.problem.k / share;
        if *share > 1 && k < FEW {
            continue;
        }
        // A part and a bit, so that parts are told apart, and an odd number.
        let least = k.max(plan.choice.ch as usize).max(64) + 37;
        let mut cols = least.min(most);
        loop {
            // Rows that begin anywhere; where the kernels want whole vectors, those that do not.
            for row_stride in [cols + MARGIN, cols.next_multiple_of(WHOLE)] {
                let (fits, layout) = of(cols, k, row_stride);
                if fits && permutations(&layout) == permutations_wanted {
                    return layout;
                }
            }
            if cols >= most.div_ceil(*share).max(least).min(most) {
                break;
            }
            cols = cols.saturating_mul(2).min(most);
        }
    }
    of(most, plan.problem.k, most.next_multiple_of(WHOLE)).1
}

/// Elements' bits, in the lower part of a word: ties, zeros and NaN of both signs, all exponents.
fn question(dtype: DType, elements: usize) -> Vec<u32> {
    let odd: &[u32] = match dtype {
        DType::F32 => &[0, 0x8000_0000, 0x7fc0_0001, 0xffc0_0000, 0x7f80_0000, 0xff80_0000],
        DType::F16 => &[0, 0x8000, 0x7e01, 0xfe00, 0x7c00, 0xfc00],
        DType::Bf16 => &[0, 0x8000, 0x7fc1, 0xffc0, 0x7f80, 0xff80],
        _ => &[0, 0x8000_0000, 0x7fff_ffff, 0xffff_ffff, 1, 2],
    };
    let mask = if dtype.size() == 2 { 0xffff } else { u32::MAX };
    let mut state = 0x9e37_79b9u32;
    let mut next = || {
        // Xorshift (Marsaglia 2003).
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state
    };
    let element = |_| {
        let x = next();
        match x % 8 {
            0 => odd[(x >> 8) as usize % odd.len()],
            // Few different ones.
            1..=3 => (x >> 8) % 7 * 0x1357,
            _ => x & mask,
        }
    };
    (0..elements).map(element).collect()
}

/// The answer by sorting: words of values and of indices.
fn answer(problem: &Problem, bits: &[u32], lengths: Option<&[u32]>) -> (Vec<u32>, Vec<u32>) {
    let map = map_of(problem);
    let shift = 32 - 8 * problem.dtype.size() as u32;
    let (mut values, mut indices) = (Vec::new(), Vec::new());
    for row in 0..problem.rows {
        let n = lengths.map_or(problem.cols, |all| all[row] as usize);
        let row = &bits[row * problem.row_stride..][..n];
        let key = |i: usize| map.key(row[i] << shift);
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|&a, &b| key(b).cmp(&key(a)).then(a.cmp(&b)));
        let mut wanted = order[problem.kind.ranks(n, problem.k)].to_vec();
        if !problem.sorted {
            wanted.sort_unstable();
        }
        if wanted.len() < problem.k && problem.lengths == Lengths::Ragged {
            // A bad row.
            wanted.clear();
        }
        let lacking = problem.k - wanted.len();
        values.extend(wanted.iter().map(|&i| row[i]).chain(std::iter::repeat_n(0, lacking)));
        let found = wanted.iter().map(|&i| i as u32);
        indices.extend(found.chain(std::iter::repeat_n(u32::MAX, lacking)));
    }
    (values, indices)
}

/// Tests the kernels of a compaction and notes what came of it.
pub(crate) async fn compaction(
    gpu: &Gpu,
    plan: &CompactPlan,
    caps: &DeviceCaps,
    permutations: &[Permutation],
    wait: Wait,
) -> Result<()> {
    let right = match plan.problem.dtype {
        DType::F32 => compacts::<f32>(gpu, plan, caps, wait).await?,
        DType::F16 => compacts::<f16>(gpu, plan, caps, wait).await?,
        DType::Bf16 => compacts::<bf16>(gpu, plan, caps, wait).await?,
        DType::I32 => compacts::<i32>(gpu, plan, caps, wait).await?,
        _ => compacts::<u32>(gpu, plan, caps, wait).await?,
    };
    gpu.judge(permutations, right);
    needed(gpu, permutations, true).map(|_| ())
}

async fn compacts<T: Element>(
    gpu: &Gpu,
    plan: &CompactPlan,
    caps: &DeviceCaps,
    wait: Wait,
) -> Result<bool> {
    // A tile and a bit.
    let cols = plan.choice.ctile as usize + 37;
    let problem = CompactProblem {
        dtype: T::DTYPE,
        row_stride: cols + MARGIN,
        ..CompactProblem::new(ROWS, cols)
    };
    let plan = CompactPlan { problem, ..plan.clone() };
    let bits = question(T::DTYPE, ROWS * problem.row_stride);
    let elements: Vec<T> = bits.iter().map(|&bits| batches::from_word(bits)).collect();
    let [lo, hi] = [T::default(), batches::from_word(0x3fff)];
    let input = Input::new(&elements[..]);
    let got = compaction::run(gpu, caps, &plan, input, [lo, hi], wait, &mut |_| {}).await?;
    let key = compaction::key::<T>();
    let kept = |x: &T| (key(lo)..=key(hi)).contains(&key(*x));
    let mut right = true;
    for row in 0..ROWS {
        let want: Vec<u32> = (0u32..cols as u32)
            .filter(|&i| kept(&elements[row * problem.row_stride + i as usize]))
            .collect();
        let here = got.offsets[row]..got.offsets[row + 1];
        right &= got.indices[here.clone()] == want;
        let values = got.values[here].iter().map(|x| x.to_lane());
        let wanted =
            want.iter().map(|&i| elements[row * problem.row_stride + i as usize].to_lane());
        right &= values.eq(wanted);
    }
    Ok(right)
}

fn failed<'a>(gpu: &Gpu, wrong: impl Iterator<Item = &'a Permutation> + Clone) -> Error {
    let with_subgroups = wrong.clone().any(|p| p.subgroup);
    let name = |p: &Permutation| {
        let bits = if p.half { "16 bits" } else { "32 bits" };
        let subgroup = if p.subgroup { ", with subgroups" } else { "" };
        format!("the kernel {} ({bits}, workgroups of {}{subgroup})", p.stage.name(), p.wg)
    };
    let variant = wrong.map(name).collect::<Vec<_>>().join(" or ");
    let advice = if with_subgroups {
        "plan and run without subgroups (without_subgroups), or with another merge kind"
    } else {
        "plan with another merge kind, or use another device or the cpu"
    };
    Error::SelfTest { variant, device: gpu.name.clone(), advice }
}

#[cfg(test)]
mod tests {
    use st_rank::{Choice, MergeDetail, MergeKind};

    use super::*;

    #[test]
    fn a_million_of_a_hundred_million_is_not_asked() {
        let caps = DeviceCaps::wgpu(32, true, 1024).with_shared_mem(48 << 10).with_cores(132);
        let of = |wg, ch| Choice {
            mk: MergeKind::Filter,
            mkd: MergeDetail::Auto,
            tile: 16_384,
            ctile: 3072,
            use_2ce: true,
            wg,
            kl: 32,
            ch,
        };
        for (cols, k, choice) in [
            (100_000_000, 1_000_000, of(1024, 761_856)),
            (100_000_000, 1_000_000, of(512, 380_928)),
            (268_435_456, 262_144, of(512, 2_035_712)),
            (67_108_864, 100, of(512, 512_000)),
        ] {
            let problem = Problem::new(RankKind::TopK, 1, cols, k);
            let plan = RankPlan::by_hand(problem, caps, choice);
            let wanted = permutations(&Layout::new(&plan, &caps, 65_535, map_of(&problem)));
            let asked = small(&plan, &caps, 65_535, &wanted);
            assert_eq!(permutations(&asked), wanted);
            assert!(asked.problem.cols < 5_000_000, "{:?}", asked.problem);
        }
    }

    #[test]
    fn the_question_has_what_kernels_get_wrong() {
        let bits = question(DType::F32, 300);
        let floats: Vec<f32> = bits.iter().map(|&bits| f32::from_bits(bits)).collect();
        assert!(floats.iter().any(|x| x.is_nan()) && floats.iter().any(|x| *x < 0.0));
        assert!(bits.contains(&0) && bits.contains(&0x8000_0000));
        let mut sorted = bits.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert!(sorted.len() < bits.len() * 3 / 4, "ties");
        assert!(question(DType::Bf16, 300).iter().all(|&bits| bits < 1 << 16));
    }

    #[test]
    fn the_answer_is_that_of_the_contract() {
        let bits = [1.0f32, f32::NAN, -0.0, 0.0, 1.0].map(f32::to_bits);
        let of = |kind, k| answer(&Problem::new(kind, 1, 5, k), &bits, None);
        assert_eq!(of(RankKind::TopK, 3).1, [1, 0, 4], "NaN first, ties by lower index");
        let (values, indices) = of(RankKind::BottomK, 2);
        assert_eq!((values[0], indices), (0x8000_0000, vec![2, 3]), "zeros are equal");
        let padded = Problem::new(RankKind::TopK, 1, 5, 3).with_lengths(Lengths::Padded);
        assert_eq!(answer(&padded, &bits, Some(&[2])).1, [1, 0, u32::MAX]);
        let ragged = padded.with_lengths(Lengths::Ragged);
        assert_eq!(answer(&ragged, &bits, Some(&[2])), (vec![0; 3], vec![u32::MAX; 3]));
        let by_index = Problem::new(RankKind::TopK, 1, 5, 3).with_sorted(false);
        assert_eq!(answer(&by_index, &bits, None).1, [0, 1, 4]);
    }
}
