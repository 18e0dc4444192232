//! Which candidates are made ready at all: as many as time allows, but for those that the model expects to be far too
//! slow, whatever its errors.

use std::collections::VecDeque;
use std::time::Duration;

use st_rank::{Choice, MergeDetail, MergeKind};

use super::{Arena, Deadline, Entrant, Task};
use crate::stats::Samples;

/// The model is trusted no further than this: a candidate is left out if it would be slower than the best one though
/// its prediction were so many times too long, beside the predictions of others.
///
/// Of a model in use the worst that was ever seen is a choice 9.3 times as slow as the best one that it should have preferred
/// (WGPU, when it did not know how many multiprocessors there are); with the memory of an integrated GPU assumed of a card it
/// was 23 (`docs/tuning.md`).
pub const MODEL_ERROR: f64 = 16.0;

/// Waves that say how long the next will take.
const REMEMBERED: usize = 8;

/// How long it took to make candidates ready, wave after wave: a session keeps it from cell to cell.
#[derive(Clone, Debug, Default)]
pub struct Waves {
    took: VecDeque<Duration>,
}

impl Waves {
    /// Takes what a wave took.
    pub fn record(&mut self, took: Duration) {
        self.took.push_back(took);
        if self.took.len() > REMEMBERED {
            self.took.pop_front();
        }
    }

    /// What the next is expected to take at most: what the longest of the last eight took; none before the first, of
    /// which nothing can be said.
    #[must_use]
    pub fn expected(&self) -> Option<Duration> {
        self.took.iter().max().copied()
    }
}

/// Candidates are of one kernel, as far as the model's errors go.
type Kernel = (MergeKind, MergeDetail, bool);

/// The kernel of a candidate.
pub(crate) const fn kernel(choice: &Choice) -> Kernel {
    (choice.mk, choice.mkd, choice.use_2ce)
}

/// What the model expects of candidates, put right by those whose time is known by now.
#[derive(Clone, Debug, Default)]
struct Expectations {
    /// Of the best prediction.
    least_predicted: Option<f64>,
    /// The best time.
    least_us: Option<f64>,
    /// Measured over predicted time of each kernel: of the candidate that was faster than expected by most.
    scales: Vec<(Kernel, f64)>,
}

impl Expectations {
    /// Before anything is measured.
    fn new(predicted_us: impl Iterator<Item = f64>) -> Self {
        Self { least_predicted: predicted_us.reduce(f64::min), ..Self::default() }
    }

    /// A candidate took so long.
    fn measured(&mut self, choice: &Choice, predicted_us: Option<f64>, us: f64) {
        self.least_us = Some(self.least_us.map_or(us, |least| least.min(us)));
        let Some(predicted) = predicted_us else { return };
        let (own, scale) = (kernel(choice), us / predicted);
        match self.scales.iter_mut().find(|(known, _)| *known == own) {
            Some((_, least)) => *least = least.min(scale),
            None => self.scales.push((own, scale)),
        }
    }

    /// Whether a candidate is not worth making ready: [`MODEL_ERROR`] times behind the best prediction, or behind the best
    /// time by what was measured of its kernel.
    fn is_hopeless(&self, choice: &Choice, predicted_us: f64) -> bool {
        let own = kernel(choice);
        let behind = match (self.least_us, self.scales.iter().find(|(known, _)| *known == own)) {
            (Some(least), Some((_, scale))) => predicted_us * scale / least,
            _ => self.least_predicted.map_or(1.0, |least| predicted_us / least),
        };
        behind > MODEL_ERROR
    }
}

/// What became of candidates.
#[derive(Debug, Default)]
pub(super) struct Admission {
    pub(super) running: Vec<Entrant>,
    pub(super) hopeless: Vec<Choice>,
    pub(super) unpromising: Vec<Choice>,
    pub(super) untried: usize,
    /// What the first candidate's admission took: where the result is checked.
    pub(super) first: Duration,
}

/// Makes candidates ready in waves, as long as the next wave is expected to end before `deadline`.
pub(super) fn admit<A: Arena + ?Sized>(
    arena: &mut A,
    task: &Task<'_>,
    waves: &mut Waves,
    deadline: Deadline,
    wrong: &mut dyn FnMut(Choice, &A::Error),
) -> Result<Admission, A::Error> {
    let mut found = Admission::default();
    let predicted = |at: usize| task.predicted_us.get(at).copied();
    let must = |at: usize| at == 0 || task.others.contains(&task.candidates[at]);
    // The untuned choice is asked for, too, if there is time.
    let asked = |at: usize| must(at) || task.untuned == Some(task.candidates[at]);
    let mut expectations = Expectations::new(task.predicted_us.iter().copied());
    let hopeless = |by: &Expectations, at: usize| {
        predicted(at).is_some_and(|us| by.is_hopeless(&task.candidates[at], us))
    };
    // Those that are asked for come first.
    let (first, rest): (Vec<usize>, Vec<usize>) =
        (0..task.candidates.len()).partition(|&at| asked(at));
    let mut queue: VecDeque<usize> = first.into_iter().chain(rest).collect();
    let mut put_off = Vec::new();
    loop {
        let in_time = deadline.allows(arena.now(), waves.expected().unwrap_or_default());
        let mut wave = Vec::new();
        while wave.len() < arena.together().max(1) {
            let Some(at) = queue.pop_front() else { break };
            let has_chance = (1..=task.chances).contains(&at);
            match () {
                () if must(at) => wave.push(at),
                () if !has_chance && !asked(at) && hopeless(&expectations, at) => put_off.push(at),
                () if in_time => wave.push(at),
                () => found.untried += 1,
            }
        }
        if wave.is_empty() && found.running.is_empty() && in_time && !put_off.is_empty() {
            // All that were promising are wrong: the others are compared with one another.
            let predictions = put_off.iter().filter_map(|&at| predicted(at));
            expectations = Expectations::new(predictions);
            queue.extend(put_off.drain(..));
            continue;
        }
        if wave.is_empty() {
            // Another of its kernel may have been faster than was expected.
            queue.extend(put_off.extract_if(.., |at| !hopeless(&expectations, *at)));
            if queue.is_empty() {
                found.unpromising = put_off.iter().map(|&at| task.candidates[at]).collect();
                return Ok(found);
            }
            continue;
        }
        let choices: Vec<Choice> = wave.iter().map(|&at| task.candidates[at]).collect();
        let begun = arena.now();
        arena.prepare(&choices)?;
        let mut took = arena.now().saturating_sub(begun);
        for (at, choice) in wave.into_iter().zip(choices) {
            let begun = arena.now();
            match arena.admit(choice, asked(at)) {
                Ok(Some(us)) => {
                    expectations.measured(&choice, predicted(at), us);
                    found.running.push(Entrant {
                        choice,
                        about_us: us,
                        samples: Samples::default(),
                    });
                }
                Ok(None) => found.hopeless.push(choice),
                Err(error) => wrong(choice, &error),
            }
            let own = arena.now().saturating_sub(begun);
            match at {
                0 => found.first = own,
                _ => took += own,
            }
        }
        waves.record(took);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_wave_is_expected_to_take_what_the_last_took() {
        let mut waves = Waves::default();
        assert_eq!(waves.expected(), None);
        waves.record(Duration::from_secs(3));
        assert_eq!(waves.expected(), Some(Duration::from_secs(3)));
        waves.record(Duration::from_secs(1));
        assert_eq!(waves.expected(), Some(Duration::from_secs(3)), "the longest");
        (0..REMEMBERED).for_each(|_| waves.record(Duration::from_secs(1)));
        assert_eq!(waves.expected(), Some(Duration::from_secs(1)), "what is long ago is forgotten");
    }
}
