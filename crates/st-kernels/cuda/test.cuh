// Which elements of vectors reach a threshold, as bits. Floats are compared as such, those of 16 bits in pairs: one
// operation where a key takes five. That is exact for thresholds that are numbers, since all keys of zero count as one.
#pragma once
#include "element.cuh"

struct Test {
    // Raw keys of `limit` at most pass.
    Key limit;
    // How, and the number in the bits of the type, of pairs twice.
    u32 how, bound;
};
#define BY_KEY 0
#define REACH_OR_NAN 1
#define REACH 2
#define STAY 3

// How a problem's floats are compared with a number that is no NaN.
DEVICE u32 how_of(const Problem& p) {
#if defined(COMPARES_PAIRS) || WIDTH == 32
    const u32 can = QUICK | QUICK_HALF;
#else
    const u32 can = QUICK;
#endif
    const bool nan_leads = p.map.nan_first == 0, least = p.quick & QUICK_LEAST;
    if (!(p.quick & can) || (nan_leads && least)) return BY_KEY;
    return least ? STAY : nan_leads ? REACH_OR_NAN : REACH;
}
DEVICE Test test_of(const Problem& p, Key limit) {
    Test t = {limit, BY_KEY, 0};
#if WIDTH == 32 || WIDTH == 16
    t.bound = u32(bits_of(p.map, limit));
    if (WIDTH == 16) t.bound |= t.bound << 16;
    if (limit - Key(p.map.nan_first) > Key(p.map.nan_span)) t.how = how_of(p);
#endif
    return t;
}

#if defined(COMPARES_PAIRS) && WIDTH == 16
// job.with<Compare>(), Compare being how pairs are compared with a pair of bounds; whether they can be. (Not a lambda: NVRTC
// 13.0 takes those with `auto` for the host's.)
template <typename Job> DEVICE bool comparing_pairs(const Problem& p, u32 how, Job& job) {
    switch (how + (p.quick & QUICK_HALF)) {
        case REACH_OR_NAN: Job::template with<BrainsReachOrNan>(job); return true;
        case REACH: Job::template with<BrainsReach>(job); return true;
        case STAY: Job::template with<BrainsStay>(job); return true;
        case REACH_OR_NAN + QUICK_HALF: Job::template with<HalvesReachOrNan>(job); return true;
        case REACH + QUICK_HALF: Job::template with<HalvesReach>(job); return true;
        case STAY + QUICK_HALF: Job::template with<HalvesStay>(job); return true;
        default: return false;
    }
}
#endif

// A bit for each element of MANY vectors that a thread holds.
#define HIT_WORDS(MANY) (WIDTH == 16 ? ((MANY) + 3) / 4 : ((MANY) * EACH + 31) / 32)
template <u32 MANY> struct Hits {
    u32 word[HIT_WORDS(MANY)];
};
// Where the bit of element j of vector u is. Both halves of a word come from one operation, 16 bits apart.
DEVICE constexpr u32 bit_of(u32 u, u32 j) {
    return WIDTH == 16 ? u / 4 * 32 + u % 4 * 4 + j / 2 + j % 2 * 16 : u * EACH + j;
}
// The vector and the element of a bit of word w.
DEVICE u32 vector_of_bit(u32 w, u32 bit) { return WIDTH == 16 ? w * 4 + bit % 16 / 4 : (w * 32 + bit) / EACH; }
DEVICE u32 element_of_bit(u32 bit) { return WIDTH == 16 ? bit % 4 * 2 + bit / 16 : bit % EACH; }
// Of vectors that are THREADS apart, the place of a bit's element.
DEVICE u32 place_of_bit(u32 w, u32 bit) {
    constexpr u32 APART = THREADS * EACH;
#if WIDTH == 16
    // A multiplication moves the vector's bits and the pair's at once.
    return w * 4 * APART + (bit * (APART / 4 + 2) & (APART * 3 | 6)) + bit / 16;
#else
    return vector_of_bit(w, bit) * APART + element_of_bit(bit);
#endif
}
template <u32 MANY> DEVICE bool is_hit(const Hits<MANY>& hits, u32 u, u32 j) {
    return hits.word[bit_of(u, j) / 32] >> (bit_of(u, j) % 32) & 1;
}
template <u32 MANY> DEVICE u32 count_hits(const Hits<MANY>& hits) {
    u32 sum = 0;
#pragma unroll
    for (u32 w = 0; w < HIT_WORDS(MANY); w++) sum += count_bits(hits.word[w]);
    return sum;
}
template <u32 MANY> DEVICE Hits<MANY> hits_but(Hits<MANY> hits, const Hits<MANY>& others) {
#pragma unroll
    for (u32 w = 0; w < HIT_WORDS(MANY); w++) hits.word[w] &= ~others.word[w];
    return hits;
}
template <u32 MANY> DEVICE bool has_hits(const Hits<MANY>& hits) {
    u32 all = 0;
#pragma unroll
    for (u32 w = 0; w < HIT_WORDS(MANY); w++) all |= hits.word[w];
    return all != 0;
}
// The bits of a whole vector, in its word.
DEVICE constexpr u32 bits_of_vector(u32 u) {
    return WIDTH == 16 ? 0x000f000fu << (u % 4 * 4) : ((1u << (EACH % 32)) - 1) << (u * EACH % 32);
}
template <u32 MANY> DEVICE u32 hits_of_vector(const Hits<MANY>& hits, u32 u) {
    return hits.word[bit_of(u, 0) / 32] & bits_of_vector(u);
}
template <u32 MANY> DEVICE void drop_vector(Hits<MANY>& hits, u32 u) { hits.word[bit_of(u, 0) / 32] &= ~bits_of_vector(u); }
// Without those of vector u whose bit in `in`, one for each element, is not set.
template <u32 MANY> DEVICE Hits<MANY> hits_within(Hits<MANY> hits, u32 u, u32 in) {
#pragma unroll
    for (u32 j = 0; j < EACH; j++) {
        if (!(in >> j & 1)) hits.word[bit_of(u, j) / 32] &= ~(1u << (bit_of(u, j) % 32));
    }
    return hits;
}

// Those for which pass(vector, element) is true.
template <u32 MANY, typename Pass> DEVICE Hits<MANY> hits_where(Pass pass) {
    Hits<MANY> hits = {};
#pragma unroll
    for (u32 u = 0; u < MANY; u++) {
#pragma unroll
        for (u32 j = 0; j < EACH; j++) {
            if (pass(u, j)) hits.word[bit_of(u, j) / 32] |= 1u << (bit_of(u, j) % 32);
        }
    }
    return hits;
}
#if WIDTH == 32
DEVICE float float_of(const Vector& x, u32 j) { return as_float(j == 0 ? x.x : j == 1 ? x.y : j == 2 ? x.z : x.w); }
#endif
#if WIDTH == 16
#ifdef COMPARES_PAIRS
// The elements of vectors that reach a bound.
template <u32 MANY> struct VectorHits {
    const Vector (&x)[MANY];
    u32 bound;
    Hits<MANY> hits;
    template <typename Compare> DEVICE void with(VectorHits& job) {
        job.hits = {};
#pragma unroll
        for (u32 u = 0; u < MANY; u++) {
            const u32 words[4] = {job.x[u].x, job.x[u].y, job.x[u].z, job.x[u].w};
#pragma unroll
            for (u32 w = 0; w < 4; w++) {
                job.hits.word[u / 4] |= Compare::of(words[w], job.bound) & (0x00010001u << (u % 4 * 4 + w));
            }
        }
    }
};
#else
DEVICE float float_of(const Vector& x, u32 j) {
    const u32 word = j / 2 == 0 ? x.x : j / 2 == 1 ? x.y : j / 2 == 2 ? x.z : x.w;
    return as_float(j % 2 ? word & 0xffff0000u : word << 16);
}
#endif
#endif

// The elements that pass.
template <u32 MANY> DEVICE Hits<MANY> hits_of(const Problem& p, const Vector (&x)[MANY], const Test& t) {
#if WIDTH == 16 && defined(COMPARES_PAIRS)
    VectorHits<MANY> job = {x, t.bound, {}};
    if (comparing_pairs(p, t.how, job)) return job.hits;
#elif WIDTH == 32 || WIDTH == 16
    const float bound = as_float(WIDTH == 32 ? t.bound : t.bound << 16);
    switch (t.how) {
        case REACH_OR_NAN: return hits_where<MANY>([&](u32 u, u32 j) { return !(float_of(x[u], j) < bound); });
        case REACH: return hits_where<MANY>([&](u32 u, u32 j) { return float_of(x[u], j) >= bound; });
        case STAY: return hits_where<MANY>([&](u32 u, u32 j) { return float_of(x[u], j) <= bound; });
        default: break;
    }
#endif
    return hits_where<MANY>([&](u32 u, u32 j) { return raw_key(p.map, element(x[u], j)) <= t.limit; });
}

// The first key of vectors of which the elements in `in` count, all of them if `full`; some NaN may not count if there
// are others.
template <u32 MANY> DEVICE Key best_of(const Problem& p, const Vector (&x)[MANY], const u32 (&in)[MANY], bool full) {
#if WIDTH == 32
    if (p.quick & QUICK) {
        const float none = as_float(0x7fc00000);
        u32 some = full;
        float best = none;
#pragma unroll
        for (u32 u = 0; u < MANY; u++) {
            some |= in[u];
#pragma unroll
            for (u32 j = 0; j < EACH; j++) {
                const float y = full || (in[u] >> j & 1) ? float_of(x[u], j) : none;
                best = p.quick & QUICK_LEAST ? fminf(best, y) : fmaxf(best, y);
            }
        }
        return some ? key_of(p.map, Bits(as_bits(best))) : ~Key(0);
    }
#endif
    Key best = ~Key(0);
#pragma unroll
    for (u32 u = 0; u < MANY; u++) {
#pragma unroll
        for (u32 j = 0; j < EACH; j++) {
            if (full || (in[u] >> j & 1)) best = least(best, raw_key(p.map, element(x[u], j)));
        }
    }
    return best;
}
