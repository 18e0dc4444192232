//! How often evidence is wrong, and how soon it is right: simulations with fixed seeds.

#![allow(clippy::print_stdout, reason = "what was found, for docs/tuning.md")]

use st_conformance::rng::Rng;
use st_tune::{Bar, Error, Evidence};

/// Trials of a comparison, and comparisons.
const TRIALS: usize = 100_000;
const COMPARISONS: usize = 10_000;

/// In (0, 1].
fn unit(rng: &mut Rng) -> f64 {
    ((rng.bits() >> 11) + 1) as f64 / (1u64 << 53) as f64
}

fn normal(rng: &mut Rng) -> f64 {
    (-2.0 * unit(rng).ln()).sqrt() * (std::f64::consts::TAU * unit(rng)).cos()
}

/// Of comparisons of two that are alike, in families of so many, the share of families in which one ever has as many
/// half wins as `needed` says for its trials.
fn false_wins(needed: &[u64], family: usize, seed: u64) -> f64 {
    let mut rng = Rng::new(seed);
    let families = COMPARISONS / family;
    let mut wrong = 0;
    for _ in 0..families {
        let mut any = false;
        for _ in 0..family {
            let (mut half_wins, mut bits) = (0, 0u64);
            for (n, &least) in needed.iter().enumerate() {
                if n % 64 == 0 {
                    bits = rng.bits();
                }
                half_wins += 2 * (bits & 1);
                bits >>= 1;
                if half_wins >= least {
                    any = true;
                    break;
                }
            }
        }
        wrong += u32::from(any);
    }
    f64::from(wrong) / families as f64
}

/// What each number of trials from 1 needs.
fn needs(bar: &Bar, under_way: usize) -> Vec<u64> {
    let needed = |trials| bar.half_wins_needed(trials, under_way).unwrap_or(u64::MAX);
    (1..=TRIALS as u64).map(needed).collect()
}

#[test]
fn two_that_are_alike_are_hardly_ever_called_different() {
    std::thread::scope(|scope| {
        for (under_way, seed) in [(1, 1), (4, 2), (16, 3)] {
            scope.spawn(move || {
                let share = false_wins(&needs(&Bar::default(), under_way), under_way, seed);
                println!("{under_way} under way: {:.2} % of families ever wrong", 100.0 * share);
                assert!(share <= 0.05, "{under_way} under way: {share}");
            });
        }
    });
}

/// The guard is the e-value: without it, and Wilson's bound looked at after every trial, far more are wrong.
#[test]
fn without_the_e_value_many_are() {
    // An e-value of next to nothing is enough.
    let bar = Bar { false_wins: 1e300, ..Bar::default() };
    let share = false_wins(&needs(&bar, 1), 1, 4);
    println!("Wilson's bound alone: {:.1} % ever wrong", 100.0 * share);
    assert!(share > 0.25, "{share}");
}

/// Pairs until a challenger that is `faster` times as fast is called so, with timing noise of that spread.
fn pairs_until_won(faster: f64, noise: f64, under_way: usize, rng: &mut Rng) -> u64 {
    let mut evidence = Evidence::default();
    while !evidence.is_won(&Bar::default(), under_way) {
        let mut time = |us: f64| us * (noise * normal(rng)).exp();
        let (in_use, challenger) = (time(100.0), time(100.0 / faster));
        evidence.record(in_use, challenger).expect("times");
        assert!(evidence.trials() < 100_000, "it is never called faster");
    }
    evidence.trials()
}

fn median(mut all: Vec<u64>) -> u64 {
    all.sort_unstable();
    all[all.len() / 2]
}

/// The numbers that docs/tuning.md states. Of the last three the e-values are those of the first, fourth and sixteenth
/// comparison that Self-Rewrite begins.
#[test]
fn a_gain_of_a_tenth_is_found_soon() {
    let mut rng = Rng::new(5);
    for (noise, under_way, stated) in [
        (0.03, 1, 20),
        (0.1, 1, 25),
        (0.1, 16, 50),
        (0.2, 1, 95),
        (0.2, 16, 185),
        (0.1, 2, 40),
        (0.1, 4 * 5, 60),
        (0.1, 16 * 17, 85),
    ] {
        let all = (0..400).map(|_| pairs_until_won(1.1, noise, under_way, &mut rng)).collect();
        let found = median(all);
        println!("noise {noise}, {under_way} under way: {found} pairs");
        assert!(found <= stated, "noise {noise}, {under_way} under way: {found} pairs");
    }
}

#[test]
fn what_has_turned_is_withdrawn() {
    let mut rng = Rng::new(6);
    let mut all = Vec::new();
    for _ in 0..200 {
        let mut since = Evidence::default();
        while !since.is_turned(&Bar::default(), 1) {
            let mut time = |us: f64| us * (0.1 * normal(&mut rng)).exp();
            let (in_use, challenger) = (time(100.0), time(110.0));
            since.record(in_use, challenger).expect("times");
            assert!(since.trials() < 100_000, "it is never withdrawn");
            assert!(!since.is_won(&Bar::default(), 1));
        }
        all.push(since.trials());
    }
    let found = median(all);
    println!("withdrawn after {found} pairs");
    assert!(found <= 40, "{found}");
}

#[test]
fn a_small_gain_is_none() {
    let mut evidence = Evidence::default();
    for _ in 0..10_000 {
        evidence.record(101.0, 100.0).expect("times");
    }
    assert!(
        evidence.ln_e_faster() > 1000.0 && !evidence.is_won(&Bar::default(), 1),
        "1 % is not 2 %"
    );
}

#[test]
fn what_is_no_time_is_refused() {
    let mut evidence = Evidence::default();
    for (in_use, challenger) in [(0.0, 1.0), (1.0, -1.0), (f64::NAN, 1.0), (1.0, f64::INFINITY)] {
        let refused = evidence.record(in_use, challenger);
        assert!(matches!(refused, Err(Error::NotATime { .. })), "{in_use} {challenger}");
    }
    assert_eq!(evidence, Evidence::default());
}

#[test]
fn evidence_is_kept_and_nonsense_is_not() {
    let mut evidence = Evidence::default();
    for i in 0..1000u32 {
        evidence.record(100.0 + f64::from(i % 7), 99.0 + f64::from(i % 5)).expect("times");
    }
    let text = serde_json::to_string(&evidence).expect("text");
    assert_eq!(serde_json::from_str::<Evidence>(&text).expect("the same"), evidence);
    for (from, to) in [
        ("\"trials\":1000", "\"trials\":999"),
        ("\"trials\":1000", "\"trials\":18446744073709551615"),
        ("\"half_wins\":", "\"half_wins\":9"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text);
        assert!(serde_json::from_str::<Evidence>(&changed).is_err(), "{changed}");
    }
}
