//! The time that is given is kept, though kernels take long to compile.

use st_plan::{Knowledge, plan};
use st_tune::stats::geometric_mean;
use st_tune::{Cell, candidates};

use crate::device::{Noise, Simulation, table};

const NOISE: Noise = Noise { call: 0.02, turn: 0.01, opening: 0.0, drift: 0.001, disturbed: 0.01 };

/// The usual shapes of a GPU.
fn cells() -> Vec<Cell> {
    let caps = crate::device::CAPS;
    Cell::usual(&caps, false)
}

/// A device that compiles eight kernels side by side, each for a second or more.
fn costly(seed: u64) -> Simulation {
    let mut device = Simulation::new(NOISE);
    device.rng.replace(fastrand::Rng::with_seed(seed));
    device.compiling = 1.0;
    device.together = 8;
    device.opening = 0.02;
    device
}

#[test]
fn the_budget_is_kept_though_compiling_takes_long() {
    let cells = cells();
    for (seed, seconds, hard) in [
        (1, 30.0, false),
        (2, 60.0, false),
        (3, 120.0, false),
        (4, 240.0, false),
        (5, 120.0, true),
        (6, 30.0, true),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (mut device, file) = (costly(seed), table(&dir));
        // Hard for all alike: it takes its time and changes nothing.
        device.hard = hard.then(Vec::new);
        let summary = device.tune(&cells, seconds, &file);
        let took = device.clock.get().as_secs_f64();
        let ratios: Vec<f64> =
            cells[..summary.measured].iter().map(|cell| device.regret(cell, &file)).collect();
        let mean = geometric_mean(&ratios).unwrap();
        println!(
            "{seconds} s, hard inputs {hard}: took {took:.1}, {summary:?}, tuned over best {mean:.3}"
        );
        assert!(took <= seconds, "{took} s of {seconds}");
        // And it is used.
        assert!(took > 0.5 * seconds, "{took} s of {seconds}");
        assert_eq!(summary.measured + summary.left, cells.len());
        if seconds >= 120.0 {
            assert_eq!(summary.left, 0, "{summary:?}");
        }
    }
}

#[test]
fn hopeless_candidates_are_not_compiled_and_the_best_is_found() {
    let cells = &cells()[..4];
    let dir = tempfile::tempdir().unwrap();
    let (device, file) = (costly(5), table(&dir));
    let summary = device.tune(cells, 1e6, &file);
    assert_eq!(summary.measured, cells.len());
    let all: usize = cells
        .iter()
        .map(|cell| candidates(&plan(&cell.problem(), &device.caps, &Knowledge::default())).len())
        .sum();
    let admitted = device.admitted.borrow().values().sum::<u32>() as usize;
    println!("{admitted} of {all} candidates were made ready");
    // Those that it speaks against have one chance for each kernel and number of threads.
    assert!(admitted * 4 < all * 3, "{admitted} of {all}: the model's word is not heard");
    for cell in cells {
        // Times are up to four times the model's, or a quarter: within what it is trusted for.
        let regret = device.regret(cell, &file);
        assert!(regret < 1.02, "{cell}: {regret}");
    }
    // What was not made ready is not tried again.
    let again = device.tune(cells, 1e6, &file);
    assert_eq!(again.known, cells.len(), "{again:?}");
}

#[test]
fn what_the_model_takes_for_hopeless_is_tried_in_the_time_that_is_left() {
    let cells = &cells()[..4];
    let dir = tempfile::tempdir().unwrap();
    let (mut device, file) = (costly(6), table(&dir));
    device.plays = true;
    device.tune(cells, 1e6, &file);
    for cell in cells {
        let regret = device.regret(cell, &file);
        println!("{cell}: {regret:.3}");
        assert!(regret < 1.1, "{cell}: {regret}");
    }
}
