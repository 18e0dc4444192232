//! On a noisy machine the choice that is found is still the best, or nearly.

use st_tune::Cell;
use st_tune::stats::geometric_mean;

use crate::device::{Noise, Simulation, table};

/// Short calls on many threads.
const NOISY: Noise = Noise { call: 0.10, turn: 0.08, opening: 0.01, drift: 0.002, disturbed: 0.05 };

/// Shapes whose best choices take about 10 to 200 microseconds.
fn cells() -> Vec<Cell> {
    let text = "[[1, 4096, 64], [1, 65536, 2048], [1, 131072, 50], [8, 65536, 1024], [1, 1048576, 100], [1024, 4096, 64]]";
    Cell::list("noise", text).unwrap()
}

/// The time of what is planned in the end over the best, of all cells and seeds.
fn regrets(noise: Noise, seconds_a_cell: f64) -> Vec<f64> {
    let cells = cells();
    let mut ratios = Vec::new();
    for seed in 0..10 {
        let dir = tempfile::tempdir().unwrap();
        let mut device = Simulation::new(noise);
        device.rng.replace(fastrand::Rng::with_seed(seed));
        device.model_error = 1.5;
        device.compiling = 0.001;
        let file = table(&dir);
        let budget = seconds_a_cell * cells.len() as f64;
        device.tune(&cells, budget, &file);
        let took = device.clock.get().as_secs_f64();
        assert!(took <= budget, "{took} s of {budget}");
        ratios.extend(cells.iter().map(|cell| device.regret(cell, &file)));
    }
    ratios
}

#[test]
fn short_calls_on_a_noisy_machine_are_tuned_within_three_percent() {
    // 120 s for eleven cells.
    for noise in [NOISY, Noise { turn: 0.16, call: 0.2, ..NOISY }] {
        let ratios = regrets(noise, 120.0 / 11.0);
        let mean = geometric_mean(&ratios).unwrap();
        let worst = ratios.iter().copied().fold(0.0, f64::max);
        println!("{noise:?}: mean {mean:.4}, worst {worst:.3}");
        assert!(mean < 1.01, "{noise:?}: {mean}");
        assert!(worst < 1.1, "{noise:?}: {worst}");
    }
}

#[test]
fn with_little_time_most_of_it_is_had() {
    let ratios = regrets(NOISY, 2.0);
    let mean = geometric_mean(&ratios).unwrap();
    println!("2 s a cell: mean {mean:.4}");
    assert!(mean < 1.03, "{mean}");
}
