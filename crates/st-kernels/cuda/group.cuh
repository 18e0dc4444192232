// Rows that 8, 16 or 32 lanes hold together: reading them, a threshold, and the exact way by a whole wave. See group.cu.
#pragma once
#include "block.cuh"

// Lanes of a row, vectors of a lane.
#ifndef LANES
#define LANES 8
#endif
#ifndef VECTORS
#define VECTORS 1
#endif
// Whether rows are whole vectors, and every lane has as many.
#ifndef FULL
#define FULL 0
#endif
#ifndef EVEN
#define EVEN 0
#endif
// Whether elements are floats of 16 bits, which some devices compare in pairs.
#ifndef FLOATS
#define FLOATS 0
#endif
#ifndef NETWORK
#define NETWORK 0
#endif
// How the first guess of a threshold is made, two bits each: which of the least keys of a lane's parts, in order, and how
// lanes meet, first pairs of them, then pairs of those. st_kernels::cuda::guess chooses it; as a parameter instead of a
// constant it took 6 % more of rows of 128 and 256.
#ifndef GUESS
#define GUESS 0
#endif
// NETWORK 2: whether the list holds every element of a row.
#ifndef WHOLE
#define WHOLE 0
#endif
#define LIST CAPACITY
#define OWN (VECTORS * EACH)
// Parts of what a lane holds, of which the first guess is made.
#define PARTS 4
// A row has 32 columns for each lane at most: bits of a column, and of a word above them.
#define COLUMN_BITS (LANES == 8 ? 8 : LANES == 16 ? 9 : 10)
#define COLUMN_MASK ((1u << COLUMN_BITS) - 1)
#define KEY_BITS (32 - COLUMN_BITS)
#define AT_ONCE (WAVE / LANES)
// Words between the slots of a row that is parked, and between rows that are counted.
#define PARKED 33
#define COUNTED (LIST + 4)
// Words of a wave where rows are counted, or one is done exactly, which takes two for each candidate.
#define COUNTED_ROOM (AT_ONCE * COUNTED > 2 * LIST ? AT_ONCE * COUNTED : 2 * LIST)
#define NONE 0xffffffffu
// The last key that an element may have, and one that is not there does not have.
#define LAST_KEY (WIDTH < 32 ? (1u << WIDTH % 32) - 1 : NONE - 1)
// Elements that a wave's lane has of a row that is done exactly.
#define EXACT (LANES * 32 / WAVE)
// Whether a lane's hits are bits of a word, by which few of them are fetched again.
#define MASKED (!NETWORK && OWN <= 32)
// Steps of the search for a threshold. Where a lane orders a row, those for which that does not do are parked by their keys,
// which takes longer than a row that is not tied should be made to wait for: one of ten thousand rows of normal numbers needs
// more than five.
#define STEPS (NETWORK == 1 ? 5 : 12)
// Steps that trust in how counts grow; those after halve.
#define TRUSTING 4
// A guess that is a mean of numbers of different sign, or of a number and zero, is at least this part of the way from the
// first number to zero, as keys go: there are two means on the way to a guess at most, or three where 32 lanes meet.
#define FAR (LANES == 32 ? 8 : 4)
// Whether rows are told in which too many elements share the last key wanted: every TRUSTING-th step asks for the next key.
// Where a lane orders a row there is no room for that: 1048576x256, k 32, took 402 us instead of 381.
#define TIES (NETWORK != 1)

// The place of a lane's element in its row, from the lane's first on.
DEVICE constexpr u32 place_of_own(u32 j) { return j / EACH * LANES * EACH + j % EACH; }

DEVICE u32 group_least(u32 x) {
#pragma unroll
    for (u32 d = 1; d < LANES; d *= 2) x = least(x, shuffle_xor(x, d));
    return x;
}
DEVICE u32 group_sum(u32 x) {
#pragma unroll
    for (u32 d = 1; d < LANES; d *= 2) x += shuffle_xor(x, d);
    return x;
}
// Of the lanes of the group up to this one; before it.
DEVICE u32 group_until(u32 x) {
    const u32 own = lane() % LANES;
#pragma unroll
    for (u32 d = 1; d < LANES; d *= 2) {
        const u32 other = shuffle_up(x, d);
        if (own >= d) x += other;
    }
    return x;
}
DEVICE u32 group_before(u32 x) { return group_until(x) - x; }
// About 16 log2(x).
DEVICE u32 log16(u32 x) {
    x = most(x, 1u);
    const u32 whole = 31 - leading_zeros(x);
    return 16 * whole + ((x << 4 >> whole) & 15);
}

// A row, by all lanes of a wave: the key of the last rank bit by bit, its first ties by column, and each counted.
RARE void exact_row(const Problem& p, const Row r, u32 row, u64* room) {
    // What is not there has the greatest key, as others may, and comes after those.
    u32 keys[EXACT], first = NONE, varies = 0;
    const auto in_row = [&](u32 j) { return j * WAVE + lane() < r.n; };
    const Canon map = canon_of(p.map);
    // A few are asked for before any of them is looked at.
    constexpr u32 FEW = EXACT < 8 ? EXACT : 8;
#pragma unroll
    for (u32 base = 0; base < EXACT; base += FEW) {
        Bits found[FEW];
#pragma unroll
        for (u32 i = 0; i < FEW; i++) found[i] = in_row(base + i) ? r.x[(base + i) * WAVE + lane()] : Bits(0);
#pragma unroll
        for (u32 i = 0; i < FEW; i++) {
            const u32 key = canon(map, u32(raw_key(p.map, found[i])));
            keys[base + i] = made(in_row(base + i) ? key : NONE);
            first = least(first, keys[base + i]);
        }
    }
    first = wave_least(first);
#pragma unroll
    for (u32 j = 0; j < EXACT; j++) {
        if (in_row(j)) varies |= keys[j] ^ first;
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
        for (u32 j = 0; j < EXACT; j++) below += count_bits(ballot(keys[j] < tried));
        if (below < r.end) last = tried;
    }
    u32 before_ties = 0;
#pragma unroll
    for (u32 j = 0; j < EXACT; j++) before_ties += count_bits(ballot(keys[j] < last));
    u32 have = 0, ties = 0;
    wave_barrier();
#pragma unroll
    for (u32 j = 0; j < EXACT; j++) {
        const LaneMask equal = ballot(keys[j] == last);
        const bool tie = keys[j] == last && before_ties + ties + count_bits(equal & before()) < r.end;
        ties += count_bits(equal);
        const bool take = keys[j] < last || tie;
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
        p.indices[at] = ~Index(0);
    }
}

// Reads a row: raw keys, and NONE for what is not there. The vectors that hold an end of the row are read element by
// element, after all others have been asked for.
DEVICE void read_row(const Problem& p, const Row& r, u32* keys) {
    const u32 own = lane() % LANES;
    Vector x[VECTORS] = {};
    bool whole[VECTORS];
#pragma unroll
    for (u32 j = 0; j < VECTORS; j++) {
        const u32 v = j * LANES + own;
        whole[j] = v * EACH >= r.off && v * EACH + EACH <= r.off + r.n;
        if (whole[j]) x[j] = load_stream(r.vectors + v);
    }
#pragma unroll
    for (u32 j = 0; j < VECTORS; j++) {
        if (whole[j]) {
#pragma unroll
            for (u32 i = 0; i < EACH; i++) keys[j * EACH + i] = u32(raw_key(p.map, element(x[j], i)));
        } else {
            const u32 first = (j * LANES + own) * EACH - r.off;
#pragma unroll
            for (u32 i = 0; i < EACH; i++) {
                // A column before the first is a great number.
                keys[j * EACH + i] = first + i < r.n ? u32(raw_key(p.map, r.x[first + i])) : NONE;
            }
        }
    }
}
// The same of rows of which every vector is whole. Every lane has as many if EVEN; else some lack the last one.
#if FULL
DEVICE bool is_there(const Problem& p, u32 j) {
    return EVEN || j + 1 < VECTORS || j * LANES + lane() % LANES < p.cols / EACH;
}
DEVICE void load_row(const Problem& p, u32 row, Vector* x) {
    const Row r = row_of(p, least(row, p.rows - 1));
#pragma unroll
    for (u32 j = 0; j < VECTORS; j++) {
        if (is_there(p, j)) x[j] = load_stream(r.vectors + j * LANES + lane() % LANES);
    }
}
DEVICE void take_row(const Problem& p, const Vector* x, u32* keys) {
#if WIDTH == 32
    // xor turns all bits or none, and the sign besides or not: a key is what `and` leaves times 1 or -1, and a number.
    const u32 by = p.map.xor_ & 1 ? 1 : NONE, more = u32(p.map.base - p.map.xor_), turn = u32(p.map.and_);
    const auto key = [&](u32 bits) { return (bits ^ (u32(Signed(bits) >> 31) & turn)) * by + more; };
#else
    const auto key = [&](Bits bits) { return u32(raw_key(p.map, bits)); };
#endif
#pragma unroll
    for (u32 j = 0; j < VECTORS; j++) {
#pragma unroll
        for (u32 i = 0; i < EACH; i++) keys[j * EACH + i] = is_there(p, j) ? key(element(x[j], i)) : NONE;
    }
}
#endif

// The lesser (0), the greater (1), or the mean (2) of a key and another lane's.
DEVICE u32 meet(u32 x, u32 lanes, u32 how) {
    const u32 other = shuffle_xor(x, lanes), mean = (x & other) + ((x ^ other) >> 1);
    return how == 0 ? least(x, other) : how == 1 ? most(x, other) : mean;
}
DEVICE void exchange(u32& a, u32& b) {
    const u32 x = least(a, b), y = most(a, b);
    a = x;
    b = y;
}

// What is known of a row.
struct Found {
    // Enough elements reach the threshold, and at most LIST. Or too few do, and too many with `tied`, the next key.
    bool good, is_tied;
    // The row's first key; how many elements reach the threshold, of this lane and of all, or this lane's as bits.
    u32 threshold, first, reached, all, mask, tied;
};
// A threshold for the group's row of `n` elements that `needed` elements reach, from the least keys of a lane's parts.
// reaching(at, mask) counts those of the lane's elements whose key is `at` at most; least_from(at) is the least key from `at`
// on; `zero` is the key of zero, 0 if numbers on both sides of it are near one another; from key to key at a distance of
// `fourth` numbers become a fourth.
template <typename Reaching, typename LeastFrom>
DEVICE Found search(u32 (&minima)[PARTS], u32 zero, u32 fourth, u32 n, u32 needed, Reaching reaching, LeastFrom least_from) {
    Found f;
    exchange(minima[0], minima[1]);
    exchange(minima[2], minima[3]);
    exchange(minima[0], minima[2]);
    exchange(minima[1], minima[3]);
    exchange(minima[1], minima[2]);
    f.first = group_least(minima[0]);
    u32 at = minima[GUESS & 3];
#pragma unroll
    for (u32 d = 1, bit = 2; d < LANES; d *= 2, bit += 2) at = meet(at, d, GUESS >> bit & 3);
    // Next to zero keys tell how small a number is: a fourth of the first number is nearer to what is wanted.
    const bool far = f.first < zero && at - f.first >= most((zero - f.first) / FAR, fourth);
    if (far) at = f.first + fourth;
    // Rows that fit the list go there as they are.
    if (n <= LIST) at = LAST_KEY;
    // How many reach `upper`. As long as that is not known: how many halves a step is taken for. After a far guess it is more
    // than the counts ask for, because where most numbers are zero the others are few, and lie far apart.
    u32 upper = NONE, lower = f.first, many = far ? 3 : 2, few = 1;
    f.good = f.is_tied = false;
#pragma unroll 1
    for (u32 step = 0; step < STEPS; step++) {
        const bool next = TIES && step % TRUSTING == 0 && step > 0;
        if (next) {
            // Where many share a key, it is the first after those that are too few, as a rule.
            const u32 key = group_least(least_from(lower + (few > 1)));
            if (!f.good && !f.is_tied) at = key;
        }
        u32 mask = 0;
        const u32 own = reaching(at, mask), count = group_sum(own);
        if (!f.good && !f.is_tied) {
            f.good = count >= needed && count <= LIST && at != NONE;
            f.is_tied = TIES && count > LIST && (next || at == f.first) && at != NONE;
            f.threshold = at;
            f.reached = own;
            f.all = count;
            f.mask = mask;
        }
        if (!any(!f.good && !f.is_tied)) break;
        if (!f.good && !f.is_tied) {
            // Counts grow about by their logarithm: from the first key, which one element reaches, or from lower to
            // upper where both are known.
            if (count > LIST) {
                upper = at;
                many = count;
            } else {
                lower = at;
                few = count;
            }
            const bool halve = step >= TRUSTING && upper != NONE;
            const u32 aim = log16((needed + LIST) / 2), below = log16(few);
            if (upper == NONE) {
                const float way = float(at - f.first) * (float(aim * many) / float(2 * most(log16(count), 4u)));
                at = way < float(NONE - f.first) * 0.99f ? f.first + u32(way) : NONE - 1;
            } else {
                const float share = float(aim - least(aim, below)) / float(most(log16(many) - below, 1u));
                at = lower + u32(float(upper - lower) * (halve ? 0.5f : most(least(share, 0.9f), 0.1f)));
            }
            at = most(least(at, upper - 1), lower + 1);
        }
        // Where nothing is between what is too few and what is too many, no more can be found.
        if (!TIES && !any(!f.good && upper - lower > 1)) break;
    }
    if (TIES && any(f.is_tied)) {
        // What is before the first key may be no number.
        u32 mask = 0;
        const u32 own = f.threshold > f.first ? reaching(f.threshold - 1, mask) : 0, all = group_sum(own);
        if (f.is_tied) {
            f.tied = f.threshold;
            f.threshold--;
            f.reached = own;
            f.all = all;
            f.mask = mask;
        }
    }
    return f;
}
DEVICE u32 key_of_zero(const Map& m) { return u32(m.zero_twin) != u32(m.zero_first) ? u32(m.zero_first) : 0; }
// The least of a lane's keys, which key(j) gives, from `from` on.
template <typename KeyOf> DEVICE u32 least_key(u32 from, KeyOf key) {
    u32 found = NONE;
#pragma unroll
    for (u32 j = 0; j < OWN; j++) found = key(j) >= from ? least(found, key(j)) : found;
    return found;
}
// The least keys of a lane's parts.
DEVICE void part_minima(const u32* keys, u32 (&minima)[PARTS]) {
#pragma unroll
    for (u32 g = 0; g < PARTS; g++) {
        minima[g] = keys[g * (OWN / PARTS)];
#pragma unroll
        for (u32 j = 1; j < OWN / PARTS; j++) minima[g] = least(minima[g], keys[g * (OWN / PARTS) + j]);
    }
}
DEVICE Found find(const Map& m, const u32* keys, u32 n, u32 needed) {
    u32 minima[PARTS];
    part_minima(keys, minima);
    const auto reaching = [&](u32 at, u32& mask) {
        u32 own = 0;
#if MASKED
#pragma unroll
        for (u32 j = 0; j < OWN; j++) {
            if (keys[j] <= at) mask |= 1u << j;
        }
        own = count_bits(mask);
#else
#pragma unroll
        for (u32 j = 0; j < OWN; j++) own += keys[j] <= at;
#endif
        return own;
    };
    const auto least_from = [&](u32 from) { return least_key(from, [&](u32 j) { return keys[j]; }); };
    return search(minima, key_of_zero(m), u32(m.nan_span), n, needed, reaching, least_from);
}

// Bits that the keys from `first` to the threshold have too many for a word.
DEVICE u32 excess(u32 first, u32 threshold) {
    if (WIDTH <= KEY_BITS) return 0;
    const u32 bits = 32 - leading_zeros((threshold - first + 1) | 1);
    return bits > KEY_BITS ? bits - KEY_BITS : 0;
}
// Whether raw keys tell the order of a row whose keys from `first` to the threshold are looked at.
DEVICE bool is_plain(const Map& m, u32 first, u32 threshold) {
    const u32 nan = u32(m.nan_first), span = u32(m.nan_span), zero = u32(m.zero_first), twin = u32(m.zero_twin);
    const bool nans = span && (first - nan <= span || threshold - nan <= span);
    return !nans && !(zero != twin && first <= twin && threshold >= zero);
}

// Whether a tied row's candidates can be ordered by raw keys and written by rank, those that share the last key after them.
DEVICE bool is_plainly_tied(const Problem& p, const Found& f) {
    const u32 nan = u32(p.map.nan_first), span = u32(p.map.nan_span);
    if (!f.is_tied || !p.sorted || (span && f.tied - nan <= span)) return false;
    return f.all == 0 || is_plain(p.map, f.first, f.threshold);
}
// Writes of tied rows, each by the lanes of a group, the first by column that share the last key, after `all` others.
RARE void write_tied(const Problem& p, u32 row, bool wanted, u32 tied, u32 all) {
    const Row r = row_of(p, wanted ? row : 0);
    const Map& m = p.map;
    // Zeros are one key.
    const u32 more = tied == u32(m.zero_first) ? u32(m.zero_twin) - tied : 0;
    for (u32 v = 0; v < VECTORS && any(wanted && all < r.end); v++) {
        const u32 first = (v * LANES + lane() % LANES) * EACH - r.off;
        u32 hits = 0;
#pragma unroll
        for (u32 i = 0; i < EACH; i++) {
            // A column before the first is a great number.
            if (first + i < r.n && u32(raw_key(m, r.x[first + i])) - tied <= more) hits |= 1u << i;
        }
        const u32 until = group_until(count_bits(hits));
        u32 rank = all + until - count_bits(hits);
        all += shuffle(until, lane() | (LANES - 1));
        for (; wanted && hits && rank < r.end; hits &= hits - 1, rank++) {
            if (rank >= r.first) write_slot(p, r, row, rank - r.first, first + first_bit(hits));
        }
    }
}
