//! Long rows, whose lists lie in device memory: what usually does, and what samples mislead.

mod common;

use common::executor;
use st_conformance::value::Value;
use st_conformance::{oracle, verdict};
use st_rank::{
    Choice, Input, MergeDetail, MergeKind, NanOrder, Problem, RankKExecutor, RankKind, RankPlan,
    bf16,
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

fn choice(problem: &Problem, parts: usize) -> Choice {
    let step = 256 * st_kernels::cuda::vector_elements(problem.dtype);
    let ch = if parts > 1 { problem.cols.div_ceil(parts) as u32 } else { 0 };
    Choice {
        mk: MergeKind::Filter,
        mkd: MergeDetail::Auto,
        tile: 2 * step,
        ctile: 1024,
        use_2ce: true,
        wg: 256,
        kl: 8,
        ch,
    }
}

fn ask<T: Value>(x: &[T], problem: Problem, what: &str) {
    let problem = problem.with_dtype(T::DTYPE);
    let exec = executor();
    let caps = exec.caps().expect("a device");
    for parts in [1, 7] {
        let plan = RankPlan::by_hand(problem, caps, choice(&problem, parts));
        st_kernels::check(&plan.choice, &problem, &caps).expect("it can be run");
        let want = oracle::rank(Input::new(x), &problem);
        // Twice: the first leaves counts at zero.
        for run in 0..2 {
            let got = exec.on(x).execute(&plan).expect("it runs");
            verdict::rank(problem.k, &want, &got)
                .unwrap_or_else(|why| panic!("{what}, {problem}, {parts} parts, run {run}: {why}"));
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
    // Winners everywhere but where the sample looks: its vectors are spread evenly.
    let mut hidden = of(&|_, w| bell(w));
    let vectors = n / 4;
    for (i, x) in hidden.iter_mut().enumerate() {
        let sampled = (0..=1).any(|d| {
            let at = (i / 4 + d) * 8192 / vectors;
            at > 0 && (at * vectors / 8192) == i / 4
        });
        if !sampled && i % 5 == 0 {
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

#[test]
fn other_types() {
    let n = 530_000;
    let x: Vec<bf16> = words(n, 3).map(|w| bf16::from_f32(bell(w))).collect();
    ask(&x, Problem::new(RankKind::TopK, 1, n, 10_000), "bf16");
    let x: Vec<f64> = words(n / 4, 4).map(|w| f64::from(bell(w)) + (w as f64) * 1e-30).collect();
    ask(&x, Problem::new(RankKind::BottomK, 1, n / 4, 10_000), "f64");
    let x: Vec<i8> = words(n, 5).map(|w| w as i8).collect();
    ask(&x, Problem::new(RankKind::MidK, 1, n, 10_000), "i8");
    let x: Vec<u32> = words(n, 6).map(|w| w as u32).collect();
    ask(&x, Problem::new(RankKind::TopK, 1, n, 100_000), "u32");
}
