//! What a tuning session shows while it runs, on standard error.

use std::fmt::Write;
use std::io::{self, IsTerminal, Write as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use st_core::tune::Event;

/// A bar on a terminal, lines elsewhere.
pub(super) struct Live {
    quiet: bool,
    bar: Option<ProgressBar>,
    cells: usize,
    begun: Instant,
    budget: Duration,
}

impl Live {
    pub(super) fn new(quiet: bool, cells: usize, budget: Duration) -> Self {
        let begun = Instant::now();
        let bar = (!quiet && io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new(cells as u64);
            let template = "{bar:30} {pos}/{len} cells {elapsed}, {left}: {msg}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                // Asked whenever the bar is drawn, so that it goes on within a cell.
                bar.set_style(style.with_key(
                    "left",
                    move |_: &ProgressState, out: &mut dyn Write| {
                        let _ = out.write_str(&left(begun, budget));
                    },
                ));
            }
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Self { quiet, bar, cells, begun, budget }
    }

    /// A line of its own.
    pub(super) fn say(&self, text: &str) {
        if !self.quiet {
            self.warn(text);
        }
    }

    /// One that is no progress: it is wanted though nobody wants to hear of that.
    pub(super) fn warn(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            // Nothing is left to do if standard error is gone.
            None => drop(writeln!(io::stderr().lock(), "spiral: {text}")),
        }
    }

    pub(super) fn event(&self, event: &Event<'_>) {
        let of = |at: usize| format!("{}/{}", at + 1, self.cells);
        match event {
            Event::Begun { cell, at, candidates, limit } => {
                let text =
                    format!("{cell}: {candidates} candidates in {:.1} s", limit.as_secs_f64());
                match &self.bar {
                    Some(bar) => bar.set_message(text),
                    None => {
                        self.say(&format!("{} {text}, {}", of(*at), left(self.begun, self.budget)))
                    }
                }
            }
            Event::Done { cell, at, outcome } => {
                self.advance();
                self.say(&format!(
                    "{} {cell}: best of {} {:.1} us, the planner's {:.1} us",
                    of(*at),
                    outcome.tried(),
                    outcome.best_us,
                    outcome.planned_us
                ));
            }
            Event::Again { cell, at, outcome } => {
                self.say(&format!(
                    "{} {cell}: timed again, best {:.1} us, the planner's {:.1} us; {}",
                    of(*at),
                    outcome.best_us,
                    outcome.planned_us,
                    left(self.begun, self.budget)
                ));
            }
            Event::Known { cell, at } => {
                self.advance();
                self.say(&format!("{} {cell}: known", of(*at)));
            }
            Event::Refused { cell, at, why, .. } => {
                self.advance();
                self.warn(&format!("{} {cell}: cannot be measured here: {why}", of(*at)));
            }
            Event::Failed { cell, choice, why } => {
                self.warn(&format!("{cell}: FAILED, and is not used: {choice}: {why}"));
            }
        }
    }

    fn advance(&self) {
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
    }

    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// The time that is left of a budget.
fn left(begun: Instant, budget: Duration) -> String {
    format!("{:.0} s left", budget.saturating_sub(begun.elapsed()).as_secs_f64())
}
