//! Long rows that the kernel of maxima takes in blocks, against the oracle: rows of a few columns more and less than it
//! needs for that, with every rest, whole and in parts, for every element type, pattern, direction and order of NaN.

mod common;

use st_backend_cpu::CpuExecutor;
use st_conformance::pattern::Pattern;
use st_conformance::rng::Rng;
use st_conformance::{Backend, Value, for_dtype, oracle, verdict};
use st_kernels::cpu::{block, lanes};
use st_rank::{
    Choice, DType, Input, MergeDetail, MergeKind, NanOrder, Problem, RankKind, RankPlan,
};

/// Ranks wanted, and maxima for each lane that reach them with any vector.
const WANTED: [(usize, u32); 6] = [(1, 1), (2, 2), (3, 4), (8, 8), (5, 4), (4, 2)];

/// What is asked of each pattern: the kind, where NaN stands, the place of what is wanted in [`WANTED`] after the pattern's.
const ASKED: [(RankKind, NanOrder, usize); 4] = [
    (RankKind::TopK, NanOrder::Greatest, 0),
    (RankKind::BottomK, NanOrder::Greatest, 1),
    (RankKind::TopK, NanOrder::Last, 3),
    (RankKind::BottomK, NanOrder::Last, 4),
];

/// Asks for rows of each pattern on one processor; how many were taken in blocks.
fn ask<T: Value>(exec: &CpuExecutor) -> usize {
    let lane = exec.caps().lane;
    let lanes = lanes(lane, T::DTYPE).max(1);
    let mut in_blocks = 0;
    let patterns = Pattern::ALL.iter().enumerate();
    for ((nth, &pattern), (kind, nan, at)) in patterns.flat_map(|p| ASKED.map(|asked| (p, asked))) {
        let (k, kl) = WANTED[(nth + at) % WANTED.len()];
        let kl = kl.max(k.div_ceil(lanes) as u32).next_power_of_two();
        // The fewest columns that are taken in blocks, small ones and large ones.
        let of = |cols| block(kl as usize, lanes, cols, k);
        let least = (1..).map(|n| n * lanes).find(|cols| of(*cols).is_some()).unwrap_or(1);
        let large = (1..).map(|n| n * lanes).find(|cols| of(*cols) > of(least)).unwrap_or(1);
        let rests = [0, 1, 5 * lanes + lanes / 2, 8 * lanes - 1];
        let (one, other) = (rests[nth % rests.len()], rests[nth / 2 % rests.len()]);
        // Whole rows, and rows of two parts, which are taken in blocks each.
        let whole = [least - 1, least + one, large + other].map(|cols| (cols, 0));
        let parts = [least, large].map(|part| part.next_multiple_of(64));
        let parts = [(2 * parts[0], parts[0]), (2 * parts[1] - other, parts[1])];
        for (cols, part) in whole.into_iter().chain(parts) {
            let rows = 2;
            let problem = Problem::new(kind, rows, cols, k).with_dtype(T::DTYPE).with_nan(nan);
            let mut rng = Rng::new(nth as u64);
            let values = pattern.matrix::<T>(rows, cols, &mut rng);
            let input = Input::new(&values);
            let choice = Choice {
                mk: MergeKind::Warp,
                mkd: MergeDetail::Auto,
                tile: 512,
                ctile: 512,
                use_2ce: part > 0,
                wg: 1,
                kl,
                ch: part as u32,
            };
            let plan = RankPlan::by_hand(problem, exec.caps(), choice);
            let got = common::cpu().rank(exec, input, &plan).expect("it is feasible");
            let want = oracle::rank(input, &problem);
            if let Err(e) = verdict::rank(k, &want, &got) {
                panic!("{} {pattern:?} {problem:?} {choice}: {e}", T::DTYPE);
            }
            let taken = if part > 0 { part } else { cols };
            in_blocks += usize::from(of(taken).is_some());
        }
    }
    in_blocks
}

#[test]
fn rows_in_blocks_are_the_oracles() {
    let alone = common::cpu().executors().iter().filter(|e| e.name.contains("x 1 "));
    assert_eq!(alone.clone().count(), common::isas().len(), "one of each instruction set");
    for executor in alone {
        for dtype in DType::ALL {
            let in_blocks = for_dtype!(dtype, T => ask::<T>(&executor.exec));
            assert_eq!(
                in_blocks,
                4 * ASKED.len() * Pattern::ALL.len(),
                "{} {dtype}",
                executor.group
            );
        }
    }
}
