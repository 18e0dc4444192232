// The exact way, for any input: the leading ranks of some columns, digit by digit. It ends early where all that
// share the digits so far fit the list.
#pragma once
#include "order.cuh"

#define DIGIT 11
#define DIGITS ((WIDTH + DIGIT - 1) / DIGIT)

// Adds the elements whose bits are set to the list, as far as it has room; column(bit) is where each is.
template <typename Column>
DEVICE void append(const Problem& p, const Row& r, const Bench& b, u32 hits, Column column) {
    u32 at = reserve(count_bits(hits), &b.s->count).at;
    while (hits) {
        const u32 own = column(first_bit(hits));
        hits &= hits - 1;
        if (at < CAPACITY) put(b, at, key_of(p.map, r.x[own]), own);
        at++;
    }
}

// Adds the elements of [from, to), from the vector `start` on, for which take(raw key) to the list.
template <typename Take>
DEVICE void gather(const Problem& p, const Row& r, u32 from, u32 to, u32 start, const Bench& b, Take take) {
    const u32 stop = end_vector(r, to);
    for (u32 base = start; base < stop; base += THREADS) {
        const u32 v = base + thread();
        u32 hits = 0;
        Vector x;
        if (v < stop) {
            x = load_part(r, v, from, to);
            u32 in = inside(r, v, from, to);
            for (u32 j = 0; j < EACH; j++) {
                if ((in >> j & 1) && take(raw_key(p.map, element(x, j)))) hits |= 1u << j;
            }
        }
        if (!any(hits != 0)) continue;
        append(p, r, b, hits, [&](u32 j) { return column_of(r, v, j); });
    }
}

// Adds the elements of the vectors from `start` on whose key is t to the list, in the order of their columns and
// no more than `wanted`; and all that come before t. Ends when it has as many; returns the vector that is next.
DEVICE u32 gather_ties(const Problem& p, const Row& r, u32 from, u32 to, u32 start, Key t, u32 wanted,
                       const Bench& b) {
    const u32 stop = end_vector(r, to);
    u32 base = start, have = 0;
    for (; base < stop && have < wanted; base += THREADS) {
        const u32 v = base + thread();
        u32 ties = 0, better = 0;
        if (v < stop) {
            const Vector x = load_part(r, v, from, to);
            const u32 in = inside(r, v, from, to);
            for (u32 j = 0; j < EACH; j++) {
                if (!(in >> j & 1)) continue;
                const Key key = key_of(p.map, element(x, j));
                if (key < t) better |= 1u << j;
                if (key == t) ties |= 1u << j;
            }
        }
        u32 all;
        u32 tie = have + scan(count_bits(ties), all, *b.s);
        have += all;
        u32 taken = better;
        while (ties) {
            const u32 j = first_bit(ties);
            ties &= ties - 1;
            if (tie++ < wanted) taken |= 1u << j;
        }
        if (!any(taken != 0)) continue;
        append(p, r, b, taken, [&](u32 j) { return column_of(r, v, j); });
    }
    return base;
}

// Counts the keys of the columns [from, to) that are like `prefix` above their lowest `above` bits by the bits from
// `shift` on.
DEVICE void count_digit(const Problem& p, const Row& r, u32 from, u32 to, Key prefix, u32 above, u32 shift, const Bench& b) {
    const u32 stop = end_vector(r, to), start = first_vector(r, from);
    barrier();
    clear_bins(b);
    barrier();
    for (u32 v = start + thread(); v < stop; v += THREADS) {
        const Vector x = load_part(r, v, from, to);
        const u32 in = inside(r, v, from, to);
        for (u32 j = 0; j < EACH; j++) {
            const Key key = key_of(p.map, element(x, j));
            const bool same = above == WIDTH || key >> above == prefix >> above;
            if ((in >> j & 1) && same) atomic_add(&b.bins[u32(key >> shift) % (1u << (above - shift))], 1);
        }
    }
    barrier();
}

// Fills the list with the leading `wanted` of the columns [from, to), and perhaps some more, up to CAPACITY.
// wanted <= CAPACITY.
RARE void exact_list(const Problem& p, const Row r, u32 from, u32 to, u32 wanted, const Bench b) {
    Small& s = *b.s;
    wanted = least(wanted, to - from);
    Key prefix = 0;
    u32 need = wanted, shift = WIDTH;
    const u32 start = first_vector(r, from);
    for (u32 d = 0; d < DIGITS; d++) {
        const u32 above = shift;
        shift = shift > DIGIT ? shift - DIGIT : 0;
        count_digit(p, r, from, to, prefix, above, shift, b);
        pick_own_bin(need, b);
        prefix |= Key(s.picked) << shift;
        const u32 through = wanted - need + s.upto;
        need -= s.above;
        barrier();
        if (thread() == 0) s.count = 0;
        barrier();
        if (through <= CAPACITY) {
            gather(p, r, from, to, start, b, [&](Key raw) { return canon(p.map, raw) >> shift <= prefix >> shift; });
            barrier();
            return;
        }
        if (shift == 0) {
            // Too many of one key: the first `need` of them, and what comes before them.
            const u32 next = gather_ties(p, r, from, to, start, prefix, need, b);
            gather(p, r, from, to, next, b, [&](Key raw) { return raw < prefix; });
            barrier();
            return;
        }
    }
}

// The key of a rank (from 0) of a row, and how many keys come before it.
struct RankKey {
    Key key;
    u32 before;
};
DEVICE RankKey key_of_rank(const Problem& p, const Row& r, u32 rank, const Bench& b) {
    Small& s = *b.s;
    RankKey found = {0, 0};
    for (u32 shift = WIDTH; shift > 0;) {
        const u32 above = shift;
        shift = shift > DIGIT ? shift - DIGIT : 0;
        count_digit(p, r, 0, r.n, found.key, above, shift, b);
        pick_own_bin(rank + 1 - found.before, b);
        found.key |= Key(s.picked) << shift;
        found.before += s.above;
        barrier();
    }
    return found;
}
// Adds the ranks [r.first, r.end) of a row to the list, of which `low` has the first and `high` the last: what lies
// between those two keys, and as many of them as are wanted, by their columns. Ends when it has all.
DEVICE void gather_equal(const Problem& p, const Row& r, RankKey low, RankKey high, const Bench& b) {
    Small& s = *b.s;
    const u32 skipped = r.first - low.before, until = r.end - high.before;
    const bool one = low.key == high.key;
    const u32 start = first_vector(r, 0), stop = end_vector(r, r.n);
    u32 have_low = 0, have_high = 0;
    for (u32 base = start; base < stop && !(one && have_high >= until); base += THREADS) {
        const u32 v = base + thread();
        u32 lows = 0, highs = 0, taken = 0;
        if (v < stop) {
            const Vector x = load_part(r, v, 0, r.n);
            const u32 in = inside(r, v, 0, r.n);
            for (u32 j = 0; j < EACH; j++) {
                if (!(in >> j & 1)) continue;
                const Key key = key_of(p.map, element(x, j));
                if (key == low.key) lows |= 1u << j;
                if (key == high.key) highs |= 1u << j;
                if (key > low.key && key < high.key) taken |= 1u << j;
            }
        }
        u32 all_low, all_high;
        u32 at_high = have_high + scan(count_bits(highs), all_high, s), at_low = at_high;
        if (one) {
            all_low = all_high;
        } else {
            at_low = have_low + scan(count_bits(lows), all_low, s);
        }
        have_low += all_low;
        have_high += all_high;
        for (u32 j = 0; j < EACH; j++) {
            bool take = (lows | highs) >> j & 1;
            if (lows >> j & 1) take &= at_low++ >= skipped;
            if (highs >> j & 1) take &= at_high++ < until;
            if (take) taken |= 1u << j;
        }
        if (!any(taken != 0)) continue;
        append(p, r, b, taken, [&](u32 j) { return column_of(r, v, j); });
    }
    barrier();
}
// Fills the list with the ranks [r.first, r.end) of a row.
RARE void exact_between(const Problem& p, const Row r, const Bench b) {
    const RankKey low = key_of_rank(p, r, r.first, b), high = key_of_rank(p, r, r.end - 1, b);
    barrier();
    if (thread() == 0) b.s->count = 0;
    barrier();
    gather_equal(p, r, low, high, b);
}
