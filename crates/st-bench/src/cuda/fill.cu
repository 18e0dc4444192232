// Fills rows with a pattern's elements, each from its place alone: the peers' inputs, not bit for bit but drawn the
// same way. PATTERN and DTYPE, and their values by name, are defined by whoever compiles.
#include "compat.cuh"

struct Params {
    void* at;
    u64 elements;
    u32 cols, copy;
};

// Chris Wellons' lowbias32.
DEVICE u32 hash(u32 x) {
    x ^= x >> 16;
    x *= 0x7feb352du;
    x ^= x >> 15;
    x *= 0x846ca68bu;
    x ^= x >> 16;
    return x;
}
// The draw-th random word of an element.
DEVICE u32 random(u64 element, u32 draw, u32 copy) {
    const u32 high = u32(element >> 32);
    return hash(u32(element) ^ hash(copy * 8 + draw + 0x9e3779b9u + high * 0x85ebca6bu));
}
// In (0, 1].
DEVICE float unit(u64 element, u32 draw, u32 copy) {
    return (float(random(element, draw, copy)) + 1.0f) * 2.3283064e-10f;
}
// Box and Muller. A logarithm may be a little above 0 at 1.
DEVICE float normal(u64 element, u32 copy) {
    const float radius = sqrtf(fmaxf(-2.0f * logf(unit(element, 0, copy)), 0.0f));
    return radius * cosf(6.2831853f * unit(element, 1, copy));
}
DEVICE float value(u64 element, u32 cols, u32 copy) {
    const u32 column = u32(element % cols);
    switch (PATTERN) {
        case NORMAL: return normal(element, copy);
        case UNIFORM: return float(random(element, 0, copy) >> 8) * 5.9604645e-8f;
        case TIES: return float(random(element, 0, copy) >> 29);
        case RADIXADV: return as_float(0x3f800000u + (random(element, 0, copy) >> 20));
        case RELU: return fmaxf(normal(element, copy) - 1.0f, 0.0f);
        case PIVOT: return column % (cols / 40 > 1 ? cols / 40 : 1) == 0 ? 2.0f : 1.0f;
        case BLOCKASC: return normal(element, copy) + float(column / 4096);
        case LASTWIN: return normal(element, copy) + (column + 4096 >= cols ? 20.0f : 0.0f);
        case SORTED: return float(column);
        default: return 1.0f;
    }
}
// As bfloat16, rounded to the nearest, ties to even. No pattern has NaN.
DEVICE u16 bfloat(float x) {
    const u32 bits = as_bits(x);
    return u16((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}
// As binary16, likewise; what is too small for its normal numbers becomes zero.
DEVICE u16 half_of(float x) {
    const u32 bits = as_bits(x), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffffu;
    if (magnitude < 0x38800000u) return u16(sign);
    const u32 rounded = magnitude - 0x38000000u + 0xfff + (magnitude >> 13 & 1);
    return u16(sign | least(rounded >> 13, 0x7c00u));
}

KERNEL(fill, Params) {
    const u64 step = u64(groups()) * THREADS;
    for (u64 i = u64(group()) * THREADS + thread(); i < p.elements; i += step) {
        const float x = value(i, p.cols, p.copy);
#if DTYPE == F32
        reinterpret_cast<float*>(p.at)[i] = x;
#elif DTYPE == BF16
        reinterpret_cast<u16*>(p.at)[i] = bfloat(x);
#elif DTYPE == F16
        reinterpret_cast<u16*>(p.at)[i] = half_of(x);
#else
        int n = int(x * 1048576.0f);
        if (PATTERN == SORTED) n = int(i % p.cols);
        if (PATTERN == RADIXADV) n = int(random(i, 0, p.copy) >> 20);
        if (PATTERN == BLOCKASC) n = int(x * 1024.0f);
        reinterpret_cast<u32*>(p.at)[i] = u32(n) ^ (DTYPE == U32 ? 0x80000000u : 0);
#endif
    }
}
