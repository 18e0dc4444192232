// Ranks in the middle of a whole row that no list reaches from its first: by what lies between two keys of a sample, in
// one read as a rule. See block.cu.
#pragma once
#include "sweep.cuh"

// No rank of a sample: from the row's first on, or to its last.
#define NO_RANK 0xffffffffu

// Fills the list with the ranks [r.first, r.end) of a row, if the first of them has the key `low` or `high`, and the last,
// too: false if that is not so.
RARE bool ties_between(const Problem& p, const Row r, Key low, Key high, const Bench b) {
    Small& s = *b.s;
    // Keys before `low`, through it, before `high`, through it.
    u32 mine[4] = {}, upto[4];
    const u32 start = first_vector(r, 0), stop = end_vector(r, r.n);
#pragma unroll 4
    for (u32 v = start + thread(); v < stop; v += THREADS) {
        const Vector x = load_part(r, v, 0, r.n);
        const u32 in = inside(r, v, 0, r.n);
        for (u32 j = 0; j < EACH; j++) {
            const Key key = in >> j & 1 ? key_of(p.map, element(x, j)) : ~Key(0);
            mine[0] += key < low;
            mine[1] += key <= low && (in >> j & 1);
            mine[2] += key < high;
            mine[3] += key <= high && (in >> j & 1);
        }
    }
#pragma unroll
    for (u32 i = 0; i < 4; i++) scan(mine[i], upto[i], s);
    const auto find = [&](u32 rank, RankKey& found) {
        const u32 of = rank < upto[1] ? 0 : 2;
        found = {of == 0 ? low : high, upto[of]};
        return rank >= upto[of] && rank < upto[of + 1];
    };
    RankKey first, last;
    if (!find(r.first, first) || !find(r.end - 1, last)) return false;
    barrier();
    if (thread() == 0) s.count = 0;
    barrier();
    gather_equal(p, r, first, last, b);
    return true;
}

// Fills the list with what may be wanted of ranks in the middle of a row, and gives how many come before it: what lies
// between the ranks `low` and `high` of a sample.
DEVICE u32 between(const Problem& p, const Row& r, u32 low, u32 high, const Bench& b) {
    Small& s = *b.s;
    // Ranks of a sample are those of the longest rows.
    if (r.n == p.cols) {
        constexpr u32 MANY = SAMPLE * EACH * THREADS;
        const Sampled sample = draw(r, false);
#pragma unroll
        for (u32 j = 0; j < SAMPLE; j++) {
#pragma unroll
            for (u32 i = 0; i < EACH; i++) {
                const u32 at = (j * EACH + i) * THREADS + thread();
                put(b, at, key_of(p.map, element(sample.x[j], i)), at);
            }
        }
        // s.keys is nobody's while a list is ordered.
        order(b, MANY, MANY, low == NO_RANK ? high : low, high == NO_RANK ? low + 1 : high + 1, [&](u32 rank, Key key, u32) {
            if (rank == low) s.keys[0] = key;
            if (rank == high) s.keys[1] = key;
        }, by_usual(p));
        const Key floor = low == NO_RANK ? 0 : s.keys[0], limit = high == NO_RANK ? ~Key(0) : reach(p.map, s.keys[1]);
        const Key last = s.keys[1];
        const bool bounded = low != NO_RANK && high != NO_RANK;
        barrier();
        if (bounded && floor == last && ties_between(p, r, floor, last, b)) return r.first;
        if (thread() == 0) s.count = 0;
        barrier();
        const u32 start = first_vector(r, 0);
        Steps steps(r, whole_vectors(r, 0, r.n, start));
        const u32 mine = floor == 0 ? sweep<false>(p, r, 0, r.n, start, limit, 0, b, steps)
                                    : sweep<true>(p, r, 0, r.n, start, limit, floor, b, steps);
        u32 before;
        scan(mine, before, s);
        const u32 count = s.count;
        barrier();
        if (count <= CAPACITY && before <= r.first && before + count >= r.end) return before;
        // Many share either key, as a rule.
        if (count > CAPACITY && bounded && ties_between(p, r, floor, last, b)) return r.first;
    }
    exact_between(p, r, b);
    return r.first;
}
