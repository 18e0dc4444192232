// A block for each row, or for each part of a row: what may be wanted goes to a list in shared memory, which is
// ordered at the end. MODE says how the list is made:
//   0  all of the row, which must fit;
//   1  what reaches a threshold, which is a rank of a sample, in one read (ties: see filter());
//   2  exactly, digit by digit;
//   3  as 1, of a row that the block's registers hold, which is its own sample;
//   4  what lies between two ranks of a sample, for ranks in the middle of a whole row, in one read.
// Of several parts the last to be done merges the lists, which lie in device memory; or all parts are a cluster, where
// each takes a share of all candidates by their keys, or the others' lists, if they fit, and orders its share of the ranks.
#include "sweep.cuh"
#include "cluster.cuh"
#if MODE == 4
#include "between.cuh"
#endif

struct Params {
    Problem p;
    // For each part WAVES candidates, the best of what each wave puts into the row's list, and behind those of all parts the
    // list, with CAPACITY for each; how many each row's list has, how many parts are done. The counts are 0 before the first
    // launch, and after each.
    Entry* lists;
    u32 *counts, *done;
    u32 parts, part_columns;
    // The rank in the sample of a row of all columns; MODE 4: the ranks, from 0, between which a list is (NO_RANK: from
    // the row's first on, or to its last).
    u32 sample_rank, first_rank;
};

// Where a ring begins, with a line of shared memory: 64x131072, k 50, took 15.7 us instead of 14.5 where it began within one.
DEVICE char* ring_of(const Bench& b) {
    constexpr u32 LINE = 128;
    const u32 taken = u32(behind(b) + SHARES_BYTES - shared());
    return shared() + (taken + LINE - 1) / LINE * LINE;
}

// A key that at least `rank` of the keys reach that all threads hold; `best` is the first of this thread's. Of the keys
// that reach a first guess, it is the one of that rank, or little after it.
template <u32 MANY> DEVICE Key nth(const Problem& p, const Key (&keys)[MANY], Key best, u32 rank, const Bench& b) {
    Small& s = *b.s;
    clear_bins(b);
    if (thread() == 0) s.picked = BINS;
    const Guess g = guess(best, rank, s);
    const u32 shift = bin_shift(Key(g.bound - g.first));
#pragma unroll
    for (u32 i = 0; i < MANY; i++) {
        if (keys[i] < g.bound) atomic_add(&b.bins[u32((keys[i] - g.first) >> shift)], 1);
    }
    // The last key of a bin.
    const auto end_of = [&](u32 bin) {
        const Key end = (Key(bin) << shift) + ((Key(1) << shift) - 1);
        return g.bound - g.first > end ? g.first + end : g.bound;
    };
#ifdef SHARES_OUT
    Shares& all = shares(b);
    if (thread() < CLUSTER) all.bounds[thread()] = ~Key(0);
#endif
    barrier();
    u32 counts[OWN_BINS];
    own_bins(b, counts);
    pick_bin(rank, s, counts, [&](u32 bin, u32 before, u32 through) {
#ifdef SHARES_OUT
        // Where as many come before it as a number of shares.
        if (before == through || before >= rank) return;
        for (u32 i = before * CLUSTER / rank; i < CLUSTER - 1 && (i + 1) * rank <= through * CLUSTER; i++) {
            all.bounds[i] = end_of(bin);
        }
#endif
    });
    const u32 bin = s.picked;
    barrier();
    // The bound itself where fewer come before it.
    const Key threshold = bin == BINS ? g.bound : canon(p.map, end_of(bin));
#ifdef SHARES_OUT
    if (thread() == 0) all.threshold = threshold;
#endif
    return threshold;
}

// The threshold: a key that at least `rank` of the sampled keys reach.
DEVICE Key threshold_of(const Problem& p, const Sampled& s, u32 rank, const Bench& b) {
    Key keys[SAMPLE * EACH], best = ~Key(0);
#pragma unroll
    for (u32 j = 0; j < SAMPLE; j++) {
#pragma unroll
        for (u32 i = 0; i < EACH; i++) {
            const Key key = key_of(p.map, element(s.x[j], i));
            keys[j * EACH + i] = key;
            best = least(best, key);
        }
    }
    return nth(p, keys, best, rank, b);
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
    barrier();
    if (threshold > 0 && next < end_vector(r, to)) {
        Steps steps(r, whole_vectors(r, from, to, next));
        sweep<false>(p, r, from, to, next, threshold - 1, 0, b, steps);
    }
    barrier();
    if (s.count > CAPACITY) exact_list(p, r, from, to, wanted, b);
}

// The leading `wanted` of the columns [from, to) that reach the threshold, in one read. Where the list does not
// hold all that do, most of them are ties as a rule, and the sweep begins anew.
template <typename From>
DEVICE void filter(const Problem& p, const Row& r, u32 from, u32 to, u32 wanted, Key threshold, const Bench& b, From& steps) {
    Small& s = *b.s;
    if (thread() == 0) s.count = 0;
    barrier();
    sweep<false>(p, r, from, to, first_vector(r, from), reach(p.map, threshold), 0, b, steps);
    u32 room = CAPACITY;
#ifdef SHARES_OUT
    // Of a list that is too long to be given away, too.
    if (wanted <= MOST_SENT * THREADS) room = least(room, u32(MOST_SENT * THREADS));
#endif
    if (s.count > room) refill(p, r, from, to, wanted, threshold, b);
}

#if MODE == 3
// Adds few hits of a held row to the list, by reading them again; column(vector, element) is where each is.
template <typename Column>
DEVICE void add_again(const Problem& p, const Row& r, const Bench& b, Hits<FLIGHT> hits, Column column) {
    const Room room = reserve(count_hits(hits), &b.s->count);
    if (room.end > CAPACITY) return;
    u32 at = room.at;
#pragma unroll
    for (u32 w = 0; w < HIT_WORDS(FLIGHT); w++) {
        for (u32 bits = hits.word[w]; bits; bits &= bits - 1) {
            const u32 bit = first_bit(bits), own = column(vector_of_bit(w, bit), element_of_bit(bit));
            put(b, at++, key_of(p.map, r.x[own]), own);
        }
    }
}
// The same of a row that is read into registers.
DEVICE void hold(const Problem& p, const Row& r, const Bench& b) {
    Small& s = *b.s;
    // Lines of 128 bytes go to the waves by turns, so that rows in order load none of them more than others.
    constexpr u32 LINE = 8;
    const u32 own = lane() / LINE * (THREADS / (WAVE / LINE)) + wave() * LINE + lane() % LINE;
    const u32 all = end_vector(r, r.n);
    // Whether every thread has whole vectors.
    const bool full = r.off == 0 && r.n == THREADS * FLIGHT * EACH;
    Vector x[FLIGHT];
    u32 in[FLIGHT];
#pragma unroll
    for (u32 u = 0; u < FLIGHT; u++) {
        const u32 v = u * THREADS + own;
        const bool whole = full || (v + 1 < all && (v > 0 || r.off == 0));
        in[u] = whole ? (1u << EACH) - 1 : v < all ? inside(r, v, 0, r.n) : 0;
        x[u] = whole ? load_stream(r.vectors + v) : load_part(r, v, 0, r.n);
    }
    const Key best = best_of(p, x, in, full);
    const Key threshold = canon(p.map, guess(best, r.end, s).bound), limit = reach(p.map, threshold);
    Hits<FLIGHT> hits = hits_of(p, x, test_of(p, limit));
    if (!full) {
#pragma unroll
        for (u32 u = 0; u < FLIGHT; u++) hits = hits_within(hits, u, in[u]);
    }
    add_again(p, r, b, hits, [&](u32 u, u32 j) { return column_of(r, u * THREADS + own, j); });
    barrier();
    if (s.count > CAPACITY) refill(p, r, 0, r.n, r.end, threshold, b);
}
#endif

// Candidates in device memory, and as many of them as a thread's registers hold: a list of no more is read once.
#define IN_HAND (128 / sizeof(Entry))
struct Listed {
    const Entry* at;
    u32 total;
};
struct InHand {
    // NO_ENTRY is none.
    Entry own[IN_HAND];
};
DEVICE InHand in_hand(const Entry* at, u32 total) {
    InHand hand;
#pragma unroll
    for (u32 j = 0; j < IN_HAND; j++) {
        const u32 i = j * THREADS + thread();
        hand.own[j] = i < total ? load_entry(at + i) : NO_ENTRY;
    }
    return hand;
}
template <typename Take> DEVICE void each(const Listed& list, Take take) {
#pragma unroll 4
    for (u32 i = thread(); i < list.total; i += THREADS) take(load_entry(list.at + i));
}
template <typename Take> DEVICE void each(const InHand& hand, Take take) {
#pragma unroll
    for (u32 j = 0; j < IN_HAND; j++) {
        if (hand.own[j] != NO_ENTRY) take(hand.own[j]);
    }
}
// A candidate that at least `wanted` of a list reach, and `most` of them at most: by bins of equal width, closer and closer
// about that rank. All candidates are distinct, so that this ends.
template <typename List> DEVICE Entry limit_of(const List& list, u32 wanted, u32 most_of_them, const Bench& b) {
    Small& s = *b.s;
    Entry low = NO_ENTRY, high = 0;
    each(list, [&](Entry e) {
        low = least(low, e);
        high = most(high, e);
    });
    extremes(low, high, s);
    u32 need = wanted;
    while (true) {
        const u32 shift = bin_shift(high - low);
        barrier();
        clear_bins(b);
        barrier();
        each(list, [&](Entry e) {
            if (e >= low && e <= high) atomic_add(&b.bins[u32((e - low) >> shift)], 1);
        });
        barrier();
        pick_own_bin(need, b);
        const Entry begin = low + (Entry(s.picked) << shift);
        const u32 through = wanted - need + s.upto;
        const Entry width = (Entry(1) << shift) - 1;
        high = high - begin > width ? begin + width : high;
        need -= s.above;
        low = begin;
        barrier();
        if (through <= most_of_them) return high;
    }
}
// Adds those that reach a limit to the list in shared memory, as far as it has room, and counts them.
template <typename List> DEVICE void take_leading(const List& list, Entry limit, const Bench& b) {
    each(list, [&](Entry e) {
        if (e > limit) return;
        const u32 at = atomic_add(&b.s->count, 1);
        if (at < CAPACITY) put(b, at, e);
    });
}
// Puts those into shared memory that may be of the leading `wanted`, as many as fit.
template <typename List> DEVICE void pick_leading(const List& list, u32 wanted, const Bench& b) {
    const Entry limit = limit_of(list, wanted, CAPACITY, b);
    if (thread() == 0) b.s->count = 0;
    barrier();
    take_leading(list, limit, b);
    barrier();
}
// Makes a list of a row's candidates in device memory fit shared memory. `bests` are the best of each of `shares` shares of
// it, some of which may have none.
RARE void prune(const Entry* list, u32 total, const Entry* bests, u32 shares, u32 wanted, const Bench b) {
    constexpr u32 HANDS = IN_HAND * THREADS;
    if (total <= HANDS) {
        pick_leading(in_hand(list, total), wanted, b);
        return;
    }
    // As many candidates as bests reach a limit that `wanted` bests reach; and few others, if they lie as they like. So the
    // list is read once.
    if (shares <= HANDS) {
        const InHand hand = in_hand(bests, shares);
        u32 mine = 0, all;
        each(hand, [&](Entry) { mine++; });
        scan(mine, all, *b.s);
        if (wanted <= all) {
            const Entry limit = limit_of(hand, wanted, wanted + all / 8, b);
            if (thread() == 0) b.s->count = 0;
            barrier();
            for (u32 from = 0; from < total; from += HANDS) {
                take_leading(in_hand(list + from, least(total - from, HANDS)), limit, b);
            }
            barrier();
            if (b.s->count <= CAPACITY) return;
            barrier();
        }
    }
    pick_leading(Listed{list, total}, wanted, b);
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
            if (in >> j & 1) put(b, column, key_of(p.p.map, element(x, j)), column);
        }
    }
    finish(p.p, r, row, b, r.n, 0, r.first, r.end);
#else
    const u32 parts = p.parts > 1 ? ceil_div(r.n, p.part_columns) : 1;
    if (part >= parts) return;
#ifdef SHARES_OUT
    // By index the ranks cannot be shared out; a block that has ended takes nothing.
    const bool sharing = parts == CLUSTER && r.n > CAPACITY && p.p.sorted;
    if (sharing) cluster_arrive();
#endif
    const u32 from = part * p.part_columns;
    const u32 to = r.n - from > p.part_columns ? from + p.part_columns : r.n;
    u32 skipped = 0;
#if MODE == 1 || MODE == 4
    if (r.n <= CAPACITY) {
        if (thread() == 0) s.count = 0;
        barrier();
        gather(p.p, r, from, to, first_vector(r, from), b, [](Key) { return true; });
        barrier();
    } else {
#if MODE == 4
        skipped = between(p.p, r, p.first_rank, p.sample_rank, b);
#else
        u32 rank = p.sample_rank;
        if (r.n < p.p.cols) {
            // A shorter row has more of its elements in the sample: Bernstein's bound on how many of the wanted
            // may be there.
            const float mean = float(wanted) * float(SAMPLE * EACH * THREADS) / float(r.n);
            rank = least(u32(mean + 5.4f + sqrtf(28.9f + 32.3f * mean)) + 1, u32(THREADS));
        }
        const Sampled sample = draw(r, CLUSTER == 1 && p.parts > 1);
        const Span span = whole_vectors(r, from, to, first_vector(r, from));
#ifdef RINGS
        Ring steps(r, span, ring_of(b));
#else
        Steps steps(r, span);
#endif
        filter(p.p, r, from, to, wanted, threshold_of(p.p, sample, rank, b), b, steps);
#endif
    }
#elif MODE == 2
    exact_list(p.p, r, from, to, wanted, b);
#else
    hold(p.p, r, b);
#endif
    u32 count = s.count, first = r.first, end = r.end;
#if MODE == 4
    finish(p.p, r, row, b, count, skipped, first, end);
#else
    bool merged = parts == 1;
    // The row's candidates; this block may have fewer.
    u32 found = count;
#if CLUSTER > 1
#ifdef SHARES_OUT
    if (sharing) {
        const Share share = share_out(b, part, wanted);
        if (share.fits) {
            merged = true;
            found = share.all;
            count = share.count;
            skipped = share.before;
            first = most(first, skipped);
            end = least(end, skipped + count);
            if (first >= end) return;
        }
    }
#endif
    if (!merged) {
        found = take_lists(b, parts, part);
        merged = found > 0;
        if (merged) {
            // By index the ranks cannot be shared out.
            if (!p.p.sorted && part > 0) return;
            count = found;
            if (p.p.sorted) {
                const u32 all = end - first;
                end = first + u32(u64(all) * (part + 1) / parts);
                first += u32(u64(all) * part / parts);
            }
        }
    }
#endif
    if (!merged) {
        barrier();
        Entry* const bests = p.lists + u64(row) * p.parts * (WAVES + CAPACITY);
        Entry* const list = bests + p.parts * WAVES;
        if (thread() == 0) s.picked = atomic_add(&p.counts[row], count);
        barrier();
        const u32 at = s.picked;
        Entry best = NO_ENTRY;
#pragma unroll 4
        for (u32 i = thread(); i < count; i += THREADS) {
            const Entry e = entry_at(b, i);
            best = least(best, e);
            list[at + i] = e;
        }
        best = wave_least(best);
        if (lane() == 0) bests[part * WAVES + wave()] = best;
        barrier();
        // One thread's fence is for what all wrote before the barrier.
        if (thread() == 0) {
            fence();
            s.flag = atomic_add(&p.done[row], 1) + 1;
            fence();
        }
        barrier();
        if (s.flag < parts) return;
        if (thread() == 0) {
            s.picked = load_fresh(&p.counts[row]);
            p.counts[row] = 0;
            p.done[row] = 0;
        }
        barrier();
        count = s.picked;
        if (count > CAPACITY) {
            prune(list, count, bests, parts * WAVES, wanted, b);
            count = s.count;
        } else {
#pragma unroll 4
            for (u32 i = thread(); i < count; i += THREADS) put(b, i, load_entry(list + i));
            barrier();
        }
        found = count;
    }
    // The sample misled, or a row was made to mislead it.
    if (found < wanted) {
        barrier();
        exact_list(p.p, r, 0, r.n, wanted, b);
        count = s.count;
    }
    finish(p.p, r, row, b, count, skipped, first, end);
#endif
#endif
}
