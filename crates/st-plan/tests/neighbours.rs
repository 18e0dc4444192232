//! What a table says of shapes that it does not have: heard where its own buckets tell one another's right kernels, and not
//! where they do not.

use st_conformance::rng::Rng;
use st_plan::table::{Partial, Record};
use st_plan::{Knowledge, Table, explain, plan, predict};
use st_rank::{Choice, DeviceCaps, MergeKind, Problem, RankKind};

const CAPS: DeviceCaps = DeviceCaps::wgpu(32, true, 256);

/// Rows, columns and k of the buckets; the last is planned for, too.
const SHAPES: &[(usize, usize, usize)] = &[
    (1, 4096, 64),
    (1024, 4096, 64),
    (64, 65_536, 1024),
    (8, 65_536, 512),
    (64, 131_072, 50),
    (1, 131_072, 50),
    (256, 151_936, 64),
    (1, 1_048_576, 100),
    (512, 8192, 32),
    (64, 32_768, 256),
];

fn problem((rows, cols, k): (usize, usize, usize)) -> Problem {
    Problem::new(RankKind::TopK, rows, cols, k)
}

/// The model's best choice of each kernel.
fn kernels(problem: &Problem) -> Vec<Choice> {
    let all = explain(problem, &CAPS, &Knowledge::default(), 400).candidates;
    let mut best: Vec<Choice> = Vec::new();
    for candidate in all {
        if !best.iter().any(|known| known.mk == candidate.choice.mk) {
            best.push(candidate.choice);
        }
    }
    best
}

/// A table of shapes, in which kernels take so many times as long as the model says.
fn table(shapes: &[(usize, usize, usize)], mut times: impl FnMut(MergeKind) -> f64) -> Table {
    let mut records = Vec::new();
    for &shape in shapes {
        let problem = problem(shape);
        for choice in kernels(&problem) {
            let us = predict(&problem, &CAPS, &choice).expect("feasible") * times(choice.mk);
            let (rows, cols, k) = (shape.0 as u32, shape.1 as u32, shape.2 as u32);
            let record = Record::new(rows, cols, cols, k).with_choice(Partial::from(choice));
            records.push(Record { samples: 15, ..record.with_time(us, cols, k) });
        }
    }
    Table::measured("test", CAPS, &records)
}

fn planned(table: &Table, problem: &Problem) -> Choice {
    let mut knowledge = Knowledge::default();
    knowledge.add_table(table.clone());
    plan(problem, &CAPS, &knowledge).choice
}

#[test]
fn a_kernel_that_the_model_overrates_everywhere_is_not_chosen_elsewhere() {
    let last = SHAPES[SHAPES.len() - 1];
    let free = plan(&problem(last), &CAPS, &Knowledge::default()).choice.mk;
    // By much more than any other kernel is behind.
    let table = table(&SHAPES[..SHAPES.len() - 1], |mk| if mk == free { 50.0 } else { 1.0 });
    assert!(table.trust() > 0.0);
    assert_ne!(planned(&table, &problem(last)).mk, free);
    // The same without what speaks of the others is no evidence.
    let alone = table.without(|r| r.rows != 64);
    assert!(alone.records().iter().all(|r| r.rows == 64));
    let one = alone.without(|r| r.at.0 != 65_536);
    assert_eq!(one.trust(), 0.0, "a single bucket cannot be told by others");
    assert_eq!(planned(&one, &problem(last)).mk, free);
}

#[test]
fn where_the_model_errs_differently_everywhere_neighbours_are_not_heard() {
    let mut heard = 0;
    for seed in 0..40 {
        let mut rng = Rng::new(seed);
        // Up to a fifth more or less than predicted, for no reason.
        let table = table(SHAPES, |_| 1.2f64.powf(2.0 * rng.unit() - 1.0));
        if table.trust() > 0.0 {
            heard += 1;
            continue;
        }
        for shape in [(16, 9000, 40), (4, 300_000, 700), (2000, 20_000, 100)] {
            let problem = problem(shape);
            let free = plan(&problem, &CAPS, &Knowledge::default()).choice;
            assert_eq!(planned(&table, &problem), free, "{shape:?}");
        }
    }
    // Of ten buckets some fall in line by chance.
    assert!(heard <= 8, "{heard} of 40");
}

#[test]
fn a_table_of_no_device_is_not_heard_of_other_shapes() {
    let records = table(SHAPES, |mk| if mk == MergeKind::Filter { 9.0 } else { 1.0 });
    let shipped = Table::shipped("shipped", CAPS.backend, records.records());
    assert_eq!(shipped.trust(), 0.0);
    let problem = problem((16, 9000, 40));
    assert_eq!(planned(&shipped, &problem), plan(&problem, &CAPS, &Knowledge::default()).choice);
}
