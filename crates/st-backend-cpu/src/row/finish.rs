//! Orders the candidates and writes the wanted ones.

use core::ops::Range;

use st_rank::order::CodeMap;

use crate::packed::{DIGIT_BITS, Packs};
use crate::scratch::Scratch;
use crate::simd::{Simd, Vectors};

/// Up to this many candidates are ranked by comparing each with all.
const MAX_RANKED: usize = 64;

/// Rows of more bytes than this are not read a second time for the values, which are made from
/// the codes instead: fetching them would miss the cache.
const MAX_GATHERED: usize = 1 << 18;

/// Where the values come from and the results go.
pub(crate) struct Target<'a, L> {
    pub(crate) map: CodeMap<L>,
    /// The whole row.
    pub(crate) row: &'a [L],
    /// True: by rank. False: by index.
    pub(crate) sorted: bool,
    pub(crate) values: &'a mut [L],
    pub(crate) indices: &'a mut [u32],
}

impl<L: Packs> Target<'_, L> {
    #[inline(always)]
    fn write(&mut self, at: usize, packed: L::Packed) {
        let index = L::index(packed);
        let code = L::code(packed);
        let gather = size_of_val(self.row) <= MAX_GATHERED || self.map.is_shared(code);
        self.values[at] = if gather { self.row[index as usize] } else { self.map.bits(code) };
        self.indices[at] = index;
    }
}

/// Writes the candidates of the given ranks. `scratch.cands` is by ascending index, and is used up.
#[inline(always)]
pub(crate) fn finish<L: Packs, S: Simd>(
    s: S,
    ranks: Range<usize>,
    scratch: &mut Scratch<L>,
    target: &mut Target<'_, L>,
) {
    let Scratch { cands, spare, counts, .. } = scratch;
    if !target.sorted {
        keep_ranks(cands, spare, &ranks);
        for (i, &packed) in cands.iter().enumerate() {
            target.write(i, packed);
        }
    } else if cands.len() <= MAX_RANKED {
        if let Some(words) = L::words(cands) {
            by_comparing(s, ranks, words, target);
        } else {
            cands.sort_unstable();
            write_sorted(&cands[ranks], target);
        }
    } else {
        bucket_sort::<L>(cands, spare, counts, &ranks);
        write_sorted(&spare[ranks], target);
    }
}

#[inline(always)]
fn write_sorted<L: Packs>(sorted: &[L::Packed], target: &mut Target<'_, L>) {
    for (i, &packed) in sorted.iter().enumerate() {
        target.write(i, packed);
    }
}

/// Drops the candidates outside the ranks, keeping the order by index.
fn keep_ranks<P: Copy + Ord>(cands: &mut Vec<P>, spare: &mut Vec<P>, ranks: &Range<usize>) {
    if *ranks == (0..cands.len()) {
        return;
    }
    spare.clear();
    spare.extend_from_slice(cands);
    let (head, last, _) = spare.select_nth_unstable(ranks.end - 1);
    let last = *last;
    let first =
        if ranks.start < head.len() { *head.select_nth_unstable(ranks.start).1 } else { last };
    cands.retain(|&p| p >= first && p <= last);
}

/// The rank of each candidate is the number of those before it: no branches on the data.
#[inline(always)]
fn by_comparing<L: Packs, S: Vectors<i64>>(
    s: S,
    ranks: Range<usize>,
    words: &mut Vec<i64>,
    target: &mut Target<'_, L>,
) {
    // What is not wanted is placed too: that is quicker than a branch.
    let mut sorted = [0; MAX_RANKED];
    match words.len().div_ceil(S::LANES) {
        1 => place::<S, 1>(s, words, &mut sorted),
        2 => place::<S, 2>(s, words, &mut sorted),
        3..=4 => place::<S, 4>(s, words, &mut sorted),
        5..=8 => place::<S, 8>(s, words, &mut sorted),
        9..=16 => place::<S, 16>(s, words, &mut sorted),
        _ => place::<S, 32>(s, words, &mut sorted),
    }
    for (i, &word) in sorted[ranks].iter().enumerate() {
        target.write(i, L::of_word(word));
    }
}

/// Puts each word at its rank. There are at most `N` vectors of them, and at most `MAX_RANKED`.
#[inline(always)]
fn place<S: Vectors<i64>, const N: usize>(
    s: S,
    words: &mut Vec<i64>,
    sorted: &mut [i64; MAX_RANKED],
) {
    let n = words.len();
    assert!(n <= (N * S::LANES).min(MAX_RANKED));
    words.reserve(S::LANES);
    let mut all = [s.splat(i64::MAX); N];
    // SAFETY: a vector more than the length is reserved. The last vector with words ends within
    // what is stored there.
    unsafe {
        s.store(words.as_mut_ptr().add(n), all[0]);
        for (i, vector) in all.iter_mut().enumerate().take(n.div_ceil(S::LANES)) {
            *vector = s.load(words.as_ptr().add(i * S::LANES));
        }
    }
    for &word in &*words {
        let this = s.splat(word);
        let mut rank = 0;
        for &vector in &all {
            rank += s.gt(this, vector).count_ones();
        }
        sorted[rank as usize & (MAX_RANKED - 1)] = word;
    }
}

/// Sorts into `spare`: scatters by a linear scale from the least to the greatest code, then sorts
/// each bucket that reaches into the ranks; the others stay unsorted, with the right elements.
fn bucket_sort<L: Packs>(
    cands: &[L::Packed],
    spare: &mut Vec<L::Packed>,
    counts: &mut Vec<u32>,
    ranks: &Range<usize>,
) {
    let place = |p: L::Packed| L::code(p).place();
    let (low, high) =
        cands.iter().fold((u64::MAX, 0), |(low, high), &p| (low.min(place(p)), high.max(place(p))));
    // One or two buckets for each candidate, as long as their counters stay in the cache.
    let bits = (cands.len().ilog2() + 1).min(DIGIT_BITS);
    let used = u64::BITS - (high - low).leading_zeros();
    let shift = used.saturating_sub(bits);
    let bucket = |p| ((place(p) - low) >> shift) as usize;
    let buckets = ((high - low) >> shift) as usize + 1;
    counts.clear();
    counts.resize(buckets + 1, 0);
    for &p in cands {
        counts[bucket(p) + 1] += 1;
    }
    for i in 0..buckets {
        counts[i + 1] += counts[i];
    }
    spare.clear();
    spare.resize(cands.len(), L::Packed::default());
    for &p in cands {
        let next = &mut counts[bucket(p)];
        spare[*next as usize] = p;
        *next += 1;
    }
    // Each count has become the end of its bucket.
    let mut start = 0;
    for &end in &counts[..buckets] {
        let end = end as usize;
        // Equal keys arrive by index: such a bucket is sorted, and seen to be in one pass.
        if end - start > 1 && start < ranks.end && end > ranks.start {
            spare[start..end].sort_unstable();
        }
        start = end;
    }
}
