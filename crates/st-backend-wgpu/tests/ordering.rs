//! The filter's list: its candidates looked up, put into bins and counted, or ordered by a network where
//! they crowd. Answers are compared with the naive oracle's, values and indices bit for bit.

mod common;

use common::hostile::{ask_all, executor};
use st_rank::{Choice, DType, Lengths, MergeDetail, MergeKind, Problem, RankKind};

/// A list of 1024 candidates, so that hundreds may crowd into a bin.
const CHOICE: Choice = Choice {
    mk: MergeKind::Filter,
    mkd: MergeDetail::Auto,
    tile: 1024,
    ctile: 1024,
    use_2ce: false,
    wg: 128,
    kl: 8,
    ch: 0,
};

const K: usize = 700;

/// As many, with more threads: a sample says where the threshold is, and more candidates reach it than are
/// wanted.
#[test]
fn more_candidates_than_are_wanted() {
    let exec = executor();
    let wg = exec.caps().expect("an adapter").max_workgroup.min(512);
    let sampled = Choice { tile: 4 * wg, wg, kl: 1024 / wg, ..CHOICE };
    for dtype in [DType::F32, DType::Bf16] {
        for cols in [9001, 70_000] {
            for (kind, k) in [
                (RankKind::TopK, 400),
                (RankKind::BottomK, 400),
                (RankKind::Range { start: 150 }, 250),
            ] {
                for sorted in [true, false] {
                    let problem = Problem::new(kind, 2, cols, k).with_dtype(dtype);
                    ask_all(&exec, sampled, problem.with_sorted(sorted));
                }
            }
        }
    }
}

#[test]
fn any_type_and_order() {
    let exec = executor();
    for dtype in [DType::F32, DType::Bf16, DType::I32] {
        for kind in [RankKind::TopK, RankKind::BottomK] {
            for sorted in [true, false] {
                let problem = Problem::new(kind, 3, 9001, K).with_dtype(dtype).with_sorted(sorted);
                ask_all(&exec, CHOICE, problem);
            }
        }
    }
}

#[test]
fn ranks_that_begin_later_and_rows_of_any_length() {
    let exec = executor();
    for sorted in [true, false] {
        for (kind, k) in [(RankKind::Range { start: 300 }, 400), (RankKind::TopK, K)] {
            for lengths in [Lengths::Full, Lengths::Ragged, Lengths::Padded] {
                let problem = Problem::new(kind, 4, 5000, k).with_row_stride(5003);
                let problem = problem.with_sorted(sorted).with_lengths(lengths);
                ask_all(&exec, CHOICE, problem);
            }
        }
    }
}

#[test]
fn rows_of_more_columns_than_16_bits_count() {
    let exec = executor();
    for sorted in [true, false] {
        let problem = Problem::new(RankKind::TopK, 2, 70_000, K).with_dtype(DType::Bf16);
        ask_all(&exec, CHOICE, problem.with_sorted(sorted));
    }
}

#[test]
fn rows_in_registers() {
    let exec = executor();
    let choice = Choice { tile: 4096, ..CHOICE };
    for dtype in [DType::F32, DType::Bf16] {
        for sorted in [true, false] {
            let problem = Problem::new(RankKind::TopK, 3, 4096, K).with_dtype(dtype);
            ask_all(&exec, choice, problem.with_sorted(sorted));
        }
    }
}
