// Reading a row or a part of it once, against a threshold or two, and drawing a sample of it. See block.cu.
#pragma once
#include "exact.cuh"
#include "test.cuh"

// Vectors of a thread in flight; of its sample. AHEAD: there are registers to load the next vectors before the last
// are looked at, the first of all while the sample is.
#ifndef FLIGHT
#define FLIGHT 1
#endif
#ifndef SAMPLE
#define SAMPLE 1
#endif
#ifndef AHEAD
#define AHEAD 0
#endif
// Steps of a row that a block has on their way into shared memory, if it reads by way of that.
#ifndef RING
#define RING 0
#endif

// A thread's share of the sample.
struct Sampled {
    Vector x[SAMPLE];
};
// Where a thread's j-th vector of a sample is, of a row of so many. What lies near goes to different waves, so that rows in
// order load none of them more than others, but for NEAR vectors next to each other: memory gives 64 bytes at once.
template <u32 NEAR> DEVICE u32 spot(u32 j, u32 all) {
    const u32 at = j * (THREADS / NEAR) + lane() / NEAR * WAVES + wave();
    return least(u32(u64(at) * all / (SAMPLE * THREADS / NEAR)) + lane() % NEAR, all - 1);
}
// The sample of a row, of all its vectors but the first and the last, which may not be whole; there are more than three. It lies
// alone where many blocks draw the same: neighbours took longer then.
DEVICE Sampled draw(const Row& r, bool alone) {
    Sampled s;
    const u32 all = end_vector(r, r.n);
#pragma unroll
    for (u32 j = 0; j < SAMPLE; j++) {
        const u32 v = alone ? spot<1>(j, all) : spot<4>(j, all);
        s.x[j] = load_stream(r.vectors + least(most(v, 1u), all - 2));
    }
    return s;
}

// Whether the vectors of a step fit where a list is ordered later, which nobody uses while it is made. Elements are read there by
// their hits' bits: of 1024x65536 of bf16, k 2048, four in a hundred are hits, and an operation for each that may be one took a
// fourth of the kernel's.
#define PARKS (CAPACITY * 4 >= THREADS * FLIGHT * 16)

// Adds a thread's hits among the vectors of a step to the list, as bits, the element 0 of the first of which is that of the column
// `first`: nothing of a wave for which there is no room. Gives whether there was.
DEVICE bool add(const Bench& b, const Hits<FLIGHT>& hits, const Vector (&x)[FLIGHT], u32 first) {
    const Room room = reserve(count_hits(hits), &b.s->count);
    if (room.end > CAPACITY) return false;
    u32 at = room.at;
#if PARKS
    Vector* const own = reinterpret_cast<Vector*>(b.places) + thread();
#pragma unroll
    for (u32 u = 0; u < FLIGHT; u++) own[u * THREADS] = x[u];
    // A thread reads its own alone; but as elements, which a compiler may take for other memory than vectors.
    wave_barrier();
    const Bits* const elements = reinterpret_cast<const Bits*>(own);
#pragma unroll
    for (u32 w = 0; w < HIT_WORDS(FLIGHT); w++) {
        for (u32 bits = hits.word[w]; bits;) {
            const u32 bit = 31 - leading_zeros(bits), i = place_of_bit(w, bit);
            bits ^= 1u << bit;
            put(b, at++, Key(elements[i]), first + i);
        }
    }
#else
#pragma unroll
    for (u32 u = 0; u < FLIGHT; u++) {
        if (!any(hits_of_vector(hits, u) != 0)) continue;
#pragma unroll
        for (u32 j = 0; j < EACH; j++) {
            if (is_hit(hits, u, j)) put(b, at++, Key(element(x[u], j)), first + (u * THREADS * EACH + j));
        }
    }
#endif
    return true;
}
// The list's elements from `begin` on are bits: makes them keys.
DEVICE void settle(const Problem& p, const Bench& b, u32 begin, u32 count) {
#pragma unroll 4
    for (u32 i = begin + thread(); i < count; i += THREADS) b.keys[i] = key_of(p.map, Bits(b.keys[i]));
}

// Vectors that lie wholly in a part, from `start` on: at most two more do not.
struct Span {
    u32 from, to;
};
DEVICE Span whole_vectors(const Row& r, u32 from, u32 to, u32 start) {
    const u32 first = most(start, u32((u64(r.off) + from + EACH - 1) / EACH));
    return {first, most(first, u32((u64(r.off) + to) / EACH))};
}

// The whole vectors of a span, step by step: all threads of a block side by side, from memory.
class Steps {
   public:
    MEMBER Steps(const Row& r, const Span& span) : vectors(r.vectors), base(span.from), stop(span.to) {
        if (AHEAD && more()) load(base, next);
    }
    MEMBER bool more() const { return base < stop; }
    // The thread's vectors of this step, the first of which is given; behind the span they are anything. Goes on to the next.
    MEMBER u32 take(Vector (&x)[FLIGHT]) {
        const u32 first = base + thread();
        if (AHEAD) {
#pragma unroll
            for (u32 u = 0; u < FLIGHT; u++) x[u] = next[u];
            if (base + STEP < stop) load(base + STEP, next);
        } else {
            load(base, x);
        }
        base += STEP;
        return first;
    }
    MEMBER void end() const {}

   private:
    static constexpr u32 STEP = THREADS * FLIGHT;
    const Vector* vectors;
    u32 base, stop;
    Vector next[FLIGHT];

    MEMBER void load(u32 at, Vector (&x)[FLIGHT]) const {
        if (at + STEP <= stop) {
#pragma unroll
            for (u32 u = 0; u < FLIGHT; u++) x[u] = load_stream(vectors + at + u * THREADS + thread());
        } else {
#pragma unroll
            for (u32 u = 0; u < FLIGHT; u++) {
                const u32 v = at + u * THREADS + thread();
                x[u] = load_stream(vectors + (v < stop ? v : stop - 1));
            }
        }
    }
};

#if RING && defined(COPIES_AHEAD)
// The same by way of shared memory: RING steps are on their way there, from before a threshold is found on. Each thread has
// places of its own, and waits for nobody.
#define RINGS
class Ring {
   public:
    // `at`: shared memory for RING steps.
    MEMBER Ring(const Row& r, const Span& span, char* at)
        : vectors(r.vectors), own(reinterpret_cast<Vector*>(at) + thread()), base(span.from), asked(span.from), stop(span.to), slot(0) {
        for (u32 i = 0; i < RING; i++) ask(i);
    }
    MEMBER bool more() const { return base < stop; }
    MEMBER u32 take(Vector (&x)[FLIGHT]) {
        const u32 first = base + thread();
        copies_wait<RING - 1>();
#pragma unroll
        for (u32 u = 0; u < FLIGHT; u++) x[u] = own[slot * STEP + u * THREADS];
        ask(slot);
        if (++slot == RING) slot = 0;
        base += STEP;
        return first;
    }
    // A block must not end before its copies, wanted or not.
    MEMBER void end() const { copies_wait<0>(); }

   private:
    static constexpr u32 STEP = THREADS * FLIGHT;
    const Vector* vectors;
    Vector* own;
    u32 base, asked, stop, slot;

    // A group of copies, if of none: so that those of a step are always the RING-th last.
    MEMBER void ask(u32 to) {
        if (asked < stop) {
#pragma unroll
            for (u32 u = 0; u < FLIGHT; u++) {
                const u32 v = asked + u * THREADS + thread();
                copy_ahead(own + to * STEP + u * THREADS, vectors + (v < stop ? v : stop - 1));
            }
            asked += STEP;
        }
        copies_asked();
    }
};
#endif

// Adds the elements of [from, to), from the vector `start` on, whose raw key is `limit` at most, and `floor` at least, to
// the list; ends soon after it is full. All threads' earlier additions are done, and all are done afterwards. `steps` has the
// whole vectors of that span. Gives how many of this thread's elements come before the floor.
template <bool FLOORED, typename From>
DEVICE u32 sweep(const Problem& p, const Row& r, u32 from, u32 to, u32 start, Key limit, Key floor, const Bench& b, From& steps) {
    Small& s = *b.s;
    u32 before = 0;
    const Test test = test_of(p, limit), below = FLOORED ? test_of(p, floor - 1) : test;
    const u32 stop = end_vector(r, to);
    const Span span = whole_vectors(r, from, to, start);
    if (wave() == 0) {
        const u32 ends[2] = {start, stop - 1};
        u32 hits = 0, v = 0;
        if (lane() < 2 && start < stop) {
            v = ends[lane()];
            const bool twice = lane() == 1 && stop - 1 == start;
            if ((v < span.from || v >= span.to) && !twice) {
                const Vector x = load_part(r, v, from, to);
                const u32 in = inside(r, v, from, to);
                for (u32 j = 0; j < EACH; j++) {
                    const Key key = raw_key(p.map, element(x, j));
                    if (!(in >> j & 1) || key > limit) continue;
                    if (FLOORED && key < floor) {
                        before++;
                    } else {
                        hits |= 1u << j;
                    }
                }
            }
        }
        append(p, r, b, hits, [&](u32 j) { return column_of(r, v, j); });
    }
    barrier();
    const u32 begin = s.count;
    barrier();
    while (steps.more()) {
        Vector x[FLIGHT];
        const u32 v = steps.take(x);
        Hits<FLIGHT> hits = hits_of(p, x, test);
        if (v + (FLIGHT - 1) * THREADS >= span.to) {
#pragma unroll
            for (u32 u = 0; u < FLIGHT; u++) {
                if (v + u * THREADS >= span.to) drop_vector(hits, u);
            }
        }
        if (FLOORED) {
            // What comes before the floor passes the other test, too.
            const Hits<FLIGHT> early = hits_of(p, x, below);
            const u32 both = count_hits(hits);
            hits = hits_but(hits, early);
            before += both - count_hits(hits);
        }
        if (!any(has_hits(hits))) continue;
        if (!add(b, hits, x, column_of(r, v, 0))) break;
    }
    steps.end();
    barrier();
    settle(p, b, begin, least(s.count, u32(CAPACITY)));
    barrier();
    return before;
}
