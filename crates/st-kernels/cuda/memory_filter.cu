// See memory.cuh: a row is read once, and what lies between two elements becomes runs of a list.
#include "memory.cuh"
#include "test.cuh"

#ifndef FLIGHT
#define FLIGHT 1
#endif
// Candidates of a thread in a run, those that a wave keeps, and of a run.
#define OF_RUN (96 / sizeof(Entry))
#define OF_WAVE (OF_RUN * WAVE)
#define RUN (OF_RUN * THREADS)

// What the filter needs of shared memory.
struct Sieve {
    Small* s;
    // KNOTS + 1; the keys of all but the first and the last as a tree, from 1, where lanes meet in fewer banks; and for
    // each share how many bins a step of one word is.
    Word* knots;
    Key* tree;
    float* scales;
    u32* bins;
    Entry* kept;
};
DEVICE Sieve sieve() {
    Sieve v;
    char* at = shared();
    v.knots = reinterpret_cast<Word*>(at);
    at += (KNOTS + 2) * sizeof(Word);
    v.tree = reinterpret_cast<Key*>(at);
    at += KNOTS * sizeof(Key);
    v.scales = reinterpret_cast<float*>(at);
    at += KNOTS * 4;
    v.bins = reinterpret_cast<u32*>(at);
    at += BINS * 4;
    v.kept = reinterpret_cast<Entry*>(at);
    at += RUN * sizeof(Entry);
    v.s = reinterpret_cast<Small*>(at);
    return v;
}

// Never less for a greater word.
DEVICE float as_number(Word w) {
#if WIDTH == 64
    const u64 high = u64(w >> 64);
    return high ? float(high) * 18446744073709551616.0f : float(u64(w));
#else
    return float(w);
#endif
}
DEVICE void take_knots(const Params& p, const State& state, const Sieve& v) {
    for (u32 i = thread(); i <= KNOTS; i += THREADS) v.knots[i] = state.knots[i];
    barrier();
    for (u32 i = thread(); i < KNOTS; i += THREADS) {
        const Word range = v.knots[i + 1] - v.knots[i];
        v.scales[i] = float(SUB) / as_number(range ? range : 1);
#if WIDTH == 32
        // About zero, where keys tell how small numbers are, by the numbers. That is marked by the sign.
        if ((p.p.quick & QUICK) && word_key(p, range) >> 24) {
            const float low = as_float(bits_of(p.p.map, word_key(p, v.knots[i])));
            const float way = as_float(bits_of(p.p.map, word_key(p, v.knots[i + 1]))) - low, scale = float(SUB) / way;
            if (fabsf(scale) <= as_float(0x7f7fffff) && fabsf(way) <= as_float(0x7f7fffff) && scale != 0) {
                v.scales[i] = -fabsf(scale);
            }
        }
#endif
        if (i > 0) {
            // The middle of a level's share of knots.
            const u32 level = 31 - leading_zeros(i), place = i - (1u << level);
            v.tree[i] = word_key(p, v.knots[(2 * place + 1) * (KNOTS / 2 >> level)]);
        }
    }
    barrier();
}
// The bin of a word: greater for a greater word. Between knots bins have equal widths. What comes before the first knot,
// if the list begins with the row's first ranks, may lie anywhere: there bins are the wider, the further they are from
// it.
DEVICE u32 bin_of(const Params& p, const Sieve& v, Key key, u32 column) {
    const Word w = word_of(p, key, column);
    u32 node = 1;
#pragma unroll
    for (u32 d = KNOTS / 2; d; d /= 2) node = 2 * node + (v.tree[node] <= key);
    u32 at = node - KNOTS;
    Word low = v.knots[at];
    if (word_key(p, low) == key) {
        // Knots of one key differ by their columns.
        at = 0;
#pragma unroll
        for (u32 d = KNOTS / 2; d; d /= 2) {
            if (v.knots[at + d] <= w) at += d;
        }
        low = v.knots[at];
    }
    if (w < low) {
        constexpr u32 bits = sizeof(Word) * 8, fine = FAR_BINS / bits == 4 ? 2 : 1;
        const Word far = low - w;
        const u32 width = bits - 1 - leading_zeros(far);
        const u32 sub = u32(width >= fine ? far >> (width - fine) : far << (fine - width)) & ((1u << fine) - 1);
        return FAR_BINS - 1 - (width << fine) - sub;
    }
    float scale = v.scales[at], far = as_number(w - low);
#if WIDTH == 32
    if (scale < 0) {
        far = fabsf(as_float(bits_of(p.p.map, key)) - as_float(bits_of(p.p.map, word_key(p, low))));
        scale = -scale;
    }
#endif
    return FAR_BINS + at * SUB + least(u32(far * scale), u32(SUB - 1));
}

// What each wave has kept becomes a run of the list. False if there is no room for it.
DEVICE bool write_run(const Params& p, u32 row, State& state, const Sieve& v, u32 have) {
    Small& s = *v.s;
    for (u32 i = thread(); i < BINS; i += THREADS) v.bins[i] = 0;
    barrier();
    const Entry* const kept = v.kept + wave() * OF_WAVE;
    Entry own[OF_RUN];
    u32 places[OF_RUN];
#pragma unroll
    for (u32 q = 0; q < OF_RUN; q++) own[q] = q * WAVE + lane() < have ? kept[q * WAVE + lane()] : 0;
#pragma unroll
    for (u32 q = 0; q < OF_RUN; q++) {
        if (q * WAVE + lane() < have) {
            // They are bits until now.
            const Key key = key_of(p.p.map, Bits(entry_key(own[q])));
            own[q] = entry_of(key, entry_index(own[q]));
            const u32 bin = bin_of(p, v, key, entry_index(own[q]));
            places[q] = bin << 16 | atomic_add(&v.bins[bin], 1);
        }
    }
    barrier();
    u32 counts[OWN_BINS], sum = 0, all;
#pragma unroll
    for (u32 j = 0; j < OWN_BINS; j++) sum += counts[j] = v.bins[thread() * OWN_BINS + j];
    u32 at = scan(sum, all, s);
    constexpr u32 WHOLE = 16 / sizeof(Entry);
    if (thread() == 0) {
        s.picked = atomic_add(&state.runs, 1);
        // Runs begin at whole vectors.
        s.upto = atomic_add(&state.taken, ceil_div(all, WHOLE) * WHOLE);
        atomic_add(&state.count, all);
    }
    barrier();
    const u32 run = s.picked, begin = s.upto;
    if (run >= p.runs || p.room - least(begin, p.room) < all + WHOLE) return false;
    u16* const table = p.tables + (u64(row) * p.runs + run) * TABLE;
    u32* const totals = p.totals + u64(row) * BINS;
#pragma unroll
    for (u32 j = 0; j < OWN_BINS; j++) {
        const u32 bin = thread() * OWN_BINS + j;
        v.bins[bin] = at;
        table[bin] = u16(at);
        if (counts[j]) atomic_add(&totals[bin], counts[j]);
        at += counts[j];
    }
    if (thread() == 0) {
        table[BINS] = u16(all);
        *reinterpret_cast<u32*>(table + BEGIN_AT) = begin;
    }
    barrier();
#pragma unroll
    for (u32 q = 0; q < OF_RUN; q++) {
        if (q * WAVE + lane() < have) v.kept[v.bins[places[q] >> 16] + (places[q] & 0xffff)] = own[q];
    }
    barrier();
    Vector* const to = reinterpret_cast<Vector*>(p.list + u64(row) * p.room + begin);
    const Vector* const from = reinterpret_cast<const Vector*>(v.kept);
    const u32 vectors = ceil_div(all, WHOLE);
    for (u32 i = thread(); i < vectors; i += THREADS) to[i] = from[i];
    barrier();
    return true;
}

// The element with a bit of word w of hits.
DEVICE Bits picked_element(const Vector (&x)[FLIGHT], u32 w, u32 bit) {
    constexpr u32 WORDS = FLIGHT > 4 ? 32 : FLIGHT > 2 ? 16 : FLIGHT > 1 ? 8 : 4;
    const u32 u = vector_of_bit(w, bit), j = element_of_bit(bit), at = u * 4 + j * WIDTH / 32;
    u32 words[WORDS];
#pragma unroll
    for (u32 i = 0; i < WORDS; i++) {
        const Vector& v = x[i / 4 < FLIGHT ? i / 4 : 0];
        words[i] = i % 4 == 0 ? v.x : i % 4 == 1 ? v.y : i % 4 == 2 ? v.z : v.w;
    }
    // Registers have no index: by halves.
#pragma unroll
    for (u32 step = WIDTH == 64 ? 2 : 1; step < WORDS; step *= 2) {
#pragma unroll
        for (u32 i = 0; i < WORDS; i += 2 * step) {
            words[i] = at & step ? words[i + step] : words[i];
            if (WIDTH == 64) words[i + 1] = at & step ? words[i + step + 1] : words[i + 1];
        }
    }
#if WIDTH == 64
    return u64(words[1]) << 32 | words[0];
#else
    return Bits(words[0] >> (j * WIDTH % 32));
#endif
}

// Where the ends of the list lie among the columns of a step: elements of their keys are told apart one by one. Gives
// what is left, and how many come before the first.
struct Settled {
    Hits<FLIGHT> hits;
    u32 early;
};
RARE Settled settle_ends(const Params& p, u32 row, u32 base, Hits<FLIGHT> hits) {
    const Row r = row_of(p.p, row);
    const State& state = p.states[row];
    Settled left = {{}, 0};
    for (u32 u = 0; u < FLIGHT; u++) {
        for (u32 j = 0; j < EACH; j++) {
            if (!(hits.word[bit_of(u, j) / 32] >> (bit_of(u, j) % 32) & 1)) continue;
            const u32 column = column_of(r, base + u * THREADS + thread(), j);
            const Word word = word_of(p, key_of(p.p.map, r.x[column]), column);
            left.early += word < state.first;
            if (word >= state.first && word <= state.last) left.hits.word[bit_of(u, j) / 32] |= 1u << (bit_of(u, j) % 32);
        }
    }
    return left;
}

// What a step's elements are compared with. Of the last element's key count the columns up to its own, of the first's
// those from its own on.
struct Compared {
    Test upto, below;
    // Whether nothing passes; whether some come before the first; whether an end is within the step.
    bool none, floored, mixed;
    // The first step for which this is not so any more.
    u32 next;
};
RARE Compared compared(const Params& p, u32 row, u32 base) {
    constexpr u32 STEP = THREADS * FLIGHT;
    const Row r = row_of(p.p, row);
    const State& state = p.states[row];
    const Key first = word_key(p, state.first), last = word_key(p, state.last);
    Compared c;
    c.next = ~0u;
    c.mixed = false;
    // Whether columns from `column` on begin within the step, or before it.
    const auto is_after = [&](u64 column) {
        const u32 within = u32((r.off + column) / EACH), after = u32((r.off + column + EACH - 1) / EACH);
        if (base + STEP <= within) {
            c.next = least(c.next, within - STEP + 1);
        } else if (base < after) {
            c.mixed = true;
            c.next = least(c.next, after);
        }
        return base >= after;
    };
    const bool passed = is_after(u64(word_column(p, state.last)) + 1);
    c.none = passed && last == 0;
    c.upto = test_of(p.p, passed ? last - 1 : reach(p.p.map, last));
    c.below = c.upto;
    c.floored = false;
    if (state.first > 0) {
        const bool mixed = c.mixed;
        c.mixed = false;
        const bool reached = is_after(word_column(p, state.first)), here = c.mixed;
        c.mixed |= mixed;
        c.floored = first > 0 || !(reached || here);
        c.below = test_of(p.p, reached || here ? first - 1 : reach(p.p.map, first));
    }
    return c;
}

KERNEL(memory_filter, Params) {
    const u32 row = group() / p.parts, part = group() % p.parts;
    const Row r = row_of(p.p, row);
    if (r.bad || r.first >= r.end || p.flags[row]) return;
    State& state = p.states[row];
    const Sieve sieved = sieve();
    volatile u32* const full = &sieved.s->flag;
    if (thread() == 0) *full = 0;
    take_knots(p, state, sieved);
    Entry* const kept = sieved.kept + wave() * OF_WAVE;
    const bool two = state.first > 0;
    const u32 start = first_vector(r, 0), stop = end_vector(r, r.n);
    // Parts take turns, so that elements in order are shared by all.
    constexpr u32 STEP = THREADS * FLIGHT;
    const u32 stride = p.parts * STEP;
    u32 next = start + part * STEP;
    // What this wave has kept, and hits that are not among them yet: of the vectors of the step at `base`.
    u32 have = 0, early = 0, base = next;
    Vector x[FLIGHT];
    Hits<FLIGHT> hits = {};
    Compared c = compared(p, row, base);
    while (true) {
        // Until this wave is done, or a wave of the block has no room.
        while (!any(*full != 0)) {
            bool room = true;
#pragma unroll
            for (u32 w = 0; w < HIT_WORDS(FLIGHT); w++) {
                // A hit of each lane at a time.
                for (LaneMask some = ballot(hits.word[w] != 0); some && room; some = ballot(hits.word[w] != 0)) {
                    const u32 many = count_bits(some);
                    room = have + many <= OF_WAVE;
                    if (room && hits.word[w]) {
                        const u32 bit = first_bit(hits.word[w]), u = vector_of_bit(w, bit);
                        hits.word[w] &= hits.word[w] - 1;
                        const u32 column = column_of(r, base + u * THREADS + thread(), element_of_bit(bit));
                        kept[have + count_bits(some & before())] = entry_of(Key(picked_element(x, w, bit)), column);
                    }
                    if (room) have += many;
                }
            }
            if (!room) {
                if (lane() == 0) *full = 1;
                break;
            }
            if (next >= stop) break;
            base = next;
            next += stride;
            if (base >= c.next) c = compared(p, row, base);
            // Vectors that lie wholly in the row need no questions.
            const bool whole = base > start && base + STEP < stop;
            if (whole) {
#pragma unroll
                for (u32 u = 0; u < FLIGHT; u++) x[u] = load_stream(r.vectors + base + u * THREADS + thread());
            } else {
#pragma unroll
                for (u32 u = 0; u < FLIGHT; u++) x[u] = load_part(r, least(base + u * THREADS + thread(), stop - 1), 0, r.n);
            }
            if (c.none) continue;
            hits = hits_of(p.p, x, c.upto);
            if (!whole) {
#pragma unroll
                for (u32 u = 0; u < FLIGHT; u++) {
                    const u32 v = base + u * THREADS + thread();
                    hits = hits_within(hits, u, v < stop ? inside(r, v, 0, r.n) : 0);
                }
            }
            if (c.floored) {
                const u32 both = count_hits(hits);
                hits = hits_but(hits, hits_of(p.p, x, c.below));
                early += both - count_hits(hits);
            }
            if (c.mixed) {
                const Settled left = settle_ends(p, row, base, hits);
                hits = left.hits;
                early += left.early;
            }
        }
        bool left = next < stop;
#pragma unroll
        for (u32 w = 0; w < HIT_WORDS(FLIGHT); w++) left |= hits.word[w] != 0;
        if (barrier_or(have > 0) && !write_run(p, row, state, sieved, have)) return;
        have = 0;
        if (thread() == 0) *full = 0;
        if (!barrier_or(left)) break;
    }
    if (two) {
        early = wave_sum(early);
        if (lane() == 0 && early) atomic_add(&state.before, early);
    }
}
