// Rows of which a lane orders each: their words in shared memory, a column of slots for a row. See group.cu.
#pragma once
#include "group.cuh"

#if NETWORK == 1
// Words of the elements that share the last key wanted, of rows that are parked exactly, begin here; all others are less.
#define TIED 0x80000000u
// Rows of which elements are read again at once.
#define READ_AGAIN 4
// What leaves the fewer registers to the kernel, by NVRTC 13.0: 96 for whole vectors of 32 bits instead of 99, 80 for others
// instead of 96.
#if FULL
#define ASIDE RARE
#else
#define ASIDE DEVICE
#endif

// A lane's words for its elements that hit(j) says, from a slot on.
template <typename Hit, typename Word> DEVICE void park(u32* slot, Hit hit, Word word) {
#pragma unroll
    for (u32 j = 0; j < OWN; j++) {
        if (hit(j)) {
            *slot = word(j);
            slot += PARKED;
        }
    }
}

// The key of a rank of each group's row, counted from 1, which is one of the keys from 0 to the greatest `to` of all
// lanes. Each step leaves half of the way between two keys that are there, at most; of few values it leaves few.
DEVICE u32 key_of_rank(const u32 (&keys)[OWN], u32 to, u32 rank) {
    u32 from = 0;
    to = ~group_least(~to);
    while (any(from < to)) {
        const u32 middle = from + (to - from) / 2;
        u32 own = 0;
#pragma unroll
        for (u32 j = 0; j < OWN; j++) own += keys[j] <= middle;
        const bool enough = group_sum(own) >= rank;
        // How far the last key up to the middle is from it; or the first of those after it from what follows it.
        const u32 sign = enough ? NONE : 1, zero = enough ? middle : ~middle;
        u32 far = NONE;
#pragma unroll
        for (u32 j = 0; j < OWN; j++) far = least(far, keys[j] * sign + zero);
        far = group_least(far);
        if (enough) {
            to = middle - far;
        } else {
            from = middle + 1 + far;
        }
    }
    return to;
}

// Parks those rows, for which no threshold was found, by their keys: what comes before the key of the last rank wanted, and
// as many as are wanted of those that share it, the first by column. Their values have to be read again. `limits` gets what
// words are less than that lack bits.
ASIDE void park_exactly(const Problem& p, u32 row0, LaneMask rows, u32* slots, u32* firsts, u32* limits) {
    const Canon map = canon_of(p.map);
    while (rows) {
        // The lanes of a group have one of them. Where there is none they go along with another.
        u32 here = first_bit(rows);
        bool live = false;
#pragma unroll
        for (u32 g = 0; g < AT_ONCE; g++) {
            if (rows && lane() / LANES == g) {
                here = first_bit(rows);
                live = true;
            }
            rows &= rows - 1;
        }
        const Row r = row_of(p, row0 + here);
        u32 keys[OWN];
#if FULL
        Vector x[VECTORS] = {};
        load_row(p, row0 + here, x);
        take_row(p, x, keys);
#else
        read_row(p, r, keys);
#endif
#pragma unroll
        for (u32 j = 0; j < OWN; j++) keys[j] = canon(map, keys[j]);
        u32 minima[PARTS];
        part_minima(keys, minima);
        const u32 first = group_least(least(least(minima[0], minima[1]), least(minima[2], minima[3])));
        // Each part has a key that is no greater, and there are as many parts as ranks may be wanted.
        const u32 most_wanted = most(most(minima[0], minima[1]), most(minima[2], minima[3]));
        // Keys are counted from the first. What is not there has the greatest, and others may.
#pragma unroll
        for (u32 j = 0; j < OWN; j++) keys[j] = made(keys[j] - first);
        const u32 last = key_of_rank(keys, most_wanted - first, r.end);
        u32 own = 0, cut = 0;
#pragma unroll
        for (u32 j = 0; j < OWN; j++) own += keys[j] < last;
        if (KEY_BITS < WIDTH) {
            u32 far = NONE;
#pragma unroll
            for (u32 j = 0; j < OWN; j++) far = least(far, last - 1 - keys[j]);
            // Half of all words are for ties, the others for what comes before.
            const u32 bits = 32 - leading_zeros((last - 1 - group_least(far)) | 1);
            cut = bits < KEY_BITS ? 0 : bits - (KEY_BITS - 1);
        }
        const u32 column = lane() % LANES * EACH - r.off, until = group_until(own), before = live ? last : 0;
        park(slots + (until - own) * PARKED + here, [&](u32 j) { return keys[j] < before; },
             [&](u32 j) { return (keys[j] >> cut << COLUMN_BITS) + column + place_of_own(j); });
        const auto is_tied = [&](u32 j) {
            return keys[j] == last && ((FULL && EVEN) || column + place_of_own(j) < r.n);
        };
        u32 have = shuffle(until, lane() | (LANES - 1));
        const u32 end = live ? r.end : 0;
#pragma unroll
        for (u32 v = 0; v < VECTORS; v++) {
            if (!any(have < end)) break;
            u32 ties = 0;
#pragma unroll
            for (u32 i = 0; i < EACH; i++) ties += is_tied(v * EACH + i);
            const u32 upto = group_until(ties);
            u32 at = have + upto - ties;
#pragma unroll
            for (u32 i = 0; i < EACH; i++) {
                const u32 j = v * EACH + i;
                if (!is_tied(j)) continue;
                if (at < end) slots[at * PARKED + here] = TIED + column + place_of_own(j);
                at++;
            }
            have += shuffle(upto, lane() | (LANES - 1));
        }
        if (live && lane() % LANES == 0) {
            firsts[here] = 0;
            if (KEY_BITS < WIDTH) limits[here] = cut > 0 ? TIED : 0;
        }
    }
}
#endif
