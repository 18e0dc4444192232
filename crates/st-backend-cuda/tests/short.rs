//! Rows that a few lanes hold together: every number of lanes, at the ranks where lists end, with numbers whose order
//! their upper bits do not tell.

mod common;

use common::ask_feasible;
use st_conformance::Value;
use st_conformance::pattern::Pattern;
use st_conformance::rng::Rng;
use st_rank::{
    Choice, DType, Input, Lengths, MergeDetail, MergeKind, NanOrder, Problem, RankKind, bf16, f16,
};

const ROWS: usize = 33;

/// A row in which the ranks up to `pair` lie far apart, `pair` and the next differ in the last bit alone, the greater
/// of the two in the later column, and the rest are far below: kernels that order by upper bits see one tie.
fn row(cols: usize, pair: usize, rng: &mut Rng) -> Vec<f32> {
    let mut x: Vec<f32> = (0..cols).map(|_| -100.0 - rng.unit() as f32).collect();
    let mut columns: Vec<usize> = (0..cols).collect();
    for i in 0..pair + 2 {
        let other = i + rng.below(cols - i);
        columns.swap(i, other);
    }
    for rank in 0..pair {
        x[columns[rank]] = 1000.0 - 10.0 * rank as f32;
    }
    let (a, b) = (columns[pair], columns[pair + 1]);
    x[a.max(b)] = 5.0;
    x[a.min(b)] = 5f32.next_down();
    x
}

/// A way to order a short row: the detail, threads, and a list's length.
type Way = (MergeDetail, u32, u32);

/// Asks for these ranks in each of those ways that the device can; how many they were.
fn ask_ways<T: Value>(
    input: Input<'_, T>,
    problem: Problem,
    ways: impl IntoIterator<Item = Way>,
    what: &str,
) -> usize {
    let (mk, tile, ctile) = (MergeKind::Warp, 1024, 256);
    let choices = ways.into_iter().map(|(mkd, wg, kl)| Choice {
        mk,
        mkd,
        tile,
        ctile,
        use_2ce: false,
        wg,
        kl,
        ch: 0,
    });
    ask_feasible(input, problem, choices, what)
}

/// Asks both kernels, each with every list that it can have; how many could be asked.
fn ask(cols: usize, k: usize, pair: usize, rng: &mut Rng) -> usize {
    let problem = Problem::new(RankKind::TopK, ROWS, cols, k);
    let x: Vec<f32> = (0..ROWS).flat_map(|_| row(cols, pair, rng)).collect();
    let kernels = [(MergeDetail::GroupRank, 128), (MergeDetail::GroupNetwork, 32)];
    let ways = kernels.into_iter().flat_map(|(mkd, wg)| [1, 2, 4, 8, 16].map(|kl| (mkd, wg, kl)));
    ask_ways(Input::new(&x), problem, ways, &format!("pair at {pair}"))
}

#[test]
fn ranks_at_the_ends_of_lists() {
    let mut rng = Rng::new(17);
    let mut asked = 0;
    for cols in [90, 256, 300, 1000] {
        for (k, pair) in [(32, 31), (32, 30), (31, 30), (8, 7)] {
            asked += ask(cols, k, pair, &mut rng);
        }
    }
    assert!(asked > 20, "{asked} questions: choices are no longer what the kernels take");
}

/// Asks the network between lanes, with each list that it can have, for these ranks of rows of that pattern.
fn ask_lanes<T: Value>(problem: Problem, pattern: Pattern, rng: &mut Rng) -> usize {
    let x: Vec<T> = pattern.matrix(problem.rows, problem.cols, rng);
    let lengths: Vec<u32> = (0..problem.rows).map(|_| rng.below(problem.cols + 1) as u32).collect();
    let ragged = problem.lengths.is_ragged();
    let input = if ragged { Input::ragged(&x, &lengths) } else { Input::new(&x) };
    let ways = [16, 32, 64, 128].map(|kl| (MergeDetail::GroupNetwork, 64, kl));
    ask_ways(input, problem, ways, &format!("{pattern:?}"))
}

/// Asks for these ranks of rows of that pattern, of whole vectors, which lanes compare in pairs: by both kernels that have a
/// threshold, with each list.
fn ask_pairs<T: Value>(problem: Problem, pattern: Pattern, rng: &mut Rng) -> usize {
    let x: Vec<T> = pattern.matrix(problem.rows, problem.cols, rng);
    let counted = [1, 2, 4, 8].map(|kl| (MergeDetail::GroupRank, 32, kl));
    let ways = counted.into_iter().chain([(MergeDetail::GroupNetwork, 32, 8)]);
    ask_ways(Input::new(&x), problem, ways, &format!("{pattern:?}"))
}

#[test]
fn halves_in_pairs() {
    let mut rng = Rng::new(31);
    let mut asked = 0;
    for pattern in Pattern::ALL {
        for cols in [64, 120, 256, 480, 512, 1024] {
            let k = rng.pick(&[1, 7, 20, 32]);
            let kind = rng.pick(&[RankKind::TopK, RankKind::BottomK]);
            let problem = Problem::new(kind, 1 + rng.below(40), cols, k)
                .with_nan(rng.pick(&[NanOrder::Greatest, NanOrder::Last]));
            asked += match rng.one_in(2) {
                true => ask_pairs::<bf16>(problem.with_dtype(DType::Bf16), pattern, &mut rng),
                false => ask_pairs::<f16>(problem.with_dtype(DType::F16), pattern, &mut rng),
            };
        }
    }
    assert!(asked > 150, "{asked} questions: choices are no longer what the kernels take");
}

#[test]
fn networks_between_lanes() {
    let mut rng = Rng::new(29);
    let mut asked = 0;
    for pattern in Pattern::ALL {
        for _ in 0..3 {
            let cols = rng.pick(&[1, 64, 200, 256, 300, 512, 1001, 1024]);
            // Each k has a kernel of its own, where there is a threshold.
            let k = rng.pick(&[1, 40, 100, 512]).min(cols);
            let start = rng.below(cols - k + 1);
            let kind = rng.pick(&[
                RankKind::TopK,
                RankKind::BottomK,
                RankKind::MidK,
                RankKind::MidK,
                RankKind::Range { start },
            ]);
            let problem = Problem::new(kind, 1 + rng.below(20), cols, k)
                .with_sorted(!rng.one_in(3))
                .with_nan(rng.pick(&[NanOrder::Greatest, NanOrder::Last]));
            let padded = problem.with_lengths(Lengths::Padded);
            let problem = if rng.one_in(4) { padded } else { problem };
            asked += ask_lanes::<f32>(problem, pattern, &mut rng);
            asked += match rng.below(3) {
                0 => ask_lanes::<bf16>(problem.with_dtype(DType::Bf16), pattern, &mut rng),
                1 => ask_lanes::<i32>(problem.with_dtype(DType::I32), pattern, &mut rng),
                _ => ask_lanes::<u8>(problem.with_dtype(DType::U8), pattern, &mut rng),
            };
        }
    }
    assert!(asked > 150, "{asked} questions: choices are no longer what the kernels take");
}

/// Asks for these ranks of those rows by every way to order a short row, with each list that it can have.
fn ask_each<T: Value>(problem: Problem, x: &[T], what: &str) -> usize {
    let counted = [1, 2, 4, 8, 16].map(|kl| (MergeDetail::GroupRank, 64, kl));
    let ordered = [8, 16, 32].map(|kl| (MergeDetail::GroupNetwork, 64, kl));
    ask_ways(Input::new(x), problem, counted.into_iter().chain(ordered), what)
}

/// A row of which any number of elements are better than those, more than any list holds, that share a value, and some
/// worse: the last rank wanted is one of the better, of the ties, or where they meet.
fn tied_row(cols: usize, kind: RankKind, tie: f32, rng: &mut Rng) -> Vec<f32> {
    let sign = if kind == RankKind::BottomK { -1.0 } else { 1.0 };
    let better = rng.below(40);
    (0..cols)
        .map(|_| match rng.below(cols) {
            i if i < better => tie + sign * (1.0 + rng.below(4) as f32),
            i if i < better + cols / 8 => tie - sign * (1.0 + rng.unit() as f32),
            _ if tie == 0.0 && rng.one_in(2) => -0.0,
            _ => tie,
        })
        .collect()
}

#[test]
fn rows_that_are_tied() {
    let mut rng = Rng::new(37);
    let mut asked = 0;
    for cols in [100, 128, 256, 301, 512, 1000] {
        for tie in [0.0, 3.0, -5.0] {
            let kind = rng.pick(&[RankKind::TopK, RankKind::BottomK]);
            let rows: Vec<f32> =
                (0..ROWS).flat_map(|_| tied_row(cols, kind, tie, &mut rng)).collect();
            let k = rng.pick(&[1, 4, 8, 30]);
            let problem = Problem::new(kind, ROWS, cols, k).with_sorted(!rng.one_in(4));
            let what = format!("ties at {tie}");
            asked += ask_each(problem, &rows, &what);
            let halves: Vec<bf16> = rows.iter().map(|&x| bf16::from_f32(x)).collect();
            asked += ask_each(problem.with_dtype(DType::Bf16), &halves, &what);
        }
    }
    assert!(asked > 100, "{asked} questions: choices are no longer what the kernels take");
}

/// Asks the network of a lane for these ranks of those rows, some of which are shorter where lengths say so.
fn ask_lane<T: Value>(problem: Problem, x: &[T], what: &str, rng: &mut Rng) -> usize {
    let lengths: Vec<u32> = (0..problem.rows).map(|_| rng.below(problem.cols + 1) as u32).collect();
    let ragged = problem.lengths.is_ragged();
    let input = if ragged { Input::ragged(x, &lengths) } else { Input::new(x) };
    ask_ways(input, problem, [(MergeDetail::GroupNetwork, 32, 8)], what)
}

/// Few elements of all magnitudes, some of which differ from the one before in the last bit alone, among ties: words lack
/// bits of what comes before the ties, of some so many that they are alike.
fn wide_row(cols: usize, tie: f32, rng: &mut Rng) -> Vec<f32> {
    let better = rng.below(40);
    let mut last = 1f32;
    (0..cols)
        .map(|_| {
            if rng.below(cols) >= better {
                return tie;
            }
            last = match rng.one_in(8) {
                true => last.next_down(),
                false => (rng.normal() * 20.0).exp2() as f32,
            };
            last
        })
        .collect()
}

#[test]
fn rows_that_a_lane_orders() {
    let mut rng = Rng::new(41);
    let mut asked = 0;
    for cols in [100, 256, 257, 480, 1000] {
        let k = rng.pick(&[5, 32]);
        let top = Problem::new(RankKind::TopK, ROWS, cols, k);
        let any = |rng: &mut Rng| {
            let lengths = rng.pick(&[Lengths::Full, Lengths::Full, Lengths::Padded]);
            let kind =
                rng.pick(&[RankKind::TopK, RankKind::BottomK, RankKind::Range { start: 32 - k }]);
            let nan = rng.pick(&[NanOrder::Greatest, NanOrder::Last]);
            Problem { kind, ..top }.with_nan(nan).with_lengths(lengths)
        };
        for pattern in Pattern::ALL {
            let (problem, what) = (any(&mut rng), format!("{pattern:?}"));
            let x = pattern.matrix::<f32>(ROWS, cols, &mut rng);
            asked += ask_lane(problem, &x, &what, &mut rng);
            let x = pattern.matrix::<bf16>(ROWS, cols, &mut rng);
            asked += ask_lane(problem.with_dtype(DType::Bf16), &x, &what, &mut rng);
            let x = pattern.matrix::<i32>(ROWS, cols, &mut rng);
            asked += ask_lane(problem.with_dtype(DType::I32), &x, &what, &mut rng);
        }
        for tie in [0.0, 0.125, -1e30] {
            let x: Vec<f32> = (0..ROWS).flat_map(|_| wide_row(cols, tie, &mut rng)).collect();
            asked += ask_lane(top, &x, &format!("wide rows above {tie}"), &mut rng);
        }
        // The last keys of all, which what is not there has, too.
        for (kind, end) in [(RankKind::TopK, i32::MIN), (RankKind::BottomK, i32::MAX)] {
            let x: Vec<i32> = (0..ROWS * cols)
                .map(|_| if rng.one_in(20) { rng.below(9) as i32 - 4 } else { end })
                .collect();
            let problem = Problem { kind, ..any(&mut rng) }.with_dtype(DType::I32);
            asked += ask_lane(problem, &x, &format!("ends at {end}"), &mut rng);
        }
    }
    assert!(asked > 300, "{asked} questions: choices are no longer what the kernels take");
}
