//! `st-bench plan`: what planning itself costs, with nothing known and with rules, solver and
//! table: a plan that is kept, a plan that is not, and a whole explanation.

use std::hint::black_box;
use std::time::Instant;

use st_core::backend::device_caps::DeviceCaps;
use st_core::ops::rank_entry::{Knowledge, Planner, Problem, RankKind, explain, plan};
use st_core::settings::Settings;

use crate::{Result, answer, system};
use st_tune::stats::median;

/// The founding document's rules.
const RULES: &str = include_str!("../../st-kdsl/tests/seed.kdsl");

/// Soft rules on every field, and some that ask about the candidate.
const MANY: &str = "soft(mk, 2, 0.25, sg && k <= 128); soft(mk, 1, 0.2); soft(mk, 3, 0.1);
    soft(tile, 2048, 0.2); soft(tile, 1024, 0.15); soft(tile, 512, 0.1); soft(wg, 128, 0.05);
    soft(wg, 64, 0.02); soft(kl, 8, 0.03); soft(ch, 8192, 0.1); soft(use_2ce, true, 0.05);
    penalty(mkd, 3, 0.2, mk == 1); penalty_if(wg * kl * 8 > smem / 2, 0.3);
    penalty_if(use_2ce && r > 64, 0.2); soft(ctile, 1024, 0.1, tile == 2048);";

const SHAPES: [(usize, usize, usize); 8] = [
    (1, 1, 1),
    (65_536, 128, 4),
    (1024, 5000, 100),
    (64, 131_072, 50),
    (64, 131_072, 1024),
    (8, 65_536, 1024),
    (1, 1_048_576, 100),
    (1, 1 << 28, 262_144),
];

/// Samples of each number; a sample of plans that are kept is the mean of a thousand.
const SAMPLES: usize = 101;

fn median_us(calls: usize, mut call: impl FnMut()) -> f64 {
    let times = (0..SAMPLES)
        .map(|_| {
            let began = Instant::now();
            (0..calls).for_each(|_| call());
            began.elapsed().as_secs_f64() * 1e6 / calls as f64
        })
        .collect();
    median(times).unwrap_or(f64::NAN)
}

fn knowing(rules: &str) -> Result<Knowledge> {
    // The shipped table, and no rules but these.
    let mut knowledge = Settings::default().load().knowledge;
    knowledge.add_rules("bench", rules.as_bytes())?;
    Ok(knowledge)
}

/// Runs the benchmark.
pub(crate) fn run() -> Result<bool> {
    let devices = [
        DeviceCaps::wgpu(32, true, 256).with_shared_mem(32 << 10),
        DeviceCaps::cuda(32, 1024).with_cores(132).with_bandwidth(4_300_000_000_000),
        DeviceCaps::cpu(16, 2).with_l2(2 << 20),
    ];
    let knowledges = [
        ("nothing known", Knowledge::default()),
        ("founding rules, table", knowing(RULES)?),
        ("many soft rules, table", knowing(MANY)?),
    ];
    let mut lines =
        vec![format!("{}, {}: {}", st_core::tune::today(), system::processor(), system::command())];
    lines.push("medians in microseconds: kept plan, new plan, explanation".to_owned());
    for (name, knowledge) in &knowledges {
        for caps in &devices {
            let planner = Planner::new(knowledge.clone());
            let mut worst = [0f64; 3];
            for (rows, cols, k) in SHAPES {
                let problem = Problem::new(RankKind::TopK, rows, cols, k);
                let times = [
                    median_us(1000, || drop(black_box(planner.plan(&problem, caps)))),
                    median_us(1, || drop(black_box(plan(&problem, caps, knowledge)))),
                    median_us(1, || drop(black_box(explain(&problem, caps, knowledge, 5)))),
                ];
                worst = std::array::from_fn(|i| worst[i].max(times[i]));
            }
            let [kept, new, why] = worst;
            lines.push(format!(
                "{name}, {}: worst of {} shapes {kept:.3}, {new:.1}, {why:.1}",
                caps.backend,
                SHAPES.len()
            ));
        }
    }
    answer(&lines.join("\n"));
    Ok(true)
}
