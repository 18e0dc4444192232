//! Covering arrays of strength two: few tests in which every two levels of every two factors meet.
//!
//! Faults that depend on one or two settings at once are found by these few as by all combinations.
//! The tests are chosen among those that are possible at all, so that a pair which no possible test
//! has is not asked for. Greedy, as AETG (Cohen and others 1997): each test begins with a pair that
//! is lacking, and takes for one factor after the other the level that adds the most pairs.

use crate::rng::Rng;

/// The level of each of `N` factors.
pub type Row<const N: usize> = [u8; N];

/// Orders of factors that are tried for each test, of which the best is taken.
const TRIES: usize = 12;

/// A set of pairs: two factors with a level of each.
#[derive(Clone, Debug)]
pub struct Pairs<const N: usize> {
    /// Where each factor's levels begin among all levels.
    begin: [usize; N],
    all: usize,
    there: Vec<bool>,
    count: usize,
}

impl<const N: usize> Pairs<N> {
    /// None, of factors with so many levels.
    #[must_use]
    pub fn none(levels: &[usize; N]) -> Self {
        let mut begin = [0; N];
        let mut all = 0;
        for (begin, levels) in begin.iter_mut().zip(levels) {
            *begin = all;
            all += levels;
        }
        Self { begin, all, there: vec![false; all * all], count: 0 }
    }

    /// Those that some row has.
    #[must_use]
    pub fn of(levels: &[usize; N], rows: &[Row<N>]) -> Self {
        let mut pairs = Self::none(levels);
        for row in rows {
            pairs.add(row);
        }
        pairs
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    const fn at(&self, f: usize, level: u8, g: usize, other: u8) -> usize {
        (self.begin[f] + level as usize) * self.all + self.begin[g] + other as usize
    }

    /// Whether the pair of factor `f` at `level` and of factor `g`, a later one, at `other` is there.
    #[must_use]
    pub fn has(&self, f: usize, level: u8, g: usize, other: u8) -> bool {
        self.there[self.at(f, level, g, other)]
    }

    /// Adds those of a row.
    pub fn add(&mut self, row: &Row<N>) {
        for f in 0..N {
            for g in f + 1..N {
                let at = self.at(f, row[f], g, row[g]);
                self.count += usize::from(!self.there[at]);
                self.there[at] = true;
            }
        }
    }

    /// Takes those of a row away.
    fn remove(&mut self, row: &Row<N>) {
        for f in 0..N {
            for g in f + 1..N {
                let at = self.at(f, row[f], g, row[g]);
                self.count -= usize::from(self.there[at]);
                self.there[at] = false;
            }
        }
    }

    /// The first that is there: factor, level, later factor, level.
    fn first(&self) -> Option<(usize, u8, usize, u8)> {
        let at = self.there.iter().position(|&there| there)?;
        let of = |level: usize| {
            let f = self.begin.partition_point(|&begin| begin <= level) - 1;
            (f, (level - self.begin[f]) as u8)
        };
        let ((f, level), (g, other)) = (of(at / self.all), of(at % self.all));
        Some((f, level, g, other))
    }

    /// How many of a row's pairs with factor `f`, among the factors that are fixed, are there.
    fn gain(&self, row: &Row<N>, fixed: &[usize], f: usize, level: u8) -> usize {
        let met = |&&g: &&usize| match g < f {
            true => self.has(g, row[g], f, level),
            false => self.has(f, level, g, row[g]),
        };
        fixed.iter().filter(met).count()
    }
}

/// Which of the candidates to take, so that they have every pair that any candidate has. The same
/// for the same candidates.
///
/// Levels must be below those of `levels`, and each factor has at least one.
#[must_use]
pub fn cover<const N: usize>(levels: &[usize; N], candidates: &[Row<N>]) -> Vec<usize> {
    let mut lacking = Pairs::of(levels, candidates);
    let mut rng = Rng::new(0xC0FE);
    let mut taken = Vec::new();
    while let Some((f, level, g, other)) = lacking.first() {
        let has =
            |&i: &u32| candidates[i as usize][f] == level && candidates[i as usize][g] == other;
        let with: Vec<u32> = (0..candidates.len() as u32).filter(has).collect();
        let mut best: Option<(usize, usize)> = None;
        for _ in 0..TRIES {
            let at = grown(levels, candidates, &with, [f, g], &lacking, &mut rng);
            let before = lacking.len();
            let mut after = lacking.clone();
            after.remove(&candidates[at]);
            let gain = before - after.len();
            if best.is_none_or(|(most, _)| gain > most) {
                best = Some((gain, at));
            }
        }
        let Some((_, at)) = best else { break };
        lacking.remove(&candidates[at]);
        taken.push(at);
    }
    taken
}

/// One of the candidates `with` two fixed factors: level by level what adds the most.
fn grown<const N: usize>(
    levels: &[usize; N],
    candidates: &[Row<N>],
    with: &[u32],
    [f, g]: [usize; 2],
    lacking: &Pairs<N>,
    rng: &mut Rng,
) -> usize {
    let mut left: Vec<u32> = with.to_vec();
    let mut row = candidates[left[0] as usize];
    let mut fixed = vec![f, g];
    let mut open: Vec<usize> = (0..N).filter(|&h| h != f && h != g).collect();
    while !open.is_empty() {
        let h = open.swap_remove(rng.below(open.len()));
        let mut possible = vec![false; levels[h]];
        for &i in &left {
            possible[usize::from(candidates[i as usize][h])] = true;
        }
        let mut scored = Vec::new();
        for level in (0..levels[h] as u8).filter(|&level| possible[usize::from(level)]) {
            // Ties fall to any of them: always the same would make rows alike.
            scored.push((lacking.gain(&row, &fixed, h, level), rng.below(1 << 16), level));
        }
        // Some level is possible: that of the first that is left.
        let level = scored.iter().max().map_or(row[h], |best| best.2);
        row[h] = level;
        left.retain(|&i| candidates[i as usize][h] == level);
        fixed.push(h);
    }
    left[0] as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product<const N: usize>(
        levels: &[usize; N],
        possible: impl Fn(&Row<N>) -> bool,
    ) -> Vec<Row<N>> {
        let all: usize = levels.iter().product();
        let row = |mut n: usize| {
            levels.map(|levels| {
                let level = (n % levels) as u8;
                n /= levels;
                level
            })
        };
        (0..all).map(row).filter(possible).collect()
    }

    /// Every pair of a possible row is in a row that was taken: by looking for each.
    fn check<const N: usize>(levels: &[usize; N], candidates: &[Row<N>], most: usize) {
        let taken = cover(levels, candidates);
        assert!(taken.len() <= most, "{} rows", taken.len());
        let mut pairs = 0;
        for f in 0..N {
            for g in f + 1..N {
                for a in 0..levels[f] as u8 {
                    for b in 0..levels[g] as u8 {
                        let has = |row: &Row<N>| row[f] == a && row[g] == b;
                        let wanted = candidates.iter().any(has);
                        let there = taken.iter().any(|&i| has(&candidates[i]));
                        assert_eq!(there, wanted, "factors {f} and {g}, levels {a} and {b}");
                        pairs += usize::from(wanted);
                    }
                }
            }
        }
        assert_eq!(Pairs::of(levels, candidates).len(), pairs);
        assert_eq!(taken, cover(levels, candidates), "the same again");
    }

    #[test]
    fn every_possible_pair_is_there_in_few_rows() {
        // 9 and 25 are the least.
        let levels = [3; 4];
        check(&levels, &product(&levels, |_| true), 12);
        let levels = [5, 2, 5, 3, 4, 2, 3];
        check(&levels, &product(&levels, |_| true), 34);
        let levels = [7];
        assert!(cover(&levels, &product(&levels, |_| true)).is_empty(), "one factor has no pairs");
        assert!(cover(&[2, 2], &[]).is_empty());
    }

    #[test]
    fn what_is_not_possible_is_not_asked_for() {
        let levels = [4, 3, 5, 2];
        // Pairs that are impossible themselves, and one that only three factors exclude.
        let possible = |row: &Row<4>| {
            !(row[0] == 0 && row[1] == 2)
                && !(row[2] == 4 && (row[3] == 1 || row[0] > 1))
                && row[0] + row[1] + row[2] > 1
        };
        check(&levels, &product(&levels, possible), 32);
        // Every row is the only one with some pair.
        let rows = [[0, 0, 0], [1, 1, 1], [2, 2, 2]];
        check(&[3, 3, 3], &rows, 3);
    }
}
