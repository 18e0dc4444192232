// What the blocks of a cluster, which have a row's parts, do with their lists: take one another's, or share out the candidates. See
// block.cu.
#pragma once
#include "order.cuh"

#if CLUSTER > 1
// Adds the lists of a cluster's other blocks to this one's, if all of them fit: how many there are, or 0.
DEVICE u32 take_lists(const Bench& b, u32 parts, u32 part) {
    cluster_barrier();
    const u32 count = lane() < parts ? *of_block(&b.s->count, lane()) : 0, all = wave_sum(count);
    if (all <= CAPACITY) {
        // Own entries stay where the others read them. Waves share out the other blocks, so that all are read at once.
        const u32 others = parts - 1;
        for (u32 q = wave() % others; q < others; q += WAVES) {
            const u32 other = (part + 1 + q) % parts, theirs = shuffle(count, other);
            const u32 member = wave() / others, members = WAVES > others ? (WAVES - 1 - q) / others + 1 : 1;
            // Behind one's own and those of the blocks between.
            const u32 between = (lane() + parts - part) % parts;
            const u32 at = wave_sum(lane() < parts && between <= q ? count : 0);
            const Key* const keys = of_block(b.keys, other);
            const u32* const columns = of_block(b.columns, other);
#pragma unroll 4
            for (u32 i = member * WAVE + lane(); i < theirs; i += members * WAVE) put(b, at + i, keys[i], columns[i]);
        }
    }
    // Nobody changes what others still read, or ends.
    cluster_barrier();
    return all <= CAPACITY ? all : 0;
}
#endif

#if CLUSTER > 2 && MODE == 1
// Blocks give one another candidates by their keys: each has those between two keys that the sample tells. Two blocks do not: it took
// them longer to give half of their lists away than to take one another's (64x65536, k 2048, 16.7 us instead of 16.0).
#define SHARES_OUT
// Candidates of each thread that a block gives away, at most: they wait in registers.
#define MOST_SENT 8
struct alignas(16) Shares {
    // The last key of each block's share, and the threshold, as nth() finds them; what comes behind the last but one is the last
    // block's.
    Key bounds[CLUSTER];
    // Candidates that are as good as the threshold lie behind all others: they go to the last block, if they are wanted.
    Key threshold;
    // Candidates for each block, and those last ones: of this block, and of each.
    u32 sent[CLUSTER + 1], counts[CLUSTER + 1][CLUSTER];
};
#define SHARES_BYTES sizeof(Shares)
// Where candidates go that are as good as the threshold, and those that are none; more than there are such places.
#define LAST CLUSTER
#define NOWHERE (CLUSTER + 1)
#define PLACES (2 * CLUSTER)
#define NOT_GIVEN (~0u)
DEVICE Shares& shares(const Bench& b) { return *reinterpret_cast<Shares*>(behind(b)); }
// What a block has of a row's candidates: how many, and how many come before them, of all.
struct Share {
    u32 count, before, all;
    bool fits;
};
// Gives each block of a cluster its share of all lists, if these have what is wanted, every block can, and every share fits: else
// nothing is changed. cluster_arrive() was called before.
DEVICE Share share_out(const Bench& b, u32 part, u32 wanted) {
    Shares& own = shares(b);
    const u32 count = b.s->count;
    if (thread() <= CLUSTER) own.sent[thread()] = count > MOST_SENT * THREADS ? CAPACITY + 1 : 0;
    barrier();
    // Loops end early because code that runs once is waited for.
    Key keys[MOST_SENT];
    u32 columns[MOST_SENT], places[MOST_SENT];
#pragma unroll
    for (u32 j = 0; j < MOST_SENT; j++) {
        if (j * THREADS >= count) break;
        const u32 i = j * THREADS + thread();
        u32 to = NOWHERE;
        if (i < count) {
            keys[j] = b.keys[i];
            columns[j] = b.columns[i];
            to = 0;
#pragma unroll
            for (u32 c = 0; c < CLUSTER - 1; c++) to += keys[j] > own.bounds[c];
            if (keys[j] == own.threshold) to = LAST;
        }
        // One addition of a wave for each block.
        u32 mine = 0, at = 0;
#pragma unroll
        for (u32 c = 0; c <= CLUSTER; c++) {
            const LaneMask same = ballot(to == c);
            if (lane() == c) mine = count_bits(same);
            if (to == c) at = count_bits(same & before());
        }
        u32 begin = 0;
        if (mine) begin = atomic_add(&own.sent[lane()], mine);
        at += shuffle(begin, least(to, u32(LAST)));
        places[j] = at * PLACES + to;
    }
    barrier();
    // All blocks have begun.
    cluster_wait();
    for (u32 i = thread(); i < (CLUSTER + 1) * CLUSTER; i += THREADS) {
        *of_block(&own.counts[i / CLUSTER][part], i % CLUSTER) = own.sent[i / CLUSTER];
    }
    cluster_barrier();
    // A lane for each block, and one for the last candidates: how many there are, and how many of earlier blocks.
    u32 all = 0, earlier = 0;
    if (lane() <= CLUSTER) {
#pragma unroll
        for (u32 c = 0; c < CLUSTER; c++) {
            const u32 its = own.counts[lane()][c];
            if (c < part) earlier += its;
            all += its;
        }
    }
    Share share;
    share.all = wave_sum(all);
    // Blocks give their last candidates as long as the better ones, and those of earlier blocks, which come first, are too few.
    const u32 better = wave_sum(lane() < CLUSTER ? all : 0);
    u32 given = 0, seen = better;
#pragma unroll
    for (u32 c = 0; c < CLUSTER; c++) {
        const u32 its = own.counts[LAST][c];
        if (seen < wanted) given += its;
        if (c == part && seen >= wanted && lane() == LAST) earlier = NOT_GIVEN;
        seen += its;
    }
    if (lane() == CLUSTER - 1) all += given;
    const u32 behind_better = shuffle(all, CLUSTER - 1) - given;
    if (lane() == LAST && earlier != NOT_GIVEN) earlier += behind_better;
    share.count = shuffle(all, part);
    share.before = wave_sum(lane() < part ? all : 0);
    share.fits = share.all >= wanted && !any(lane() < CLUSTER && all > CAPACITY);
    if (!share.fits) return share;
#pragma unroll
    for (u32 j = 0; j < MOST_SENT; j++) {
        if (j * THREADS >= count) break;
        const u32 to = places[j] % PLACES, begin = shuffle(earlier, least(to, u32(LAST)));
        if (to == NOWHERE || begin == NOT_GIVEN) continue;
        const u32 target = least(to, u32(CLUSTER - 1)), slot = begin + places[j] / PLACES;
        of_block(b.keys, target)[slot] = keys[j];
        of_block(b.columns, target)[slot] = columns[j];
    }
    cluster_barrier();
    return share;
}
#else
#define SHARES_BYTES 0
#endif
