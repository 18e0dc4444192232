// What the threads of a block do together: sums, extremes.
#pragma once
#include "element.cuh"

// Shared memory that every kernel begins with.
struct Small {
    u32 sums[WAVES + 1];
    u32 count, picked, above, upto, flag;
    Key keys[WAVES];
    Entry low[WAVES], high[WAVES];
};

DEVICE u32 wave_scan(u32 x) {
#pragma unroll
    for (u32 d = 1; d < WAVE; d *= 2) {
#ifdef ADDS_FROM_BEFORE
        x = add_from_before(x, d);
#else
        const u32 other = shuffle_up(x, d);
        if (lane() >= d) x += other;
#endif
    }
    return x;
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
#ifdef REDUCES
DEVICE u32 wave_least(u32 x) { return reduce_least(x); }
DEVICE u32 wave_most(u32 x) { return reduce_most(x); }
DEVICE u32 wave_sum(u32 x) { return reduce_sum(x); }
#else
DEVICE u32 wave_sum(u32 x) {
#pragma unroll
    for (u32 d = WAVE / 2; d; d /= 2) x += shuffle_xor(x, d);
    return x;
}
#endif
// The sum of x over the threads before this one, and over all.
DEVICE u32 scan(u32 x, u32& all, Small& s) {
    const u32 through = wave_scan(x);
    barrier();
    if (lane() == WAVE - 1) s.sums[wave()] = through;
    barrier();
    // Each lane looks at one wave: there are no more waves than lanes.
    const u32 of_wave = lane() < WAVES ? s.sums[lane()] : 0;
    all = wave_sum(of_wave);
    return wave_sum(lane() < wave() ? of_wave : 0) + through - x;
}
// The least and the greatest over a block.
template <typename T> DEVICE void extremes(T& low, T& high, Small& s) {
    const T a = wave_least(low), b = wave_most(high);
    barrier();
    if (lane() == 0) {
        s.low[wave()] = a;
        s.high[wave()] = b;
    }
    barrier();
    low = wave_least(lane() < WAVES ? T(s.low[lane()]) : a);
    high = wave_most(lane() < WAVES ? T(s.high[lane()]) : b);
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
    return {wave_most(lane() < WAVES ? s.keys[lane()] : Key(0)), wave_least(lane() < WAVES ? Key(s.low[lane()]) : of_wave)};
}
// Bins of a histogram.
#define BINS 2048
#define BINS_LOG 11

// Bins of each thread, side by side.
#define OWN_BINS (BINS / THREADS)

// The bin that holds a rank, from 1, by the counts of each thread's bins: s.picked, with the ranks before it in s.above
// and through it in s.upto. Nothing is changed where there are not so many. Calls also(bin, before, through) for each bin.
template <typename Also> DEVICE void pick_bin(u32 rank, Small& s, const u32 (&counts)[OWN_BINS], Also also) {
    u32 sum = 0, all;
#pragma unroll
    for (u32 j = 0; j < OWN_BINS; j++) sum += counts[j];
    u32 at = scan(sum, all, s);
#pragma unroll
    for (u32 j = 0; j < OWN_BINS; j++) {
        if (at < rank && at + counts[j] >= rank) {
            s.picked = thread() * OWN_BINS + j;
            s.above = at;
            s.upto = at + counts[j];
        }
        also(thread() * OWN_BINS + j, at, at + counts[j]);
        at += counts[j];
    }
    barrier();
}
DEVICE void pick_bin(u32 rank, Small& s, const u32 (&counts)[OWN_BINS]) {
    pick_bin(rank, s, counts, [](u32, u32, u32) {});
}
// Room for `mine` entries in a list whose length is *count: where this thread's begin, and where its wave's end.
struct Room {
    u32 at, end;
};
DEVICE Room reserve(u32 mine, u32* count) {
    const u32 through = wave_scan(mine);
    u32 base = 0;
    if (lane() == WAVE - 1 && through) base = atomic_add(count, through);
    base = shuffle(base, WAVE - 1);
    return {base + through - mine, base + shuffle(through, WAVE - 1)};
}
