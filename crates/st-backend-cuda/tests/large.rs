//! Long rows, whose lists lie in device memory: what usually does, and what samples mislead.

mod common;

use std::collections::HashSet;

use common::{executor, libraries, replayed};
use st_backend_cuda::{CudaExecutor, Launch};
use st_conformance::value::Value;
use st_conformance::{oracle, verdict};
use st_rank::{
    Choice, Input, Lengths, MergeDetail, MergeKind, NanOrder, Problem, RankKExecutor, RankKind,
    RankPlan, bf16, f16,
};

/// Random words.
fn words(n: usize, seed: u64) -> impl Iterator<Item = u64> {
    (0..n as u64).map(move |i| {
        let mut x = (i + seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        x ^= x >> 32;
        x = x.wrapping_mul(0xd6e8_feb8_6659_fd93);
        x ^ x >> 32
    })
}

fn bell(word: u64) -> f32 {
    let parts = [word & 0xffff, word >> 16 & 0xffff, word >> 32 & 0xffff, word >> 48];
    parts.iter().map(|&p| p as f32 / 32_768.0 - 1.0).sum()
}

fn choice(problem: &Problem, parts: usize, kl: u32) -> Choice {
    let step = 256 * st_kernels::cuda::vector_elements(problem.dtype);
    let ch = if parts > 1 { problem.cols.div_ceil(parts) as u32 } else { 0 };
    Choice {
        mk: MergeKind::Filter,
        mkd: MergeDetail::Auto,
        tile: 2 * step,
        ctile: 1024,
        use_2ce: true,
        wg: 256,
        kl,
        ch,
    }
}

fn ask<T: Value>(x: &[T], problem: Problem, what: &str) {
    // Lists that are held in registers while they are ordered.
    ask_with(x, problem, 8, what);
}

fn ask_with<T: Value>(x: &[T], problem: Problem, kl: u32, what: &str) {
    let problem = problem.with_dtype(T::DTYPE);
    let exec = executor();
    let caps = exec.caps().expect("a device");
    for parts in [1, 7] {
        let plan = RankPlan::by_hand(problem, caps, choice(&problem, parts, kl));
        st_kernels::check(&plan.choice, &problem, &caps).expect("it can be run");
        let want = oracle::rank(Input::new(x), &problem);
        // Twice: the first leaves counts at zero.
        for run in 0..2 {
            let got = exec.on(x).execute(&plan).expect("it runs");
            verdict::rank(problem.k, &want, &got).unwrap_or_else(|why| {
                panic!("{what}, {problem}, kl {kl}, {parts} parts, run {run}: {why}")
            });
        }
    }
}

#[test]
fn many_ranks_of_random_rows() {
    let n = 150_000;
    let x: Vec<f32> = words(2 * n, 1).map(bell).collect();
    for (kind, k) in [
        (RankKind::TopK, 20_000),
        (RankKind::BottomK, 3000),
        (RankKind::MidK, 1000),
        (RankKind::Range { start: 100_000 }, 5000),
        (RankKind::Range { start: 3 }, 100),
        (RankKind::TopK, 1),
    ] {
        ask(&x, Problem::new(kind, 2, n, k), "normal");
    }
    // Rows that begin within a vector.
    let odd = Problem::new(RankKind::TopK, 2, n - 3, 9000).with_row_stride(n - 1);
    ask(&x[..2 * (n - 1)], odd, "odd");
    ask(&x, Problem::new(RankKind::TopK, 2, n, 9000).with_nan(NanOrder::Last), "NaN last");
}

#[test]
fn rows_that_mislead() {
    let n = 140_000;
    let base: Vec<u64> = words(n, 7).collect();
    let of = |f: &dyn Fn(usize, u64) -> f32| -> Vec<f32> {
        base.iter().enumerate().map(|(i, &w)| f(i, w)).collect()
    };
    let mut inputs = vec![
        ("equal", of(&|_, _| 2.5)),
        ("8 values", of(&|_, w| (w >> 61) as f32)),
        ("ascending", of(&|i, _| i as f32)),
        ("descending", of(&|i, _| -(i as f32))),
        ("outliers", of(&|i, w| if i % 701 == 0 { f32::INFINITY } else { bell(w) })),
        ("NaN", of(&|i, w| if i % 3 == 0 { -f32::NAN } else { bell(w) })),
        (
            "zeros",
            of(&|_, w| {
                if w & 3 == 0 {
                    bell(w)
                } else if w & 4 == 0 {
                    0.0
                } else {
                    -0.0
                }
            }),
        ),
        ("bits", of(&|_, w| f32::from_bits(w as u32))),
    ];
    // Winners everywhere but where the sample looks: at pairs of vectors that are spread evenly.
    let mut hidden = of(&|_, w| bell(w));
    let sampled: HashSet<usize> =
        (0..4096).map(|spot| 1 + spot * (n / 4 - 3) / 4096).flat_map(|at| [at, at + 1]).collect();
    for (i, x) in hidden.iter_mut().enumerate() {
        if !sampled.contains(&(i / 4)) && i % 5 == 0 {
            *x += 50.0;
        }
    }
    inputs.push(("hidden", hidden));
    for (what, x) in &inputs {
        for (kind, k) in [(RankKind::TopK, 5000), (RankKind::MidK, 777), (RankKind::BottomK, 20)] {
            ask(x, Problem::new(kind, 1, n, k), what);
        }
    }
}

/// Ties on both sides of what is wanted and between, elements in order, and what few tell apart.
#[test]
fn many_ranks_of_rows_with_ties_and_in_order() {
    let n = 150_000;
    let base: Vec<u64> = words(n, 11).collect();
    let of = |f: &dyn Fn(usize, u64) -> f32| -> Vec<f32> {
        base.iter().enumerate().map(|(i, &w)| f(i, w)).collect()
    };
    let inputs = [
        ("two values", of(&|_, w| (w & 1) as f32)),
        ("relu", of(&|_, w| (bell(w) - 0.2).max(0.0))),
        ("winners at the end", of(&|i, w| bell(w) + if i + 9000 > n { 20.0 } else { 0.0 })),
        ("ascending", of(&|i, _| i as f32)),
        // Neighbours in the order of numbers lie far apart in that of their bits.
        ("hundreds of values", of(&|_, w| (w % 300) as f32)),
        ("few bits", of(&|_, w| f32::from_bits(0x3f80_0000 + (w >> 56) as u32))),
    ];
    for (what, x) in &inputs {
        for (kind, k) in [
            (RankKind::TopK, 30_000),
            (RankKind::TopK, n - 1000),
            (RankKind::MidK, 9000),
            (RankKind::Range { start: 40_000 }, n - 40_000),
        ] {
            ask(x, Problem::new(kind, 1, n, k), what);
        }
        // Every element.
        ask_with(x, Problem::new(RankKind::BottomK, 1, n, n), 16, what);
    }
}

/// Bins of more candidates than a block's list holds, of other elements, of ties, and of so many that the row is done in
/// another way.
#[test]
fn bins_that_do_not_fit() {
    let n = 150_000;
    let base: Vec<u64> = words(n, 13).collect();
    let sampled: HashSet<usize> =
        (0..4096).map(|spot| 1 + spot * (n / 4 - 3) / 4096).flat_map(|at| [at, at + 1]).collect();
    for (hidden, spread) in [(3000, 1e-4), (3000, 0.0), (12_000, 1e-4), (40_000, 1e-5)] {
        // So many where the sample does not look, close together.
        let mut left = hidden;
        let x: Vec<f32> = base
            .iter()
            .enumerate()
            .map(|(i, &w)| {
                if left == 0 || sampled.contains(&(i / 4)) || w % 3 != 0 {
                    return bell(w);
                }
                left -= 1;
                0.5 + bell(w) * spread
            })
            .collect();
        for kl in [1, 4] {
            let what = format!("{hidden} within {spread}");
            ask_with(&x, Problem::new(RankKind::TopK, 1, n, 60_000), kl, &what);
            ask_with(&x, Problem::new(RankKind::Range { start: 30_000 }, 1, n, 9000), kl, &what);
        }
    }
}

#[test]
fn rows_of_different_lengths() {
    let n = 140_000;
    let x: Vec<f32> = words(3 * n, 17).map(bell).collect();
    let lengths = [n as u32, 100_000, 70_001];
    let problem = Problem::new(RankKind::TopK, 3, n, 7000).with_lengths(Lengths::Ragged);
    let exec = executor();
    let caps = exec.caps().expect("a device");
    let input = Input::ragged(&x, &lengths);
    let plan = RankPlan::by_hand(problem, caps, choice(&problem, 5, 8));
    let got = exec.on(&input).execute(&plan).expect("it runs");
    verdict::rank(problem.k, &oracle::rank(input, &problem), &got).expect("each row's own");
}

#[test]
fn other_types() {
    let n = 530_000;
    let x: Vec<bf16> = words(n, 3).map(|w| bf16::from_f32(bell(w))).collect();
    ask(&x, Problem::new(RankKind::TopK, 1, n, 10_000), "bf16");
    let x: Vec<f64> = words(n / 4, 4).map(|w| f64::from(bell(w)) + (w as f64) * 1e-30).collect();
    ask(&x, Problem::new(RankKind::BottomK, 1, n / 4, 10_000), "f64");
    let x: Vec<f64> = words(n / 4, 8).map(|w| f64::from((w % 7) as u32)).collect();
    ask(&x, Problem::new(RankKind::MidK, 1, n / 4, 20_000), "ties of f64");
    let x: Vec<u64> = words(n / 4, 9).map(|w| if w & 3 == 0 { w } else { w & 0xff }).collect();
    ask(&x, Problem::new(RankKind::BottomK, 1, n / 4, 110_000), "u64");
    let x: Vec<f16> = words(n, 10).map(|w| f16::from_f32(bell(w))).collect();
    ask(&x, Problem::new(RankKind::Range { start: 100_000 }, 1, n, 50_000), "f16");
    let x: Vec<i8> = words(n, 5).map(|w| w as i8).collect();
    ask(&x, Problem::new(RankKind::MidK, 1, n, 10_000), "i8");
    let x: Vec<u32> = words(n, 6).map(|w| w as u32).collect();
    ask(&x, Problem::new(RankKind::TopK, 1, n, 100_000), "u32");
}

#[test]
fn each_field_changes_what_is_launched() {
    let exec = CudaExecutor::default().with_libraries(libraries()).with_launch_log();
    let caps = exec.caps().expect("a device");
    let n = 140_000;
    let x: Vec<f32> = words(n, 19).map(bell).collect();
    let problem = Problem::new(RankKind::TopK, 1, n, 3000);
    let run = |choice: Choice| -> Vec<Launch> {
        exec.on(&x).execute(&RankPlan::by_hand(problem, caps, choice)).expect("it can be run");
        exec.launches()
    };
    let base = choice(&problem, 3, 8);
    let launched = run(base);
    let kernels: Vec<_> = launched.iter().map(|launch| launch.kernel).collect();
    assert_eq!(kernels, ["memory_sample", "memory_filter", "memory_order", "select_again"]);
    assert_eq!(launched[1].blocks, 3);
    for other in [
        Choice { tile: base.tile / 2, ..base },
        Choice { wg: 128, ..base },
        Choice { kl: 4, ..base },
        Choice { ch: 0, ..base },
    ] {
        assert_ne!(run(other), launched, "{other}");
    }
}

/// What a run leaves in the workspace does not change the next one.
#[test]
fn graphs_give_the_same_bits() {
    let exec = executor();
    let (rows, n, k) = (2, 140_000, 5000);
    let problem = Problem::new(RankKind::MidK, rows, n, k);
    let plan = RankPlan::by_hand(problem, exec.caps().expect("a device"), choice(&problem, 2, 8));
    let (x, right) = replayed(exec, &plan, 3);
    let want = oracle::rank(Input::new(&x), &problem);
    assert_eq!((&want.values, &want.indices), (&right.0, &right.1));
}
