// Rows of 16-bit floats, which are compared two at a time. See group.cu.
#pragma once
#include "group.cuh"
#include "test.cuh"

#if defined(COMPARES_PAIRS) && FLOATS && FULL && NETWORK < 2
#define PAIRED
// Pairs of a lane; of a vector.
#define OWN_PAIRS (OWN / 2)
#define PAIRS_EACH (EACH / 2)
typedef u32 Pairs[OWN_PAIRS];

// The bit of a lane's element in a mask: of pair w those of its halves are w and w + 16.
DEVICE constexpr u32 bit_of_own(u32 j) { return j / 2 + j % 2 * 16; }
DEVICE u32 own_of_bit(u32 bit) { return bit % 16 * 2 + bit / 16; }

// Four columns in bytes, or the first of them where they take more.
DEVICE u32 four_columns(u32 first) { return LANES == 8 ? first * 0x01010101 + 0x03020100 : first; }
// A word of element j, of whose pair the bits are such that less comes first, above its column, of which `columns` are given.
// Words of bytes alone take one operation: the column stands twice in them.
DEVICE u32 pair_word(u32 pair, u32 j, u32 columns) {
#if LANES == 8
    const u32 own = 4 + j % 4;
    return bytes_of(pair, columns, (j % 2 ? 0x3200 : 0x1000) | own << 4 | own);
#else
    return (j % 2 ? pair >> 16 : pair & 0xffff) << COLUMN_BITS | (columns + j % 4);
#endif
}
DEVICE u32 half_of_word(u32 word) { return word >> (LANES == 8 ? 16 : COLUMN_BITS); }

DEVICE void make_pairs(const Vector (&x)[VECTORS], Pairs& pairs) {
#pragma unroll
    for (u32 j = 0; j < VECTORS; j++) {
        pairs[j * PAIRS_EACH] = x[j].x;
        pairs[j * PAIRS_EACH + 1] = x[j].y;
        pairs[j * PAIRS_EACH + 2] = x[j].z;
        pairs[j * PAIRS_EACH + 3] = x[j].w;
    }
}

// The least keys of a lane's parts.
struct PairMinima {
    const Map& m;
    const Pairs& pairs;
    u32 of[PARTS];
    template <typename Better> DEVICE void with(PairMinima& job) {
#pragma unroll
        for (u32 g = 0; g < PARTS; g++) {
            u32 best = job.pairs[g * (OWN_PAIRS / PARTS)];
#pragma unroll
            for (u32 w = 1; w < OWN_PAIRS / PARTS; w++) best = Better::of(best, job.pairs[g * (OWN_PAIRS / PARTS) + w]);
            job.of[g] = least(raw_key(job.m, Bits(best)), raw_key(job.m, Bits(best >> 16)));
        }
    }
};
DEVICE void find_minima(const Problem& p, u32 how, PairMinima& job) {
    switch (how + (p.quick & QUICK_HALF)) {
        case REACH_OR_NAN: PairMinima::with<BrainsMostOrNan>(job); break;
        case REACH: PairMinima::with<BrainsMost>(job); break;
        case REACH_OR_NAN + QUICK_HALF: PairMinima::with<HalvesMostOrNan>(job); break;
        case REACH + QUICK_HALF: PairMinima::with<HalvesMost>(job); break;
        case STAY + QUICK_HALF: PairMinima::with<HalvesLeast>(job); break;
        default: PairMinima::with<BrainsLeast>(job);
    }
}
// The pairs' halves that reach a bound.
struct PairHits {
    const Pairs& pairs;
    u32 bound, mask;
    template <typename Compare> DEVICE void with(PairHits& job) {
#pragma unroll
        for (u32 w = 0; w < OWN_PAIRS; w++) job.mask |= Compare::of(job.pairs[w], job.bound) & (0x00010001u << w);
    }
};

// A threshold for the group's row of floats; f.mask has the lane's elements that reach it.
DEVICE Found find_floats(const Problem& p, u32 how, Pairs& pairs, u32 n, u32 needed) {
    const Map& m = p.map;
    // The last vector is not there for every lane.
    u32 there = 0x00010001u * ((1u << OWN_PAIRS) - 1);
    if (!is_there(p, VECTORS - 1)) {
        there &= 0x00010001u * ((1u << (OWN_PAIRS - PAIRS_EACH)) - 1);
        const u32 worst = bits_of(m, 0xffff);
#pragma unroll
        for (u32 w = OWN_PAIRS - PAIRS_EACH; w < OWN_PAIRS; w++) pairs[w] = worst << 16 | worst;
    }
    PairMinima minima = {m, pairs, {}};
    find_minima(p, how, minima);
    return search(minima.of, key_of_zero(m), u32(m.nan_span), n, needed, [&](u32 at, u32& mask) {
        if (at >= LAST_KEY) {
            mask = there;
        } else {
            const u32 half = bits_of(m, at);
            PairHits job = {pairs, half << 16 | half, 0};
            comparing_pairs(p, how, job);
            mask = job.mask & there;
        }
        return count_bits(mask);
    }, [&](u32 from) {
        return least_key(from, [&](u32 j) {
            return there >> bit_of_own(j) & 1 ? u32(raw_key(m, Bits(pairs[j / 2] >> (j % 2 * 16)))) : NONE;
        });
    });
}
#endif
