//! Where the wanted ranks probably lie, from a sample of the row.

use core::ops::Range;

use st_rank::order::CodeMap;

use crate::packed::Packs;

/// A guess: the wanted ranks lie among the codes above `above` and not above `beyond`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bracket<L> {
    /// Elements with codes above this are candidates.
    pub(crate) above: L,
    /// Elements with codes above this come before all wanted ranks, if there is such a bound.
    pub(crate) beyond: Option<L>,
}

/// Rows shorter than this are not sampled: reading them is as quick.
const MIN_COLS: usize = 4096;
/// Fewest columns for each sampled one.
const SPARSITY: usize = 16;
/// A sample of s points costs s times a cache miss, and leaves about
/// `EXTRA_RANKS n / s + DEVIATIONS sqrt(b n / s)` candidates beyond the b wanted. This is the cost
/// of such a candidate, in sampled points: both terms balance at the sizes below.
const CANDIDATE_COST: f64 = 2.0;
/// Standard deviations of the sampled rank by which the guess is widened: of rows in no particular
/// order, one in a thousand is read a second time.
const DEVIATIONS: f64 = 3.0;
/// Ranks by which it is widened besides, for the skew of small counts.
const EXTRA_RANKS: f64 = 1.5;

/// Draws the sample and makes the guess; none where the row is short, or where a guess would keep
/// most of it. Sample points are spread evenly, each moved within its stretch by a fixed hash, so
/// that no regular pattern of columns can hide from them.
pub(crate) fn bracket<L: Packs>(
    map: &CodeMap<L>,
    bits: &[L],
    ranks: &Range<usize>,
    codes: &mut Vec<L>,
) -> Option<Bracket<L>> {
    let n = bits.len();
    if n < MIN_COLS {
        return None;
    }
    let columns = n as f64;
    let for_skew = (CANDIDATE_COST * EXTRA_RANKS * columns).sqrt();
    let for_spread =
        (CANDIDATE_COST / 2.0 * DEVIATIONS * (ranks.end as f64 * columns).sqrt()).cbrt().powi(2);
    let samples = (for_skew.max(for_spread) as usize).min(n / SPARSITY);
    let rank = |of: usize, sign: f64| {
        let share = of as f64 / n as f64;
        let mean = share * samples as f64;
        mean + sign * (DEVIATIONS * (mean * (1.0 - share)).sqrt() + EXTRA_RANKS)
    };
    let last = rank(ranks.end, 1.0) as usize;
    let first = rank(ranks.start, -1.0).max(0.0) as usize;
    if last >= samples || (last - first) * 2 > samples {
        return None;
    }
    let stretch = n / samples;
    codes.clear();
    codes.extend((0..samples).map(|i| {
        let hash = (i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        let within = (hash * stretch as u64) >> 32;
        map.canon(map.code(bits[i * stretch + within as usize]))
    }));
    let least = map.least(*codes.select_nth_unstable_by(last, |a, b| b.cmp(a)).1);
    if least == L::MIN {
        return None;
    }
    let above = least.sub(L::from_i64(1));
    let beyond = (first > 0).then(|| *codes.select_nth_unstable_by(first, |a, b| b.cmp(a)).1);
    Some(Bracket { above, beyond })
}
