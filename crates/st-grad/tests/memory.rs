//! What unrolled passes hold, by their own counter: states of `d` numbers, as many as steps, or
//! about twice the square root with checkpoints.

use st_grad::{Checkpoints, Loss, Scalar, Unrolled, Update, UpdateMap, Written};

struct Halve;

impl Update for Halve {
    fn update<S: Scalar>(&self, z: &[S], lambda: &[S]) -> Vec<S> {
        z.iter().map(|&z| z * 0.5 + lambda[0]).collect()
    }
}

struct Sum;

impl Loss for Sum {
    fn loss<S: Scalar>(&self, z: &[S], _: &[S]) -> S {
        S::sum(z)
    }
}

fn numbers(run: Unrolled, d: usize) -> (usize, usize) {
    let map = UpdateMap::new(Halve, d, 1);
    let found = run.reverse(&map, &Written(Sum), &vec![1.0; d], &[1.0]).unwrap();
    assert_eq!(found.memory.peak_numbers, found.memory.peak_states * d);
    (found.memory.peak_numbers, found.memory.steps)
}

#[test]
fn all_states_are_steps_times_their_length() {
    for (steps, d) in [(1, 1), (10, 3), (100, 3), (100, 30), (400, 30)] {
        assert_eq!(numbers(Unrolled::new(steps), d), (steps * d, steps));
    }
}

#[test]
fn checkpoints_hold_twice_the_root_and_step_twice() {
    for steps in [1, 2, 9, 100, 101, 400, 10_000] {
        let run = Unrolled::new(steps).checkpoints(Checkpoints::Sqrt);
        let (held, made) = numbers(run, 3);
        let root = (steps as f64).sqrt().ceil() as usize;
        assert!(held <= 3 * 2 * root, "{steps} steps: {held} numbers");
        assert!(made < 2 * steps.max(1) + 1);
        if steps >= 100 {
            assert!(held >= 3 * root, "{steps} steps: {held} numbers");
        }
    }
}

#[test]
fn truncation_holds_the_last_steps_alone() {
    assert_eq!(numbers(Unrolled::new(1000).truncate(20), 5), (20 * 5, 1000));
}

#[test]
fn forward_mode_holds_a_row_for_each_hyper_parameter() {
    for steps in [1, 1000] {
        let map = UpdateMap::new(Halve, 7, 1);
        let run = Unrolled::new(steps);
        let found = run.forward(&map, &Written(Sum), &[1.0; 7], &[1.0]).unwrap();
        assert_eq!((found.memory.peak_numbers, found.memory.steps), (7, steps));
    }
}
