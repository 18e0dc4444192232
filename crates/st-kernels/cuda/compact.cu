// Compaction: of each row the elements whose key lies between two, in the order of their columns.
#include "block.cuh"

struct Params {
    Problem p;
    // The keys, both kept.
    u64 low, high;
    // How many elements each part keeps. compact_apply puts a part's at `begins`, if there are any, else a row's
    // at row x cols, and counts them.
    u32* counts;
    const u64* begins;
    u32 parts, part_columns;
};

DEVICE u32 kept(const Params& p, const Row& r, u32 v, u32 from, u32 to) {
    const Vector x = load_part(r, v, from, to);
    const u32 in = inside(r, v, from, to);
    u32 hits = 0;
#pragma unroll
    for (u32 j = 0; j < EACH; j++) {
        const Key key = key_of(p.p.map, element(x, j));
        if ((in >> j & 1) && key >= Key(p.low) && key <= Key(p.high)) hits |= 1u << j;
    }
    return hits;
}

KERNEL(compact_count, Params) {
    Small& s = *reinterpret_cast<Small*>(shared());
    const u32 row = group() / p.parts, part = group() % p.parts;
    const Row r = row_of(p.p, row);
    // Parts of equal columns may reach beyond the row, and beyond 32 bits.
    const u32 from = u32(least(u64(part) * p.part_columns, u64(r.n))), to = from + least(p.part_columns, r.n - from);
    u32 own = 0, all;
    if (from < to) {
        const u32 stop = end_vector(r, to);
        for (u32 v = first_vector(r, from) + thread(); v < stop; v += THREADS) own += count_bits(kept(p, r, v, from, to));
    }
    scan(own, all, s);
    if (thread() == 0) p.counts[group()] = all;
}

KERNEL(compact_apply, Params) {
    Small& s = *reinterpret_cast<Small*>(shared());
    const u32 row = group() / p.parts, part = group() % p.parts;
    const Row r = row_of(p.p, row);
    // Parts of equal columns may reach beyond the row, and beyond 32 bits.
    const u32 from = u32(least(u64(part) * p.part_columns, u64(r.n))), to = from + least(p.part_columns, r.n - from);
    u64 at = p.begins ? p.begins[group()] : u64(row) * p.p.cols;
    u32 have = 0;
    const u32 stop = from < to ? end_vector(r, to) : 0;
    for (u32 base = from < to ? first_vector(r, from) : 0; base < stop; base += THREADS) {
        const u32 v = base + thread();
        u32 hits = v < stop ? kept(p, r, v, from, to) : 0;
        if (!barrier_or(hits != 0)) continue;
        u32 all;
        u64 slot = at + scan(count_bits(hits), all, s);
        at += all;
        have += all;
        while (hits) {
            const u32 j = first_bit(hits);
            hits &= hits - 1;
            const u32 column = column_of(r, v, j);
            p.p.values[slot] = r.x[column];
            p.p.indices[slot] = column;
            slot++;
        }
    }
    if (!p.begins && thread() == 0) p.counts[row] = have;
}
