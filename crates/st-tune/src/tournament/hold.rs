//! Weighing the best on hard inputs, beside the planner's choice.
//!
//! Random rows say nothing of rows of ties, or of rows in which every element is better than all before, on which choices
//! that are fastest on random ones may take several times as long. A plan is for a shape, whatever its rows will be like:
//! none wins that loses much to the untuned choice on one of the inputs, and of those that are about as fast on random rows the
//! one wins that takes least on all of them, the random ones counting as much as the hard ones together.

use std::time::Duration;

use st_rank::Choice;

use super::outcome::behind;
use super::race::{MOST_DOUBT, log_ratios, median_of};
use super::{Arena, Contest, Deadline, Entrant, finish, once};
use crate::stats::{LEAST_TURNS, Samples};

/// What a winner may take on an input, for each microsecond of the untuned choice, by the turns below: so that it is within
/// a tenth, which is what they may be wrong by.
pub(crate) const MOST_SLOWER: f64 = 1.08;

/// What a winner may take on random rows, for each microsecond of the fastest that may win.
const ABOUT_AS_FAST: f64 = 1.10;

/// How much better than the fastest that may win another must be, as a natural logarithm of the product of what both take
/// on random rows and on hard inputs: less is what the turns below may be wrong by.
const SURELY_BETTER: f64 = 0.03;

/// Turns on each input, of which there are [`LEAST_TURNS`] at least, or it says nothing but who is far slower.
const TURNS: usize = 7;

/// One that takes so many times what it may in its first turn has lost at once.
const FAR_SLOWER: f64 = 2.0;

/// How many are weighed at once: those that are fastest on random rows; if none of them may win the next ones.
const WEIGHED_AT_ONCE: usize = 8;

/// What hard inputs say of a choice.
#[derive(Clone, Debug)]
pub(super) struct Weighed {
    choice: Choice,
    /// On each of them how far it is behind the untuned choice, as a natural logarithm.
    behind: Vec<f64>,
    /// There was no time for as many turns as it takes to tell who is ahead: nothing but who is far slower is known.
    in_haste: bool,
}

impl Weighed {
    /// Whether it is nowhere slower than the untuned choice by more than it may.
    fn holds(&self) -> bool {
        self.behind.iter().all(|&behind| behind <= MOST_SLOWER.ln())
    }

    fn mean(&self) -> f64 {
        self.behind.iter().sum::<f64>() / self.behind.len().max(1) as f64
    }
}

impl Contest {
    /// Weighs those that are fastest on random rows, and lets the one win that is best by all inputs. If a hard input cannot
    /// be had the outcome says why, and the one wins that is fastest on random rows.
    pub(super) fn hold<A: Arena + ?Sized>(
        &mut self,
        arena: &mut A,
        deadline: Deadline,
    ) -> Result<(), A::Error> {
        let Some(leader) = self.running.first().cloned() else { return Ok(()) };
        let places = self.places(&leader);
        // If the result of the one to hold others against is wrong there is nothing to do.
        let Some(base) = self.base(&places).filter(|_| arena.hard_inputs() > 0) else {
            return Ok(());
        };
        let most = base.1 + MOST_SLOWER.ln();
        self.weighed.retain(|w| !w.in_haste);
        self.in_haste = false;
        let may_win: Vec<Choice> = places
            .iter()
            .filter(|(choice, random)| *choice != base.0 && *random <= most)
            .map(|place| place.0)
            .collect();
        for (nth, nearest) in may_win.chunks(WEIGHED_AT_ONCE).enumerate() {
            if nth > 0 && !deadline.allows(arena.now(), Duration::ZERO) {
                // What was not weighed is not planned, either, and asked in the time that is left.
                self.in_haste = true;
                break;
            }
            let unknown = |choice: &&Choice| self.weighed.iter().all(|w| w.choice != **choice);
            let new: Vec<Choice> = nearest.iter().filter(unknown).copied().collect();
            if !new.is_empty() {
                match weigh(arena, (base.0, &new), deadline) {
                    Ok(weighed) => self.weighed.extend(weighed),
                    Err(why) => {
                        self.not_weighed = Some(why.to_string());
                        return Ok(());
                    }
                }
            }
            if self.weighed.iter().any(|w| nearest.contains(&w.choice) && w.holds()) {
                break;
            }
        }
        self.in_haste |= self.weighed.iter().any(|w| w.in_haste);
        let best = self.best_by_all(&places, base, most);
        if best != leader.choice {
            // Nothing that was faster on random rows is to be planned.
            for (choice, _) in places.iter().take_while(|(choice, _)| *choice != best) {
                let out = self.take(*choice);
                self.given_way.extend(out);
            }
            if let Some(winner) = self.take(best) {
                self.running.insert(0, winner);
            }
            // What is left in doubt was of another.
            self.doubt = 0.0;
            let asked = self.finals.iter().map(|e| e.choice).filter(|choice| self.asks_for(choice));
            let finalists = once([vec![best], asked.collect()].concat());
            self.finals = finish(arena, &finalists, deadline)?;
        }
        if self.in_haste {
            self.doubt = MOST_DOUBT;
        }
        Ok(())
    }

    /// What others are held against, and how far it is behind the leader on random rows, as a natural logarithm.
    fn base(&self, places: &[(Choice, f64)]) -> Option<(Choice, f64)> {
        let place = |wanted: Choice| places.iter().find(|(choice, _)| *choice == wanted).copied();
        match self.untuned {
            None => place(self.planned),
            Some((choice, behind)) => place(choice)
                .or_else(|| place(self.planned).map(|(_, planned)| (choice, planned + behind))),
        }
    }

    /// How far each candidate is behind the leader on random rows, as a natural logarithm, the fastest first. Those that gave
    /// way to it may be before it.
    fn places(&self, leader: &Entrant) -> Vec<(Choice, f64)> {
        let place = |least: f64| move |e: &Entrant| Some((e.choice, behind(e, leader)?.max(least)));
        let lost = self.running.iter().chain(&self.dropped).filter_map(place(0.0));
        let gave_way = self.given_way.iter().filter_map(place(f64::NEG_INFINITY));
        let mut all: Vec<(Choice, f64)> = lost.chain(gave_way).collect();
        // The leader is the first of those running, and stays before those that are as fast.
        all.sort_by(|a, b| a.1.total_cmp(&b.1));
        all
    }

    /// Who wins by all inputs, of those that were weighed and what they are held against. On random rows a winner may be behind
    /// the leader by `most`.
    fn best_by_all(&self, places: &[(Choice, f64)], base: (Choice, f64), most: f64) -> Choice {
        let may_win = |(choice, random): &(Choice, f64)| {
            if *choice == base.0 {
                return Some((*choice, *random, *random));
            }
            let weighed = self.weighed.iter().find(|w| w.choice == *choice)?;
            let holds = *random <= most && weighed.holds();
            holds.then(|| (*choice, *random, *random + weighed.mean()))
        };
        let all: Vec<(Choice, f64, f64)> = places.iter().filter_map(may_win).collect();
        // The first choice was the best of an earlier contest, if not what others are held against.
        let Some(fastest) = all.first() else { return self.planned };
        all.iter()
            .filter(|c| c.1 <= fastest.1 + ABOUT_AS_FAST.ln())
            .min_by(|a, b| a.2.total_cmp(&b.2))
            .filter(|best| best.2 < fastest.2 - SURELY_BETTER)
            .unwrap_or(fastest)
            .0
    }

    /// Takes a candidate out.
    fn take(&mut self, choice: Choice) -> Option<Entrant> {
        let lists = [&mut self.running, &mut self.dropped, &mut self.given_way];
        lists
            .into_iter()
            .find_map(|list| list.iter().position(|e| e.choice == choice).map(|at| list.remove(at)))
    }
}

/// Times choices on hard inputs beside the first one.
fn weigh<A: Arena + ?Sized>(
    arena: &mut A,
    (first, choices): (Choice, &[Choice]),
    deadline: Deadline,
) -> Result<Vec<Weighed>, A::Error> {
    let all = [&[first], choices].concat();
    for wave in all.chunks(arena.together().max(1)) {
        arena.prepare(wave)?;
        for &choice in wave {
            // It was right before, and its time is known.
            let _ = arena.admit(choice)?;
        }
    }
    let of = |list: &[Entrant], choice: Choice| list.iter().find(|e| e.choice == choice).cloned();
    let mut found: Vec<Weighed> = choices
        .iter()
        .map(|&choice| Weighed { choice, behind: Vec::new(), in_haste: false })
        .collect();
    for input in 0..arena.hard_inputs() {
        let entrant = |&choice| Entrant { choice, about_us: 0.0, samples: Samples::default() };
        let mut sides: Vec<Entrant> = all.iter().map(entrant).collect();
        let mut lost = Vec::new();
        for turn in 0..TURNS {
            if turn > 0 && !deadline.allows(arena.now(), Duration::ZERO) {
                break;
            }
            arena.hard_turns(input, &mut sides)?;
            if turn == 0
                && let Some(first) = of(&sides, first)
            {
                let behind = |e: &Entrant| median_of(&log_ratios(e, &first));
                let far = (MOST_SLOWER * FAR_SLOWER).ln();
                lost.extend(sides.extract_if(.., |e| behind(e) > far));
            }
            // Whoever stands beside whom leaves other things in the caches.
            sides.reverse();
        }
        let Some(first) = of(&sides, first) else { continue };
        let behind = |e: Entrant| median_of(&log_ratios(&e, &first));
        let in_haste = first.samples.turns().len() < LEAST_TURNS;
        for weighed in &mut found {
            weighed.in_haste |= in_haste;
            let far = of(&lost, weighed.choice).map(behind);
            let near = of(&sides, weighed.choice).map(|e| if in_haste { 0.0 } else { behind(e) });
            weighed.behind.extend(far.or(near));
        }
    }
    Ok(found)
}
