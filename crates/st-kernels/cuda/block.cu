// A block for each row, or for each part of a row: what may be wanted goes to a list in shared memory, which is
// ordered at the end. MODE says how the list is made:
//   0  all of the row, which must fit;
//   1  what reaches a threshold, which is a rank of a sample, in one read (ties: see filter());
//   2  exactly, digit by digit;
//   3  as 1, of a row that the block's registers hold, which is its own sample.
// Of several parts the last to be done merges the lists, which lie in device memory.
#include "exact.cuh"
#include "test.cuh"

// Vectors of a thread in flight; of its sample.
#ifndef FLIGHT
#define FLIGHT 1
#endif
#ifndef SAMPLE
#define SAMPLE 1
#endif

struct Params {
    Problem p;
    // CAPACITY candidates for each part, how many each row has of them, how many parts are done. The counts are 0
    // before the first launch, and after each.
    Entry* lists;
    u32 *counts, *done;
    u32 parts, part_columns;
    // The rank in the sample of a row of all columns.
    u32 sample_rank;
};

// A key that at least `rank` of the keys reach that all threads hold; `best` is the first of this thread's. Of the keys
// that reach a first guess, it is the one of that rank.
template <u32 MANY> DEVICE Key nth(const Problem& p, const Key (&keys)[MANY], Key best, u32 rank, const Bench& b) {
    Small& s = *b.s;
    const Guess g = guess(best, rank, s);
    const Key bound = g.bound, top = g.first;
    // The keys better than that bound, of which the one of the rank is the threshold.
    Key* const found = reinterpret_cast<Key*>(b.list);
    constexpr u32 ROOM = CAPACITY * u32(sizeof(Entry) / sizeof(Key));
    u32 mine = 0;
#pragma unroll
    for (u32 i = 0; i < MANY; i++) mine += keys[i] < bound;
    if (any(mine != 0)) {
        u32 at = reserve(mine, &s.count);
#pragma unroll
        for (u32 i = 0; i < MANY; i++) {
            if (keys[i] < bound) {
                if (at < ROOM) found[at] = keys[i];
                at++;
            }
        }
    }
    barrier();
    const u32 count = s.count;
    if (count < rank || count > ROOM) {
        barrier();
        return bound;
    }
    if (count <= FEW) {
        for (u32 i = thread(); i < count; i += THREADS) {
            const Key key = found[i];
            u32 less = 0, reached = 0;
            for (u32 j = 0; j < count; j++) {
                less += found[j] < key;
                reached += found[j] <= key;
            }
            // All that satisfy this are the same key.
            if (less < rank && rank <= reached) s.keys[0] = key;
        }
        barrier();
        const Key threshold = s.keys[0];
        barrier();
        return threshold;
    }
    clear_bins(b);
    barrier();
    const u32 bits = u32(sizeof(Key) * 8) - leading_zeros((bound - top) | 1);
    const u32 shift = bits > BINS_LOG ? bits - BINS_LOG : 0;
    for (u32 i = thread(); i < count; i += THREADS) atomic_add(&b.bins[u32((found[i] - top) >> shift)], 1);
    barrier();
    begin_bins(b);
    for (u32 i = thread(); i < BINS; i += THREADS) {
        const u32 start = b.bins[i], stop = i + 1 < BINS ? b.bins[i + 1] : count;
        // The last key of the bin that holds the rank.
        if (start < rank && rank <= stop) {
            const Key width = (Key(i) << shift) + ((Key(1) << shift) - 1);
            s.keys[0] = bound - top > width ? top + width : bound;
        }
    }
    barrier();
    const Key threshold = canon(p.map, s.keys[0]);
    barrier();
    return threshold;
}

// The threshold: a key that at least `rank` of the sampled keys reach.
DEVICE Key sampled(const Problem& p, const Row& r, u32 rank, const Bench& b) {
    Key keys[SAMPLE * EACH], best = ~Key(0);
    const u32 all = end_vector(r, r.n);
#pragma unroll
    for (u32 j = 0; j < SAMPLE; j++) {
        // Neighbours go to different waves, so that rows in order load none of them more than others.
        const u32 at = j * THREADS + lane() * WAVES + wave();
        const u32 v = u32(u64(at) * all / (SAMPLE * THREADS));
        const bool whole = v > 0 && v + 1 < all;
        const Vector x = whole ? load_stream(r.vectors + v) : load_part(r, v, 0, r.n);
        const u32 in = whole ? ~0u : inside(r, v, 0, r.n);
#pragma unroll
        for (u32 i = 0; i < EACH; i++) {
            const Key key = in >> i & 1 ? key_of(p.map, element(x, i)) : ~Key(0);
            keys[j * EACH + i] = key;
            best = least(best, key);
        }
    }
    return nth(p, keys, best, rank, b);
}

// Bits of the elements that a thread has in flight.
#if FLIGHT * EACH > 32
typedef u64 Hits;
#else
typedef u32 Hits;
#endif

// Adds the elements of [from, to), from the vector `start` on, whose raw key is `limit` at most to the list; ends
// soon after it is full.
DEVICE void sweep(const Problem& p, const Row& r, u32 from, u32 to, u32 start, Key limit, const Bench& b) {
    Small& s = *b.s;
    const Test test = test_of(p, limit);
    // Vectors that lie wholly in the row need no questions; at most two do not.
    const u32 stop = end_vector(r, to);
    const u32 whole_from = most(start, u32((u64(r.off) + from + EACH - 1) / EACH));
    const u32 whole_to = most(whole_from, u32((u64(r.off) + to) / EACH));
    if (wave() == 0) {
        const u32 ends[2] = {start, stop - 1};
        u32 hits = 0, v = 0;
        if (lane() < 2 && start < stop) {
            v = ends[lane()];
            const bool twice = lane() == 1 && stop - 1 == start;
            if ((v < whole_from || v >= whole_to) && !twice) {
                const Vector x = load_part(r, v, from, to);
                const u32 in = inside(r, v, from, to);
                for (u32 j = 0; j < EACH; j++) {
                    if ((in >> j & 1) && raw_key(p.map, element(x, j)) <= limit) hits |= 1u << j;
                }
            }
        }
        append(p, r, b, hits, [&](u32 j) { return column_of(r, v, j); });
    }
    for (u32 base = whole_from; base < whole_to; base += THREADS * FLIGHT) {
        Vector x[FLIGHT];
        const bool full = base + THREADS * FLIGHT <= whole_to;
        if (full) {
#pragma unroll
            for (u32 u = 0; u < FLIGHT; u++) x[u] = load_stream(r.vectors + base + u * THREADS + thread());
        } else {
#pragma unroll
            for (u32 u = 0; u < FLIGHT; u++) {
                const u32 v = base + u * THREADS + thread();
                x[u] = load_stream(r.vectors + (v < whole_to ? v : whole_to - 1));
            }
        }
        if (!any(may_hit(p, x, test))) continue;
        Hits hits = 0;
#pragma unroll
        for (u32 u = 0; u < FLIGHT; u++) {
            u32 own = 0;
#pragma unroll
            for (u32 j = 0; j < EACH; j++) own |= (raw_key(p.map, element(x[u], j)) <= limit ? 1u : 0u) << j;
            if (!full && base + u * THREADS + thread() >= whole_to) own = 0;
            hits |= Hits(own) << (u * EACH);
        }
        const u32 at = append(p, r, b, hits, [&](u32 hit) {
            return column_of(r, base + hit / EACH * THREADS + thread(), hit % EACH);
        });
        if (any(at > CAPACITY)) break;
    }
}

// What a list is filled with where it does not hold all that reach the threshold: the first ties in the order of their
// columns, as many as can be wanted, and what is better; where that are too many, exactly what is wanted.
RARE void refill(const Problem& p, const Row r, u32 from, u32 to, u32 wanted, Key threshold, const Bench b) {
    Small& s = *b.s;
    const u32 start = first_vector(r, from);
    barrier();
    if (thread() == 0) s.count = 0;
    barrier();
    const u32 next = gather_ties(p, r, from, to, start, threshold, wanted, b);
    if (threshold > 0 && next < end_vector(r, to)) sweep(p, r, from, to, next, threshold - 1, b);
    barrier();
    if (s.count > CAPACITY) exact_list(p, r, from, to, wanted, b);
}

// The leading `wanted` of the columns [from, to) that reach the threshold, in one read. Where the list does not
// hold all that do, most of them are ties as a rule, and the sweep begins anew.
DEVICE void filter(const Problem& p, const Row& r, u32 from, u32 to, u32 wanted, Key threshold, const Bench& b) {
    Small& s = *b.s;
    if (thread() == 0) s.count = 0;
    barrier();
    const u32 start = first_vector(r, from);
    sweep(p, r, from, to, start, reach(p.map, threshold), b);
    barrier();
    if (s.count > CAPACITY) refill(p, r, from, to, wanted, threshold, b);
}

#if MODE == 3
// The same of a row that is read into registers.
DEVICE void hold(const Problem& p, const Row& r, const Bench& b) {
    Small& s = *b.s;
    // Lines of 128 bytes go to the waves by turns, so that rows in order load none of them more than others.
    constexpr u32 LINE = 8;
    const u32 own = lane() / LINE * (THREADS / (WAVE / LINE)) + wave() * LINE + lane() % LINE;
    const u32 all = end_vector(r, r.n);
    Vector x[FLIGHT];
    u32 in[FLIGHT];
#pragma unroll
    for (u32 u = 0; u < FLIGHT; u++) {
        const u32 v = u * THREADS + own;
        const bool whole = v + 1 < all && (v > 0 || r.off == 0);
        in[u] = whole ? (1u << EACH) - 1 : v < all ? inside(r, v, 0, r.n) : 0;
        x[u] = whole ? load_stream(r.vectors + v) : load_part(r, v, 0, r.n);
    }
    Key keys[FLIGHT * EACH], best = ~Key(0);
#pragma unroll
    for (u32 u = 0; u < FLIGHT; u++) {
#pragma unroll
        for (u32 j = 0; j < EACH; j++) {
            const Key key = in[u] >> j & 1 ? raw_key(p.map, element(x[u], j)) : ~Key(0);
            keys[u * EACH + j] = key;
            best = least(best, key);
        }
    }
    const Key threshold = canon(p.map, guess(best, r.end, s).bound), limit = reach(p.map, threshold);
    Hits hits = 0;
#pragma unroll
    for (u32 u = 0; u < FLIGHT; u++) {
        u32 mask = 0;
#pragma unroll
        for (u32 j = 0; j < EACH; j++) mask |= (keys[u * EACH + j] <= limit ? 1u : 0u) << j;
        hits |= Hits(mask & in[u]) << (u * EACH);
    }
    append(p, r, b, hits, [&](u32 hit) { return column_of(r, hit / EACH * THREADS + own, hit % EACH); });
    barrier();
    if (s.count > CAPACITY) refill(p, r, 0, r.n, r.end, threshold, b);
}
#endif

// Makes a list of a row's candidates in device memory fit shared memory: by bins of equal width, closer and closer
// about the rank `wanted`. All candidates are distinct, so that this ends.
RARE void prune(const Entry* lists, u32 total, u32 wanted, const Bench b) {
    Small& s = *b.s;
    Entry low = NO_ENTRY, high = 0;
#pragma unroll 4
    for (u32 i = thread(); i < total; i += THREADS) {
        const Entry e = load_entry(lists + i);
        low = least(low, e);
        high = most(high, e);
    }
    extremes(low, high, s);
    u32 need = wanted;
    Entry limit = high;
    while (true) {
        const u32 shift = bin_shift(high - low);
        barrier();
        clear_bins(b);
        barrier();
#pragma unroll 4
        for (u32 i = thread(); i < total; i += THREADS) {
            const Entry e = load_entry(lists + i);
            if (e >= low && e <= high) atomic_add(&b.bins[u32((e - low) >> shift)], 1);
        }
        barrier();
        pick_bin(need, s, [&](u32 bin) { return b.bins[bin]; });
        const Entry begin = low + (Entry(s.picked) << shift);
        const u32 through = wanted - need + s.upto;
        const Entry width = (Entry(1) << shift) - 1;
        limit = high - begin > width ? begin + width : high;
        need -= s.above;
        low = begin;
        high = limit;
        barrier();
        if (through <= CAPACITY) break;
    }
    if (thread() == 0) s.count = 0;
    barrier();
#pragma unroll 4
    for (u32 i = thread(); i < total; i += THREADS) {
        const Entry e = load_entry(lists + i);
        if (e <= limit) b.list[atomic_add(&s.count, 1)] = e;
    }
    barrier();
}

KERNEL(select_block, Params) {
    const Bench b = bench();
    Small& s = *b.s;
    const u32 row = group() / p.parts, part = group() % p.parts;
    const Row r = row_of(p.p, row);
    if (part == 0) write_rest(p.p, r, row);
    if (r.bad || r.first >= r.end) return;
    const u32 wanted = r.end;
#if MODE == 0
    const u32 start = first_vector(r, 0), stop = end_vector(r, r.n);
    for (u32 v = start + thread(); v < stop; v += THREADS) {
        const Vector x = load_part(r, v, 0, r.n);
        const u32 in = inside(r, v, 0, r.n);
#pragma unroll
        for (u32 j = 0; j < EACH; j++) {
            const u32 column = column_of(r, v, j);
            if (in >> j & 1) b.list[column] = entry_of(key_of(p.p.map, element(x, j)), column);
        }
    }
    finish(p.p, r, row, b, r.n, 0);
#else
    const u32 parts = p.parts > 1 ? ceil_div(r.n, p.part_columns) : 1;
    if (part >= parts) return;
    const u32 from = part * p.part_columns;
    const u32 to = r.n - from > p.part_columns ? from + p.part_columns : r.n;
#if MODE == 1
    if (r.n <= CAPACITY) {
        if (thread() == 0) s.count = 0;
        barrier();
        gather(p.p, r, from, to, first_vector(r, from), b, [](Key) { return true; });
        barrier();
    } else {
        u32 rank = p.sample_rank;
        if (r.n < p.p.cols) {
            // A shorter row has more of its elements in the sample: Bernstein's bound on how many of the wanted
            // may be there.
            const float mean = float(wanted) * float(SAMPLE * EACH * THREADS) / float(r.n);
            rank = least(u32(mean + 5.4f + sqrtf(28.9f + 32.3f * mean)) + 1, u32(THREADS));
        }
        filter(p.p, r, from, to, wanted, sampled(p.p, r, rank, b), b);
    }
#elif MODE == 2
    exact_list(p.p, r, from, to, wanted, b);
#else
    hold(p.p, r, b);
#endif
    u32 count = s.count;
    if (parts > 1) {
        barrier();
        Entry* const lists = p.lists + u64(row) * p.parts * CAPACITY;
        if (thread() == 0) s.picked = atomic_add(&p.counts[row], count);
        barrier();
        const u32 at = s.picked;
        for (u32 i = thread(); i < count; i += THREADS) lists[at + i] = b.list[i];
        fence();
        barrier();
        if (thread() == 0) s.flag = atomic_add(&p.done[row], 1) + 1;
        barrier();
        if (s.flag < parts) return;
        fence();
        if (thread() == 0) {
            s.picked = load_fresh(&p.counts[row]);
            p.counts[row] = 0;
            p.done[row] = 0;
        }
        barrier();
        count = s.picked;
        if (count > CAPACITY) {
            prune(lists, count, wanted, b);
            count = s.count;
        } else {
            for (u32 i = thread(); i < count; i += THREADS) b.list[i] = load_entry(lists + i);
            barrier();
        }
    }
    // The sample misled, or a row was made to mislead it.
    if (count < wanted) {
        barrier();
        exact_list(p.p, r, 0, r.n, wanted, b);
        count = s.count;
    }
    finish(p.p, r, row, b, count, 0);
#endif
}
