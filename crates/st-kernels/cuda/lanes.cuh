// Networks within a lane and between the lanes of a row, and what becomes of a list that is in order. See group.cu.
#pragma once
#include "group.cuh"

// Candidates of a lane.
#define MINE ((LIST + LANES - 1) / LANES)

// Batcher's odd-even merge sort (1968) of M: the step of merging runs of P that compares over K places. Templates
// and one loop, because nested loops are not unrolled for certain.
template <u32 M, u32 P, u32 K> DEVICE void compare(u32* v) {
#pragma unroll
    for (u32 i = K % P; i + K < M; i++) {
        if ((i - K % P) / K % 2 == 0 && i / (2 * P) == (i + K) / (2 * P)) exchange(v[i], v[i + K]);
    }
    if constexpr (K > 1) compare<M, P, K / 2>(v);
}
template <u32 M, u32 P = 1> DEVICE void sort_own(u32* v) {
    if constexpr (P < M) {
        compare<M, P, P>(v);
        sort_own<M, 2 * P>(v);
    }
}
// Of a bitonic sequence.
template <u32 M, u32 D = M / 2> DEVICE void merge_own(u32* v) {
    if constexpr (D > 0) {
#pragma unroll
        for (u32 i = 0; i < M; i++) {
            if ((i & D) == 0) exchange(v[i], v[i + D]);
        }
        merge_own<M, D / 2>(v);
    }
}

#if NETWORK == 2
// Where a rank of a list is: a word is left out after every 32, so that lanes that write neighbours meet in no bank.
DEVICE u32 place(u32 rank) { return rank + rank / 32; }
#define ROOM (LIST + LIST / 32)
// Words of a wave: marks of columns, then lists, or a row that is done exactly.
#define LANES_ROOM (WAVE + (AT_ONCE * ROOM > 2 * LIST ? AT_ONCE * ROOM : 2 * LIST))

// Of two words the lesser, or the greater where `high`.
DEVICE u32 keep(u32 own, u32 other, bool high) { return (other < own) != high ? other : own; }
// Of words that are bitonic over lanes, those D apart and nearer.
template <u32 D> DEVICE void merge_lanes(u32* v) {
    if constexpr (D > 0) {
        const bool high = lane() & D;
#pragma unroll
        for (u32 s = 0; s < MINE; s++) v[s] = keep(v[s], shuffle_xor(v[s], D), high);
        merge_lanes<D / 2>(v);
    }
}
// From lists that R lanes each have in order, lists of twice as many lanes, until the row is in order: lane by lane.
template <u32 R> DEVICE void join_lanes(u32* v) {
    if constexpr (R < LANES) {
        const bool high = lane() & R;
#pragma unroll
        for (u32 s = 0; s < (MINE + 1) / 2; s++) {
            constexpr u32 LAST = MINE - 1;
            const u32 a = shuffle_xor(v[LAST - s], 2 * R - 1), b = shuffle_xor(v[s], 2 * R - 1);
            v[s] = keep(v[s], a, high);
            if (LAST - s != s) v[LAST - s] = keep(v[LAST - s], b, high);
        }
        merge_lanes<R / 2>(v);
        merge_own<MINE>(v);
        join_lanes<2 * R>(v);
    }
}
DEVICE void sort_lanes(u32 (&v)[MINE]) {
    sort_own<MINE>(v);
    join_lanes<1>(v);
}

// The words of a whole row, every LANES-th of its columns: what tells the order above the column, as much as there is
// room for, and NONE for what is not there. Gives whether they tell all of it.
DEVICE bool words_of_row(const Problem& p, const Row& r, u32 (&v)[MINE]) {
    const u32 own = lane() % LANES;
#pragma unroll
    for (u32 s = 0; s < MINE; s++) {
        const u32 column = s * LANES + own;
        v[s] = column < r.n ? u32(r.x[column]) : 0;
    }
#if WIDTH < 32
#pragma unroll
    for (u32 s = 0; s < MINE; s++) {
        const u32 column = s * LANES + own;
        v[s] = column < r.n ? u32(key_of(p.map, Bits(v[s]))) << COLUMN_BITS | column : NONE;
    }
    return true;
#else
    u32 first = NONE, last = 0;
#pragma unroll
    for (u32 s = 0; s < MINE; s++) {
        const u32 key = u32(raw_key(p.map, v[s]));
        if (s * LANES + own < r.n) {
            first = least(first, key);
            last = most(last, key);
        }
    }
    first = group_least(first);
    last = ~group_least(~last);
    // Keys that lie too far apart for a word lack their lowest bits. Of floats, most bits of a key tell how small a
    // number is: how far a number is from the first says more. Both never change the order, but make some alike.
    if (p.quick & QUICK) {
        const float begin = as_float(bits_of(p.map, first)), way = as_float(bits_of(p.map, last)) - begin;
        // Less than the words have room for, so that rounding does not go beyond; no number if an end is none.
        const float scale = float(1u << KEY_BITS) * 0.99999f / way;
        const float most_float = as_float(0x7f7fffff);
        if (last - first >> KEY_BITS && fabsf(way) <= most_float && fabsf(scale) <= most_float) {
#pragma unroll
            for (u32 s = 0; s < MINE; s++) {
                const u32 column = s * LANES + own, far = u32((as_float(v[s]) - begin) * scale);
                v[s] = column < r.n ? far << COLUMN_BITS | column : NONE;
            }
            return false;
        }
    }
    first = u32(canon(p.map, first));
    // The greatest key of all is as far as the one before it, for bits.
    const u32 cut = excess(first, least(last, NONE - 1));
#pragma unroll
    for (u32 s = 0; s < MINE; s++) {
        const u32 column = s * LANES + own;
        v[s] = column < r.n ? (u32(key_of(p.map, v[s])) - first) >> cut << COLUMN_BITS | column : NONE;
    }
    return cut == 0;
#endif
}

// Writes the ranks wanted of a row, as far as there are, from its first `many` words, which are in order, but where they
// are alike and not `exact`: there elements tell. The lanes of all rows of a wave are here; only rows that are `good` are written.
DEVICE void write_ranks(const Problem& p, const Row& r, u32 row, const u32* slots, u32* marks, u32 many, bool good, bool exact) {
    const u32 own = lane() % LANES, group = lane() / LANES;
    const auto word = [&](u32 rank) { return slots[place(rank)]; };
    const auto alike = [&](u32 rank) { return (word(rank) ^ word(rank + 1)) <= COLUMN_MASK; };
    const auto key = [&](u32 w) { return key_of(p.map, r.x[w & COLUMN_MASK]); };
    // Those that are alike stay together.
    u32 to = least(r.end, many), from = least(r.first, to);
    bool wrong = false;
    if (good && !exact) {
        while (from > 0 && alike(from - 1)) from--;
        while (to < many && alike(to - 1)) to++;
        for (u32 t = from + own; t + 1 < to; t += LANES) wrong |= alike(t) && key(word(t + 1)) < key(word(t));
    }
    const LaneMask all = ballot(wrong) >> (group * LANES);
    wrong = (all & ((LaneMask(2) << (LANES - 1)) - 1)) != 0;
    if (!p.sorted) {
        marks[lane()] = 0;
        wave_barrier();
    }
    if (good) {
        for (u32 t = from + own; t < to; t += LANES) {
            const u32 w = word(t), column = w & COLUMN_MASK;
            u32 rank = t;
            if (wrong) {
                u32 begin = t;
                while (begin > from && alike(begin - 1)) begin--;
                rank = begin;
                for (u32 j = begin; j < to && (word(j) ^ w) <= COLUMN_MASK; j++) {
                    // Words of equal keys are in the order of columns.
                    const Key other = key(word(j)), mine = key(w);
                    rank += other < mine || (other == mine && j < t);
                }
            }
            if (rank < r.first || rank >= r.end) continue;
            if (p.sorted) {
                write_slot(p, r, row, rank - r.first, column);
            } else {
                atomic_add(&marks[group * LANES + column / 32], 1u << (column % 32));
            }
        }
    }
    if (!p.sorted) {
        wave_barrier();
        u32 mine = good ? marks[lane()] : 0, slot = group_before(count_bits(mine));
        for (; mine; mine &= mine - 1) write_slot(p, r, row, slot++, own * 32 + first_bit(mine));
    }
}
#endif
