//! The problems on the digits data set: P2b (penalties), P3 (data cleaning), P4 (distillation).

mod problems;

use problems::digits::{Distilled, Params, Softmax, Squares, digits};
use problems::{anywhere, close, newton, norm, number, numbers, reference};
use serde_json::Value;
use sha2::Digest;
use st_grad::{Implicit, Solver, Unrolled, check_vjp};

#[test]
fn the_data_is_the_references() {
    let digits = digits();
    let want = &reference()["digits_fingerprint"];
    let bytes = [&digits.pixels[..], &digits.labels[..]].concat();
    let hash = sha2::Sha256::digest(&bytes);
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hash, want["sha256_pixels_u8_rowmajor_then_labels_u8"].as_str().unwrap());
    assert_eq!(digits.labels.len() as f64, number(&want["n"]));
}

fn softmax(rows: impl Iterator<Item = usize>, params: Params, step: f64) -> Softmax {
    let (x, labels) = digits().rows(rows);
    Softmax { x, labels, params, step }
}

#[test]
fn p2b_a_penalty_for_each_feature() {
    let want = &reference()["P2b_digits_logistic"];
    let step = number(&want["step_used_for_GD"]);
    let train = softmax((0..1797).step_by(2), Params::Penalties, step);
    let held_out = softmax((1..1797).step_by(2), Params::Penalties, step);
    let lambda: Vec<f64> = (1..=65).map(|j| -5.0 + 0.5 * f64::from(j).cos()).collect();
    let start = vec![0.0; 650];
    let w = newton(&train, &start, &lambda, 1e-13);
    assert!((norm(&w) / number(&want["W_star_norm2"]) - 1.0).abs() < 1e-10);
    close(&w[200..210], &numbers(&want["W_first_row20"]), 1e-10);
    assert!((held_out.accuracy(&w) - number(&want["val_accuracy"])).abs() < 1e-12);

    for solver in [Solver::Auto, Solver::BiCgStab] {
        let found = Implicit::new().tolerance(1e-11).solver(solver);
        let found = found.gradient(&train, &held_out, &w, &lambda).unwrap();
        close(&found.value, &numbers(&want["hypergrad"]), 1e-9);
        close(&[found.outer], &[number(&want["outer_value"])], 1e-12);
    }
    let hundred = Unrolled::new(100).reverse(&train, &held_out, &start, &lambda).unwrap();
    close(&hundred.value, &numbers(&want["unrolled_T100_hypergrad"]), 1e-9);

    // One penalty for all.
    let lambda = [-5.0; 65];
    let w = newton(&train, &w, &lambda, 1e-13);
    let found = Implicit::new().gradient(&train, &held_out, &w, &lambda).unwrap();
    let want = &want["scalar_lambda_minus5"];
    close(&[found.outer], &[number(&want["outer_value"])], 1e-12);
    close(&[found.value.iter().sum()], &[number(&want["dE_dlambda"])], 1e-9);
}

/// The chance that a corrupted row's derivative is above a clean one's.
fn auc(scores: &[f64], corrupted: fn(usize) -> bool) -> f64 {
    let (bad, good): (Vec<usize>, Vec<usize>) = (0..scores.len()).partition(|&i| corrupted(i));
    let wins: f64 = bad
        .iter()
        .flat_map(|&b| good.iter().map(move |&g| (b, g)))
        .map(|(b, g)| match scores[b].total_cmp(&scores[g]) {
            std::cmp::Ordering::Greater => 1.0,
            std::cmp::Ordering::Equal => 0.5,
            std::cmp::Ordering::Less => 0.0,
        })
        .sum();
    wins / (bad.len() * good.len()) as f64
}

#[test]
fn p3_data_cleaning() {
    let want = &reference()["P3_hyper_cleaning_digits"];
    let params = Params::RowWeights { penalty: 0.01 };
    let mut train = softmax(0..300, params, 1.0);
    for i in (0..300).step_by(3) {
        train.labels[i] = (train.labels[i] + 1 + (i / 3 % 9) as u8) % 10;
    }
    let (held_out, test) = (softmax(300..600, params, 1.0), softmax(600..1797, params, 1.0));
    let mut lambda = vec![0.0; 300];
    let mut w = vec![0.0; 650];
    let steps = want["outer_descent"].as_array().unwrap();
    for outer_step in 0..=100 {
        w = newton(&train, &w, &lambda, 1e-13);
        let found = Implicit::new().tolerance(1e-11).gradient(&train, &held_out, &w, &lambda);
        let found = found.unwrap();
        if outer_step == 0 {
            close(&found.value, &numbers(&want["hypergrad"]), 1e-9);
            let auc = auc(&found.value, |i| i % 3 == 0);
            assert!(
                (auc - number(&want["corruption_detection_auc_of_one_hypergradient"])).abs()
                    < 1e-12
            );
            let accuracy = number(&want["test_accuracy_all_weights_half"]);
            assert!((test.accuracy(&w) - accuracy).abs() < 1e-12);
        }
        if let Some(row) = steps.iter().find(|row| row["outer_step"] == outer_step) {
            let mean = |of: fn(usize) -> bool| {
                let rows = (0..300).filter(|&i| of(i));
                let weights: Vec<f64> = rows.map(|i| 1.0 / (1.0 + (-lambda[i]).exp())).collect();
                weights.iter().sum::<f64>() / weights.len() as f64
            };
            close(&[found.outer], &[number(&row["val_loss"])], 1e-8);
            assert!((test.accuracy(&w) - number(&row["test_accuracy"])).abs() < 1e-12);
            close(&[mean(|i| i % 3 == 0)], &[number(&row["mean_weight_corrupted"])], 1e-8);
            close(&[mean(|i| i % 3 != 0)], &[number(&row["mean_weight_clean"])], 1e-8);
        }
        for (l, g) in lambda.iter_mut().zip(&found.value) {
            *l -= 1000.0 * g;
        }
    }
}

#[test]
fn p4_distillation() {
    let want = &reference()["P4_distillation_digits"];
    let (x, labels) = digits().rows((0..1797).step_by(2));
    let outer = Squares::new(&x, &labels);
    let held_out = softmax((1..1797).step_by(2), Params::Penalties, 1.0);
    let map = Distilled { step: 0.05 };
    let point = |at: usize| {
        let (c, j) = ((at / 64 + 1) as f64, (at % 64 + 1) as f64);
        0.5 + 0.25 * (0.7 * c * j).cos()
    };
    let mut s: Vec<f64> = (0..640).map(point).collect();
    let mut w = vec![0.0; 650];
    let steps: &[Value] = want["outer_descent"].as_array().unwrap();
    for outer_step in 0..=500 {
        w = newton(&map, &w, &s, 1e-12);
        let found = anywhere().tolerance(1e-13).gradient(&map, &outer, &w, &s).unwrap();
        if outer_step == 0 {
            close(&found.value, &numbers(&want["hypergrad_rowmajor_10x64"]), 1e-9);
            close(&[found.outer], &[number(&want["outer_value"])], 1e-11);
        }
        if let Some(row) = steps.iter().find(|row| row["outer_step"] == outer_step) {
            // So long a step of descent is on the edge of stability: by the 500th, rounding shows.
            let digits = if outer_step <= 100 { 1e-11 } else { 2e-5 };
            close(&[found.outer], &[number(&row["train_loss"])], digits);
            let accuracy = held_out.accuracy(&w);
            assert!((accuracy - number(&row["val_accuracy"])).abs() < 1e-12, "{accuracy} {row}");
        }
        s.iter_mut().zip(&found.value).for_each(|(s, g)| *s -= g);
    }
}

#[test]
fn the_products_are_right() {
    let few = |params| softmax(0..20, params, 0.5);
    let w: Vec<f64> = (0..650).map(|i| f64::from(i).sin()).collect();
    check_vjp(&few(Params::Penalties), &w, &[-2.0; 65]).unwrap();
    check_vjp(&few(Params::RowWeights { penalty: 0.01 }), &w, &[0.3; 20]).unwrap();
    let s: Vec<f64> = (0..640).map(|i| f64::from(i).cos()).collect();
    check_vjp(&Distilled { step: 0.05 }, &w, &s).unwrap();
}
