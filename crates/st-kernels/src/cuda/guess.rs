//! The first guess of a threshold for short rows (`group.cuh`).
//!
//! A few lanes hold a row in parts and take the least key of each part. The guess is an order statistic of those, made
//! cheaply: the NTH least of each lane, of which pairs of lanes take the lesser, the greater or the mean, and so on.
//! For elements in random order, how many reach it does not depend on how they are distributed, but for the means. So
//! the one can be chosen beforehand by which rows most often have enough candidates and not too many.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

/// How two lanes' keys become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meet {
    Lesser,
    Greater,
    Mean,
}

const MEETS: [Meet; 3] = [Meet::Lesser, Meet::Greater, Meet::Mean];

/// How a row's first guess is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Guess {
    /// Which of a lane's least keys, from 0.
    nth: u32,
    /// How lanes meet: digits to the base 3, the first one first: the lesser (0), the greater (1), the mean (2).
    tree: u32,
}

impl Guess {
    /// The least key of each lane, and of all.
    const LEAST: Self = Self { nth: 0, tree: 0 };

    /// As the kernel is told it, two bits each: which of the least keys, and how lanes meet.
    pub(super) fn bits(&self) -> u32 {
        (0..5).fold(self.nth, |bits, level| {
            bits | (self.tree / 3u32.pow(level) % 3) << (2 + 2 * level)
        })
    }
}

/// Parts of what a lane holds. Every lane holds whole vectors of four elements at least.
const PARTS: u32 = 4;

/// Columns, lanes, candidates wanted and room for them.
type Question = (usize, u32, u64, u32);

/// The guess by which rows of `cols` elements, which `lanes` lanes share, most often have from `wanted` to `list`
/// candidates.
pub(super) fn guess(cols: usize, lanes: u32, wanted: u64, list: u32) -> Guess {
    // A thousand combinations are too many for every launch.
    static KNOWN: LazyLock<Mutex<HashMap<Question, Guess>>> = LazyLock::new(Mutex::default);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let question = (cols, lanes, wanted, list);
    *known.entry(question).or_insert_with(|| best(question))
}

fn best((cols, lanes, wanted, list): Question) -> Guess {
    let n = cols.max(1) as f64;
    let levels = lanes.ilog2();
    let mut best = (f64::NEG_INFINITY, Guess::LEAST);
    // A part's least key is among the row's first `count` with this chance.
    let size = n / f64::from(lanes * PARTS);
    let chance = |count: f64| 1.0 - (1.0 - (count / n).min(1.0)).powf(size);
    let (low, high) = (chance(wanted as f64 - 0.5), chance(f64::from(list) + 0.5));
    for nth in 0..PARTS {
        let firsts = [high, low].map(|p| of_lane(p, nth));
        for tree in 0..3u32.pow(levels) {
            let meets = meets(tree, levels);
            // Means of means depend on how far apart keys lie.
            if meets.clone().zip(meets.clone().skip(1)).any(|pair| pair == (Meet::Mean, Meet::Mean))
            {
                continue;
            }
            let [high, low] = firsts.map(|p| of_tree(p, meets.clone()));
            if high - low > best.0 + 1e-6 {
                best = (high - low, Guess { nth, tree });
            }
        }
    }
    best.1
}

/// How lanes meet, level by level.
fn meets(tree: u32, levels: u32) -> impl Iterator<Item = Meet> + Clone {
    (0..levels).map(move |level| MEETS[(tree / 3u32.pow(level) % 3) as usize])
}

/// How often a lane's key is among those that a part's least is among with chance `p`.
fn of_lane(p: f64, nth: u32) -> f64 {
    let ways = |of: u32| (0..of).fold(1.0, |all, i| all * f64::from(PARTS - i) / f64::from(i + 1));
    let exactly = |of: u32| ways(of) * p.powi(of as i32) * (1.0 - p).powi((PARTS - of) as i32);
    (nth + 1..=PARTS).map(exactly).sum()
}

/// The same of the guess, by how often a lane's key is.
fn of_tree(lane: f64, meets: impl Iterator<Item = Meet>) -> f64 {
    meets.fold(lane, |f, meet| match meet {
        Meet::Lesser => 1.0 - (1.0 - f) * (1.0 - f),
        Meet::Greater => f * f,
        // As of numbers that lie evenly.
        Meet::Mean if f < 0.5 => 2.0 * f * f,
        Meet::Mean => 1.0 - 2.0 * (1.0 - f) * (1.0 - f),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Uniform numbers in [0, 1).
    fn random(state: &mut u64) -> f64 {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        (*state >> 11) as f64 / (1u64 << 53) as f64
    }

    /// How many of random rows have from `wanted` to `list` candidates by their guess.
    fn success(cols: usize, lanes: u32, wanted: u64, list: u32) -> f64 {
        let own = cols / lanes as usize;
        let guess = guess(cols, lanes, wanted, list);
        let count_of = lanes;
        let (mut state, rows, mut good) = (0x9E37_79B9_7F4A_7C15, 4000, 0);
        for _ in 0..rows {
            let row: Vec<f64> = (0..cols).map(|_| random(&mut state)).collect();
            let mut lanes: Vec<f64> = row
                .chunks(own)
                .map(|lane| {
                    let parts = lane.chunks(own / PARTS as usize);
                    let mut least: Vec<f64> =
                        parts.map(|part| part.iter().copied().fold(1.0, f64::min)).collect();
                    least.sort_by(f64::total_cmp);
                    least[guess.nth as usize]
                })
                .collect();
            for meet in meets(guess.tree, count_of.ilog2()) {
                lanes = lanes
                    .chunks(2)
                    .map(|pair| match meet {
                        Meet::Lesser => pair[0].min(pair[1]),
                        Meet::Greater => pair[0].max(pair[1]),
                        Meet::Mean => f64::midpoint(pair[0], pair[1]),
                    })
                    .collect();
            }
            let count = row.iter().filter(|&&x| x <= lanes[0]).count() as u64;
            good += u32::from((wanted..=u64::from(list)).contains(&count));
        }
        f64::from(good) / f64::from(rows)
    }

    #[test]
    fn most_rows_need_one_guess() {
        for (cols, lanes, wanted, list) in [
            (256, 8, 32, 64),
            (256, 8, 16, 32),
            (256, 8, 8, 16),
            (128, 8, 4, 8),
            (64, 8, 4, 8),
            (256, 8, 1, 8),
            (512, 16, 8, 16),
            (512, 16, 32, 64),
            (1024, 32, 8, 16),
            (1024, 32, 32, 64),
        ] {
            let share = success(cols, lanes, wanted, list);
            assert!(share > 0.6, "{cols} columns, {wanted} to {list}: {share}");
        }
    }
}
