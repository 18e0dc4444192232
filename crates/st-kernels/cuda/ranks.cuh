// Any ranks of any rows, over parts of rows and through device memory: histograms find the keys of the first and
// the last rank wanted, digit by digit; a tally of each part says where its elements go; they are collected in the
// order of their columns, and ordered by key (sort.cu) if that is asked for.
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

struct Params {
    Problem p;
    State* states;
    // For each row 2 x BINS counts, and how many parts are done: all 0 before and after each launch.
    u32 *bins, *done;
    Tally* tallies;
    // p.k candidates for each row.
    Entry* lists;
    // Rows that are wanted, by a word that is not 0; null: all.
    const u32* only;
    u32 parts, part_columns;
    // The digit: key >> shift, of which the bits from `above` on are known.
    u32 shift, above;
};

struct Part {
    u32 row, part, parts, from, to;
};

// Whether there is nothing to be done for a row.
DEVICE bool is_idle(const Params& p, const Row& r, u32 row) {
    return r.bad || r.first >= r.end || (p.only && !p.only[row]);
}

DEVICE Part part_of(const Params& p, const Row& r, u32 at) {
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
DEVICE bool is_last(const Params& p, const Part& q, Small& s) {
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
