// Elements, their keys, and candidates. WIDTH is the bits of an element.
//
// A key is the code of st_rank::order (which see) turned round, so that the least comes first in the direction
// of the search:
//     key(x) = base - ((x ^ ((x >> sign) & and)) ^ xor)
// Raw keys tell apart the NaN and the two zeros; canon() does not. A candidate is canon above the index: all
// are distinct, and ascending order is the order of the contract.
#pragma once
#include "compat.cuh"

#if WIDTH == 8
typedef u8 Bits;
typedef signed char Signed;
#elif WIDTH == 16
typedef u16 Bits;
typedef short Signed;
#elif WIDTH == 32
typedef u32 Bits;
typedef int Signed;
#else
typedef u64 Bits;
typedef i64 Signed;
#endif

#if WIDTH == 64
typedef u64 Key;
typedef u128 Entry;
#else
typedef u32 Key;
typedef u64 Entry;
#endif

// An index of a result: 64 bits wide where the caller wants them so.
#if defined(WIDE)
typedef u64 Index;
#else
typedef u32 Index;
#endif

// Elements of a vector of 16 bytes.
#define EACH (128 / WIDTH)
#define NO_ENTRY (~Entry(0))

// The layouts are those of st_kernels::cuda::params.
struct Map {
    u64 and_, xor_, base;
    // NaN: nan_first and the nan_span keys after it.
    u64 nan_first, nan_span;
    // The zero of the two that canon() gives, and the other. Both 0 where there are no two.
    u64 zero_first, zero_twin;
};

struct Problem {
    const Bits* x;
    // For each row, or null.
    const u32* lengths;
    Bits* values;
    Index* indices;
    // Set to 1 for a row whose length does not do; may be null.
    u32* status;
    u64 row_stride;
    Map map;
    u32 rows, cols, k, start;
    // Ranks in the middle instead of from start; by rank or by index; short rows are padded; how elements may be
    // compared as floats (QUICK).
    u32 middle, sorted, padded, quick;
};

// Bits of Problem::quick: elements are f32 or bf16; the least are looked for; elements are f16.
#define QUICK 1
#define QUICK_LEAST 2
#define QUICK_HALF 4

DEVICE Key raw_key(const Map& m, Bits bits) {
    const Signed x = Signed(bits);
    const Key wide = Key(x), sign = Key(x >> (WIDTH - 1));
    const Key key = Key(m.base) - ((wide ^ (sign & Key(m.and_))) ^ Key(m.xor_));
#if WIDTH < 32
    return key & ((1u << WIDTH) - 1);
#else
    return key;
#endif
}
DEVICE Key canon(const Map& m, Key raw) {
    if (raw - Key(m.nan_first) <= Key(m.nan_span)) return Key(m.nan_first);
    return raw == Key(m.zero_twin) ? Key(m.zero_first) : raw;
}
#if WIDTH <= 32
// The same by values that are fetched before they may be needed: a function that is not inlined finds its parameters in
// memory, and the compiler would wait for them at each element that is a zero or NaN, one after another.
struct Canon {
    Key nan, span, zero, twin;
};
DEVICE Canon canon_of(const Map& m) {
    return {made(Key(m.nan_first)), made(Key(m.nan_span)), made(Key(m.zero_first)), made(Key(m.zero_twin))};
}
DEVICE Key canon(const Canon& c, Key raw) {
    const Key key = raw == c.twin ? c.zero : raw;
    return raw - c.nan <= c.span ? c.nan : key;
}
#endif
// The last raw key that is the same key as t: raw <= reach(t) is exact without canon().
DEVICE Key reach(const Map& m, Key t) {
    if (t == Key(m.nan_first)) return t + Key(m.nan_span);
    return t == Key(m.zero_first) ? Key(m.zero_twin) : t;
}
// The bits whose raw key this is.
DEVICE Bits bits_of(const Map& m, Key raw) {
    const Key turned = (Key(m.base) - raw) ^ Key(m.xor_);
    const Key sign = Key(0) - (turned >> (WIDTH - 1) & 1);
    return Bits(turned ^ (sign & Key(m.and_)));
}
DEVICE Key key_of(const Map& m, Bits bits) { return canon(m, raw_key(m, bits)); }
// What another block has written.
DEVICE Entry load_entry(const Entry* at) {
#if WIDTH == 64
    const u64* const half = reinterpret_cast<const u64*>(at);
    return Entry(load_fresh(half + 1)) << 64 | load_fresh(half);
#else
    return load_fresh(at);
#endif
}
DEVICE Entry entry_of(Key key, u32 index) { return Entry(key) << 32 | index; }
DEVICE Key entry_key(Entry e) { return Key(e >> 32); }
DEVICE u32 entry_index(Entry e) { return u32(e); }

// Element j of a vector.
DEVICE Bits element(const Vector& v, u32 j) {
#if WIDTH == 64
    return j == 0 ? u64(v.y) << 32 | v.x : u64(v.w) << 32 | v.z;
#else
    const u32 word = j * WIDTH / 32;
    const u32 bits = word == 0 ? v.x : word == 1 ? v.y : word == 2 ? v.z : v.w;
    return Bits(bits >> (j * WIDTH % 32));
#endif
}

// A row, with the ranks [first, end) that are wanted of it.
struct Row {
    const Bits* x;
    // Vectors begin here, `off` elements before the row.
    const Vector* vectors;
    u32 off;
    u32 n, first, end;
    // Its length does not do: it gets no elements, and indices that say so.
    bool bad;
};

DEVICE Row row_of(const Problem& p, u32 row) {
    Row r;
    r.x = p.x + u64(row) * p.row_stride;
    const u64 at = u64(r.x);
    r.vectors = reinterpret_cast<const Vector*>(at & ~u64(15));
    r.off = u32(at % 16) / (WIDTH / 8);
    const u32 given = p.lengths ? p.lengths[row] : p.cols;
    r.n = least(given, p.cols);
    const u32 here = least(p.k, r.n);
    const u32 first = p.middle ? (r.n - here) / 2 : p.start;
    r.first = least(first, r.n);
    r.end = p.k > r.n - r.first ? r.n : r.first + p.k;
    r.bad = given > p.cols || (!p.padded && r.end - r.first < p.k);
    return r;
}

// Vectors that hold the columns [from, to).
DEVICE u32 first_vector(const Row& r, u32 from) { return u32((u64(r.off) + from) / EACH); }
DEVICE u32 end_vector(const Row& r, u32 to) { return u32((u64(r.off) + to + EACH - 1) / EACH); }
// The column of an element of a vector; wraps before the row's first.
DEVICE u32 column_of(const Row& r, u32 vector, u32 j) { return u32(u64(vector) * EACH + j - r.off); }

// A vector, of which elements outside [from, to) read as zero: nothing outside the row is touched.
DEVICE Vector load_part(const Row& r, u32 vector, u32 from, u32 to) {
    const i64 at = i64(u64(vector) * EACH) - r.off;
    if (at >= i64(from) && at + EACH <= i64(to)) return load_stream(r.vectors + vector);
    union {
        Vector v;
        Bits bits[EACH];
    } out;
    for (u32 j = 0; j < EACH; j++) {
        const i64 column = at + j;
        out.bits[j] = column >= i64(from) && column < i64(to) ? r.x[column] : Bits(0);
    }
    return out.v;
}
// Which of a vector's elements lie in [from, to), a bit for each.
DEVICE u32 inside(const Row& r, u32 vector, u32 from, u32 to) {
    const i64 at = i64(u64(vector) * EACH) - r.off;
    const i64 a = i64(from) - at, b = i64(to) - at;
    const u32 all = (1u << EACH) - 1;
    const u32 low = a <= 0 ? 0 : a >= EACH ? all : (1u << a) - 1;
    const u32 high = b <= 0 ? 0 : b >= EACH ? all : (1u << b) - 1;
    return high & ~low;
}

// Writes a candidate's element as the row's result at `slot`: made of its key, unless others share it.
DEVICE void write_key(const Problem& p, const Row& r, u32 row, u32 slot, Key key, u32 index) {
    const u64 at = u64(row) * p.k + slot;
    const bool shared_key = (p.map.nan_span && key == Key(p.map.nan_first)) ||
                            (p.map.zero_twin != p.map.zero_first && key == Key(p.map.zero_first));
    p.values[at] = shared_key ? r.x[index] : bits_of(p.map, key);
    p.indices[at] = index;
}
// The same by its column alone.
DEVICE void write_slot(const Problem& p, const Row& r, u32 row, u32 slot, u32 index) {
    const u64 at = u64(row) * p.k + slot;
    p.values[at] = r.x[index];
    p.indices[at] = index;
}
// What a short row lacks, and all of a bad one.
DEVICE void write_rest(const Problem& p, const Row& r, u32 row) {
    if (r.bad && p.status && thread() == 0) *p.status = 1;
    const u32 have = r.bad ? 0 : r.end - r.first;
    for (u32 slot = have + thread(); slot < p.k; slot += THREADS) {
        const u64 at = u64(row) * p.k + slot;
        p.values[at] = Bits(0);
        p.indices[at] = ~Index(0);
    }
}
