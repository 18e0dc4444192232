//! What became of each step, and the summary at the end.

use crate::error::{Error, Result};
use std::time::{Duration, Instant};

enum Outcome {
    Passed,
    Failed(Error),
    Skipped(String),
}

/// The steps of a task so far.
#[derive(Default)]
pub(crate) struct Report {
    steps: Vec<(&'static str, Outcome, Duration)>,
}

impl Report {
    /// Runs a step. A failure does not stop the task: the later steps still tell something.
    /// Says whether it passed.
    pub(crate) fn step(&mut self, name: &'static str, run: impl FnOnce() -> Result<()>) -> bool {
        println!("\n== {name}");
        let start = Instant::now();
        let outcome = match run() {
            Ok(()) => Outcome::Passed,
            Err(error) => {
                println!("!! {name}: {error}");
                Outcome::Failed(error)
            }
        };
        let passed = matches!(outcome, Outcome::Passed);
        self.steps.push((name, outcome, start.elapsed()));
        passed
    }

    /// Notes a step that is not run here, and why.
    pub(crate) fn skip(&mut self, name: &'static str, why: impl Into<String>) {
        let why = why.into();
        println!("\n== {name}: skipped: {why}");
        self.steps.push((name, Outcome::Skipped(why), Duration::ZERO));
    }

    /// Runs a step if `obstacle` is none, and else notes it as skipped.
    pub(crate) fn step_unless(
        &mut self,
        obstacle: Option<&str>,
        name: &'static str,
        run: impl FnOnce() -> Result<()>,
    ) {
        match obstacle {
            None => {
                self.step(name, run);
            }
            Some(why) => self.skip(name, why),
        }
    }

    /// Prints the summary.
    ///
    /// # Errors
    /// When a step failed.
    pub(crate) fn finish(self) -> Result<()> {
        println!("\n== summary");
        let (mut passed, mut failed, mut skipped) = (0, 0, 0);
        for (name, outcome, took) in &self.steps {
            let secs = took.as_secs_f64();
            match outcome {
                Outcome::Passed => {
                    passed += 1;
                    println!("passed  {name} ({secs:.1} s)");
                }
                Outcome::Failed(error) => {
                    failed += 1;
                    println!("FAILED  {name} ({secs:.1} s): {error}");
                }
                Outcome::Skipped(why) => {
                    skipped += 1;
                    println!("skipped {name}: {why}");
                }
            }
        }
        println!("{passed} passed, {failed} failed, {skipped} skipped");
        if failed == 0 { Ok(()) } else { Err(Error::Steps { failed }) }
    }
}
