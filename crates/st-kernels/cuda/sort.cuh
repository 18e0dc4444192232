// Ordering candidates in device memory by key. They come in the order of their columns, so that a stable sort by
// key, digit by digit from the least, gives the order of the contract.
#pragma once
#include "block.cuh"

#define DIGIT_BITS 8
#define DIGIT_BINS 256

struct SortParams {
    Problem p;
    // p.k candidates for each row; those that are sorted by the digits before, and where they go.
    const Entry* from;
    Entry* to;
    // For each row, digit and part: how many there are, then where they go.
    u32* counts;
    u32 parts, part_entries;
    // The digit's place; whether it is the last.
    u32 shift, last;
};

DEVICE u32 digit_of(Entry e, u32 shift) { return u32(entry_key(e) >> shift) % DIGIT_BINS; }

DEVICE void count_entries(const SortParams& p, u32 block) {
    u32* const bins = reinterpret_cast<u32*>(shared());
    const u32 row = block / p.parts, part = block % p.parts;
    const Row r = row_of(p.p, row);
    const u32 many = r.bad ? 0 : r.end - r.first;
    for (u32 i = thread(); i < DIGIT_BINS; i += THREADS) bins[i] = 0;
    barrier();
    const Entry* const list = p.from + u64(row) * p.p.k;
    const u32 from = least(part * p.part_entries, many), to = least(from + p.part_entries, many);
    for (u32 i = from + thread(); i < to; i += THREADS) atomic_add(&bins[digit_of(list[i], p.shift)], 1);
    barrier();
    u32* const counts = p.counts + u64(row) * DIGIT_BINS * p.parts;
    for (u32 i = thread(); i < DIGIT_BINS; i += THREADS) counts[u64(i) * p.parts + part] = bins[i];
}

DEVICE void scan_counts(const SortParams& p, u32 row) {
    Small& s = *reinterpret_cast<Small*>(shared());
    u32* const counts = p.counts + u64(row) * DIGIT_BINS * p.parts;
    u32 before = 0, all;
    for (u32 base = 0; base < DIGIT_BINS * p.parts; base += THREADS) {
        const u32 i = base + thread();
        const u32 own = i < DIGIT_BINS * p.parts ? counts[i] : 0;
        const u32 at = before + scan(own, all, s);
        if (i < DIGIT_BINS * p.parts) counts[i] = at;
        before += all;
    }
}

DEVICE void scatter_entries(const SortParams& p, u32 block) {
    // Where the next of each digit goes, and how many of it each wave has.
    u32* const next = reinterpret_cast<u32*>(shared());
    u32* const waves = next + DIGIT_BINS;
    const u32 row = block / p.parts, part = block % p.parts;
    const Row r = row_of(p.p, row);
    const u32 many = r.bad ? 0 : r.end - r.first;
    const Entry* const list = p.from + u64(row) * p.p.k;
    Entry* const out = p.to + u64(row) * p.p.k;
    const u32* const counts = p.counts + u64(row) * DIGIT_BINS * p.parts;
    for (u32 i = thread(); i < DIGIT_BINS; i += THREADS) next[i] = counts[u64(i) * p.parts + part];
    const u32 from = least(part * p.part_entries, many), to = least(from + p.part_entries, many);
    for (u32 base = from; base < to; base += THREADS) {
        for (u32 i = thread(); i < WAVES * DIGIT_BINS; i += THREADS) waves[i] = 0;
        barrier();
        const u32 i = base + thread();
        const bool live = i < to;
        const Entry e = live ? list[i] : 0;
        const u32 digit = digit_of(e, p.shift);
        // The lanes of this wave with the same digit.
        LaneMask same = ballot(live);
#pragma unroll
        for (u32 bit = 0; bit < DIGIT_BITS; bit++) {
            const LaneMask set = ballot(digit >> bit & 1);
            same &= digit >> bit & 1 ? set : ~set;
        }
        const u32 rank = count_bits(same & before());
        if (live && rank == 0) waves[wave() * DIGIT_BINS + digit] = count_bits(same);
        barrier();
        for (u32 d = thread(); d < DIGIT_BINS; d += THREADS) {
            u32 at = next[d];
            for (u32 w = 0; w < WAVES; w++) {
                const u32 own = waves[w * DIGIT_BINS + d];
                waves[w * DIGIT_BINS + d] = at;
                at += own;
            }
            next[d] = at;
        }
        barrier();
        if (live) {
            const u32 slot = waves[wave() * DIGIT_BINS + digit] + rank;
            if (p.last) {
                write_key(p.p, r, row, slot, entry_key(e), entry_index(e));
            } else {
                out[slot] = e;
            }
        }
        barrier();
    }
}
