//! Ranks in the middle of rows that no list holds, by a list between two sampled keys: samples that mislead, ties at
//! either key, and lengths that no sample is for.

mod common;

use common::ask_feasible;
use st_conformance::Value;
use st_conformance::pattern::Pattern;
use st_conformance::rng::Rng;
use st_rank::{
    Choice, DType, Input, Lengths, MergeDetail, MergeKind, NanOrder, Problem, RankKind, f16,
};

/// Asks with a list of `kl` candidates for each of `wg` threads: whether that could be asked.
fn ask<T: Value>(problem: Problem, (wg, kl): (u32, u32), pattern: Pattern, rng: &mut Rng) -> bool {
    let step = wg * st_kernels::cuda::vector_elements(problem.dtype);
    let (mk, mkd, ctile) = (MergeKind::Filter, MergeDetail::Auto, 256);
    let choice = Choice { mk, mkd, tile: 2 * step, ctile, use_2ce: false, wg, kl, ch: 0 };
    let x: Vec<T> = pattern.matrix(problem.rows, problem.cols, rng);
    let n = problem.cols;
    let lengths = [n, n - 1, n / 2, rng.below(n), rng.below(n)].map(|n| n as u32);
    let ragged = problem.lengths.is_ragged();
    let lengths = &lengths[..problem.rows];
    let input = if ragged { Input::ragged(&x, lengths) } else { Input::new(&x) };
    let asked = ask_feasible(input, problem, [choice], &format!("{pattern:?}"));
    asked > 0 && st_kernels::cuda::between(&choice, &problem).is_some()
}

#[test]
fn a_list_between_two_keys() {
    let mut rng = Rng::new(31);
    let mut asked = 0;
    for pattern in Pattern::ALL {
        for (cols, list) in [(9_000, (256, 16)), (20_011, (256, 32))] {
            let most = rng.pick(&[1, 100, 1500]);
            let k = 1 + rng.below(most);
            let start = rng.pick(&[cols / 3, cols - k - 3, cols - k]);
            let kind = if rng.one_in(2) { RankKind::MidK } else { RankKind::Range { start } };
            let rows = 1 + rng.below(3);
            let problem = Problem::new(kind, rows, cols, k)
                .with_sorted(!rng.one_in(3))
                .with_nan(rng.pick(&[NanOrder::Greatest, NanOrder::Last]));
            let padded = problem.with_lengths(Lengths::Padded);
            let problem = if rng.one_in(4) { padded } else { problem };
            asked += usize::from(ask::<f32>(problem, list, pattern, &mut rng));
            asked += usize::from(match rng.below(3) {
                0 => ask::<f16>(problem.with_dtype(DType::F16), list, pattern, &mut rng),
                1 => ask::<i64>(problem.with_dtype(DType::I64), list, pattern, &mut rng),
                _ => ask::<u8>(problem.with_dtype(DType::U8), list, pattern, &mut rng),
            });
        }
    }
    assert!(asked > 40, "{asked} questions: choices are no longer what the kernel takes");
}
