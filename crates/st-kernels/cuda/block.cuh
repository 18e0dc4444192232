// What the threads of a block do together: sums, extremes.
#pragma once
#include "element.cuh"

// Shared memory that every kernel begins with.
struct Small {
    u32 sums[WAVES + 1];
    u32 count, picked, above, upto, flag;
    Key keys[WAVES];
    Entry low[WAVES], high[WAVES];
    Entry lowest, highest;
};

DEVICE u32 wave_scan(u32 x) {
#pragma unroll
    for (u32 d = 1; d < WAVE; d *= 2) {
        const u32 other = shuffle_up(x, d);
        if (lane() >= d) x += other;
    }
    return x;
}
// The sum of x over the threads before this one, and over all.
DEVICE u32 scan(u32 x, u32& all, Small& s) {
    const u32 through = wave_scan(x);
    barrier();
    if (lane() == WAVE - 1) s.sums[wave()] = through;
    barrier();
    u32 before_wave = 0, total = 0;
#pragma unroll
    for (u32 w = 0; w < WAVES; w++) {
        if (w < wave()) before_wave += s.sums[w];
        total += s.sums[w];
    }
    all = total;
    return before_wave + through - x;
}
template <typename T> DEVICE T wave_least(T x) {
#pragma unroll
    for (u32 d = WAVE / 2; d; d /= 2) x = least(x, shuffle_xor(x, d));
    return x;
}
template <typename T> DEVICE T wave_most(T x) {
#pragma unroll
    for (u32 d = WAVE / 2; d; d /= 2) x = most(x, shuffle_xor(x, d));
    return x;
}
// The least and the greatest over a block.
DEVICE void extremes(Entry& low, Entry& high, Small& s) {
    const Entry a = wave_least(low), b = wave_most(high);
    barrier();
    if (lane() == 0) {
        s.low[wave()] = a;
        s.high[wave()] = b;
    }
    barrier();
    low = s.low[0];
    high = s.high[0];
#pragma unroll
    for (u32 w = 1; w < WAVES; w++) {
        low = least(low, s.low[w]);
        high = most(high, s.high[w]);
    }
}
// One key of each lane in ascending order.
DEVICE Key wave_sort(Key x) {
#pragma unroll
    for (u32 size = 2; size <= WAVE; size *= 2) {
#pragma unroll
        for (u32 d = size / 2; d; d /= 2) {
            const Key other = shuffle_xor(x, d);
            const bool low = ((lane() & d) == 0) == ((lane() & size) == 0);
            x = low ? least(x, other) : most(x, other);
        }
    }
    return x;
}
struct Guess {
    Key bound, first;
};
// A key that at least `rank` threads' `best` reach, and the first of all.
DEVICE Guess guess(Key best, u32 rank, Small& s) {
    // Each wave has `own` lanes whose best reach its threshold, so that all waves together have as many.
    const u32 own = ceil_div(rank, WAVES);
    const Key sorted = wave_sort(best);
    const Key of_wave = shuffle(sorted, 0);
    barrier();
    if (lane() == own - 1) s.keys[wave()] = sorted;
    if (lane() == 0) s.low[wave()] = of_wave;
    if (thread() == 0) s.count = 0;
    barrier();
    Guess g = {s.keys[0], Key(s.low[0])};
#pragma unroll
    for (u32 w = 1; w < WAVES; w++) {
        g.bound = most(g.bound, s.keys[w]);
        g.first = least(g.first, Key(s.low[w]));
    }
    return g;
}
// Bins of a histogram.
#define BINS 2048
#define BINS_LOG 11

// The bin that holds a rank, from 1, by counts that read(bin) gives: s.picked, with the ranks before it in s.above and
// through it in s.upto. read is called once for each bin.
template <typename Read> DEVICE void pick_bin(u32 rank, Small& s, Read read) {
    constexpr u32 OWN = BINS / THREADS;
    u32 counts[OWN], sum = 0, all;
#pragma unroll
    for (u32 j = 0; j < OWN; j++) {
        counts[j] = read(thread() * OWN + j);
        sum += counts[j];
    }
    u32 at = scan(sum, all, s);
#pragma unroll
    for (u32 j = 0; j < OWN; j++) {
        if (at < rank && at + counts[j] >= rank) {
            s.picked = thread() * OWN + j;
            s.above = at;
            s.upto = at + counts[j];
        }
        at += counts[j];
    }
    barrier();
}
// Room for `mine` entries in a list whose length is *count: where this thread's begin.
DEVICE u32 reserve(u32 mine, u32* count) {
    const u32 through = wave_scan(mine);
    u32 base = 0;
    if (lane() == WAVE - 1 && through) base = atomic_add(count, through);
    return shuffle(base, WAVE - 1) + through - mine;
}
