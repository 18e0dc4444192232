// Whether elements reach a threshold, quickly: floats are compared as such where they are, by one operation instead of
// five.
#pragma once
#include "element.cuh"

struct Test {
    Key limit;
    float bound;
    u32 quick;
};
// Of raw keys of `limit` at most.
DEVICE Test test_of(const Problem& p, Key limit) {
#if WIDTH == 32
    return {limit, as_float(u32(bits_of(p.map, limit))), p.quick};
#elif WIDTH == 16
    return {limit, as_float(u32(bits_of(p.map, limit)) << 16), p.quick};
#else
    return {limit, 0.0f, 0};
#endif
}
#if WIDTH == 32 || WIDTH == 16
// Element j of a vector as a float.
DEVICE float float_of(const Vector& x, u32 j) {
    const u32 at = j * WIDTH / 32;
    const u32 word = at == 0 ? x.x : at == 1 ? x.y : at == 2 ? x.z : x.w;
    return as_float(WIDTH == 32 ? word : j % 2 ? word & 0xffff0000u : word << 16);
}
#endif
// Whether any element of some vectors passes. Every NaN may.
template <u32 MANY> DEVICE bool may_hit(const Problem& p, const Vector (&x)[MANY], const Test& t) {
    bool hit = false;
#if WIDTH == 32 || WIDTH == 16
    if (t.quick == QUICK) {
#pragma unroll
        for (u32 u = 0; u < MANY; u++) {
#pragma unroll
            for (u32 j = 0; j < EACH; j++) hit |= !(float_of(x[u], j) < t.bound);
        }
        return hit;
    }
    if (t.quick) {
#pragma unroll
        for (u32 u = 0; u < MANY; u++) {
#pragma unroll
            for (u32 j = 0; j < EACH; j++) hit |= !(float_of(x[u], j) > t.bound);
        }
        return hit;
    }
#endif
#pragma unroll
    for (u32 u = 0; u < MANY; u++) {
#pragma unroll
        for (u32 j = 0; j < EACH; j++) hit |= raw_key(p.map, element(x[u], j)) <= t.limit;
    }
    return hit;
}
