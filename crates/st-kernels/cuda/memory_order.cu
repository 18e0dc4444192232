// See memory.cuh: what is wanted of the runs is ordered.
#include "memory.cuh"
#include "order.cuh"

// Candidates of a block of the last kernel, not counting its last bin.
#define SHARE (CAPACITY / 2)
// A bin of more than so many lists is left to the other way.
#define MOST_LISTS 16
// Lanes that take a bin out of a run together.
#define TEAM 8

// The bins' counts of a row, as where they begin, and all; and runs' shares of some of them.
struct Draft {
    Bench b;
    u32* starts;
    // For each of THREADS runs: where its share begins in the list, and where it goes.
    u32 *from, *to;
    // Where the bins of a crowded one begin.
    u32* finer;
};
DEVICE Draft draft() {
    Draft d;
    d.b = bench();
    char* at = reinterpret_cast<char*>(d.b.again + CAPACITY);
    d.starts = reinterpret_cast<u32*>(at);
    d.finer = d.starts + BINS + 4;
    d.from = d.finer + BINS + 4;
    d.to = d.from + THREADS;
    return d;
}
// The first of `BINS + 1` ascending numbers that is `x` at least.
DEVICE u32 first_from(const u32* numbers, u32 x) {
    u32 at = 0;
#pragma unroll
    for (u32 d = BINS / 2; d; d /= 2) {
        if (numbers[at + d - 1] < x) at += d;
    }
    at += numbers[at] < x;
    return at == BINS ? at + (numbers[BINS] < x) : at;
}

// Calls take(place, entry) for the candidates of the bins [begin, end) of all runs, each with a place of its own. All
// threads come together after each THREADS runs.
template <typename Take>
DEVICE void for_bins(const Params& p, u32 row, u32 runs, u32 begin, u32 end, const Draft& d, Take take) {
    u32 before = 0;
    for (u32 base = 0; base < runs; base += THREADS) {
        const u32 run = base + thread();
        u32 from = 0, many = 0, all;
        if (run < runs) {
            const u16* const table = p.tables + (u64(row) * p.runs + run) * TABLE;
            from = table[begin];
            many = table[end] - from;
            from += *reinterpret_cast<const u32*>(table + BEGIN_AT);
        }
        const u32 at = before + scan(many, all, *d.b.s);
        d.from[thread()] = from;
        d.to[thread()] = at;
        if (thread() == THREADS - 1) d.to[THREADS] = at + many;
        before += all;
        barrier();
        const Entry* const list = p.list + u64(row) * p.room;
        constexpr u32 TEAMS = THREADS / TEAM, TURNS = 4;
        const u32 here = least(runs - base, u32(THREADS));
        for (u32 turn = thread() / TEAM; turn < here; turn += TEAMS * TURNS) {
            u32 source[TURNS], place[TURNS], left[TURNS], most_left = 0;
#pragma unroll
            for (u32 q = 0; q < TURNS; q++) {
                const u32 one = turn + q * TEAMS, own = thread() % TEAM;
                source[q] = place[q] = left[q] = 0;
                if (one < here) {
                    source[q] = d.from[one] + own;
                    place[q] = d.to[one] + own;
                    const u32 stop = d.to[one + 1];
                    left[q] = place[q] < stop ? stop - place[q] : 0;
                }
                most_left = most(most_left, left[q]);
            }
            for (u32 i = 0; i < most_left; i += TEAM) {
                Entry e[TURNS];
#pragma unroll
                for (u32 q = 0; q < TURNS; q++) e[q] = i < left[q] ? list[source[q] + i] : 0;
#pragma unroll
                for (u32 q = 0; q < TURNS; q++) {
                    if (i < left[q]) take(place[q] + i, e[q]);
                }
            }
        }
        barrier();
    }
}

// Where in the list the candidates of the bins [begin, end) of all runs are, to the place of the block's columns; gives how
// many there are: CAPACITY at most.
DEVICE u32 find_bins(const Params& p, u32 row, u32 runs, u32 begin, u32 end, const Draft& d) {
    u32* const source = d.b.columns;
    u32 many = 0;
    for (u32 base = 0; base < runs; base += THREADS) {
        const u32 run = base + thread();
        u32 from = 0, mine = 0, all;
        if (run < runs) {
            const u16* const table = p.tables + (u64(row) * p.runs + run) * TABLE;
            from = table[begin];
            mine = table[end] - from;
            from += *reinterpret_cast<const u32*>(table + BEGIN_AT);
        }
        const u32 at = many + scan(mine, all, *d.b.s);
        many += all;
        // Long shares are for all lanes.
        for (u32 i = 0; i < mine && mine <= WAVE; i++) source[at + i] = from + i;
        for (LaneMask longer = ballot(mine > WAVE); longer; longer &= longer - 1) {
            const u32 l = first_bit(longer), to = shuffle(at, l), of = shuffle(from, l), length = shuffle(mine, l);
            for (u32 i = lane(); i < length; i += WAVE) source[to + i] = of + i;
        }
    }
    barrier();
    return many;
}
// Puts what was found into the block's list.
DEVICE void gather(const Params& p, u32 row, u32 many, const Draft& d) {
    const Entry* const list = p.list + u64(row) * p.room;
    constexpr u32 TURNS = 4;
    for (u32 base = thread(); base < many; base += THREADS * TURNS) {
        Entry e[TURNS];
#pragma unroll
        for (u32 q = 0; q < TURNS; q++) e[q] = base + q * THREADS < many ? list[d.b.columns[base + q * THREADS]] : 0;
#pragma unroll
        for (u32 q = 0; q < TURNS; q++) {
            if (base + q * THREADS < many) put(d.b, base + q * THREADS, e[q]);
        }
    }
}

// Where the ranks go of candidates that `ahead` of the row come before.
struct ToResults {
    const Params& p;
    const Row& r;
    u32 row, ahead;
    MEMBER u32 from() const { return r.first > ahead ? r.first - ahead : 0; }
    MEMBER u32 to(u32 many) const { return least(many, r.end - ahead); }
    MEMBER void operator()(u32 rank, Key key, u32 column) const { write_key(p.p, r, row, rank + ahead - r.first, key, column); }
};
// Orders `many` candidates of the block's list, and writes what is wanted.
DEVICE void put_out(const Bench& b, u32 many, const ToResults& to) { order(b, many, to.r.n, to.from(), to.to(many), to); }
// The same for what was found, by way of the block's list.
RARE void put_out_listed(const Params& p, u32 row, u32 many, u32 ahead) {
    const Draft d = draft();
    const Row r = row_of(p.p, row);
    gather(p, row, many, d);
    barrier();
    const ToResults to = {p, r, row, ahead};
    order_listed(d.b, many, r.n, to.from(), to.to(many), to, ByWords{});
}
// The same, in registers if that can be.
DEVICE void put_out_found(const Draft& d, u32 many, const ToResults& to) {
    if (many <= HELD * THREADS) {
        const Entry* const list = to.p.list + u64(to.row) * to.p.room;
        Hand hand;
        // All are asked for at once.
#pragma unroll
        for (u32 q = 0; q < HELD; q++) {
            const Entry e = q * THREADS + thread() < many ? list[d.b.columns[q * THREADS + thread()]] : 0;
            hand.keys[q] = entry_key(e);
            hand.columns[q] = entry_index(e);
        }
        if (order_held(d.b, hand, many, to.r.n, to.from(), to.to(many), to, ByWords{})) return;
    }
    put_out_listed(to.p, to.row, many, to.ahead);
}
// Whether some of `many` ranks after `ahead` are wanted.
DEVICE bool is_wanted(const Row& r, u32 many, u32 ahead) { return ahead < r.end && ahead + many > r.first; }

// Puts the row among those that are done in another way.
DEVICE void give_up(const Params& p, u32 row) {
    if (atomic_add(&p.states[row].given, 1) == 0) p.again[3 + atomic_add(&p.again[0], 1)] = row;
}

// Calls take(entry, its word) for the candidates of a bin from `low` to `high`.
template <typename Take>
DEVICE void for_words(const Params& p, u32 row, u32 bin, const Draft& d, Word low, Word high, Take take) {
    for_bins(p, row, p.states[row].runs, bin, bin + 1, d, [&](u32, Entry e) {
        const Word w = word_of(p, entry_key(e), entry_index(e));
        if (w >= low && w <= high) take(e, w);
    });
}

// A bin that does not fit: it is cut at equal distances between its least and its greatest word, and what fits is ordered
// at a time; where a cut does not fit, it is cut again. False if that would take too long.
RARE bool put_out_crowded(const Params& p, u32 row, u32 bin, u32 many, u32 ahead) {
    if (many > MOST_LISTS * CAPACITY) return false;
    const Draft d = draft();
    const Row r = row_of(p.p, row);
    Small& s = *d.b.s;
    const Word last = ~Word(0);
    Word from = 0, upto = last;
    u32 done = 0;
    while (done < many) {
        Word low = last, high = 0;
        for_words(p, row, bin, d, from, upto, [&](Entry, Word w) {
            low = least(low, w);
            high = most(high, w);
        });
        extremes(low, high, s);
        if (low <= high) {
            const u32 bits = bits_in(Word(high - low)), shift = bits > BINS_LOG ? bits - BINS_LOG : 0;
            clear_bins(d.b);
            barrier();
            for_words(p, row, bin, d, low, high, [&](Entry, Word w) { atomic_add(&d.b.bins[u32((w - low) >> shift)], 1); });
            u32 counts[OWN_BINS], sum = 0, all;
            own_bins(d.b, counts);
#pragma unroll
            for (u32 j = 0; j < OWN_BINS; j++) sum += counts[j];
            u32 begins = scan(sum, all, s);
#pragma unroll
            for (u32 j = 0; j < OWN_BINS; j++) {
                d.finer[thread() * OWN_BINS + j] = begins;
                begins += counts[j];
            }
            if (thread() == 0) d.finer[BINS] = all;
            barrier();
            u32 at = 0;
            while (at < BINS && d.finer[at] < all) {
                const u32 begin = d.finer[at], end = first_from(d.finer, begin + CAPACITY + 1) - 1;
                if (end == at) break;
                const u32 here = d.finer[end] - begin;
                if (here && is_wanted(r, here, ahead + done)) {
                    if (thread() == 0) s.count = 0;
                    barrier();
                    for_words(p, row, bin, d, low, high, [&](Entry e, Word w) {
                        const u32 cut = u32((w - low) >> shift);
                        if (cut >= at && cut < end) put(d.b, atomic_add(&s.count, 1), e);
                    });
                    put_out(d.b, here, ToResults{p, r, row, ahead + done});
                }
                done += here;
                at = end;
            }
            if (at < BINS && d.finer[at] < all) {
                from = low + (Word(at) << shift);
                upto = from + least(Word(high - from), Word((Word(1) << shift) - 1));
                barrier();
                continue;
            }
            barrier();
        }
        if (upto == last) break;
        from = upto + 1;
        upto = last;
    }
    return true;
}

// Of the list, what a run may leave at its end.
#define WHOLE_RUN (16 / sizeof(Entry))

KERNEL(memory_order, Params) {
    const u32 blocks = groups() / p.p.rows;
    const u32 row = group() / blocks, block = group() % blocks;
    const Row r = row_of(p.p, row);
    if (r.bad || r.first >= r.end) return;
    const State& state = p.states[row];
    const u32 count = state.count, skipped = state.before, runs = state.runs;
    if (p.flags[row] || runs > p.runs || state.taken > p.room - WHOLE_RUN || skipped > r.first || u64(skipped) + count < r.end) {
        if (block == 0 && thread() == 0) give_up(p, row);
        return;
    }
    const Draft d = draft();
    Small& s = *d.b.s;
    const u32* const totals = p.totals + u64(row) * BINS;
    u32 begins[OWN_BINS + 1], sum = 0, all;
#pragma unroll
    for (u32 j = 0; j < OWN_BINS; j++) sum += begins[j + 1] = totals[thread() * OWN_BINS + j];
    begins[0] = scan(sum, all, s);
#pragma unroll
    for (u32 j = 0; j < OWN_BINS; j++) {
        d.starts[thread() * OWN_BINS + j] = begins[j];
        begins[j + 1] += begins[j];
    }
    if (thread() == 0) d.starts[BINS] = count;
    // Of the list, what is wanted, and of that this block's share: bins that begin there, and the one the first is in.
    const u32 first = r.first - skipped, end = r.end - skipped;
    for (u32 share = block; share <= (end - first - 1) / SHARE; share += blocks) {
        const u32 from = share == 0 ? first + 1 : first + share * SHARE, to = least(first + (share + 1) * SHARE, end);
        barrier();
#pragma unroll
        for (u32 j = 0; j < OWN_BINS; j++) {
            const u32 next = thread() * OWN_BINS + j + 1;
            if (begins[j] < from && begins[j + 1] >= from) s.picked = share == 0 ? next - 1 : next;
            if (begins[j] < to && begins[j + 1] >= to) s.upto = next;
        }
        barrier();
        u32 bin = s.picked;
        const u32 stop = s.upto;
        while (bin < stop) {
            // As many as fit.
            const u32 begin = d.starts[bin];
            const u32 next =
                d.starts[stop] - begin <= CAPACITY ? stop : first_from(d.starts, begin + CAPACITY + 1) - 1;
            if (next == bin) {
                const u32 many = d.starts[bin + 1] - begin;
                if (!put_out_crowded(p, row, bin, many, skipped + begin)) {
                    if (thread() == 0) give_up(p, row);
                }
                bin++;
                continue;
            }
            const u32 many = find_bins(p, row, runs, bin, next, d);
            if (many) put_out_found(d, many, ToResults{p, r, row, skipped + begin});
            bin = next;
        }
    }
}
