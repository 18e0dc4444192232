//! Rows that blocks read by way of a ring in shared memory: of few steps and of many, whole and in parts, beginning
//! anywhere, of different lengths.

mod common;

use std::collections::BTreeSet;

use common::{ask_units, is_real};
use st_conformance::Value;
use st_conformance::pattern::Pattern;
use st_conformance::rng::Rng;
use st_rank::{
    Choice, DType, Input, Lengths, MergeDetail, MergeKind, NanOrder, Problem, RankKind, f16,
};

const THREADS: u32 = 64;

/// Asks for rows of a pattern, with so many vectors of each thread in a step, candidates for each and columns of a part: the
/// steps of the ring, 0 if there is none.
fn ask<T: Value>(
    problem: Problem,
    (vectors, kl, ch): (u32, u32, u32),
    pattern: Pattern,
    rng: &mut Rng,
) -> u32 {
    let tile = vectors * THREADS * st_kernels::cuda::vector_elements(problem.dtype);
    let (mk, mkd, ctile) = (MergeKind::Filter, MergeDetail::Auto, 256);
    let choice = Choice { mk, mkd, tile, ctile, use_2ce: false, wg: THREADS, kl, ch };
    let x: Vec<T> = pattern.matrix(problem.rows, problem.cols, rng);
    let lengths: Vec<u32> =
        (0..problem.rows).map(|_| (problem.cols - rng.below(problem.cols / 2)) as u32).collect();
    let ragged = problem.lengths.is_ragged();
    let input = if ragged { Input::ragged(&x, &lengths) } else { Input::new(&x) };
    let units = ask_units(input, problem, choice, &format!("{pattern:?}"));
    units.iter().map(|unit| unit.ring).max().unwrap_or(0)
}

#[test]
fn steps_are_there_when_they_are_looked_at() {
    let mut rng = Rng::new(3);
    let mut rings = BTreeSet::new();
    let mut asked = 0;
    for pattern in Pattern::ALL {
        for (cols, parts) in [(700, 1), (1_500, 1), (4_100, 1), (9_001, 3), (12_003, 1)] {
            let kind = rng.pick(&[RankKind::TopK, RankKind::BottomK]);
            let rows = if parts > 1 { 1 } else { 1 + rng.below(3) };
            let problem = Problem::new(kind, rows, cols, 1 + rng.below(40))
                .with_lengths(if rng.one_in(3) { Lengths::Ragged } else { Lengths::Full })
                .with_sorted(!rng.one_in(3))
                .with_nan(rng.pick(&[NanOrder::Greatest, NanOrder::Last]));
            let ch = if parts > 1 { cols.div_ceil(parts).next_multiple_of(256) as u32 } else { 0 };
            let shape = (rng.pick(&[1, 2]), 8, ch);
            let ring = match rng.below(3) {
                0 => ask::<f16>(problem.with_dtype(DType::F16), shape, pattern, &mut rng),
                1 => ask::<i64>(problem.with_dtype(DType::I64), shape, pattern, &mut rng),
                _ => ask::<f32>(problem, shape, pattern, &mut rng),
            };
            rings.insert(ring);
            asked += usize::from(ring > 0);
        }
    }
    assert!(asked > 60, "{asked} rows by way of rings");
    assert!(rings.is_superset(&BTreeSet::from([2, 3, 4, 6])), "rings of {rings:?} steps");
}

/// Long parts have rings where few multiprocessors are idle: the emulator has four.
#[test]
fn long_parts() {
    let mut rng = Rng::new(4);
    for pattern in [Pattern::Normal, Pattern::Ascending, Pattern::EightValues] {
        let problem = Problem::new(RankKind::TopK, 4, 83_000, 20).with_dtype(DType::I64);
        let ring = ask::<i64>(problem, (4, 64, 0), pattern, &mut rng);
        assert!(ring == 2 || is_real(), "{pattern:?}: {ring}");
    }
}
