//! The program of the founding document, byte for byte.

mod common;

use common::{SCHEMA, SEED, compile, variables};
use st_kdsl::{Program, Value};

/// Assigned mk, mkd, tile, ctile; then (field, value, weight) of the votes.
fn decide(r: f64, c: f64, k: f64, sg: bool) -> ([f64; 4], Vec<(usize, f64, f64)>) {
    let rules = compile(SEED);
    let mut assigned = [None; 8];
    let outcome = rules.eval(&variables(r, c, k, sg), &mut assigned);
    assert_eq!(outcome.notes, []);
    assert_eq!(&assigned[4..], &[None; 4]);
    assert_eq!(outcome.assignments.len(), 4);
    let fields = [0, 1, 2, 3].map(|i| match assigned[i] {
        Some(Value::Number(x)) => x,
        other => panic!("{other:?}"),
    });
    let votes = outcome.votes.iter().map(|v| match (v.field, v.value) {
        (Some(field), Some(Value::Number(x))) => {
            assert!(v.fields().is_empty());
            assert_eq!(v.applies(&[], &[]), Ok(true));
            (field, x, v.weight)
        }
        other => panic!("{other:?}"),
    });
    (fields, votes.collect())
}

#[test]
fn it_is_exactly_what_stands_between_the_quotes() {
    assert!(SEED.starts_with("\n  # mk: 0=bitonic"));
    assert!(SEED.ends_with("(log2(c)<=15.0));\n"));
    assert_eq!(SEED.lines().count(), 17);
}

#[test]
fn it_decides_what_it_says() {
    let (mk, tile) = (0, 2);
    assert_eq!(
        decide(1024.0, 65536.0, 128.0, true),
        ([2.0, 4.0, 2048.0, 1024.0], vec![(mk, 2.0, 0.25), (tile, 2048.0, 0.20)])
    );
    assert_eq!(
        decide(1.0, 65536.0, 128.0, false),
        ([1.0, 1.0, 2048.0, 1024.0], vec![(tile, 2048.0, 0.20)])
    );
    assert_eq!(
        decide(8.0, 32768.0, 129.0, true),
        ([1.0, 1.0, 1024.0, 512.0], vec![(mk, 1.0, 0.20), (tile, 1024.0, 0.15)])
    );
    assert_eq!(decide(8.0, 8192.0, 4096.0, true), ([0.0, 3.0, 512.0, 512.0], vec![]));
    assert_eq!(
        decide(8.0, 1000.0, 2048.0, true),
        ([1.0, 1.0, 256.0, 256.0], vec![(mk, 1.0, 0.20)])
    );
}

#[test]
fn it_prints_canonically() {
    let program = Program::parse("SPIRAL_HEUR_K", SEED).unwrap();
    let printed = program.to_string();
    let golden = "\
# mk: 0=bitonic, 1=shared, 2=warp (subgroup path on WGPU)
mk: sel(sg && (k <= 128), 2, sel(k <= 2048, 1, 0));
# mkd: sub-strategy (auto/heap/kway/bitonic/warp_heap/warp_bitonic)
mkd: sel(mk == 2, 4, sel(mk == 1, 1, 3));
# TopK sweeping tile
tile: sel(log2(c) > 15.0, 2048, sel(log2(c) > 13.0, 1024, sel(log2(c) > 12.0, 512, 256)));
# Mid/Bottom compaction tile
ctile: sel(tile >= 1024, tile / 2, tile);

# Soft hints (gently bias the solver)
soft(mk, 2, 0.25, sg && (k <= 128));
soft(mk, 1, 0.20, (k > 128) && (k <= 2048));
soft(tile, 2048, 0.20, log2(c) > 15.0);
soft(tile, 1024, 0.15, (log2(c) > 13.0) && (log2(c) <= 15.0));
";
    assert_eq!(printed, golden);
    assert_eq!(Program::parse("again", &printed).unwrap(), program);
}

#[test]
fn lines_are_those_of_the_text() {
    let rules = compile(SEED);
    let lines: Vec<_> = rules.statements().iter().map(|s| s.line()).collect();
    assert_eq!(lines, [3, 5, 7, 11, 14, 15, 16, 17]);
    assert_eq!(rules.assigns().iter().collect::<Vec<_>>(), [0, 1, 2, 3]);
    let votes = rules.eval(&variables(1.0, 65536.0, 1.0, true), &mut [None; 8]).votes;
    assert_eq!(votes[0].to_string(), "rules.kdsl:14: soft(mk, 2, 0.25, sg && (k <= 128))");
    assert_eq!(SCHEMA.fields[0].name, "mk");
}

/// Not a benchmark suite: `cargo test --release --test seed -- --ignored --nocapture`.
#[test]
#[ignore = "measures; run in release"]
#[allow(clippy::print_stderr)]
fn evaluation_time() {
    let rules = compile(SEED);
    let variables = variables(1024.0, 65536.0, 128.0, true);
    let rounds = 200_000;
    let mut best = f64::INFINITY;
    for _ in 0..7 {
        let start = std::time::Instant::now();
        for _ in 0..rounds {
            let mut assigned = [None; 8];
            std::hint::black_box(rules.eval(std::hint::black_box(&variables), &mut assigned));
        }
        best = best.min(start.elapsed().as_secs_f64() / f64::from(rounds));
    }
    eprintln!("eval of the seed program: {:.0} ns", best * 1e9);
    let start = std::time::Instant::now();
    for _ in 0..1000 {
        std::hint::black_box(compile(std::hint::black_box(SEED)));
    }
    eprintln!("compile of the seed program: {:.1} us", start.elapsed().as_secs_f64() * 1e3);
    assert!(best < 20e-6);
}
