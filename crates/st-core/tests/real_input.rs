//! Selections from real data, `examples/data/digits.npy`: 1,797 images of 64 pixels from 0 to 16,
//! so nearly every row has equal values among its greatest. What is expected is found by sorting
//! here, or was written down from NumPy.

use st_core::backend::cpu_exec::{CpuExecutor, Isa};
use st_core::ops::compact::{CompactProblem, compact_range, plan_compact};
use st_core::ops::rank_entry::{
    Input, Knowledge, Lengths, Problem, RankKind, execute_rank, plan, plan_rank,
};
use st_core::{Element, bf16, f16};
use std::path::Path;

const ROWS: usize = 1797;
const COLS: usize = 64;

fn digits() -> Vec<f32> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/data/digits.npy");
    let file = std::fs::read(path).expect("the sample data are in the repository");
    let data = &file[file.len() - ROWS * COLS * 4..];
    assert!(file.starts_with(b"\x93NUMPY\x01\x00"));
    data.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

/// The images as columns: 64 rows of 1,797 elements, each pixel over all images.
fn pixels(digits: &[f32]) -> Vec<f32> {
    (0..COLS).flat_map(|c| (0..ROWS).map(move |r| digits[r * COLS + c])).collect()
}

/// Every instruction set there is, on one thread and on three.
fn executors() -> Vec<CpuExecutor> {
    let isas = Isa::available().into_iter();
    let both = isas.flat_map(|isa| [1, 3].map(|threads| CpuExecutor::new(isa, Some(threads))));
    both.collect::<Result<_, _>>().expect("these instruction sets are there")
}

/// The indices wanted of a row, by sorting it all. There is no NaN here.
fn expected<T: Element + PartialOrd>(row: &[T], problem: &Problem) -> Vec<u32> {
    let mut order: Vec<u32> = (0..).take(row.len()).collect();
    let at = |i: u32| row[i as usize];
    order.sort_by(|&a, &b| {
        let ascending = at(a).partial_cmp(&at(b)).expect("no NaN");
        let by_value = if problem.kind == RankKind::TopK { ascending.reverse() } else { ascending };
        by_value.then(a.cmp(&b))
    });
    let (n, k) = (row.len(), problem.k);
    let start = match problem.kind {
        RankKind::TopK | RankKind::BottomK => 0,
        RankKind::MidK => (n - k) / 2,
        RankKind::Range { start } => start,
    };
    let mut wanted = order[start..start + k].to_vec();
    if !problem.sorted {
        wanted.sort_unstable();
    }
    wanted
}

/// Runs the problem everywhere and compares with sorting.
fn check<T: Element + PartialOrd>(x: &[T], problem: Problem) {
    let problem = problem.with_dtype(T::DTYPE);
    let (mut indices, mut values) = (Vec::new(), Vec::new());
    for row in x.chunks(problem.row_stride).map(|row| &row[..problem.cols]) {
        let wanted = expected(row, &problem);
        values.extend(wanted.iter().map(|&i| row[i as usize]));
        indices.extend(wanted);
    }
    for exec in executors() {
        let plan = plan(&problem, &exec.caps(), &Knowledge::default());
        let out = execute_rank(&exec.on(x), &plan).expect("the problem is possible");
        assert!(out.indices == indices, "{problem} on {exec:?}: indices");
        assert!(out.values == values, "{problem} on {exec:?}: values");
    }
}

const KINDS: [RankKind; 4] =
    [RankKind::TopK, RankKind::BottomK, RankKind::MidK, RankKind::Range { start: 0 }];

#[test]
fn the_answer_is_numpys() {
    let digits = digits();
    let exec = CpuExecutor::default();
    let plan = plan_rank(RankKind::TopK, ROWS, COLS, 5, exec.caps());
    let out = execute_rank(&exec.on(&digits), &plan).expect("the problem is possible");
    for (row, indices, values) in [
        (0, [11, 13, 18, 50, 3], [15.0, 15.0, 15.0, 14.0, 13.0]),
        (1, [12, 20, 27, 28, 35], [16.0; 5]),
        (ROWS - 1, [10, 27, 28, 42, 45], [16.0; 5]),
    ] {
        assert_eq!(out.indices[row * 5..][..5], indices);
        assert_eq!(out.values[row * 5..][..5], values);
    }
}

#[test]
fn each_image() {
    let digits = digits();
    for kind in KINDS {
        for k in [1, 5, 20, COLS] {
            check(&digits, Problem::new(kind, ROWS, COLS, k));
        }
        check(&digits, Problem::new(kind, ROWS, COLS, 9).with_sorted(false));
    }
    check(&digits, Problem::new(RankKind::Range { start: 40 }, ROWS, COLS, 24));
}

#[test]
fn each_pixel() {
    let pixels = pixels(&digits());
    for kind in KINDS {
        for k in [1, 10, 100, 1000, ROWS] {
            check(&pixels, Problem::new(kind, COLS, ROWS, k));
        }
    }
}

#[test]
fn a_slice_needs_no_copy() {
    let digits = digits();
    let upper_half = Problem::new(RankKind::TopK, ROWS, COLS / 2, 7).with_row_stride(COLS);
    check(&digits, upper_half);
}

#[test]
fn other_types_give_the_same_indices() {
    // All of 0 to 16 is exact in each.
    let pixels = pixels(&digits());
    let problem = |kind| Problem::new(kind, COLS, ROWS, 50);
    for kind in KINDS {
        check(&pixels.iter().map(|&x| f16::from_f32(x)).collect::<Vec<_>>(), problem(kind));
        check(&pixels.iter().map(|&x| bf16::from_f32(x)).collect::<Vec<_>>(), problem(kind));
        check(&pixels.iter().map(|&x| f64::from(x)).collect::<Vec<_>>(), problem(kind));
        check(&pixels.iter().map(|&x| x as u8).collect::<Vec<_>>(), problem(kind));
        check(&pixels.iter().map(|&x| x as i32 - 8).collect::<Vec<_>>(), problem(kind));
        check(&pixels.iter().map(|&x| x as i64 - 8).collect::<Vec<_>>(), problem(kind));
    }
}

#[test]
fn images_of_different_lengths() {
    let digits = digits();
    let lengths: Vec<u32> = (0..).map(|row| 10 + row % 55).take(ROWS).collect();
    let problem = Problem::new(RankKind::MidK, ROWS, COLS, 10).with_lengths(Lengths::Ragged);
    let rows = digits.chunks(COLS).zip(&lengths);
    let indices: Vec<u32> =
        rows.flat_map(|(row, &n)| expected(&row[..n as usize], &problem)).collect();
    for exec in executors() {
        let plan = plan(&problem, &exec.caps(), &Knowledge::default());
        let x = Input::ragged(&digits, &lengths);
        let out = execute_rank(&exec.on(&x), &plan).expect("every row has ten");
        assert!(out.indices == indices, "{exec:?}");
    }
}

#[test]
fn dark_pixels_are_compacted() {
    let digits = digits();
    for exec in executors() {
        let plan = plan_compact(&CompactProblem::new(ROWS, COLS), &exec.caps());
        let out = compact_range(&exec.on(&digits), &plan, 12.0, 16.0).expect("it fits");
        let mut at = 0;
        for (r, row) in digits.chunks(COLS).enumerate() {
            let dark = (0u32..).zip(row).filter(|(_, x)| (12.0..=16.0).contains(*x));
            let (indices, values): (Vec<_>, Vec<_>) = dark.map(|(i, &x)| (i, x)).unzip();
            assert_eq!(out.count(r), indices.len(), "row {r} on {exec:?}");
            assert_eq!(out.indices[at..][..indices.len()], indices, "row {r} on {exec:?}");
            assert_eq!(out.values[at..][..indices.len()], values, "row {r} on {exec:?}");
            at += indices.len();
        }
        assert_eq!(at, out.values.len());
    }
}
