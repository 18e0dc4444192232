// Short rows: 8, 16 or 32 lanes hold a row of up to 256, 512 or 1024 elements in their registers, a wave 4, 2 or 1 at a
// time. A threshold that enough elements reach, and at most LIST, is guessed from the first keys of parts of the row,
// which does not depend on how elements are distributed, and confirmed by counting; what reaches it is packed into
// words, the key counted from the first above the column, which are in order where keys lie less than 2^24 apart (2^23,
// 2^22).
//   NETWORK 0: the lanes count for each candidate how many come before it; where keys lie further apart, words lack their
//     lowest bits, and elements tell the order of those that are alike;
//   NETWORK 1: 32 rows are parked in shared memory, and each lane orders one by a network in its registers. Rows for which
//     no threshold is found are parked by the key of the last rank (parked.cuh). A row in which it matters that words lack
//     bits is done exactly;
//   NETWORK 2: the lanes of a row order its candidates between them. If the list holds whole rows (WHOLE), no threshold is
//     needed, and any ranks may be wanted.
// Where too many share the last key wanted those before it are the list, and the first of them by column are found when the
// others are written; but not with a row for each lane, nor by index. Other rows for which this does not do (NaN and zeros
// among the first) are done exactly, a wave for each. These are read once more, tied ones as far as their ties are wanted,
// all others once.
#include "group.cuh"
#include "lanes.cuh"
#include "paired.cuh"
#include "parked.cuh"

struct Params {
    Problem p;
    // The last rank wanted of a full row.
    u32 wanted, unused;
};

#if NETWORK == 1
KERNEL(select_group, Params) {
    // Of each wave, which is room for an exact row, too: slots by rows; what each row's words are told by, and what those of
    // them are less than that lack bits.
    u32* const slots = reinterpret_cast<u32*>(shared()) + wave() * (LIST * PARKED + 2 * WAVE);
    u32* const firsts = slots + LIST * PARKED;
    u32* const limits = firsts + WAVE;
    const u32 row0 = (group() * WAVES + wave()) * WAVE;
    if (row0 >= p.p.rows) return;
    for (u32 i = lane(); i < LIST * PARKED; i += WAVE) slots[i] = NONE;
    wave_barrier();
    // The turns in which this lane's row has to be done exactly.
    u32 failed = 0;
#ifdef PAIRED
    const u32 how = how_of(p.p);
    u32 columns[OWN / 4];
#pragma unroll
    for (u32 i = 0; i < OWN / 4; i++) columns[i] = made(four_columns(lane() % LANES * EACH + place_of_own(i * 4)));
#endif
#if FULL
    Vector next[VECTORS] = {};
    load_row(p.p, row0 + lane() / LANES, next);
#endif
#pragma unroll 1
    for (u32 turn = 0; turn < LANES; turn++) {
        const u32 here = turn * AT_ONCE + lane() / LANES, row = row0 + here;
        u32 needed = p.wanted, n = p.p.cols;
        bool skip = row >= p.p.rows;
#if FULL
        Vector x[VECTORS];
#pragma unroll
        for (u32 j = 0; j < VECTORS; j++) x[j] = next[j];
#else
        const Row r = row_of(p.p, least(row, p.p.rows - 1));
        needed = r.end;
        n = r.n;
        if (!skip) write_rest_of(p.p, r, row);
        skip |= r.bad || r.first >= r.end;
#endif
#ifdef PAIRED
        Pairs pairs;
        make_pairs(x, pairs);
        if (turn + 1 < LANES) load_row(p.p, row + AT_ONCE, next);
        const Found f = find_floats(p.p, how, pairs, n, needed);
#else
        u32 keys[OWN];
#if FULL
        take_row(p.p, x, keys);
        if (turn + 1 < LANES) load_row(p.p, row + AT_ONCE, next);
#else
        read_row(p.p, r, keys);
#endif
        const Found f = find(p.p.map, keys, n, needed);
#endif
        const bool good = f.good && !skip && is_plain(p.p.map, f.first, f.threshold);
        failed |= u32(!good && !skip) << turn;
        u32* const slot = slots + group_before(good ? f.reached : 0) * PARKED + here;
        const u32 cut = good ? excess(f.first, f.threshold) : 0;
#ifdef PAIRED
        // Between the first and the threshold there is no zero: bits are in order, or the other way round.
        const u32 first = bits_of(p.p.map, f.first), last = bits_of(p.p.map, f.threshold), turned = last < first ? NONE : 0;
        const u32 mask = good ? f.mask : 0;
#pragma unroll
        for (u32 w = 0; w < OWN_PAIRS; w++) pairs[w] = made(pairs[w] ^ turned);
        park(slot, [&](u32 j) { return mask >> bit_of_own(j) & 1; },
             [&](u32 j) { return pair_word(pairs[j / 2], j, columns[j / 4]); });
        if (lane() % LANES == 0) firsts[here] = turned;
#else
#if FULL
        const u32 column = lane() % LANES * EACH;
#else
        const u32 column = lane() % LANES * EACH - r.off;
#endif
        const u32 before = good ? f.threshold + 1 : 0;
        const auto hit = [&](u32 j) { return keys[j] < before; };
        if (any(cut > 0)) {
            park(slot, hit, [&](u32 j) {
                return ((keys[j] - f.first) >> cut << COLUMN_BITS) + column + place_of_own(j);
            });
        } else {
            const u32 off = column - (f.first << COLUMN_BITS);
            park(slot, hit, [&](u32 j) { return (keys[j] << COLUMN_BITS) + off + place_of_own(j); });
        }
        if (lane() % LANES == 0) firsts[here] = good ? f.first : NONE;
#endif
        if (KEY_BITS < WIDTH && lane() % LANES == 0) limits[here] = cut > 0 ? NONE : 0;
    }
    // Rows whose elements are read again.
    LaneMask again = 0;
    if (any(failed != 0)) {
        for (u32 turn = 0; turn < LANES; turn++) {
            const LaneMask of_turn = ballot(failed >> turn & 1);
#pragma unroll
            for (u32 g = 0; g < AT_ONCE; g++) again |= (of_turn >> (g * LANES) & 1) << (turn * AT_ONCE + g);
        }
        wave_barrier();
        park_exactly(p.p, row0, again, slots, firsts, limits);
    }
    wave_barrier();
    u32 v[32], left = NONE;
    {
        u32 z[32];
#pragma unroll
        for (u32 s = 0; s < 32; s++) v[s] = slots[s * PARKED + lane()];
        sort_own<32>(v);
#pragma unroll
        for (u32 s = 0; s < 32; s++) z[s] = slots[(s + 32) * PARKED + lane()];
        sort_own<32>(z);
        // The first of both, as a bitonic sequence, and the first of those left out.
#pragma unroll
        for (u32 s = 0; s < 32; s++) {
            if (KEY_BITS < WIDTH) left = least(left, most(v[s], z[31 - s]));
            v[s] = least(v[s], z[31 - s]);
        }
    }
    merge_own<32>(v);
    LaneMask bad = 0;
    if (KEY_BITS < WIDTH) {
        // Words whose keys have become alike: also of the last that is kept and the first that is not.
        const u32 limit = limits[lane()];
        bool alike = (v[31] ^ left) <= COLUMN_MASK && v[31] < limit;
#pragma unroll
        for (u32 s = 0; s + 1 < 32; s++) alike |= (v[s] ^ v[s + 1]) <= COLUMN_MASK && v[s] < limit;
        again |= ballot(limit > 0);
        bad = ballot(alike);
    }
    wave_barrier();
#pragma unroll
    for (u32 s = 0; s < 32; s++) slots[s * PARKED + lane()] = v[s];
    wave_barrier();
    // The element of a row's word that lacks no bits.
    const auto bits = [&](u32 q, u32 word) {
#ifdef PAIRED
        return Bits(half_of_word(word) ^ firsts[q]);
#else
        return bits_of(p.p.map, firsts[q] + (word >> COLUMN_BITS));
#endif
    };
    const u32 here = least(p.p.rows - row0, u32(WAVE));
    const u32* const words = slots + lane() * PARKED;
#if FULL
    const u32 begin = p.p.middle ? (p.p.cols - p.p.k) / 2 : p.p.start;
    if (lane() >= begin && lane() < begin + p.p.k) {
        Bits* value = p.p.values + u64(row0) * p.p.k + (lane() - begin);
        Index* index = p.p.indices + u64(row0) * p.p.k + (lane() - begin);
#pragma unroll 4
        for (u32 q = 0; q < here; q++, value += p.p.k, index += p.p.k) {
            if ((bad | again) >> q & 1) continue;
            *value = bits(q, words[q]);
            *index = words[q] & COLUMN_MASK;
        }
    }
    // Of the others each element is waited for: of some rows at a time, or of the last of them once more.
    if (lane() >= begin && lane() < begin + p.p.k) {
        const Bits* const x = p.p.x + u64(row0) * p.p.row_stride;
        for (LaneMask rest = again & ~bad; rest;) {
            u32 columns[READ_AGAIN], to[READ_AGAIN], q = 0;
            Bits found[READ_AGAIN];
#pragma unroll
            for (u32 i = 0; i < READ_AGAIN; i++) {
                if (rest) q = first_bit(rest);
                rest &= rest - 1;
                columns[i] = words[q] & COLUMN_MASK;
                found[i] = x[q * p.p.row_stride + columns[i]];
                to[i] = q * p.p.k + (lane() - begin);
            }
#pragma unroll
            for (u32 i = 0; i < READ_AGAIN; i++) {
                p.p.values[u64(row0) * p.p.k + to[i]] = found[i];
                p.p.indices[u64(row0) * p.p.k + to[i]] = columns[i];
            }
        }
    }
#else
    for (u32 q = 0; q < here; q++) {
        const Row r = row_of(p.p, row0 + q);
        if (bad >> q & 1 || firsts[q] == NONE || lane() < r.first || lane() >= r.end) continue;
        const u32 column = words[q] & COLUMN_MASK;
        const u64 at = u64(row0 + q) * p.p.k + (lane() - r.first);
        p.p.values[at] = again >> q & 1 ? r.x[column] : bits(q, words[q]);
        p.p.indices[at] = column;
    }
#endif
    wave_barrier();
    for (u32 q = 0; q < WAVE; q++) {
        if (bad >> q & 1) exact_row(p.p, row_of(p.p, row0 + q), row0 + q, reinterpret_cast<u64*>(slots));
    }
}
#elif NETWORK == 2
KERNEL(select_group, Params) {
    u32* const of_wave = reinterpret_cast<u32*>(shared()) + wave() * LANES_ROOM;
    u32* const slots = of_wave + WAVE + lane() / LANES * ROOM;
    const u32 row0 = (group() * WAVES + wave()) * AT_ONCE, row = row0 + lane() / LANES;
    if (row0 >= p.p.rows) return;
    bool skip = row >= p.p.rows;
    const Row r = row_of(p.p, skip ? p.p.rows - 1 : row);
    if (!skip) write_rest_of(p.p, r, row);
    skip |= r.bad || r.first >= r.end;
    u32 v[MINE];
#if WHOLE
    const u32 many = r.n;
    const bool good = !skip;
    const bool exact = words_of_row(p.p, r, v);
#else
    u32 keys[OWN];
    read_row(p.p, r, keys);
    const Found f = find(p.p.map, keys, r.n, r.end);
    const bool tied = !skip && is_plainly_tied(p.p, f);
    const bool good = tied || (f.good && !skip && is_plain(p.p.map, f.first, f.threshold));
    const u32 many = good ? f.all : 0, cut = many > 0 ? excess(f.first, f.threshold) : 0;
    const bool exact = cut == 0;
    {
        u32 at = group_before(good ? f.reached : 0);
        const u32 column = lane() % LANES * EACH - r.off;
#pragma unroll
        for (u32 j = 0; j < OWN; j++) {
            if (many > 0 && keys[j] <= f.threshold) {
                slots[at++] = ((keys[j] - f.first) >> cut << COLUMN_BITS) + column + place_of_own(j);
            }
        }
    }
    wave_barrier();
#pragma unroll
    for (u32 s = 0; s < MINE; s++) {
        const u32 i = s * LANES + lane() % LANES;
        v[s] = i < many ? slots[i] : NONE;
    }
    wave_barrier();
#endif
    sort_lanes(v);
#pragma unroll
    for (u32 s = 0; s < MINE; s++) slots[place(lane() % LANES * MINE + s)] = v[s];
    wave_barrier();
    write_ranks(p.p, r, row, slots, of_wave, many, good, exact);
#if !WHOLE
    wave_barrier();
    if (any(tied)) write_tied(p.p, row, tied, f.tied, many);
    const LaneMask bad = ballot(!good && !skip);
    for (u32 g = 0; g < AT_ONCE; g++) {
        if (bad >> (g * LANES) & 1) {
            exact_row(p.p, row_of(p.p, row0 + g), row0 + g, reinterpret_cast<u64*>(of_wave + WAVE));
        }
    }
#endif
}
#else
// Adds to ranks how many of a list's words come before each of this lane's.
DEVICE void count_before(const u32* slots, u32 many, const u32 (&words)[MINE], u32 (&ranks)[MINE]) {
    for (u32 i = 0; i < many; i += 4) {
        const Vector four = *reinterpret_cast<const Vector*>(slots + i);
#pragma unroll
        for (u32 q = 0; q < MINE; q++) {
            ranks[q] += (four.x < words[q]) + (four.y < words[q]) + (four.z < words[q]) + (four.w < words[q]);
        }
    }
}
// Puts ranks right where words lack bits: of those that are alike, elements tell.
DEVICE void count_alike(const Problem& p, const Row& r, const u32* slots, u32 many, const u32 (&words)[MINE], u32 (&ranks)[MINE]) {
    for (u32 i = 0; i < many; i++) {
        const u32 word = slots[i];
#pragma unroll
        for (u32 q = 0; q < MINE; q++) {
            if ((word ^ words[q]) > COLUMN_MASK || word == words[q]) continue;
            const Key other = raw_key(p.map, r.x[word & COLUMN_MASK]), own = raw_key(p.map, r.x[words[q] & COLUMN_MASK]);
            const bool before = other < own || (other == own && word < words[q]);
            ranks[q] += before;
            ranks[q] -= word < words[q];
        }
    }
}

KERNEL(select_group, Params) {
    // Of each wave: candidates by rows, or of a row that is done exactly.
    u32* const room = reinterpret_cast<u32*>(shared()) + wave() * COUNTED_ROOM;
    u32* const slots = room + lane() / LANES * COUNTED;
    const u32 row0 = (group() * WAVES + wave()) * AT_ONCE, row = row0 + lane() / LANES;
    if (row0 >= p.p.rows) return;
    bool skip = row >= p.p.rows;
    const Row r = row_of(p.p, skip ? p.p.rows - 1 : row);
#if FULL
    Vector x[VECTORS] = {};
    load_row(p.p, row, x);
    skip |= r.bad || r.first >= r.end;
#ifdef PAIRED
    Pairs pairs;
    make_pairs(x, pairs);
    const Found f = find_floats(p.p, how_of(p.p), pairs, p.p.cols, r.end);
#else
    u32 keys[OWN];
    take_row(p.p, x, keys);
    const Found f = find(p.p.map, keys, p.p.cols, r.end);
#endif
#else
    u32 keys[OWN];
    read_row(p.p, r, keys);
    if (!skip) write_rest_of(p.p, r, row);
    skip |= r.bad || r.first >= r.end;
    const Found f = find(p.p.map, keys, r.n, r.end);
#endif
    const u32 first = f.first;
    const bool tied = !skip && is_plainly_tied(p.p, f);
    const bool good = tied || (f.good && !skip && is_plain(p.p.map, first, f.threshold));
    u32 at = group_before(good ? f.reached : 0);
    const u32 many = good ? f.all : 0, cut = many > 0 ? excess(first, f.threshold) : 0;
    if (many > 0) {
        const u32 own = lane() % LANES * EACH - r.off;
        const auto word = [&](u32 key, u32 place) { return ((key - first) >> cut << COLUMN_BITS) + own + place; };
#if MASKED
        for (u32 mask = f.mask; mask; mask &= mask - 1) {
#ifdef PAIRED
            const u32 j = own_of_bit(first_bit(mask));
#else
            const u32 j = first_bit(mask);
#endif
            const u32 place = place_of_own(j);
            slots[at++] = word(u32(raw_key(p.p.map, r.x[own + place])), place);
        }
#else
#pragma unroll
        for (u32 j = 0; j < OWN; j++) {
            if (keys[j] <= f.threshold) slots[at++] = word(keys[j], place_of_own(j));
        }
#endif
    }
    // Four are read at a time; the last may be none.
    if (lane() % LANES < 4) slots[many + lane() % LANES] = NONE;
    wave_barrier();
    u32 mine[MINE], ranks[MINE];
#pragma unroll
    for (u32 q = 0; q < MINE; q++) {
        const u32 i = q * LANES + lane() % LANES;
        mine[q] = i < many ? slots[i] : NONE;
        ranks[q] = 0;
    }
    count_before(slots, many, mine, ranks);
    if (any(cut > 0)) {
        // In order, those that are alike are neighbours.
        wave_barrier();
#pragma unroll
        for (u32 q = 0; q < MINE; q++) {
            if (mine[q] != NONE) slots[ranks[q]] = mine[q];
        }
        wave_barrier();
        bool alike = false;
#pragma unroll
        for (u32 q = 0; q < MINE; q++) {
            alike |= mine[q] != NONE && ranks[q] + 1 < many && (slots[ranks[q] + 1] ^ mine[q]) <= COLUMN_MASK;
        }
        if (any(alike && cut > 0)) count_alike(p.p, r, slots, cut > 0 ? many : 0, mine, ranks);
    }
    if (!p.p.sorted) {
        // Only what is wanted remains, as columns, and is counted again.
        u32 columns[MINE];
        wave_barrier();
#pragma unroll
        for (u32 q = 0; q < MINE; q++) {
            const u32 i = q * LANES + lane() % LANES;
            const bool wanted = mine[q] != NONE && ranks[q] >= r.first && ranks[q] < r.end;
            if (i < many) slots[i] = wanted ? mine[q] & COLUMN_MASK : NONE;
            if (!wanted) mine[q] = NONE;
            columns[q] = mine[q] & COLUMN_MASK;
            ranks[q] = r.first;
        }
        wave_barrier();
        count_before(slots, many, columns, ranks);
    }
#pragma unroll
    for (u32 q = 0; q < MINE; q++) {
        if (mine[q] != NONE && ranks[q] >= r.first && ranks[q] < r.end) {
            const u64 slot = u64(row) * p.p.k + ranks[q] - r.first;
            const u32 column = mine[q] & COLUMN_MASK;
            p.p.values[slot] = cut > 0 ? r.x[column] : bits_of(p.p.map, first + (mine[q] >> COLUMN_BITS));
            p.p.indices[slot] = column;
        }
    }
    if (any(tied)) write_tied(p.p, row, tied, f.tied, many);
    const LaneMask bad = ballot(!good && !skip);
    for (u32 g = 0; g < AT_ONCE; g++) {
        if (bad >> (g * LANES) & 1) exact_row(p.p, row_of(p.p, row0 + g), row0 + g, reinterpret_cast<u64*>(room));
    }
}
#endif
