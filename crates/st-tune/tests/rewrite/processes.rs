//! Several processes with one home.

use std::process::{Command, Stdio};

use st_rank::Problem;
use st_tune::rewrite::{Done, journal, rule, settle, undo};

use crate::sim::{CAPS, Home, PROBLEM, candidates, config, news, pairs, tell};

const HOME: &str = "ST_TUNE_TEST_HOME";
const WHICH: &str = "ST_TUNE_TEST_WHICH";
const PROCESSES: usize = 8;
const EACH: usize = 4;
/// What the user has there.
const BEFORE: &str = "# mine\nsoft(tile, 512, 0.01)";

fn problem(process: usize, which: usize) -> Problem {
    Problem {
        rows: 1 << (process + 1),
        cols: 1 << (which + 12),
        row_stride: 1 << (which + 12),
        ..PROBLEM
    }
}

/// Not a test by itself: what each of the processes does.
#[test]
fn one_of_the_processes() {
    let (Ok(home), Ok(which)) = (std::env::var(HOME), std::env::var(WHICH)) else { return };
    let home = Home::at(&home);
    let process: usize = which.parse().expect("a number");
    for which in 0..EACH {
        let problem = problem(process, which);
        let (own, others) = candidates(&problem, BEFORE.as_bytes());
        // All of them tell of one comparison too, each of a part.
        let shared = Problem { rows: 1 << 20, ..PROBLEM };
        let (shared_own, shared_others) = candidates(&shared, BEFORE.as_bytes());
        let told = [
            news(&problem, own, others[0], pairs(400, 1.2)),
            news(&shared, shared_own, shared_others[0], pairs(2, 1.01)),
        ];
        let settled = tell(&home, &told).expect("settled");
        assert!(
            matches!(settled.done[..], [Done::Wrote { rule: Some(_), superseded: 0, .. }]),
            "{problem}: {:?}",
            settled.done
        );
    }
}

#[test]
fn eight_that_write_at_once_lose_nothing() {
    let home = Home::new();
    home.put_rules(BEFORE);
    let folder = home.files.rules.parent().expect("a folder").to_owned();
    let children: Vec<_> = (0..PROCESSES)
        .map(|which| {
            Command::new(std::env::current_exe().expect("this test"))
                .args(["processes::one_of_the_processes", "--exact", "--nocapture"])
                .env(HOME, &folder)
                .env(WHICH, which.to_string())
                .stdout(Stdio::null())
                .spawn()
                .expect("a process")
        })
        .collect();
    for mut child in children {
        assert!(child.wait().expect("its end").success());
    }
    let rules = home.rules().expect("rules");
    assert!(rules.starts_with(BEFORE), "{rules}");
    let program = st_kdsl::Program::parse("rules", &rules).expect("well formed");
    assert_eq!(rule::written(&program).len(), PROCESSES * EACH);
    let document =
        settle::load(&home.files, &st_plan::identity(&CAPS), &config(0)).expect("evidence");
    assert_eq!(document.begun as usize, PROCESSES * EACH + 1);
    let shared = document.comparisons.iter().find(|c| c.is_under_way()).expect("one");
    assert_eq!(shared.pairs.trials() as usize, PROCESSES * EACH * 2, "no pair is lost");
    assert_eq!(journal::changes(&home.files).expect("changes").len(), PROCESSES * EACH);
    for _ in 0..PROCESSES * EACH {
        let _ = undo(&home.files, &config(0)).expect("undone");
    }
    assert_eq!(home.rules().as_deref(), Some(BEFORE), "every byte");
}
