//! `docs/self-rewrite.svg`: evidence as it grows, from simulations with fixed seeds. `SPIRAL_BLESS=1` writes it anew.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use st_conformance::rng::Rng;
use st_tune::{Bar, Evidence};

const RUNS: u64 = 40;
const PAIRS: usize = 200;
/// Spread of the logarithm of one time.
const NOISE: f64 = 0.1;
/// Width and height of a panel, and the room around it.
const SIZE: (f64, f64) = (360.0, 240.0);
const ROOM: f64 = 48.0;
/// Logarithms of e-values at the lower and the upper edge.
const EDGES: (f64, f64) = (-4.0, 12.0);

/// A run: the logarithm of its e-value after each pair, and the pair at which a decision fell.
struct Run {
    path: Vec<f64>,
    decided: Option<usize>,
}

/// A challenger that is `faster` times as fast, until it is decided on. `turned`: it was called faster before, and the
/// question is whether it must be called slower.
fn run(faster: f64, turned: bool, rng: &mut Rng) -> Run {
    let (bar, mut evidence) = (Bar::default(), Evidence::default());
    let mut this = Run { path: vec![0.0], decided: None };
    for pair in 1..=PAIRS {
        let mut time = |us: f64| us * (NOISE * rng.normal()).exp();
        let (in_use, challenger) = (time(100.0), time(100.0 / faster));
        evidence.record(in_use, challenger).expect("times");
        let ln_e = if turned { evidence.ln_e_slower() } else { evidence.ln_e_faster() };
        this.path.push(ln_e);
        let over = if turned { evidence.is_turned(&bar, 1) } else { evidence.is_won(&bar, 1) };
        if over {
            this.decided = Some(pair);
            break;
        }
    }
    this
}

fn runs(faster: f64, turned: bool, seed: u64) -> Vec<Run> {
    (0..RUNS).map(|i| run(faster, turned, &mut Rng::new(seed + i))).collect()
}

/// The middle of the pairs at which decisions fell; none unless most runs came to one.
fn median(runs: &[Run]) -> Option<usize> {
    let mut all: Vec<usize> = runs.iter().map(|r| r.decided.unwrap_or(usize::MAX)).collect();
    all.sort_unstable();
    all.get(all.len() / 2).copied().filter(|&pair| pair != usize::MAX)
}

fn place(left: f64, pair: usize, ln_e: f64) -> (f64, f64) {
    let (low, high) = EDGES;
    let x = left + SIZE.0 * pair as f64 / PAIRS as f64;
    (x, ROOM + SIZE.1 * (high - ln_e.clamp(low, high)) / (high - low))
}

fn draw(svg: &mut String, left: f64, runs: &[Run], colour: &str) {
    for Run { path, decided } in runs {
        let mut points = String::new();
        for (pair, &ln_e) in path.iter().enumerate() {
            let (x, y) = place(left, pair, ln_e);
            let _ = write!(points, "{x:.0},{y:.0} ");
        }
        let points = points.trim_end();
        let _ = writeln!(svg, "<polyline points=\"{points}\" stroke=\"{colour}\"/>");
        if let Some(pair) = decided {
            let (x, y) = place(left, *pair, path[*pair]);
            let _ =
                writeln!(svg, "<circle cx=\"{x:.0}\" cy=\"{y:.0}\" r=\"2.5\" fill=\"{colour}\"/>");
        }
    }
}

fn frame(svg: &mut String, left: f64, title: &str) {
    let (width, height) = SIZE;
    let text = |svg: &mut String, x: f64, y: f64, anchor: &str, what: &str| {
        let _ =
            writeln!(svg, "<text x=\"{x:.0}\" y=\"{y:.0}\" text-anchor=\"{anchor}\">{what}</text>");
    };
    let _ = writeln!(
        svg,
        "<rect x=\"{left:.0}\" y=\"{ROOM:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" stroke=\"#888\"/>"
    );
    text(svg, left, ROOM - 12.0, "start", title);
    let needed = 20f64.ln();
    let ((from, y), (to, _)) = (place(left, 0, needed), place(left, PAIRS, needed));
    let _ = writeln!(
        svg,
        "<path d=\"M{from:.0} {y:.0}H{to:.0}\" stroke=\"#c00\" stroke-dasharray=\"4 3\"/>"
    );
    text(svg, to - 4.0, y - 5.0, "end", "e = 20");
    for pair in [0, 50, 100, 150, 200] {
        let (x, _) = place(left, pair, 0.0);
        text(svg, x, ROOM + height + 16.0, "middle", &pair.to_string());
    }
    for ln_e in [-4.0, 0.0, 4.0, 8.0, 12.0] {
        let (_, y) = place(left, 0, ln_e);
        text(svg, left - 6.0, y + 4.0, "end", &format!("{ln_e:.0}"));
    }
    text(svg, left + width / 2.0, ROOM + height + 34.0, "middle", "pairs");
}

#[test]
fn the_plot_is_what_is_simulated() {
    let gain = runs(1.1, false, 1);
    let alike = runs(1.0, false, 101);
    let turned = runs(1.0 / 1.1, true, 201);
    let (locked, withdrawn) = (median(&gain).expect("found"), median(&turned).expect("found"));
    // What is drawn is what is promised.
    assert!(gain.iter().all(|r| r.decided.is_some()) && turned.iter().all(|r| r.decided.is_some()));
    let wrong = alike.iter().filter(|r| r.decided.is_some()).count();
    assert!(wrong <= 2, "{wrong} of {RUNS} that are alike: one in twenty is allowed");

    let width = 2.0 * SIZE.0 + 3.5 * ROOM;
    let height = SIZE.1 + 2.0 * ROOM;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" fill=\"none\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<!-- made by crates/st-tune/tests/plot.rs -->\n<style>text{{fill:#444}}polyline{{stroke-opacity:.5}}\
         </style>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    let (left, right) = (ROOM, SIZE.0 + 2.5 * ROOM);
    draw(&mut svg, left, &alike, "#999");
    draw(&mut svg, left, &gain, "#06c");
    frame(
        &mut svg,
        left,
        &format!("ln e: a tenth faster (blue; written at {locked}, median), alike (grey)"),
    );
    draw(&mut svg, right, &turned, "#c60");
    frame(&mut svg, right, &format!("ln e after it has turned: withdrawn at {withdrawn}, median"));
    svg.push_str("</svg>\n");

    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/self-rewrite.svg");
    if std::env::var_os("SPIRAL_BLESS").is_some() {
        fs::write(&file, &svg).expect("written");
    }
    let there = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        there == svg,
        "docs/self-rewrite.svg is stale: SPIRAL_BLESS=1 cargo test -p st-tune --test plot"
    );
}
