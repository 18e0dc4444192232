// See memory.cuh: the sample of a row.
#include "memory.cuh"
#include "order.cuh"

#ifndef SAMPLE
#define SAMPLE 8
#endif
// Lanes whose vectors of a sample lie next to each other: memory gives no less than 32 bytes.
#define NEAR 2
#define SAMPLED (SAMPLE * EACH * THREADS)
// A sample's keys at a time: code for all of them at once would take longer to be fetched than to run.
#define SOME 4

// The keys of a thread's share of the sample.
struct Sampled {
    Key keys[SAMPLE * EACH];
};
static_assert(SAMPLE * EACH <= 32, "a bit for each");
// Where a thread's vectors are in a row of so many: the first and the last, which may be no whole ones, are left out.
DEVICE u32 spot(u32 all, u32 j) {
    const u32 at = (j * THREADS + thread()) / NEAR;
    return 1 + u32(u64(at) * (all - 1 - NEAR) / (SAMPLE * THREADS / NEAR)) + thread() % NEAR;
}
DEVICE u32 column_of_sampled(const Row& r, u32 all, u32 i) {
    return column_of(r, spot(all, i / EACH), i % EACH);
}

// Keys between which a rank probably lies.
struct Range {
    Key low, high;
};
// By one key of each thread, which waves have in order: the key of that rank in each wave, and of those what is in the
// middle.
DEVICE Range around(Key sorted, u32 rank, Small& s) {
    const u32 own = least(u32(u64(rank) * WAVE / SAMPLED), u32(WAVE - 1));
    barrier();
    if (lane() == own) s.keys[wave()] = sorted;
    barrier();
    const Key of_wave = wave_sort(lane() < WAVES ? s.keys[lane()] : ~Key(0));
    return {shuffle(of_wave, WAVES / 4), shuffle(of_wave, WAVES * 3 / 4)};
}
// A rank of a sample: the key, and the rank among those that have it (from 1).
struct Found {
    Key key;
    u32 rank;
};
// Of a rank from 1, which probably lies in that range. Keys in it are counted in bins of equal width, and those of one
// bin again: many in few bins would be counted slowly.
DEVICE Found sampled_rank(const Sampled& own, u32 rank, Range range, const Bench& b) {
    Small& s = *b.s;
    u32 mine = 0, all;
#pragma unroll SOME
    for (u32 i = 0; i < SAMPLE * EACH; i++) {
        mine += (own.keys[i] < range.low) + ((own.keys[i] <= range.high) << 16);
    }
    scan(mine, all, s);
    u32 before = all & 0xffff;
    if (rank <= before || rank > all >> 16) {
        range = {0, Key(~u64(0) >> (64 - WIDTH))};
        before = 0;
    }
    while (range.low < range.high) {
        const u32 shift = bin_shift(range.high - range.low);
        barrier();
        clear_bins(b);
        barrier();
#pragma unroll SOME
        for (u32 i = 0; i < SAMPLE * EACH; i++) {
            const Key key = own.keys[i];
            if (key >= range.low && key <= range.high) {
                atomic_add(&b.bins[u32((key - range.low) >> shift)], 1);
            }
        }
        barrier();
        pick_own_bin(rank - before, b);
        range.low += Key(s.picked) << shift;
        range.high = range.low + least(Key(range.high - range.low), Key((Key(1) << shift) - 1));
        before += s.above;
    }
    barrier();
    return {range.low, rank - before};
}
// Its word. Columns ascend with spots, threads and elements.
DEVICE Word sampled_word(const Params& p, const Row& r, const Sampled& own, const Found& found, Small& s) {
    const u32 all = end_vector(r, r.n);
    u32 before = 0;
    for (u32 j = 0; j < SAMPLE; j++) {
        const u32 from = j * EACH;
        u32 mine = 0, sum;
#pragma unroll SOME
        for (u32 i = 0; i < EACH; i++) mine += own.keys[from + i] == found.key;
        u32 at = before + scan(mine, sum, s);
        if (at < found.rank && at + mine >= found.rank) {
            for (u32 i = 0; i < EACH; i++) {
                if (own.keys[from + i] == found.key && ++at == found.rank) {
                    s.picked = column_of_sampled(r, all, from + i);
                }
            }
        }
        before += sum;
        if (before >= found.rank) break;
    }
    barrier();
    const u32 column = s.picked;
    barrier();
    return word_of(p, found.key, column);
}

// Puts the sampled elements from `first` to `last` into the list, of one of `step` threads, and gives how many there are.
DEVICE u32 collect(const Params& p, const Row& r, const Sampled& own, Word first, Word last, u32 step, const Bench& b) {
    Small& s = *b.s;
    const u32 all = end_vector(r, r.n);
    barrier();
    if (thread() == 0) s.count = 0;
    barrier();
    u32 hits = 0;
    const Key first_key = word_key(p, first), last_key = word_key(p, last);
#pragma unroll SOME
    for (u32 i = 0; i < SAMPLE * EACH; i++) {
        const Key key = own.keys[i];
        bool hit = key >= first_key && key <= last_key;
        if (key == first_key || key == last_key) {
            const Word word = word_of(p, key, column_of_sampled(r, all, i));
            hit = word >= first && word <= last;
        }
        hits |= u32(hit) << i;
    }
    if (thread() % step != 0) hits = 0;
    u32 at = reserve(count_bits(hits), &s.count).at;
    for (; hits; hits &= hits - 1, at++) {
        const u32 i = first_bit(hits);
        if (at < CAPACITY) put(b, at, own.keys[i], column_of_sampled(r, all, i));
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
        state.runs = 0;
        state.taken = 0;
        state.given = 0;
        // Rows that are shorter than others are not for a sample of the longest.
        p.flags[row] = r.n < p.p.cols && !r.bad;
        if (row == 0) {
            for (u32 i = 0; i < 3; i++) p.again[i] = 0;
        }
    }
    for (u32 i = thread(); i < BINS; i += THREADS) p.totals[u64(row) * BINS + i] = 0;
    write_rest(p.p, r, row);
    if (r.bad || r.first >= r.end || r.n < p.p.cols) return;
    Sampled own;
    const u32 all = end_vector(r, r.n);
    Vector x[SAMPLE];
#pragma unroll
    for (u32 j = 0; j < SAMPLE; j++) x[j] = load_stream(r.vectors + spot(all, j));
#pragma unroll
    for (u32 i = 0; i < SAMPLE * EACH; i++) own.keys[i] = key_of(p.p.map, element(x[i / EACH], i % EACH));
    // Those from the first to a bound that enough reach, all of them; else those between two ranks, as many as fit. Code
    // that runs once is waited for: so there is one of each.
    Word ends[2] = {0, last_word(p)};
    const u32 ranks[2] = {p.first_rank, p.last_rank};
    Range range = {0, 0};
    u32 many = 0;
    bool all_there = p.first_rank == 0 && p.last_rank <= THREADS;
    const bool leading = all_there;
    if (leading) {
        Key best = ~Key(0);
#pragma unroll SOME
        for (u32 i = 0; i < SAMPLE * EACH; i++) best = least(best, own.keys[i]);
        const Guess bound = guess(best, p.last_rank, s);
        range = {bound.first, bound.bound};
        ends[1] = word_of(p, bound.bound, word_column(p, ends[1]));
    }
    while (true) {
        const u32 between = least(p.last_rank, u32(SAMPLED)) - p.first_rank;
        if (!all_there) {
            const Key sorted = wave_sort(own.keys[0]);
            ends[1] = last_word(p);
#pragma unroll 1
            for (u32 end = 2; end-- > 0;) {
                if (ranks[end] == 0 || ranks[end] > SAMPLED) continue;
                if (!leading) range = around(sorted, ranks[end], s);
                ends[end] = sampled_word(p, r, own, sampled_rank(own, ranks[end], range, b), s);
            }
        }
        many = collect(p, r, own, ends[0], ends[1], all_there ? 1 : ceil_div(between * 2 + 1, CAPACITY), b);
        if (many <= CAPACITY || !all_there) break;
        all_there = false;
    }
    many = least(many, u32(CAPACITY));
    const Word first = ends[0], last = ends[1];
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
    order(b, many, r.n, 0, used, [&](u32 rank, Key key, u32 column) {
        const Word word = word_of(p, key, column);
        // The first of each share; of few elements each has several.
        const u32 from = ceil_div(rank * KNOTS, used), to = ceil_div((rank + 1) * KNOTS, used);
        for (u32 knot = from; knot < to; knot++) state.knots[knot] = word;
        if (all_there && rank + 1 == used) state.last = state.knots[KNOTS] = word;
    }, by_numbers(p.p));
}
