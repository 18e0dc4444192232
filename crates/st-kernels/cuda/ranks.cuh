// Any ranks of any rows, over parts of rows and through device memory: histograms find the keys of the first and
// the last rank wanted, digit by digit; a tally of each part says where its elements go; they are collected in the
// order of their columns, and ordered by key (order.cuh, sort.cuh) if that is asked for. Each of these is a launch
// (ranks.cu), or many of them are one (again.cu).
#pragma once
#include "exact.cuh"

// What is known of a row.
struct State {
    // The keys of its first and of its last rank wanted, as far as digits have been looked at.
    u64 first, last;
    // Their ranks among the elements that share those digits, from 0. At the end: among the ties.
    u32 first_rank, last_rank;
};

// Elements of a part, and afterwards of the parts before it: with a key between the two, with the first, with the
// last; and where the part's elements go.
struct Tally {
    u32 between, first, last, at;
};

struct RankParams {
    Problem p;
    State* states;
    // For each row 2 x BINS counts, and how many parts are done: all 0 before and after each launch.
    u32 *bins, *done;
    Tally* tallies;
    // p.k candidates for each row.
    Entry* lists;
    u32 parts, part_columns;
    // The digit: key >> shift, of which the bits from `above` on are known.
    u32 shift, above;
};

struct Part {
    u32 row, part, parts, from, to;
};

// Whether there is nothing to be done for a row.
DEVICE bool is_idle(const Row& r) {
    return r.bad || r.first >= r.end;
}

DEVICE Part part_of(const RankParams& p, const Row& r, u32 at) {
    Part q;
    q.row = at / p.parts;
    q.part = at % p.parts;
    // No two divisions where one does.
    q.parts = p.parts > 1 ? most(1u, ceil_div(r.n, p.part_columns)) : 1;
    q.from = q.part * p.part_columns;
    q.to = r.n - q.from > p.part_columns ? q.from + p.part_columns : r.n;
    return q;
}

// Whether this block is the last of its row to come here. What the others wrote can be read then.
DEVICE bool is_last(const RankParams& p, const Part& q, Small& s) {
    fence();
    barrier();
    if (thread() == 0) {
        s.flag = atomic_add(&p.done[q.row], 1) + 1 == q.parts;
        if (s.flag) p.done[q.row] = 0;
    }
    barrier();
    const bool last = s.flag;
    if (last) fence();
    return last;
}

// The digit of a rank (from 0) by the counts of a row's bins, which are cleared: s.picked, and the ranks before it,
// s.above.
DEVICE void pick(u32* bins, u32 rank, Small& s) {
    u32 counts[OWN_BINS];
#pragma unroll
    for (u32 j = 0; j < OWN_BINS; j++) {
        counts[j] = load_fresh(bins + thread() * OWN_BINS + j);
        bins[thread() * OWN_BINS + j] = 0;
    }
    pick_bin(rank + 1, s, counts);
}

// Counts a digit of the elements of a part; the last part of a row picks it.
DEVICE void count_digit(const RankParams& p, u32 block) {
    Small& s = *reinterpret_cast<Small*>(shared());
    u32* const first_bins = reinterpret_cast<u32*>(shared() + (sizeof(Small) + 15) / 16 * 16);
    u32* const last_bins = first_bins + BINS;
    const u32 row = block / p.parts;
    const Row r = row_of(p.p, row);
    const Part q = part_of(p, r, block);
    if (is_idle(r) || q.part >= q.parts) return;
    State state = {0, 0, r.first, r.end - 1};
    if (p.above < WIDTH) state = p.states[row];
    const bool same = state.first == state.last;
    for (u32 i = thread(); i < 2 * BINS; i += THREADS) first_bins[i] = 0;
    barrier();
    const u32 stop = end_vector(r, q.to), digits = (1u << (p.above - p.shift)) - 1;
    const bool known = p.above < WIDTH;
    const Key first = known ? Key(state.first) >> p.above : 0, last = known ? Key(state.last) >> p.above : 0;
    for (u32 v = first_vector(r, q.from) + thread(); v < stop; v += THREADS) {
        const Vector x = load_part(r, v, q.from, q.to);
        const u32 in = inside(r, v, q.from, q.to);
#pragma unroll
        for (u32 j = 0; j < EACH; j++) {
            if (!(in >> j & 1)) continue;
            const Key key = key_of(p.p.map, element(x, j));
            const Key prefix = known ? key >> p.above : 0;
            const u32 digit = u32(key >> p.shift) & digits;
            if (prefix == first) atomic_add(&first_bins[digit], 1);
            if (!same && prefix == last) atomic_add(&last_bins[digit], 1);
        }
    }
    barrier();
    u32* const bins = p.bins + u64(row) * 2 * BINS;
    for (u32 i = thread(); i < (same ? BINS : 2 * BINS); i += THREADS) {
        if (first_bins[i]) atomic_add(&bins[i], first_bins[i]);
    }
    if (!is_last(p, q, s)) return;
    // Both ranks may be in the same bins, which are to be read twice then.
    if (same) {
        for (u32 i = thread(); i < BINS; i += THREADS) bins[BINS + i] = load_fresh(bins + i);
        fence();
        barrier();
    }
    pick(bins, state.first_rank, s);
    state.first |= u64(s.picked) << p.shift;
    state.first_rank -= s.above;
    barrier();
    pick(bins + BINS, state.last_rank, s);
    state.last |= u64(s.picked) << p.shift;
    state.last_rank -= s.above;
    if (thread() == 0) p.states[row] = state;
}

// How an element stands to the keys: 1 between, 2 the first, 4 the last (2 if both are one).
DEVICE u32 standing(Key key, Key first, Key last) {
    if (key == first) return 2;
    if (key == last) return 4;
    return key > first && key < last ? 1 : 0;
}
// Of `ties` ties, of which `before` come before, how many have a number in [from, to).
DEVICE u32 taken(u32 before, u32 ties, u32 from, u32 to) {
    const u32 a = most(before, from), b = least(before + ties, to);
    return a < b ? b - a : 0;
}

DEVICE void tally_part(const RankParams& p, u32 block) {
    Small& s = *reinterpret_cast<Small*>(shared());
    const u32 row = block / p.parts;
    const Row r = row_of(p.p, row);
    const Part q = part_of(p, r, block);
    if (is_idle(r) || q.part >= q.parts) return;
    const State state = p.states[row];
    const Key first = Key(state.first), last = Key(state.last);
    Tally own = {0, 0, 0, 0};
    const u32 stop = end_vector(r, q.to);
    for (u32 v = first_vector(r, q.from) + thread(); v < stop; v += THREADS) {
        const Vector x = load_part(r, v, q.from, q.to);
        const u32 in = inside(r, v, q.from, q.to);
#pragma unroll
        for (u32 j = 0; j < EACH; j++) {
            if (!(in >> j & 1)) continue;
            const u32 stands = standing(key_of(p.p.map, element(x, j)), first, last);
            own.between += stands & 1;
            own.first += stands >> 1 & 1;
            own.last += stands >> 2;
        }
    }
    Tally all;
    scan(own.between, all.between, s);
    scan(own.first, all.first, s);
    scan(own.last, all.last, s);
    Tally* const tallies = p.tallies + u64(row) * p.parts;
    if (thread() == 0) {
        tallies[q.part].between = all.between;
        tallies[q.part].first = all.first;
        tallies[q.part].last = all.last;
    }
    if (!is_last(p, q, s)) return;
    const u32 to_first = first == last ? state.last_rank + 1 : ~0u;
    Tally before = {0, 0, 0, 0};
    for (u32 base = 0; base < q.parts; base += THREADS) {
        const u32 i = base + thread();
        Tally t = {0, 0, 0, 0};
        if (i < q.parts) {
            t.between = load_fresh(&tallies[i].between);
            t.first = load_fresh(&tallies[i].first);
            t.last = load_fresh(&tallies[i].last);
        }
        Tally here = t, sum;
        here.first = before.first + scan(t.first, sum.first, s);
        here.last = before.last + scan(t.last, sum.last, s);
        const u32 mine = t.between + taken(here.first, t.first, state.first_rank, to_first) +
                         taken(here.last, t.last, 0, state.last_rank + 1);
        here.at = before.at + scan(mine, sum.at, s);
        if (i < q.parts) tallies[i] = here;
        before.first += sum.first;
        before.last += sum.last;
        before.at += sum.at;
    }
}

DEVICE void collect_part(const RankParams& p, u32 block) {
    Small& s = *reinterpret_cast<Small*>(shared());
    const u32 row = block / p.parts;
    const Row r = row_of(p.p, row);
    const Part q = part_of(p, r, block);
    if (q.part == 0) write_rest(p.p, r, row);
    if (is_idle(r) || q.part >= q.parts) return;
    const State state = p.states[row];
    const Key first = Key(state.first), last = Key(state.last);
    const u32 to_first = first == last ? state.last_rank + 1 : ~0u;
    const Tally begin = p.tallies[u64(row) * p.parts + q.part];
    u32 at = begin.at, first_ties = begin.first, last_ties = begin.last;
    Entry* const list = p.lists + u64(row) * p.p.k;
    const u32 stop = end_vector(r, q.to);
    for (u32 base = first_vector(r, q.from); base < stop; base += THREADS) {
        const u32 v = base + thread();
        u32 between = 0, firsts = 0, lasts = 0;
        Vector x;
        if (v < stop) {
            x = load_part(r, v, q.from, q.to);
            const u32 in = inside(r, v, q.from, q.to);
#pragma unroll
            for (u32 j = 0; j < EACH; j++) {
                const u32 stands = in >> j & 1 ? standing(key_of(p.p.map, element(x, j)), first, last) : 0;
                between |= (stands & 1) << j;
                firsts |= (stands >> 1 & 1) << j;
                lasts |= (stands >> 2) << j;
            }
        }
        if (!barrier_or((between | firsts | lasts) != 0)) continue;
        u32 all;
        u32 take = between;
        u32 tie = first_ties + scan(count_bits(firsts), all, s);
        first_ties += all;
        while (firsts) {
            const u32 j = first_bit(firsts);
            firsts &= firsts - 1;
            if (tie >= state.first_rank && tie < to_first) take |= 1u << j;
            tie++;
        }
        tie = last_ties + scan(count_bits(lasts), all, s);
        last_ties += all;
        while (lasts) {
            const u32 j = first_bit(lasts);
            lasts &= lasts - 1;
            if (tie <= state.last_rank) take |= 1u << j;
            tie++;
        }
        u32 slot = at + scan(count_bits(take), all, s);
        at += all;
        while (take) {
            const u32 j = first_bit(take);
            take &= take - 1;
            const u32 column = column_of(r, v, j);
            if (p.p.sorted) {
                list[slot] = entry_of(key_of(p.p.map, r.x[column]), column);
            } else {
                write_slot(p.p, r, row, slot, column);
            }
            slot++;
        }
    }
}
