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
// Candidates that a wave keeps until it writes them, and those of one vector of each lane.
#define KEPT 384
#define OF_VECTOR (WAVE * EACH)

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
        pick_bin(rank, s, [&](u32 bin) { return b.bins[bin]; });
        prefix |= Key(s.picked) << shift;
        rank -= s.above;
    }
    barrier();
    return prefix;
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
    Key bound = ~Key(0);
    if (p.last_rank <= THREADS) {
        Key best = keys[0];
#pragma unroll
        for (u32 i = 1; i < SAMPLE * EACH; i++) best = least(best, keys[i]);
        bound = guess(best, p.last_rank, s).bound;
    }
    const Key last = p.last_rank <= SAMPLED ? sampled_rank(keys, p.last_rank, bound, b) : ~Key(0);
    const Key first = p.first_rank > 0 ? sampled_rank(keys, p.first_rank, last, b) : 0;
    // Knots: of the sampled keys between the two, as many as fit the list.
    const u32 between = least(p.last_rank, u32(SAMPLED)) - p.first_rank;
    const u32 step = ceil_div(between * 2 + 1, CAPACITY);
    if (thread() == 0) s.count = 0;
    barrier();
#pragma unroll
    for (u32 i = 0; i < SAMPLE * EACH; i++) {
        const bool take = keys[i] >= first && keys[i] <= last && (step == 1 || thread() % step == 0);
        if (!any(take)) continue;
        const u32 at = reserve(take, &s.count);
        if (take && at < CAPACITY) b.list[at] = Entry(keys[i]) << 32 | (i * THREADS + thread());
    }
    barrier();
    const u32 many = least(s.count, u32(CAPACITY));
    if (thread() == 0) {
        state.first = first;
        state.last = last;
        state.knots[KNOTS] = last;
    }
    for (u32 i = thread(); i < KNOTS; i += THREADS) state.knots[i] = last;
    barrier();
    order(b, many, 0, many, [&](u32 rank, Entry e) {
        // The first of each share; of few keys each has several.
        const u32 from = ceil_div(rank * KNOTS, many), to = ceil_div((rank + 1) * KNOTS, many);
        for (u32 knot = from; knot < to; knot++) state.knots[knot] = u64(entry_key(e));
    });
}

// The bin of a key. Between knots bins have equal widths. What comes before the first knot, if the list begins with
// the row's first ranks, may lie anywhere: there bins are the wider, the further they are from it.
DEVICE u32 bin_of(const State& state, Key key, u32 bins_log) {
    const u32 own_log = bins_log - 6;
    u32 at = 0;
#pragma unroll
    for (u32 d = KNOTS / 2; d; d /= 2) {
        if (Key(state.knots[at + d]) <= key) at += d;
    }
    const Key low = Key(state.knots[at]);
    if (key < low) {
        // at is 0: half of the first share's bins, 64 widths of as many each.
        const Key far = low - key, sized = far | 1;
        const u32 width = u32(sizeof(Key) * 8) - 1 - leading_zeros(sized), fine = own_log > 7 ? own_log - 7 : 0;
        const u32 sub = width >= fine ? u32(far >> (width - fine)) & ((1u << fine) - 1)
                                      : u32(far << (fine - width)) & ((1u << fine) - 1);
        const u32 place = least((width << fine) + sub, (1u << (own_log - 1)) - 1);
        return (1u << (own_log - 1)) - 1 - place;
    }
    const Key range = Key(state.knots[at + 1]) - low;
    const u32 half = at == 0 ? 1 : 0, log = own_log - half;
    const u32 bits = u32(sizeof(Key) * 8) - leading_zeros(range | 1);
    const u32 shift = bits > log ? bits - log : 0;
    const u32 place = least(u32((key - low) >> shift), (1u << log) - 1);
    return (at << own_log) + (half << log) + place;
}

KERNEL(memory_filter, Params) {
    Entry* const kept = reinterpret_cast<Entry*>(shared()) + wave() * KEPT;
    const u32 row = group() / p.parts, part = group() % p.parts;
    const Row r = row_of(p.p, row);
    if (r.bad || r.first >= r.end || p.flags[row]) return;
    State& state = p.states[row];
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
            const Entry e = kept[i];
            if (at + i < p.room) {
                list[at + i] = e;
                atomic_add(&bins[bin_of(state, entry_key(e), p.bins_log)], 1);
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
        bool hit = !whole;
        if (two) {
#pragma unroll
            for (u32 u = 0; u < FLIGHT; u++) {
#pragma unroll
                for (u32 j = 0; j < EACH; j++) {
                    const Key raw = raw_key(p.p.map, element(x[u], j));
                    hit |= raw <= last && raw >= first;
                    if (whole) before += raw < first;
                }
            }
        } else {
            hit |= may_hit(p.p, x, test);
        }
        if (!any(hit)) continue;
#pragma unroll
        for (u32 u = 0; u < FLIGHT; u++) {
            const u32 v = base + u * THREADS + thread();
            u32 in = (1u << EACH) - 1, hits = 0;
            if (!whole) in = v < stop ? inside(r, v, from, to) : 0;
#pragma unroll
            for (u32 j = 0; j < EACH; j++) {
                const Key raw = raw_key(p.p.map, element(x[u], j));
                hits |= (raw <= last && raw >= first ? 1u : 0u) << j;
                if (two && !whole) before += (in >> j & 1) && raw < first;
            }
            hits &= in;
            if (!any(hits != 0)) continue;
            if (have + OF_VECTOR > KEPT) flush();
            const u32 own = count_bits(hits), through = wave_scan(own);
            u32 at = have + through - own;
            have += shuffle(through, WAVE - 1);
            while (hits) {
                const u32 j = first_bit(hits);
                hits &= hits - 1;
                const u32 column = column_of(r, v, j);
                kept[at++] = entry_of(key_of(p.p.map, r.x[column]), column);
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
    for (u32 i = thread(); i < from; i += THREADS) earlier += bins[i];
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
    u32* const starts = p.starts + (u64(row) << p.bins_log);
    const Entry* const list = p.list + u64(row) * p.room;
    Entry* const binned = p.binned + u64(row) * p.room;
    for (u32 i = block * THREADS + thread(); i < state.count; i += blocks * THREADS) {
        const Entry e = list[i];
        binned[atomic_add(&starts[bin_of(state, entry_key(e), p.bins_log)], 1)] = e;
    }
}

KERNEL(memory_rank, Params) {
    const u32 blocks = groups() / p.p.rows;
    const u32 row = group() / blocks, block = group() % blocks;
    const Row r = row_of(p.p, row);
    if (r.bad || r.first >= r.end || p.flags[row]) return;
    const State& state = p.states[row];
    // Now each is where the next begins.
    const u32* const starts = p.starts + (u64(row) << p.bins_log);
    const Entry* const binned = p.binned + u64(row) * p.room;
    for (u32 i = block * THREADS + thread(); i < state.count; i += blocks * THREADS) {
        const Entry e = binned[i];
        const u32 bin = bin_of(state, entry_key(e), p.bins_log);
        const u32 start = bin ? starts[bin - 1] : 0, stop = starts[bin];
        if (state.before + stop <= r.first || state.before + start >= r.end) continue;
        u32 rank = state.before + start;
        for (u32 j = start; j < stop; j++) rank += binned[j] < e;
        if (rank >= r.first && rank < r.end) write_entry(p.p, r, row, rank - r.first, e);
    }
}
