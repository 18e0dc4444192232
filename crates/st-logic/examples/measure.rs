//! How long it takes to build and solve models of the size that a planner asks for.
//!
//! `cargo run --release --example measure`. Prints, over 200 models of each kind, quantiles of the
//! microseconds (for each model the best of 21 runs) and of the nodes. The answers for the first
//! two models of each kind are checked against a loop over all assignments, unless `--quick` is
//! given. It teaches that the pass over the rows is most of a usual model, and that predicates with
//! two free variables are what makes a model slow.

use std::hint::black_box;
use std::io::Write;
use std::time::Instant;

use st_logic::{Error, Model, Pattern, Solution, Var};

const SIZES: [u64; 8] = [5, 6, 8, 8, 2, 8, 8, 8];
const MODELS: u64 = 200;
const RUNS: usize = 21;

/// SplitMix64 (Steele, Lea and Flood, 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % n
    }

    fn unit(&mut self) -> f64 {
        self.below(1 << 53) as f64 / (1_u64 << 53) as f64
    }
}

#[derive(Clone, Copy)]
/// One kind of model: how far apart its rows are, how many votes there are and how heavy.
struct Kind {
    name: &'static str,
    rows: usize,
    spread: f64,
    votes: usize,
    whens: usize,
    heavy: f64,
    /// Weights are multiples of this, or anything where it is 0.
    grain: f64,
    requires: usize,
}

struct Input {
    domains: Vec<Vec<i64>>,
    rows: Vec<(Pattern, f64)>,
    votes: Vec<(usize, i64, f64)>,
    whens: Vec<(usize, usize, i64, f64)>,
    requires: Vec<(usize, usize, i64)>,
}

fn input(kind: &Kind, seed: u64) -> Result<Input, Error> {
    let mut random = Random(seed);
    let rows = (0..kind.rows).map(|_| {
        let mut row: [Option<u8>; 8] = [None; 8];
        let held = 3 + random.below(4) as usize;
        while row.iter().flatten().count() < held {
            let var = random.below(8) as usize;
            row[var] = Some(random.below(SIZES[var]) as u8);
        }
        Ok((Pattern::from_indices(&row)?, grained(-kind.spread * random.unit(), kind.grain)))
    });
    let rows = rows.collect::<Result<_, Error>>()?;
    let weight =
        |random: &mut Random| grained((random.unit() * 1.5 - 0.5) * kind.heavy, kind.grain);
    let votes = (0..kind.votes).map(|_| {
        let var = random.below(8) as usize;
        (var, 1 << random.below(SIZES[var]), weight(&mut random))
    });
    let votes = votes.collect();
    let mut pair = || {
        let x = random.below(8) as usize;
        let y = (x + 1 + random.below(7) as usize) % 8;
        (x, y, 1 << (2 + random.below(9)), weight(&mut random))
    };
    let whens = (0..kind.whens).map(|_| pair()).collect();
    let requires = (0..kind.requires).map(|_| pair()).map(|(x, y, sum, _)| (x, y, sum)).collect();
    let domains = SIZES.iter().map(|&len| (0..len).map(|i| 1 << i).collect()).collect();
    Ok(Input { domains, rows, votes, whens, requires })
}

fn grained(weight: f64, grain: f64) -> f64 {
    if grain == 0.0 { weight } else { (weight / grain).round() * grain }
}

fn build(input: &Input) -> Result<Model<'_>, Error> {
    let mut model = Model::new();
    let mut vars: Vec<Var> = Vec::with_capacity(8);
    for domain in &input.domains {
        vars.push(model.variable(domain)?);
    }
    model.table(input.rows.iter().copied())?;
    for &(var, value, weight) in &input.votes {
        model.prefer(vars[var], value, weight)?;
    }
    for &(x, y, product, weight) in &input.whens {
        model.when(&[vars[x], vars[y]], move |v| v[0] * v[1] >= product, weight)?;
    }
    for &(x, y, product) in &input.requires {
        model.require(&[vars[x], vars[y]], move |v| v[0] * v[1] <= product)?;
    }
    Ok(model)
}

/// The first of the greatest, by scoring every assignment.
fn brute_force(model: &Model<'_>) -> Result<Option<(Vec<u8>, f64)>, Error> {
    let mut best: Option<(Vec<u8>, f64)> = None;
    let mut indices = [0_u8; 8];
    for mut place in 0..SIZES.iter().product::<u64>() {
        for var in (0..8).rev() {
            indices[var] = (place % SIZES[var]) as u8;
            place /= SIZES[var];
        }
        if let Some(score) = model.score(&indices)?
            && best.as_ref().is_none_or(|b| score > b.1)
        {
            best = Some((indices.to_vec(), score));
        }
    }
    Ok(best)
}

fn micros(mut f: impl FnMut() -> Result<Option<Solution>, Error>) -> Result<f64, Error> {
    let mut best = f64::INFINITY;
    for _ in 0..RUNS {
        let start = Instant::now();
        black_box(f()?);
        best = best.min(start.elapsed().as_secs_f64() * 1e6);
    }
    Ok(best)
}

fn quantiles(mut all: Vec<f64>) -> [f64; 3] {
    all.sort_by(f64::total_cmp);
    [all[all.len() / 2], all[all.len() * 95 / 100], all[all.len() - 1]]
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let checked = if std::env::args().any(|arg| arg == "--quick") { 0 } else { 2 };
    let usual = Kind {
        name: "usual",
        rows: 300,
        spread: 2.0,
        votes: 20,
        whens: 5,
        heavy: 0.3,
        grain: 0.0,
        requires: 0,
    };
    let kinds = [
        Kind { name: "usual, 2 requires", requires: 2, ..usual },
        Kind { name: "rows within 0.01", spread: 0.01, ..usual },
        Kind { name: "rows equal", spread: 0.0, votes: 60, ..usual },
        Kind { name: "rows equal, 60 votes of 0.1", spread: 0.0, votes: 60, grain: 0.1, ..usual },
        Kind { name: "rows equal, 1000 votes", spread: 0.0, votes: 1000, ..usual },
        Kind { name: "rows equal, 10 whens", spread: 0.0, whens: 10, votes: 60, ..usual },
        Kind { name: "rows equal, whens only", spread: 0.0, whens: 5, votes: 0, ..usual },
        Kind { name: "rows equal, 5 requires", spread: 0.0, requires: 5, votes: 60, ..usual },
        Kind { name: "3000 rows within 0.01", rows: 3000, spread: 0.01, ..usual },
    ];
    let mut out = std::io::stdout().lock();
    let columns = "  median     95 %      max";
    writeln!(out, "{:28} {:>26} {:>26} {:>26}", "", "build + solve, us", "solve, us", "nodes")?;
    writeln!(out, "{:28} {columns:>26} {columns:>26} {columns:>26}", "")?;
    for kind in [usual].iter().chain(&kinds) {
        let (mut whole, mut alone, mut nodes) = (Vec::new(), Vec::new(), Vec::new());
        for seed in 0..MODELS {
            let input = input(kind, seed)?;
            let model = build(&input)?;
            let best = model.solve();
            if seed < checked {
                let found = best.as_ref().map(|b| (b.indices.clone(), b.score));
                assert_eq!(found, brute_force(&model)?, "{}, seed {seed}", kind.name);
            }
            nodes.push(model.best_n(1).nodes as f64);
            whole.push(micros(|| Ok(build(&input)?.solve()))?);
            alone.push(micros(|| Ok(model.solve()))?);
        }
        let [whole, alone, nodes] = [whole, alone, nodes].map(quantiles);
        write!(out, "{:28}", kind.name)?;
        for [middle, high, most] in [whole, alone, nodes] {
            write!(out, " {middle:8.1} {high:8.1} {most:8.1}")?;
        }
        writeln!(out)?;
    }
    Ok(())
}
