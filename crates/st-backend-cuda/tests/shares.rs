//! Blocks of a cluster that give one another candidates by their keys: lists that lie anywhere, more candidates than a block can
//! give away or has room for, ties at the threshold, and ranks of which some blocks have none.

mod common;

use common::ask_units;
use st_conformance::Value;
use st_conformance::pattern::Pattern;
use st_conformance::rng::Rng;
use st_kernels::cuda::Lists;
use st_rank::{
    Choice, DType, Input, Lengths, MergeDetail, MergeKind, NanOrder, Problem, RankKind, bf16,
};

const THREADS: u32 = 64;

/// Asks for rows in so many parts, with so many candidates for each thread: whether that was one cluster of each row.
fn ask<T: Value>(
    problem: Problem,
    parts: u32,
    kl: u32,
    what: &str,
    x: &[T],
    rng: &mut Rng,
) -> bool {
    let tile = THREADS * st_kernels::cuda::vector_elements(problem.dtype);
    let ch = (problem.cols as u32).div_ceil(parts).next_multiple_of(tile);
    let (mk, mkd, ctile) = (MergeKind::Filter, MergeDetail::Auto, 256);
    let choice = Choice { mk, mkd, tile, ctile, use_2ce: false, wg: THREADS, kl, ch };
    let lengths: Vec<u32> = (0..problem.rows)
        .map(|_| (problem.cols - rng.below(problem.cols - problem.k)) as u32)
        .collect();
    let ragged = problem.lengths.is_ragged();
    let input = if ragged { Input::ragged(x, &lengths) } else { Input::new(x) };
    let units = ask_units(input, problem, choice, what);
    units.iter().any(|unit| unit.cluster == parts && unit.lists == Lists::Sampled)
}

/// The same of a pattern, of each type by turns.
fn ask_pattern(problem: Problem, parts: u32, kl: u32, pattern: Pattern, rng: &mut Rng) -> bool {
    fn of<T: Value>(
        problem: Problem,
        parts: u32,
        kl: u32,
        pattern: Pattern,
        rng: &mut Rng,
    ) -> bool {
        let x: Vec<T> = pattern.matrix(problem.rows, problem.cols, rng);
        ask(problem, parts, kl, &format!("{pattern:?}"), &x, rng)
    }
    match rng.below(4) {
        0 => of::<bf16>(problem.with_dtype(DType::Bf16), parts, kl, pattern, rng),
        1 => of::<i64>(problem.with_dtype(DType::I64), parts, kl, pattern, rng),
        _ => of::<f32>(problem, parts, kl, pattern, rng),
    }
}

#[test]
fn of_every_pattern() {
    let mut rng = Rng::new(11);
    let mut asked = 0;
    for pattern in Pattern::ALL {
        for (parts, kl, k) in [(4, 8, 30), (4, 16, 200), (8, 4, 17), (8, 32, 300)] {
            let cols = parts as usize * 1_500 - rng.below(200);
            let kind = rng.pick(&[RankKind::TopK, RankKind::BottomK]);
            let problem = Problem::new(kind, 1 + rng.below(2), cols, k)
                .with_nan(rng.pick(&[NanOrder::Greatest, NanOrder::Last]));
            asked += usize::from(ask_pattern(problem, parts, kl, pattern, &mut rng));
        }
    }
    assert!(asked > 60, "{asked} rows of clusters");
}

/// Short rows are of fewer blocks than the cluster has; by index nothing is shared out; ranks need not begin with the first.
#[test]
fn of_rows_that_are_not_shared_out() {
    let mut rng = Rng::new(12);
    let mut asked = 0;
    for pattern in [Pattern::Normal, Pattern::EightValues, Pattern::Ascending, Pattern::Plateau] {
        for sorted in [true, false] {
            let problem = Problem::new(RankKind::TopK, 5, 6_000, 40);
            let ragged = problem.with_lengths(Lengths::Ragged).with_sorted(sorted);
            asked += usize::from(ask_pattern(ragged, 4, 8, pattern, &mut rng));
            let whole = problem.with_sorted(sorted);
            asked += usize::from(ask_pattern(whole, 8, 8, pattern, &mut rng));
        }
        let later = RankKind::Range { start: 60 };
        asked +=
            usize::from(ask_pattern(Problem::new(later, 2, 7_000, 20), 4, 8, pattern, &mut rng));
    }
    assert!(asked >= 16, "{asked} rows of clusters");
}

/// One block has all candidates, or all but a few: more than it can give away (eight of each thread), or than the last one has
/// room for, or just as many. Where all others are ties, as many of these are wanted as those leave, or none.
#[test]
fn of_winners_that_lie_in_one_part() {
    const K: usize = 200;
    let mut rng = Rng::new(13);
    let (cols, parts, kl) = (8_192_usize, 8_u32, 32);
    for others in [Pattern::Normal, Pattern::AllEqual] {
        for many in [0, 1, 40, K - 1, K, K + 1, 511, 512, 513, 600, 1_000] {
            for (from, ties) in [(0, false), (2_048, true), (7_168, false), (7_168, true)] {
                let mut x: Vec<f32> = others.matrix(1, cols, &mut rng);
                for (i, value) in x[from..from + many].iter_mut().enumerate() {
                    *value = if ties { 9e9 } else { 9e9 * (1 + i * 7 % many) as f32 };
                }
                let problem = Problem::new(RankKind::TopK, 1, cols, K);
                let what = format!("{many} from {from}, ties: {ties}, others {others:?}");
                assert!(ask(problem, parts, kl, &what, &x, &mut rng), "{what}");
            }
        }
    }
}

/// A sample of nothing but the greatest: fewer candidates than are wanted.
#[test]
fn of_rows_that_mislead_the_sample() {
    let mut rng = Rng::new(14);
    let (cols, parts, kl) = (8_192_usize, 8_u32, 32);
    let mut x: Vec<f32> = Pattern::Normal.matrix(1, cols, &mut rng);
    // Sixteen times four neighbouring vectors of each wave.
    for (i, value) in x.iter_mut().enumerate().filter(|(i, _)| i % 512 < 16) {
        *value = 1e6 + i as f32;
    }
    let problem = Problem::new(RankKind::TopK, 1, cols, 200);
    assert!(ask(problem, parts, kl, "misled", &x, &mut rng));
}
