// Short rows: eight lanes hold a row of up to 256 elements in their registers, a wave four rows at a time. A
// threshold that enough elements reach, and at most LIST, is found by counting; what reaches it is packed into
// words, (key - first key) x 256 + column, which are in order where keys lie less than 2^24 apart.
//   NETWORK 0: the lanes count for each candidate how many come before it;
//   NETWORK 1: 32 rows are parked in shared memory, and each lane orders one by a network in its registers. Where keys
//     lie further apart, words lack their lowest bits, and a row in which that matters is done exactly.
// Rows for which this does not do (many ties, NaN and zeros among the first, keys far apart) are done exactly, a
// wave for each. Each row is read once.
#include "block.cuh"

// Lanes of a row, vectors of a lane, minima of a lane: 8 x MINIMA elements reach the greatest of the minima.
#define LANES 8
#ifndef VECTORS
#define VECTORS 1
#endif
#ifndef MINIMA
#define MINIMA 1
#endif
#ifndef NETWORK
#define NETWORK 0
#endif
#define LIST CAPACITY
#define OWN (VECTORS * EACH)
#define AT_ONCE (WAVE / LANES)
// Words between the slots of a row that is parked, and between rows that are counted.
#define PARKED 33
#define COUNTED (LIST + 4)
#define NONE 0xffffffffu
// Elements that a wave's lane has of a row that is done exactly: up to 256 and what a vector may begin early.
#define EXACT (256 / WAVE)
// Keys of two numbers of which one is four times the other.
#define FAR (1u << 24)
// Steps of the search for a threshold.
#define STEPS 7

struct Params {
    Problem p;
    // The last rank wanted of a full row.
    u32 wanted, unused;
};

DEVICE u32 group_least(u32 x) {
    x = least(x, shuffle_xor(x, 1));
    x = least(x, shuffle_xor(x, 2));
    return least(x, shuffle_xor(x, 4));
}
DEVICE u32 group_most(u32 x) {
    x = most(x, shuffle_xor(x, 1));
    x = most(x, shuffle_xor(x, 2));
    return most(x, shuffle_xor(x, 4));
}
DEVICE u32 group_sum(u32 x) {
    x += shuffle_xor(x, 1);
    x += shuffle_xor(x, 2);
    return x + shuffle_xor(x, 4);
}
// Of the lanes of the group before this one.
DEVICE u32 group_before(u32 x) {
    const u32 own = lane() % LANES;
    u32 sum = x;
#pragma unroll
    for (u32 d = 1; d < LANES; d *= 2) {
        const u32 other = shuffle_up(sum, d);
        if (own >= d) sum += other;
    }
    return sum - x;
}
// About 16 log2(x).
DEVICE u32 log16(u32 x) {
    x = most(x, 1u);
    const u32 whole = 31 - leading_zeros(x);
    return 16 * whole + ((x << 4 >> whole) & 15);
}

// A row, by all lanes of a wave: the key of the last rank bit by bit, its first ties by column, and each counted.
RARE void exact_row(const Problem& p, const Row r, u32 row, u64* room) {
    u32 keys[EXACT];
    bool live[EXACT];
    u32 first = NONE, varies = 0;
#pragma unroll
    for (u32 j = 0; j < EXACT; j++) {
        const u32 column = j * WAVE + lane();
        live[j] = column < r.n;
        keys[j] = live[j] ? u32(key_of(p.map, r.x[column])) : NONE;
        if (live[j]) first = least(first, keys[j]);
    }
    first = wave_least(first);
#pragma unroll
    for (u32 j = 0; j < EXACT; j++) {
        if (live[j]) varies |= keys[j] ^ first;
    }
#pragma unroll
    for (u32 d = WAVE / 2; d; d /= 2) varies |= shuffle_xor(varies, d);
    // The greatest key that fewer than r.end keys are below: bits that all keys share stay as they are.
    u32 last = first & ~varies;
    for (u32 rest = varies; rest;) {
        const u32 bit = 0x80000000u >> leading_zeros(rest);
        rest ^= bit;
        const u32 tried = last | bit;
        u32 below = 0;
#pragma unroll
        for (u32 j = 0; j < EXACT; j++) below += count_bits(ballot(live[j] && keys[j] < tried));
        if (below < r.end) last = tried;
    }
    u32 before_ties = 0;
#pragma unroll
    for (u32 j = 0; j < EXACT; j++) before_ties += count_bits(ballot(live[j] && keys[j] < last));
    u32 have = 0, ties = 0;
    wave_barrier();
#pragma unroll
    for (u32 j = 0; j < EXACT; j++) {
        const LaneMask equal = ballot(live[j] && keys[j] == last);
        const bool tie = live[j] && keys[j] == last && before_ties + ties + count_bits(equal & before()) < r.end;
        ties += count_bits(equal);
        const bool take = (live[j] && keys[j] < last) || tie;
        const LaneMask all = ballot(take);
        if (take) room[have + count_bits(all & before())] = u64(keys[j]) << 32 | (j * WAVE + lane());
        have += count_bits(all);
    }
    wave_barrier();
    // They came in the order of columns: by index, the ranks wanted need only be counted.
    for (u32 base = 0; base < have; base += WAVE) {
        const u32 i = base + lane();
        const u64 own = i < have ? room[i] : 0;
        u32 rank = 0;
        for (u32 j = 0; j < have; j++) rank += room[j] < own;
        bool wanted = i < have && rank >= r.first;
        u32 slot = rank - r.first;
        if (!p.sorted) {
            // All before r.first are left out: of those wanted, how many come earlier.
            slot = 0;
            for (u32 j = 0; j < i && j < have; j++) {
                u32 other = 0;
                if (r.first > 0) {
                    for (u32 q = 0; q < have; q++) other += room[q] < room[j];
                }
                slot += other >= r.first;
            }
        }
        if (wanted) write_slot(p, r, row, slot, u32(own));
    }
    wave_barrier();
}

// What a short row lacks, by the lanes of its group.
DEVICE void write_rest_of(const Problem& p, const Row& r, u32 row) {
    if (r.bad && p.status && lane() % LANES == 0) *p.status = 1;
    const u32 have = r.bad ? 0 : r.end - r.first;
    for (u32 slot = have + lane() % LANES; slot < p.k; slot += LANES) {
        const u64 at = u64(row) * p.k + slot;
        p.values[at] = Bits(0);
        p.indices[at] = ~0u;
    }
}

// Reads a row: raw keys, and NONE for what is not there.
DEVICE void read_row(const Problem& p, const Row& r, u32* keys) {
    const u32 own = lane() % LANES;
#pragma unroll
    for (u32 j = 0; j < VECTORS; j++) {
        const u32 v = j * LANES + own;
        const u32 in = inside(r, v, 0, r.n);
        const Vector x = load_part(r, v, 0, r.n);
#pragma unroll
        for (u32 i = 0; i < EACH; i++) {
            keys[j * EACH + i] = in >> i & 1 ? u32(raw_key(p.map, element(x, i))) : NONE;
        }
    }
}
// The same of rows of which every vector is whole and every lane has as many.
DEVICE void take_row(const Problem& p, const Vector* x, u32* keys) {
#pragma unroll
    for (u32 j = 0; j < VECTORS; j++) {
#pragma unroll
        for (u32 i = 0; i < EACH; i++) keys[j * EACH + i] = u32(raw_key(p.map, element(x[j], i)));
    }
}

// A threshold for the group's row, that `needed` elements reach and at most LIST; false if none was found. `first`
// is the row's first key, `reached` how many elements of this lane do, `all` of the group.
DEVICE bool find(const u32* keys, u32 needed, u32& threshold, u32& first, u32& reached, u32& all) {
    u32 minima[MINIMA], worst = 0, mean = 0;
    first = NONE;
#pragma unroll
    for (u32 g = 0; g < MINIMA; g++) {
        u32 own = keys[g * (OWN / MINIMA)];
#pragma unroll
        for (u32 j = 1; j < OWN / MINIMA; j++) own = least(own, keys[g * (OWN / MINIMA) + j]);
        minima[g] = own;
        worst = most(worst, own);
        first = least(first, own);
    }
    // What lies very far from the lane's first, as where floats turn their sign, would spoil the mean.
#pragma unroll
    for (u32 g = 0; g < MINIMA; g++) {
        const u32 apart = least(minima[g] - first, FAR);
        mean += first / (LANES * MINIMA) + apart / (LANES * MINIMA);
    }
    if (MINIMA == 1) {
        // Of four, pairs of lanes will do.
        const u32 other = shuffle_xor(worst, 1);
        worst = needed <= LANES / 2 ? least(worst, other) : most(worst, other);
        worst = most(worst, shuffle_xor(worst, 2));
        worst = most(worst, shuffle_xor(worst, 4));
    } else {
        worst = group_most(worst);
    }
    first = group_least(first);
    mean = group_sum(mean);
    u32 at = worst;
    // About as many as LIST / 2 of normal numbers reach this.
    if (MINIMA == 4 && mean < worst) at = mean + (worst - mean) / 3;
    u32 upper = worst, lower = first, many = LANES * MINIMA * 4, few = 1;
    bool done = false;
    threshold = NONE;
    reached = all = 0;
#pragma unroll 1
    for (u32 step = 0; step < STEPS; step++) {
        u32 own = 0;
#pragma unroll
        for (u32 j = 0; j < OWN; j++) own += keys[j] <= at;
        const u32 count = group_sum(own);
        if (!done) {
            done = count >= needed && count <= LIST && at != NONE;
            threshold = at;
            reached = own;
            all = count;
            if (count > LIST) {
                upper = at;
                many = count;
            } else {
                lower = at;
                few = count;
            }
            // Counts grow as those of normal numbers do: about by their logarithm.
            const u32 range = most(log16(many) - least(log16(many), log16(few)), 1u);
            const u32 wanted = log16((needed + LIST) / 2);
            u32 share = (wanted - least(wanted, log16(few))) * 256 / range;
            // Where it falls into a gap, by larger steps.
            if (step >= 2 && many > LIST + LIST / 2) share = least(share, 40u);
            if (!done) at = lower + ((most(upper, lower) - lower) >> 8) * least(most(share, 24u), 232u);
        }
        if (!any(!done)) break;
    }
    return done;
}

// Bits that the keys from `first` to the threshold have too many for a word.
DEVICE u32 excess(u32 first, u32 threshold) {
    const u32 bits = 32 - leading_zeros((threshold - first + 1) | 1);
    return bits > 24 ? bits - 24 : 0;
}
// Whether raw keys tell the order of a row whose keys from `first` to the threshold are looked at.
DEVICE bool is_plain(const Map& m, u32 first, u32 threshold) {
    const bool nan = first - u32(m.nan_first) <= u32(m.nan_span) ||
                     threshold - u32(m.nan_first) <= u32(m.nan_span);
    const bool zeros = m.zero_first != m.zero_twin && first <= u32(m.zero_twin) && threshold >= u32(m.zero_first);
    return !(m.nan_span && nan) && !zeros;
}

#if NETWORK
DEVICE void exchange(u32& a, u32& b) {
    const u32 x = least(a, b), y = most(a, b);
    a = x;
    b = y;
}
// Batcher's odd-even merge sort (1968) of 32: the step of merging runs of P that compares over K places. Templates
// and one loop, because nested loops are not unrolled for certain.
template <u32 P, u32 K> DEVICE void compare(u32* v) {
#pragma unroll
    for (u32 i = K % P; i + K < 32; i++) {
        if ((i - K % P) / K % 2 == 0 && i / (2 * P) == (i + K) / (2 * P)) exchange(v[i], v[i + K]);
    }
    if constexpr (K > 1) compare<P, K / 2>(v);
}
DEVICE void sort32(u32* v) {
    compare<1, 1>(v);
    compare<2, 2>(v);
    compare<4, 4>(v);
    compare<8, 8>(v);
    compare<16, 16>(v);
}
// Of a bitonic sequence.
template <u32 D = 16> DEVICE void merge32(u32* v) {
#pragma unroll
    for (u32 i = 0; i < 32; i++) {
        if ((i & D) == 0) exchange(v[i], v[i + D]);
    }
    if constexpr (D > 1) merge32<D / 2>(v);
}

KERNEL(select_group, Params) {
    // Of each wave: slots by rows, then what each row's words are counted from, then room for an exact row.
    u32* const slots = reinterpret_cast<u32*>(shared()) + wave() * (LIST * PARKED + 2 * WAVE);
    u32* const firsts = slots + LIST * PARKED;
    u32* const lost = firsts + WAVE;
    const u32 row0 = (group() * WAVES + wave()) * WAVE;
    if (row0 >= p.p.rows) return;
    for (u32 i = lane(); i < LIST * PARKED; i += WAVE) slots[i] = NONE;
    wave_barrier();
    LaneMask bad = 0;
#if FULL
    Vector next[VECTORS];
    {
        const Row r = row_of(p.p, least(row0 + lane() / LANES, p.p.rows - 1));
#pragma unroll
        for (u32 j = 0; j < VECTORS; j++) next[j] = load_stream(r.vectors + j * LANES + lane() % LANES);
    }
#endif
#pragma unroll 1
    for (u32 turn = 0; turn < LANES; turn++) {
        const u32 here = turn * AT_ONCE + lane() / LANES, row = row0 + here;
        u32 keys[OWN];
        u32 needed = p.wanted;
        bool skip = row >= p.p.rows;
#if FULL
        take_row(p.p, next, keys);
        if (turn + 1 < LANES) {
            const Row r = row_of(p.p, least(row + AT_ONCE, p.p.rows - 1));
#pragma unroll
            for (u32 j = 0; j < VECTORS; j++) next[j] = load_stream(r.vectors + j * LANES + lane() % LANES);
        }
#else
        const Row r = row_of(p.p, least(row, p.p.rows - 1));
        read_row(p.p, r, keys);
        needed = r.end;
        if (!skip) write_rest_of(p.p, r, row);
        skip |= r.bad || r.first >= r.end;
#endif
        u32 threshold, first, reached, all;
        bool good = find(keys, needed, threshold, first, reached, all);
        good = good && is_plain(p.p.map, first, threshold);
        const LaneMask failed = ballot(!good && !skip);
#pragma unroll
        for (u32 g = 0; g < AT_ONCE; g++) bad |= (failed >> (g * LANES) & 1) << (turn * AT_ONCE + g);
        if (!good || skip) {
            threshold = 0;
            reached = 0;
            first = NONE;
        }
        u32* slot = slots + group_before(reached) * PARKED + here;
        const u32 cut = first == NONE ? 0 : excess(first, threshold);
        u32 column = lane() % LANES * EACH;
#if !FULL
        column -= r.off;
#endif
        if (good && !skip) {
#pragma unroll
            for (u32 j = 0; j < OWN; j++) {
                if (keys[j] <= threshold) {
                    *slot = ((keys[j] - first) >> cut << 8) + column + (j / EACH * LANES * EACH + j % EACH);
                    slot += PARKED;
                }
            }
        }
        if (lane() % LANES == 0) {
            firsts[here] = first;
            lost[here] = cut;
        }
    }
    wave_barrier();
    u32 v[32];
    {
        u32 z[32];
#pragma unroll
        for (u32 s = 0; s < 32; s++) v[s] = slots[s * PARKED + lane()];
        sort32(v);
#pragma unroll
        for (u32 s = 0; s < 32; s++) z[s] = slots[(s + 32) * PARKED + lane()];
        sort32(z);
        // The first of both, as a bitonic sequence.
#pragma unroll
        for (u32 s = 0; s < 32; s++) v[s] = least(v[s], z[31 - s]);
    }
    merge32(v);
    // Words whose keys have become alike.
    bool alike = false;
#pragma unroll
    for (u32 s = 0; s + 1 < 32; s++) alike |= (v[s] ^ v[s + 1]) < 256 && v[s] != NONE;
    bad |= ballot(alike && lost[lane()] > 0);
    wave_barrier();
#pragma unroll
    for (u32 s = 0; s < 32; s++) slots[s * PARKED + lane()] = v[s];
    wave_barrier();
#if FULL
    const u32 begin = p.p.middle ? (p.p.cols - p.p.k) / 2 : p.p.start;
#endif
#pragma unroll 4
    for (u32 q = 0; q < WAVE; q++) {
        const u32 row = row0 + q;
        if (row >= p.p.rows || (bad >> q & 1)) continue;
        const u32 word = slots[lane() * PARKED + q];
        const u32 first = firsts[q];
#if FULL
        const bool wanted = lane() >= begin && lane() < begin + p.p.k;
        const u32 slot = lane() - begin;
#else
        const Row r = row_of(p.p, row);
        const bool wanted = first != NONE && lane() >= r.first && lane() < r.end;
        const u32 slot = lane() - r.first;
#endif
        if (wanted) {
            const u64 at = u64(row) * p.p.k + slot;
            const u32 column = word & 255;
            p.p.values[at] = lost[q] ? p.p.x[u64(row) * p.p.row_stride + column]
                                     : bits_of(p.p.map, first + (word >> 8));
            p.p.indices[at] = column;
        }
    }
    wave_barrier();
    for (u32 q = 0; q < WAVE; q++) {
        if (bad >> q & 1) exact_row(p.p, row_of(p.p, row0 + q), row0 + q, reinterpret_cast<u64*>(slots));
    }
}
#else
KERNEL(select_group, Params) {
    // Of each wave: candidates by rows, then room for an exact row.
    u64* const room = reinterpret_cast<u64*>(shared()) + wave() * (COUNTED * AT_ONCE / 2 + 256);
    u32* const slots = reinterpret_cast<u32*>(room + 256) + lane() / LANES * COUNTED;
    const u32 row0 = (group() * WAVES + wave()) * AT_ONCE, row = row0 + lane() / LANES;
    if (row0 >= p.p.rows) return;
    bool skip = row >= p.p.rows;
    const Row r = row_of(p.p, skip ? p.p.rows - 1 : row);
    u32 keys[OWN];
#if FULL
    {
        Vector x[VECTORS];
#pragma unroll
        for (u32 j = 0; j < VECTORS; j++) x[j] = load_stream(r.vectors + j * LANES + lane() % LANES);
        take_row(p.p, x, keys);
    }
#else
    read_row(p.p, r, keys);
    if (!skip) write_rest_of(p.p, r, row);
#endif
    skip |= r.bad || r.first >= r.end;
    u32 threshold, first, reached, all;
    bool good = find(keys, r.end, threshold, first, reached, all);
    good = good && !skip && is_plain(p.p.map, first, threshold) && excess(first, threshold) == 0;
    u32 at = group_before(good ? reached : 0);
    const u32 many = good ? all : 0;
    if (good) {
        const u32 off = (first << 8) - lane() % LANES * EACH + r.off;
#pragma unroll
        for (u32 j = 0; j < OWN; j++) {
            if (keys[j] <= threshold) slots[at++] = (keys[j] << 8) - off + (j / EACH * LANES * EACH + j % EACH);
        }
    }
    wave_barrier();
    u32 mine[LIST / LANES], ranks[LIST / LANES];
#pragma unroll
    for (u32 q = 0; q < LIST / LANES; q++) {
        const u32 i = q * LANES + lane() % LANES;
        mine[q] = i < many ? slots[i] : NONE;
        ranks[q] = 0;
    }
    for (u32 i = 0; i < many; i++) {
        const u32 other = slots[i];
#pragma unroll
        for (u32 q = 0; q < LIST / LANES; q++) ranks[q] += other < mine[q];
    }
    if (!p.p.sorted) {
        // Only what is wanted remains, as columns, and is counted again.
        wave_barrier();
#pragma unroll
        for (u32 q = 0; q < LIST / LANES; q++) {
            const u32 i = q * LANES + lane() % LANES;
            const bool wanted = mine[q] != NONE && ranks[q] >= r.first && ranks[q] < r.end;
            if (i < many) slots[i] = wanted ? mine[q] & 255 : NONE;
            if (!wanted) mine[q] = NONE;
            ranks[q] = r.first;
        }
        wave_barrier();
        for (u32 i = 0; i < many; i++) {
            const u32 other = slots[i];
#pragma unroll
            for (u32 q = 0; q < LIST / LANES; q++) ranks[q] += other < (mine[q] & 255);
        }
    }
#pragma unroll
    for (u32 q = 0; q < LIST / LANES; q++) {
        if (mine[q] != NONE && ranks[q] >= r.first && ranks[q] < r.end) {
            const u64 slot = u64(row) * p.p.k + ranks[q] - r.first;
            p.p.values[slot] = bits_of(p.p.map, first + (mine[q] >> 8));
            p.p.indices[slot] = mine[q] & 255;
        }
    }
    const LaneMask bad = ballot(!good && !skip);
    for (u32 g = 0; g < AT_ONCE; g++) {
        if (bad >> (g * LANES) & 1) exact_row(p.p, row_of(p.p, row0 + g), row0 + g, room);
    }
}
#endif
