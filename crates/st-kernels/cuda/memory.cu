// Many ranks of long rows, in one read: two keys between which the ranks wanted lie, from a sample; what lies between
// them goes to a list in device memory, is counted into bins of about equal numbers, moved to its bin, and ranked
// within it. Where the sample misled, the list is too short, or a bin is crowded by ties, the row is flagged, and
// the kernels of ranks.cu do it afterwards.
//
//   memory_sample   a block for each row: the two keys, and KNOTS keys at equal distances of rank between them
//   memory_filter   blocks for parts: the list, the bins' counts, and how many come before the first key
//   memory_scan     where each bin begins; flags
//   memory_scatter  to the bins
//   memory_rank     results
#include "order.cuh"
#include "test.cuh"

#ifndef SAMPLE
#define SAMPLE 8
#endif
#ifndef FLIGHT
#define FLIGHT 1
#endif
#define SAMPLED (SAMPLE * EACH * THREADS)
#define KNOTS 64
// Bins of a block of memory_scan.
#define SCANNED (4 * THREADS)
// Candidates of a bin that are ranked by comparing all with all.
#define MOST_OF_BIN 4096
// Vectors of each lane that are written together; candidates that a wave keeps until it writes them.
#define PIECE (EACH <= 4 ? 2 : 1)
#define OF_PIECE (PIECE * WAVE * EACH)
#define KEPT (2 * OF_PIECE)
// Keys for which shared memory has room before all else: the knots.
#define KNOTS_ROOM (KNOTS + 8)
// Candidates that a thread moves at a time.
#define MOVED 4

struct State {
    u64 first, last;
    // The list's length, and how many elements come before `first`.
    u32 count, before;
    u64 knots[KNOTS + 1];
};

struct Params {
    Problem p;
    State* states;
    // `room` candidates for each row, twice.
    Entry *list, *binned;
    // For each row: counts, all 0 before and after, then where bins begin.
    u32 *bins, *starts;
    // Set for a row that is to be done in another way.
    u32* flags;
    u32 room, bins_log, parts, part_columns;
    // Ranks in the sample of the first key, 0 if there is none, and of the last.
    u32 first_rank, last_rank;
};

// The key of a rank (from 1) of the keys that all threads hold, which is `bound` at most: what comes after that is not
// counted, because keys that many share are counted slowly.
DEVICE Key sampled_rank(const Key* keys, u32 rank, Key bound, const Bench& b) {
    Small& s = *b.s;
    Key prefix = 0;
    u32 shift = WIDTH;
    while (shift > 0) {
        const u32 above = shift;
        shift = shift > BINS_LOG ? shift - BINS_LOG : 0;
        barrier();
        clear_bins(b);
        barrier();
#pragma unroll
        for (u32 i = 0; i < SAMPLE * EACH; i++) {
            const bool same = above == WIDTH || keys[i] >> (above % WIDTH) == prefix >> (above % WIDTH);
            if (same && keys[i] <= bound) atomic_add(&b.bins[u32(keys[i] >> shift) & ((1u << (above - shift)) - 1)], 1);
        }
        barrier();
        pick_own_bin(rank, b);
        prefix |= Key(s.picked) << shift;
        rank -= s.above;
    }
    barrier();
    return prefix;
}

// Puts the keys from `first` to `last` into the list, of one of `step` threads, and gives how many there are.
DEVICE u32 collect(const Key* keys, Key first, Key last, u32 step, const Bench& b) {
    Small& s = *b.s;
    barrier();
    if (thread() == 0) s.count = 0;
    barrier();
    u32 mine = 0;
#pragma unroll
    for (u32 i = 0; i < SAMPLE * EACH; i++) mine += keys[i] >= first && keys[i] <= last;
    if (thread() % step != 0) mine = 0;
    u32 at = reserve(mine, &s.count).at;
    if (mine) {
#pragma unroll
        for (u32 i = 0; i < SAMPLE * EACH; i++) {
            if (keys[i] >= first && keys[i] <= last) {
                if (at < CAPACITY) put(b, at, keys[i], i * THREADS + thread());
                at++;
            }
        }
    }
    barrier();
    return s.count;
}

KERNEL(memory_sample, Params) {
    const Bench b = bench();
    Small& s = *b.s;
    const u32 row = group();
    const Row r = row_of(p.p, row);
    State& state = p.states[row];
    if (thread() == 0) {
        state.count = 0;
        state.before = 0;
        // Rows that are shorter than others are not for a sample of the longest.
        p.flags[row] = r.n < p.p.cols && !r.bad;
    }
    write_rest(p.p, r, row);
    if (r.bad || r.first >= r.end || r.n < p.p.cols) return;
    Key keys[SAMPLE * EACH];
    const u32 all = end_vector(r, r.n);
#pragma unroll
    for (u32 j = 0; j < SAMPLE; j++) {
        const u32 v = u32(u64(j * THREADS + thread()) * all / (SAMPLE * THREADS));
        const Vector x = load_part(r, v, 0, r.n);
        const u32 in = inside(r, v, 0, r.n);
#pragma unroll
        for (u32 i = 0; i < EACH; i++) keys[j * EACH + i] = in >> i & 1 ? key_of(p.p.map, element(x, i)) : ~Key(0);
    }
    // Those from the first to a bound that enough reach, all of them; else those between two ranks, as many as fit.
    Key first = 0, last = ~Key(0);
    u32 many = CAPACITY + 1;
    if (p.first_rank == 0 && p.last_rank <= THREADS) {
        Key best = keys[0];
#pragma unroll
        for (u32 i = 1; i < SAMPLE * EACH; i++) best = least(best, keys[i]);
        last = guess(best, p.last_rank, s).bound;
        many = collect(keys, first, last, 1, b);
    }
    const bool all_there = many <= CAPACITY;
    if (!all_there) {
        if (p.last_rank <= SAMPLED) last = sampled_rank(keys, p.last_rank, last, b);
        if (p.first_rank > 0) first = sampled_rank(keys, p.first_rank, last, b);
        const u32 between = least(p.last_rank, u32(SAMPLED)) - p.first_rank;
        many = least(collect(keys, first, last, ceil_div(between * 2 + 1, CAPACITY), b), u32(CAPACITY));
    }
    // Of all from the first, some come after the rank that ends the list.
    const u32 used = all_there ? least(p.last_rank, many) : many;
    if (thread() == 0) {
        state.first = first;
        if (!all_there) state.last = state.knots[KNOTS] = last;
    }
    if (!all_there) {
        for (u32 i = thread(); i < KNOTS; i += THREADS) state.knots[i] = last;
        barrier();
    }
    order(b, many, SAMPLED, 0, used, [&](u32 rank, Key key, u32) {
        // The first of each share; of few keys each has several.
        const u32 from = ceil_div(rank * KNOTS, used), to = ceil_div((rank + 1) * KNOTS, used);
        for (u32 knot = from; knot < to; knot++) state.knots[knot] = u64(key);
        if (all_there && rank + 1 == used) state.last = state.knots[KNOTS] = u64(key);
    });
}

// The knots to shared memory.
DEVICE const Key* take_knots(const State& state) {
    Key* const knots = reinterpret_cast<Key*>(shared());
    for (u32 i = thread(); i <= KNOTS; i += THREADS) knots[i] = Key(state.knots[i]);
    barrier();
    return knots;
}
// The bin of a key. Between knots bins have equal widths. What comes before the first knot, if the list begins with
// the row's first ranks, may lie anywhere: there bins are the wider, the further they are from it.
DEVICE u32 bin_of(const Key* knots, Key key, u32 bins_log) {
    const u32 own_log = bins_log - 6;
    u32 at = 0;
#pragma unroll
    for (u32 d = KNOTS / 2; d; d /= 2) {
        if (knots[at + d] <= key) at += d;
    }
    const Key low = knots[at];
    if (key < low) {
        // at is 0: half of the first share's bins, 64 widths of as many each.
        const Key far = low - key, sized = far | 1;
        const u32 width = u32(sizeof(Key) * 8) - 1 - leading_zeros(sized), fine = own_log > 7 ? own_log - 7 : 0;
        const u32 sub = width >= fine ? u32(far >> (width - fine)) & ((1u << fine) - 1)
                                      : u32(far << (fine - width)) & ((1u << fine) - 1);
        const u32 place = least((width << fine) + sub, (1u << (own_log - 1)) - 1);
        return (1u << (own_log - 1)) - 1 - place;
    }
    const Key range = knots[at + 1] - low;
    const u32 half = at == 0 ? 1 : 0, log = own_log - half;
    const u32 bits = u32(sizeof(Key) * 8) - leading_zeros(range | 1);
    const u32 shift = bits > log ? bits - log : 0;
    const u32 place = least(u32((key - low) >> shift), (1u << log) - 1);
    return (at << own_log) + (half << log) + place;
}

KERNEL(memory_filter, Params) {
    const u32 row = group() / p.parts, part = group() % p.parts;
    const Row r = row_of(p.p, row);
    if (r.bad || r.first >= r.end || p.flags[row]) return;
    State& state = p.states[row];
    const Key* const knots = take_knots(state);
    Entry* const kept = reinterpret_cast<Entry*>(shared() + KNOTS_ROOM * sizeof(Key)) + wave() * KEPT;
    const Key first = Key(state.first), last = reach(p.p.map, Key(state.last));
    const bool two = first > 0;
    const Test test = test_of(p.p, last);
    const u32 from = part * p.part_columns, to = r.n - from > p.part_columns ? from + p.part_columns : r.n;
    Entry* const list = p.list + u64(row) * p.room;
    u32* const bins = p.bins + (u64(row) << p.bins_log);
    u32 have = 0, before = 0;
    const auto flush = [&]() {
        wave_barrier();
        u32 at = 0;
        if (lane() == 0) at = atomic_add(&state.count, have);
        at = shuffle(at, 0);
        for (u32 i = lane(); i < have; i += WAVE) {
            // They are bits until now.
            const Key key = key_of(p.p.map, Bits(entry_key(kept[i])));
            if (at + i < p.room) {
                list[at + i] = entry_of(key, entry_index(kept[i]));
                atomic_add(&bins[bin_of(knots, key, p.bins_log)], 1);
            }
        }
        have = 0;
        wave_barrier();
    };
    const u32 start = first_vector(r, from), stop = end_vector(r, to);
    for (u32 base = start; base < stop; base += THREADS * FLIGHT) {
        Vector x[FLIGHT];
        // Vectors that lie wholly in the part need no questions.
        const bool whole = base > start && base + THREADS * FLIGHT < stop;
        if (whole) {
#pragma unroll
            for (u32 u = 0; u < FLIGHT; u++) x[u] = load_stream(r.vectors + base + u * THREADS + thread());
        } else {
#pragma unroll
            for (u32 u = 0; u < FLIGHT; u++) x[u] = load_part(r, least(base + u * THREADS + thread(), stop - 1), from, to);
        }
        Hits<FLIGHT> hits = two ? hits_where<FLIGHT>([&](u32 u, u32 j) {
            const Key raw = raw_key(p.p.map, element(x[u], j));
            return raw <= last && raw >= first;
        }) : hits_of(p.p, x, test);
        if (two) {
#pragma unroll
            for (u32 u = 0; u < FLIGHT; u++) {
                const u32 v = base + u * THREADS + thread();
                const u32 in = whole ? (1u << EACH) - 1 : v < stop ? inside(r, v, from, to) : 0;
#pragma unroll
                for (u32 j = 0; j < EACH; j++) before += (in >> j & 1) && raw_key(p.p.map, element(x[u], j)) < first;
            }
        }
        if (!whole) {
#pragma unroll
            for (u32 u = 0; u < FLIGHT; u++) {
                const u32 v = base + u * THREADS + thread();
                const u32 in = v < stop ? inside(r, v, from, to) : 0;
                hits = hits_within(hits, u, in);
            }
        }
        if (!any(has_hits(hits))) continue;
#pragma unroll
        for (u32 u = 0; u < FLIGHT; u += PIECE) {
            u32 own = 0;
#pragma unroll
            for (u32 q = u; q < u + PIECE && q < FLIGHT; q++) own += count_bits(hits_of_vector(hits, q));
            if (!any(own != 0)) continue;
            if (have + OF_PIECE > KEPT) flush();
            const u32 through = wave_scan(own);
            u32 at = have + through - own;
            have += shuffle(through, WAVE - 1);
#pragma unroll
            for (u32 q = u; q < u + PIECE && q < FLIGHT; q++) {
                const u32 column = column_of(r, base + q * THREADS + thread(), 0);
#pragma unroll
                for (u32 j = 0; j < EACH; j++) {
                    if (is_hit(hits, q, j)) kept[at++] = entry_of(Key(element(x[q], j)), column + j);
                }
            }
        }
    }
    if (have) flush();
    if (two) {
#pragma unroll
        for (u32 d = WAVE / 2; d; d /= 2) before += shuffle_xor(before, d);
        if (lane() == 0 && before) atomic_add(&state.before, before);
    }
}

KERNEL(memory_scan, Params) {
    Small& s = *reinterpret_cast<Small*>(shared());
    const u32 blocks = ceil_div(1u << p.bins_log, SCANNED);
    const u32 row = group() / blocks, block = group() % blocks;
    const Row r = row_of(p.p, row);
    if (r.bad || r.first >= r.end || r.n < p.p.cols) return;
    const State& state = p.states[row];
    const u32* const bins = p.bins + (u64(row) << p.bins_log);
    u32* const starts = p.starts + (u64(row) << p.bins_log);
    const u32 from = block * SCANNED;
    u32 earlier = 0, all;
    // Bins are as many as a power of two: vectors of them.
#pragma unroll 4
    for (u32 i = thread(); i < from / 4; i += THREADS) {
        const Vector four = reinterpret_cast<const Vector*>(bins)[i];
        earlier += four.x + four.y + four.z + four.w;
    }
    scan(earlier, earlier, s);
    u32 own[4], sum = 0;
    bool crowded = false;
#pragma unroll
    for (u32 j = 0; j < 4; j++) {
        const u32 i = from + thread() * 4 + j;
        own[j] = i < (1u << p.bins_log) ? bins[i] : 0;
        sum += own[j];
        crowded |= own[j] > MOST_OF_BIN;
    }
    u32 at = earlier + scan(sum, all, s);
#pragma unroll
    for (u32 j = 0; j < 4; j++) {
        const u32 i = from + thread() * 4 + j;
        if (i < (1u << p.bins_log)) starts[i] = at;
        at += own[j];
    }
    const bool misled = state.count > p.room || state.before > r.first || u64(state.before) + state.count < r.end;
    if (crowded || (thread() == 0 && misled)) p.flags[row] = 1;
}

KERNEL(memory_scatter, Params) {
    // Blocks of a row.
    const u32 blocks = groups() / p.p.rows;
    const u32 row = group() / blocks, block = group() % blocks;
    const Row r = row_of(p.p, row);
    u32* const bins = p.bins + (u64(row) << p.bins_log);
    for (u32 i = block * THREADS + thread(); i < (1u << p.bins_log); i += blocks * THREADS) bins[i] = 0;
    if (r.bad || r.first >= r.end || p.flags[row]) return;
    const State& state = p.states[row];
    const Key* const knots = take_knots(state);
    u32* const starts = p.starts + (u64(row) << p.bins_log);
    const Entry* const list = p.list + u64(row) * p.room;
    Entry* const binned = p.binned + u64(row) * p.room;
    const u32 count = state.count, step = blocks * THREADS;
    for (u32 from = block * THREADS + thread(); from < count; from += step * MOVED) {
        Entry e[MOVED];
        u32 at[MOVED];
#pragma unroll
        for (u32 q = 0; q < MOVED; q++) e[q] = from + q * step < count ? list[from + q * step] : 0;
#pragma unroll
        for (u32 q = 0; q < MOVED; q++) {
            if (from + q * step < count) at[q] = atomic_add(&starts[bin_of(knots, entry_key(e[q]), p.bins_log)], 1);
        }
#pragma unroll
        for (u32 q = 0; q < MOVED; q++) {
            if (from + q * step < count) binned[at[q]] = e[q];
        }
    }
}

KERNEL(memory_rank, Params) {
    const u32 blocks = groups() / p.p.rows;
    const u32 row = group() / blocks, block = group() % blocks;
    const Row r = row_of(p.p, row);
    if (r.bad || r.first >= r.end || p.flags[row]) return;
    const State& state = p.states[row];
    const Key* const knots = take_knots(state);
    // Now each is where the next begins.
    const u32* const starts = p.starts + (u64(row) << p.bins_log);
    const Entry* const binned = p.binned + u64(row) * p.room;
    for (u32 i = block * THREADS + thread(); i < state.count; i += blocks * THREADS) {
        const Entry e = binned[i];
        const u32 bin = bin_of(knots, entry_key(e), p.bins_log);
        const u32 start = bin ? starts[bin - 1] : 0, stop = starts[bin];
        if (state.before + stop <= r.first || state.before + start >= r.end) continue;
        u32 rank = state.before + start;
        for (u32 j = start; j < stop; j++) rank += binned[j] < e;
        if (rank >= r.first && rank < r.end) write_key(p.p, r, row, rank - r.first, entry_key(e), entry_index(e));
    }
}
