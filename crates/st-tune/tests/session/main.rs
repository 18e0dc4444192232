//! Tuning a simulated device: the right choices win, nothing is measured twice, nothing is lost, and the time that was
//! given is kept.

#![allow(clippy::print_stdout, reason = "figures that the documentation quotes")]

mod budget;
mod device;
mod noise;

use std::time::Duration;

use st_plan::table::Record;
use st_plan::{Knowledge, plan};
use st_rank::Choice;
use st_tune::report::{html, regrets};
use st_tune::session::{Event, tune};
use st_tune::{Cell, TableFile};

use self::device::{CAPS, Noise, Simulation, table};

/// Of a quiet machine.
const QUIET: Noise = Noise { call: 0.005, turn: 0.0, opening: 0.0, drift: 0.0, disturbed: 0.0 };

fn cells() -> Vec<Cell> {
    let text = r#"[[16384, 256, 8], [1024, 4096, 64], [1, 65536, 2048], [64, 131072, 50, "normal", "bf16"],
        {"kind": "midk", "rows": 64, "cols": 5000, "k": 10}]"#;
    Cell::list("test", text).unwrap()
}

#[test]
fn with_time_enough_the_best_choice_is_planned() {
    let dir = tempfile::tempdir().unwrap();
    let (device, file) = (Simulation::new(QUIET), table(&dir));
    let cells = cells();
    let summary = device.tune(&cells, 1e6, &file);
    assert_eq!((summary.measured, summary.left, summary.failed), (cells.len(), 0, 0));
    for cell in &cells {
        let tuned = device.regret(cell, &file);
        assert!(tuned < 1.02, "{cell}: {tuned}");
    }
    let (found, _) = file.load().unwrap();
    assert_eq!(found.records().len(), summary.records);
    let regrets = regrets(&found, &CAPS, &Knowledge::default());
    let of = |policy| regrets.iter().find(|r| r.policy == policy).unwrap().mean.unwrap();
    assert!(of("consensus") < 1.01 && of("model alone") > 1.1, "{regrets:?}");
    let page = html(&found, &CAPS, &Knowledge::default());
    let count = |part: &str| page.matches(part).count();
    assert!(page.ends_with("</html>\n"));
    assert_eq!(regrets.iter().filter(|r| !page.contains(r.policy)).count(), 0, "every policy");
    assert_eq!(count("<td class='win'"), cells.len(), "a winner for each cell");
    // Predicted against measured has a point for each time, the roofline one for each cell.
    let timed = found.records().iter().filter(|r| r.median_us.is_some()).count();
    assert_eq!((count("</svg>"), count("<circle")), (2, timed + cells.len()));
    for needs in ["http:", "https:", "<script", "<link", "url("] {
        assert!(!page.contains(needs), "{needs}: the page needs something else");
    }
}

#[test]
fn a_session_goes_on_where_it_was_and_measures_nothing_twice() {
    let dir = tempfile::tempdir().unwrap();
    let (device, file) = (Simulation::new(QUIET), table(&dir));
    let cells = cells();
    let mut rounds = 0;
    loop {
        let before = file.load().unwrap().0.records().len();
        let summary = device.tune(&cells, 2.0, &file);
        assert_eq!(file.load().unwrap().0.records().len(), before + summary.records);
        rounds += 1;
        if summary.known == cells.len() {
            break;
        }
        assert!(rounds < 200, "{summary:?}");
    }
    assert!(rounds > 2, "one session was enough for all: the test tests nothing");
    for cell in &cells {
        assert!(device.regret(cell, &file) < 1.02, "{cell}");
    }
    // A candidate is admitted once for each shape; the best known again with each later session, to compare with.
    let admitted = device.admitted.borrow();
    let most = admitted.values().max().unwrap();
    assert!(*most as usize <= cells.len() * rounds);
    let twice = admitted.values().filter(|&&n| n as usize > 2 * cells.len()).count();
    assert!(twice <= cells.len(), "{twice}");
}

#[test]
fn a_new_candidate_is_measured_beside_the_best_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (device, file) = (Simulation::new(Noise::default()), table(&dir));
    let cells = &cells()[1..2];
    device.tune(cells, 1e6, &file);
    let whole = file.load().unwrap().0;
    let gone = *whole.records().iter().filter(|r| r.median_us.is_some()).nth(3).unwrap();
    file.change(|table| table.without(|r| r.is_about(&gone))).unwrap();
    device.admitted.borrow_mut().clear();
    let summary = device.tune(cells, 1e6, &file);
    assert_eq!(
        device.admitted.borrow().len(),
        3,
        "it, the best, and what is planned without a table"
    );
    assert_eq!(summary.records, 1);
    let back = file.load().unwrap().0;
    assert_eq!(back.records().len(), whole.records().len());
    let again = back.records().iter().find(|r| r.is_about(&gone)).unwrap();
    assert!((again.median_us.unwrap() / gone.median_us.unwrap() - 1.0).abs() < 1e-6);
}

/// A cell of a device whose choices are about as fast as predicted, tuned without hard inputs, and the records that have a
/// time, the fastest first.
fn tuned(model_error: f64, file: &TableFile) -> (Simulation, Cell, Vec<Record>) {
    let mut device = Simulation::new(QUIET);
    device.model_error = model_error;
    let cell = cells()[0];
    device.tune(&[cell], 1e6, file);
    let whole = file.load().unwrap().0;
    let mut timed: Vec<Record> =
        whole.records().iter().filter(|r| r.median_us.is_some()).copied().collect();
    timed.sort_by(|a, b| a.median_us.unwrap().total_cmp(&b.median_us.unwrap()));
    (device, cell, timed)
}

/// What is planned with a table.
fn planned(cell: &Cell, file: &TableFile) -> Choice {
    let mut knowledge = Knowledge::default();
    knowledge.add_table(file.load().unwrap().0);
    plan(&cell.problem(), &CAPS, &knowledge).choice
}

#[test]
fn where_the_best_known_gives_way_nothing_faster_is_planned() {
    let dir = tempfile::tempdir().unwrap();
    let file = table(&dir);
    let (mut device, cell, timed) = tuned(1.05, &file);
    let (best, third) = (timed[0].median_us.unwrap(), &timed[2]);
    assert!(third.median_us.unwrap() < 1.08 * best, "it is about as fast as the best");
    let before = file.load().unwrap().0.records().len();
    file.change(|table| table.without(|r| r.is_about(third))).unwrap();
    // It is measured later, beside the best that is known, which takes three times as long on hard inputs.
    device.hard = Some(vec![(third.choice.whole().unwrap(), 1.0)]);
    let summary = device.tune(&[cell], 1e6, &file);
    let after = file.load().unwrap().0;
    assert_eq!((summary.records, after.records().len()), (1, before));
    let of = |r: &Record| after.records().iter().find(|a| a.is_about(r)).unwrap().median_us;
    assert_eq!((of(&timed[0]), of(&timed[1])), (None, None), "the best gave way, and the second");
    // What is planned without a table was timed again.
    let stays = |r: &Record| (of(r).unwrap() / r.median_us.unwrap() - 1.0).abs() < 0.02;
    assert!(of(third).is_some() && timed[3..].iter().all(stays));
    assert_eq!(Some(planned(&cell, &file)), third.choice.whole());
    // All is known.
    assert_eq!(device.tune(&[cell], 1e6, &file).known, 1);
}

#[test]
fn the_best_known_gives_way_to_the_untuned_choice_if_it_must() {
    let dir = tempfile::tempdir().unwrap();
    let file = table(&dir);
    let (mut device, cell, timed) = tuned(1.3, &file);
    let (untuned, best, third) = (device.planned(&cell), timed[0], timed[2]);
    let of = |r: &Record| r.choice.whole().unwrap();
    assert!(![of(&best), of(&third)].contains(&untuned));
    file.change(|table| table.without(|r| r.is_about(&third))).unwrap();
    // Both are slower than it on hard inputs, the third a little more than the best known.
    let us =
        |choice: &Choice| device.us(&plan(&cell.problem(), &CAPS, &Knowledge::default()), choice);
    assert!(us(&untuned) > 1.11 * us(&of(&best)), "it would not win by what it is on random rows");
    let factor = 1.12 * us(&untuned) / us(&of(&best));
    device.hard = Some(vec![(untuned, 1.0), (of(&best), factor), (of(&third), 1.05 * factor)]);
    device.tune(&[cell], 1e6, &file);
    assert_eq!(planned(&cell, &file), untuned);
}

#[test]
fn wrong_results_never_win_and_a_device_that_refuses_a_cell_does_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let mut device = Simulation::new(QUIET);
    let cell = cells()[0];
    let planned = plan(&cell.problem(), &CAPS, &Knowledge::default());
    device.wrong = Some(planned.choice.mk);
    let file = table(&dir);
    let cells = [Cell { rows: 13, ..cell }, cell];
    let mut failed = Vec::new();
    let mut refused = 0;
    let budget = (Duration::from_secs(1000), false);
    let clock = || device.clock.get();
    let summary = tune(&device, &cells, budget, &file, &clock, &mut |event| match event {
        Event::Failed { choice, .. } => failed.push(choice.mk),
        Event::Refused { .. } => refused += 1,
        _ => {}
    })
    .unwrap();
    assert_eq!((summary.refused, refused, summary.measured), (1, 1, 1));
    assert_eq!(summary.failed, failed.len());
    assert!(!failed.is_empty() && failed.iter().all(|mk| Some(*mk) == device.wrong));
    let (found, _) = file.load().unwrap();
    assert!(found.records().iter().all(|r| r.median_us.is_none() || r.choice.mk != device.wrong));
    assert!(device.regret(&cell, &file) < 1.02);
}
