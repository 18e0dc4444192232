//! Weighing the best on hard inputs, beside the untuned choice.
//!
//! Random rows say nothing of rows of ties, or of rows in which every element is better than all before, on which choices
//! that are fastest on random ones may take several times as long. A plan is for a shape, whatever its rows will be like:
//! none wins that loses much to the untuned choice on one of the inputs, and of those that are about as fast on random rows the
//! one wins that takes least on all of them, the random ones counting as much as the hard ones together.

use std::time::Duration;

use st_rank::Choice;

use super::outcome::behind;
use super::race::{MOST_DOUBT, log_ratios, median_of};
use super::{Arena, Contest, Deadline, Entrant, finish, make_ready, once};
use crate::stats::LEAST_TURNS;

/// What a winner may take on an input, for each microsecond of the untuned choice, by the turns below: so that it is within
/// a tenth, which is what they may be wrong by.
const MOST_SLOWER: f64 = 1.08;

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

/// A choice, and how far it is behind another, as a natural logarithm.
type Place = (Choice, f64);

/// What hard inputs say of a choice.
#[derive(Clone, Debug)]
pub(super) struct Weighed {
    choice: Choice,
    /// How far it is behind the untuned choice on those that tell, as a natural logarithm.
    behind: Vec<f64>,
    /// All that can be had tell.
    whole: bool,
}

impl Weighed {
    /// Whether it is slower on one of them than the untuned choice by more than it may.
    fn fails(&self) -> bool {
        self.behind.iter().any(|&behind| behind > MOST_SLOWER.ln())
    }

    fn holds(&self) -> bool {
        self.whole && !self.fails()
    }

    /// Whether it is known if it holds.
    fn is_told(&self) -> bool {
        self.whole || self.fails()
    }

    fn mean(&self) -> f64 {
        self.behind.iter().sum::<f64>() / self.behind.len().max(1) as f64
    }
}

impl Contest {
    /// Weighs those that are fastest on random rows, and lets the one win that is best by all inputs. What there was no time
    /// to weigh does not win; it is left for later. Inputs that cannot be had are left out, and the outcome says why.
    pub(super) fn hold<A: Arena + ?Sized>(
        &mut self,
        arena: &mut A,
        deadline: Deadline,
    ) -> Result<(), A::Error> {
        let Some(leader) = self.running.first().cloned() else { return Ok(()) };
        let places = self.places(&leader);
        // If the result of the one to hold others against is wrong there is nothing to do.
        let base = self.untuned.and_then(|choice| place(&places, choice));
        let base = base.or_else(|| place(&places, self.planned));
        let Some(base) = base.filter(|_| arena.hard_inputs() > 0) else { return Ok(()) };
        let most = base.1 + MOST_SLOWER.ln();
        self.weighed.retain(Weighed::is_told);
        self.not_weighed = None;
        let may_win: Vec<Place> =
            places.iter().filter(|p| p.0 != base.0 && p.1 <= most).copied().collect();
        for (nth, nearest) in may_win.chunks(WEIGHED_AT_ONCE).enumerate() {
            if nth > 0 && nearest[0].1 >= base.1 {
                // The untuned choice is faster than these.
                break;
            }
            let new = nearest.iter().map(|place| place.0).filter(|c| self.weighed(c).is_none());
            let new: Vec<Choice> = new.collect();
            if !new.is_empty() {
                let (weighed, lacking) = weigh(arena, (base.0, &new), deadline)?;
                self.weighed.extend(weighed);
                self.not_weighed = lacking.or_else(|| self.not_weighed.take());
            }
            if nearest.iter().any(|(choice, _)| self.weighed(choice).is_some_and(Weighed::holds)) {
                break;
            }
        }
        let best = self.best_by_all(&places, base, most);
        // Nothing that was faster on random rows is to be planned.
        for &(choice, _) in places.iter().take_while(|(choice, _)| *choice != best) {
            let told = choice == base.0 || self.weighed(&choice).is_some_and(Weighed::is_told);
            let out = self.take(choice);
            match told {
                true => self.given_way.extend(out),
                false => self.unweighed.extend(out),
            }
        }
        // What was left for later and is slower is timed like others.
        for (choice, _) in places.iter().skip_while(|(choice, _)| *choice != best).skip(1) {
            let late = self.unweighed.iter().position(|e| e.choice == *choice);
            self.dropped.extend(late.map(|at| self.unweighed.remove(at)));
        }
        if best != leader.choice {
            if let Some(winner) = self.take(best) {
                self.running.insert(0, winner);
            }
            // What is left in doubt was of another.
            self.doubt = 0.0;
            let asked = self.finals.iter().map(|e| e.choice).filter(|choice| self.asks_for(choice));
            let finalists = once([vec![best], asked.collect()].concat());
            self.finals = finish(arena, &finalists, deadline)?;
        }
        if !self.unweighed.is_empty() {
            self.doubt = MOST_DOUBT;
        }
        Ok(())
    }

    /// How far each candidate is behind the leader on random rows, as a natural logarithm, the fastest first. Those that made
    /// way for it may be before it.
    fn places(&self, leader: &Entrant) -> Vec<Place> {
        let place = |least: f64| move |e: &Entrant| Some((e.choice, behind(e, leader)?.max(least)));
        let lost = self.running.iter().chain(&self.dropped).filter_map(place(0.0));
        let out = self.given_way.iter().chain(&self.unweighed);
        let mut all: Vec<Place> = lost.chain(out.filter_map(place(f64::NEG_INFINITY))).collect();
        // The leader is the first of those running, and stays before those that are as fast.
        all.sort_by(|a, b| a.1.total_cmp(&b.1));
        all
    }

    fn weighed(&self, choice: &Choice) -> Option<&Weighed> {
        self.weighed.iter().find(|w| w.choice == *choice)
    }

    /// Who wins by all inputs, of those that were weighed and what they are held against. On random rows a winner may be behind
    /// the leader by `most`.
    fn best_by_all(&self, places: &[Place], base: Place, most: f64) -> Choice {
        let may_win = |(choice, random): &Place| {
            if *choice == base.0 {
                return Some((*choice, *random, *random));
            }
            let weighed = self.weighed(choice)?;
            let holds = *random <= most && weighed.holds();
            holds.then(|| (*choice, *random, *random + weighed.mean()))
        };
        let all: Vec<(Choice, f64, f64)> = places.iter().filter_map(may_win).collect();
        let Some(fastest) = all.first() else { return base.0 };
        all.iter()
            .filter(|c| c.1 <= fastest.1 + ABOUT_AS_FAST.ln())
            .min_by(|a, b| a.2.total_cmp(&b.2))
            .filter(|best| best.2 < fastest.2 - SURELY_BETTER)
            .unwrap_or(fastest)
            .0
    }

    /// Takes a candidate out.
    fn take(&mut self, choice: Choice) -> Option<Entrant> {
        let lists =
            [&mut self.running, &mut self.dropped, &mut self.given_way, &mut self.unweighed];
        lists
            .into_iter()
            .find_map(|list| list.iter().position(|e| e.choice == choice).map(|at| list.remove(at)))
    }
}

fn place(places: &[Place], wanted: Choice) -> Option<Place> {
    places.iter().find(|(choice, _)| *choice == wanted).copied()
}

/// Times choices on hard inputs beside the first one; and why not on all, if some cannot be had.
fn weigh<A: Arena + ?Sized>(
    arena: &mut A,
    (first, choices): (Choice, &[Choice]),
    deadline: Deadline,
) -> Result<(Vec<Weighed>, Option<String>), A::Error> {
    let all = [&[first], choices].concat();
    for wave in all.chunks(arena.together().max(1)) {
        make_ready(arena, wave)?;
    }
    let mut found: Vec<Weighed> =
        choices.iter().map(|&choice| Weighed { choice, behind: Vec::new(), whole: true }).collect();
    let mut lacking = None;
    for input in 0..arena.hard_inputs() {
        if !deadline.allows(arena.now(), Duration::ZERO) {
            found.iter_mut().for_each(|w| w.whole = false);
            break;
        }
        if let Some(why) = arena.make_hard(input)? {
            lacking = Some(why);
            continue;
        }
        // Those that failed on another are out.
        let standing = found.iter().filter(|w| !w.fails()).map(|w| w.choice);
        let sides = [first].into_iter().chain(standing).map(Entrant::untimed).collect();
        let (behind, whole) = on_input(arena, input, first, sides, deadline)?;
        for weighed in &mut found {
            weighed.whole &= whole;
            weighed.behind.extend(place(&behind, weighed.choice).map(|(_, behind)| behind));
        }
    }
    Ok((found, lacking))
}

/// How far choices are behind the first on an input, and whether there was time to tell of all: if not, only of those that
/// are far behind.
fn on_input<A: Arena + ?Sized>(
    arena: &mut A,
    input: usize,
    first: Choice,
    mut sides: Vec<Entrant>,
    deadline: Deadline,
) -> Result<(Vec<Place>, bool), A::Error> {
    let behind = |sides: &[Entrant]| -> Vec<Place> {
        let Some(first) = sides.iter().find(|e| e.choice == first) else { return Vec::new() };
        sides.iter().map(|e| (e.choice, median_of(&log_ratios(e, first)))).collect()
    };
    let mut told = Vec::new();
    for turn in 0..TURNS {
        if turn > 0 && !deadline.allows(arena.now(), Duration::ZERO) {
            break;
        }
        arena.hard_turns(input, &mut sides)?;
        if turn == 0 {
            told = behind(&sides);
            told.retain(|(_, behind)| *behind > (MOST_SLOWER * FAR_SLOWER).ln());
            sides.retain(|e| place(&told, e.choice).is_none());
        }
        // Whoever stands beside whom leaves other things in the caches.
        sides.reverse();
    }
    let whole = sides.iter().all(|e| e.samples.turns().len() >= LEAST_TURNS);
    if whole {
        told.extend(behind(&sides));
    }
    Ok((told, whole))
}
