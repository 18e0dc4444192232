//! Rows in many parts: those whose lists are more together than one list holds, a little and much more.

mod common;

use common::ask_feasible;
use st_conformance::Value;
use st_conformance::pattern::Pattern;
use st_conformance::rng::Rng;
use st_rank::{Choice, DType, Input, MergeDetail, MergeKind, NanOrder, Problem, RankKind, f16};

const PART: usize = 4096;
const THREADS: u32 = 256;

/// How many could be asked.
fn ask<T: Value>(problem: Problem, pattern: Pattern, rng: &mut Rng) -> usize {
    let tile = 2 * THREADS * st_kernels::cuda::vector_elements(problem.dtype);
    let (mkd, ctile, ch) = (MergeDetail::Auto, 256, PART as u32);
    let choices = [MergeKind::Filter, MergeKind::Radix].map(|mk| Choice {
        mk,
        mkd,
        tile,
        ctile,
        use_2ce: false,
        wg: THREADS,
        kl: 4,
        ch,
    });
    let x: Vec<T> = pattern.matrix(problem.rows, problem.cols, rng);
    ask_feasible(Input::new(&x), problem, choices, &format!("{pattern:?}"))
}

/// Of each part `k` elements at least are listed by radix, and of equal ones by a filter: of 13 parts more than a list's 1024,
/// of 50 parts more than the 4096 that threads hold. Then the best of each wave's share tell most of them from those wanted, if
/// these lie anywhere, and there are no more ranks wanted than shares.
#[test]
fn lists_that_are_more_together_than_one_holds() {
    let mut rng = Rng::new(77);
    let mut asked = 0;
    for pattern in Pattern::ALL {
        for (parts, k) in [(13, 3), (13, 100), (13, 500), (50, 100), (50, 190), (50, 500)] {
            let cols = parts * PART - rng.below(PART);
            let kind = rng.pick(&[RankKind::TopK, RankKind::BottomK]);
            let problem = Problem::new(kind, 1 + rng.below(2), cols, k)
                .with_sorted(!rng.one_in(3))
                .with_nan(rng.pick(&[NanOrder::Greatest, NanOrder::Last]));
            asked += ask::<f32>(problem, pattern, &mut rng);
            asked += match rng.below(3) {
                0 => ask::<f16>(problem.with_dtype(DType::F16), pattern, &mut rng),
                1 => ask::<i64>(problem.with_dtype(DType::I64), pattern, &mut rng),
                _ => ask::<u8>(problem.with_dtype(DType::U8), pattern, &mut rng),
            };
        }
    }
    assert!(asked > 250, "{asked} questions: choices are no longer what the kernel takes");
}
