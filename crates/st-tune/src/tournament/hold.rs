//! Holding the winner against the planner's choice on hard inputs.
//!
//! Random rows say nothing of rows of ties, or of rows in which every element is better than all before, on which choices
//! that are fastest on random ones may take several times as long. A plan is for a shape, whatever its rows will be like: a
//! winner that loses more on one of them than it gains on random rows gives way to the next.

use st_rank::Choice;

use super::outcome::{behind, own};
use super::race::{log_ratios, median_of};
use super::{Arena, Contest, Deadline, Entrant, finish, once};
use crate::stats::Samples;

/// What a winner may take on a hard input, for each microsecond of the first choice, by the turns below: so that it is within
/// a tenth, which is what they may be wrong by.
const MOST_SLOWER: f64 = 1.08;

/// Turns on each of them.
const TURNS: usize = 7;

/// A winner that takes so many times what it may in its first turn has lost at once.
const FAR_SLOWER: f64 = 2.0;

/// Winners that may give way; after them the first choice wins.
const MOST_TRIED: usize = 8;

impl Contest {
    /// Holds the leader against the first choice, and the next, until one stands.
    pub(super) fn hold<A: Arena + ?Sized>(
        &mut self,
        arena: &mut A,
        deadline: Deadline,
    ) -> Result<(), A::Error> {
        let Some(leader) = self.running.first().map(|e| e.choice) else { return Ok(()) };
        // If the first choice's result is wrong there is nothing to hold others against.
        let first = self.running.iter().chain(&self.dropped).any(|e| e.choice == self.planned);
        if !first || arena.hard_inputs() == 0 {
            return Ok(());
        }
        let mut choice = leader;
        while choice != self.planned && !self.held.contains(&choice) {
            if holds(arena, choice, self.planned, deadline)? {
                self.held.push(choice);
                break;
            }
            let out = self.running.remove(0);
            self.given_way.extend(own(&out));
            choice = self.promote(&out, self.given_way.len() < MOST_TRIED);
            arena.prepare(&[choice])?;
            // It was right before.
            let _ = arena.admit(choice)?;
        }
        if choice != leader {
            // What is left in doubt was of another.
            self.doubt = 0.0;
            let again: Vec<Choice> =
                self.finals.iter().map(|e| e.choice).filter(|c| *c != leader).collect();
            self.finals = finish(arena, &once([vec![choice], again].concat()), deadline)?;
        }
        Ok(())
    }

    /// Brings to the front whoever is next behind one that is out, or the first choice if no other is to be tried.
    fn promote(&mut self, out: &Entrant, others: bool) -> Choice {
        let place = |e: &Entrant| match () {
            () if others => behind(e, out).unwrap_or(f64::INFINITY),
            () if e.choice == self.planned => 0.0,
            () => f64::INFINITY,
        };
        let all = self.running.iter().chain(&self.dropped).enumerate();
        let next = all.min_by(|a, b| place(a.1).total_cmp(&place(b.1))).map_or(0, |(at, _)| at);
        let entrant = match next.checked_sub(self.running.len()) {
            None => self.running.remove(next),
            Some(at) => self.dropped.remove(at),
        };
        let choice = entrant.choice;
        self.running.insert(0, entrant);
        choice
    }
}

/// Whether a choice is nowhere slower than the first by more than it may.
fn holds<A: Arena + ?Sized>(
    arena: &mut A,
    choice: Choice,
    first: Choice,
    deadline: Deadline,
) -> Result<bool, A::Error> {
    let may_lose = MOST_SLOWER.ln();
    for input in 0..arena.hard_inputs() {
        let entrant = |choice| Entrant { choice, about_us: 0.0, samples: Samples::default() };
        let mut sides = [entrant(choice), entrant(first)];
        for turn in 0..TURNS {
            if turn > 0 && !deadline.allows(arena.now(), std::time::Duration::ZERO) {
                break;
            }
            arena.hard_turns(input, &mut sides)?;
            let [own, other] = &sides;
            if turn == 0
                && log_ratios(own, other).iter().any(|log| *log > may_lose + FAR_SLOWER.ln())
            {
                break;
            }
        }
        let [own, other] = &sides;
        if median_of(&log_ratios(own, other)) > may_lose {
            return Ok(false);
        }
    }
    Ok(true)
}
