// Ordering a list of distinct candidates in shared memory: by counting, if they are few, else by bins of equal
// width between the least and the greatest, of which crowded ones are binned again on their own. Ranges shrink
// by BINS each time, so that equal keys, which differ in their index alone, end too.
#pragma once
#include "block.cuh"

// Candidates for which comparing all with all takes less time than bins do.
#define FEW 256
// Candidates of a bin that are compared with one another.
#define CROWD 128
// Crowded bins that wait: their candidates are not the same, so that they are no more than CAPACITY / CROWD.
#define WAITING (CAPACITY / CROWD + 2)

// What ordering needs of shared memory.
struct Bench {
    Small* s;
    // CAPACITY candidates, and one to make the number even.
    Entry* list;
    u32* bins;
    u16 *places, *again;
    uint2* waiting;
};

DEVICE u32 bench_bytes() {
    const u32 list = (CAPACITY + 2) * sizeof(Entry), small = (sizeof(Small) + 15) / 16 * 16;
    return small + list + BINS * 4 + CAPACITY * 4 + WAITING * 8;
}
DEVICE Bench bench() {
    Bench b;
    char* at = shared();
    b.list = reinterpret_cast<Entry*>(at);
    at += (CAPACITY + 2) * sizeof(Entry);
    b.s = reinterpret_cast<Small*>(at);
    at += (sizeof(Small) + 15) / 16 * 16;
    b.bins = reinterpret_cast<u32*>(at);
    at += BINS * 4;
    b.waiting = reinterpret_cast<uint2*>(at);
    at += WAITING * 8;
    b.places = reinterpret_cast<u16*>(at);
    b.again = b.places + CAPACITY;
    return b;
}

DEVICE u32 bin_shift(Entry range) {
    const u32 bits = u32(sizeof(Entry) * 8) - leading_zeros(range | 1);
    return bits > BINS_LOG ? bits - BINS_LOG : 0;
}
// Turns the bins' counts into where each begins.
DEVICE void begin_bins(const Bench& b) {
    constexpr u32 OWN = BINS / THREADS;
    u32 counts[OWN], sum = 0, all;
#pragma unroll
    for (u32 j = 0; j < OWN; j++) {
        counts[j] = b.bins[thread() * OWN + j];
        sum += counts[j];
    }
    u32 at = scan(sum, all, *b.s);
#pragma unroll
    for (u32 j = 0; j < OWN; j++) {
        b.bins[thread() * OWN + j] = at;
        at += counts[j];
    }
    barrier();
}
DEVICE void clear_bins(const Bench& b) {
    for (u32 i = thread(); i < BINS; i += THREADS) b.bins[i] = 0;
}

struct alignas(sizeof(Entry) * 2 > 16 ? 16 : sizeof(Entry) * 2) Pair {
    Entry a, b;
};

// Calls write(rank, candidate) for each of the ranks [first, end) of the list's `count` candidates.
template <typename Write> DEVICE void order(const Bench& b, u32 count, u32 first, u32 end, Write write) {
    barrier();
    if (count <= FEW) {
        // Two are read at a time; the last may be none.
        if (thread() == 0) b.list[count] = NO_ENTRY;
        barrier();
        for (u32 i = thread(); i < count; i += THREADS) {
            const Entry own = b.list[i];
            u32 rank = 0;
#pragma unroll 4
            for (u32 j = 0; j < count; j += 2) {
                const Pair pair = *reinterpret_cast<const Pair*>(b.list + j);
                rank += (pair.a < own) + (pair.b < own);
            }
            if (rank >= first && rank < end) write(rank, own);
        }
        barrier();
        return;
    }
    if (thread() == 0) b.s->count = 0;
    // At first all of the list as it stands, then what waits.
    for (bool whole = true;; whole = false) {
        const u32 left = b.s->count;
        if (!whole && left == 0) break;
        const uint2 item = whole ? uint2{0, count} : b.waiting[left - 1];
        const u32 from = item.x, many = item.y;
        u16* const places = b.places + from;
        const auto place_of = [&](u32 i) { return whole ? u16(i) : places[i]; };
        Entry low = NO_ENTRY, high = 0;
        for (u32 i = thread(); i < many; i += THREADS) {
            const Entry e = b.list[place_of(i)];
            low = least(low, e);
            high = most(high, e);
        }
        extremes(low, high, *b.s);
        clear_bins(b);
        if (thread() == 0 && !whole) b.s->count = left - 1;
        barrier();
        const u32 shift = bin_shift(high - low);
        for (u32 i = thread(); i < many; i += THREADS) {
            atomic_add(&b.bins[u32((b.list[place_of(i)] - low) >> shift)], 1);
        }
        barrier();
        begin_bins(b);
        for (u32 i = thread(); i < many; i += THREADS) {
            const u16 place = place_of(i);
            const u32 at = atomic_add(&b.bins[u32((b.list[place] - low) >> shift)], 1);
            b.again[from + at] = place;
        }
        barrier();
        for (u32 i = thread(); i < many; i += THREADS) {
            const u16 place = b.again[from + i];
            const Entry own = b.list[place];
            const u32 bin = u32((own - low) >> shift);
            const u32 start = bin ? b.bins[bin - 1] : 0, stop = b.bins[bin];
            if (stop - start > CROWD) {
                places[i] = place;
                if (i == start && from + start < end && from + stop > first) {
                    b.waiting[atomic_add(&b.s->count, 1)] = uint2{from + start, stop - start};
                }
                continue;
            }
            u32 rank = from + start;
            if (rank >= end || from + stop <= first) continue;
            for (u32 j = start; j < stop; j++) rank += b.list[b.again[from + j]] < own;
            if (rank >= first && rank < end) write(rank, own);
        }
        barrier();
    }
}

// Writes the ranks that are wanted of a row, found in a list that has all ranks below `end`.
// `skipped` ranks come before the list's first.
DEVICE void finish(const Problem& p, const Row& r, u32 row, const Bench& b, u32 count, u32 skipped) {
    const u32 first = r.first - skipped, end = r.end - skipped;
    barrier();
    if (p.sorted) {
        order(b, count, first, end, [&](u32 rank, Entry e) {
            write_entry(p, r, row, rank - first, e);
        });
        return;
    }
    Small& s = *b.s;
    if (first > 0 || end < count) {
        order(b, count, first, end, [&](u32 rank, Entry e) {
            if (rank == first) s.lowest = e;
            if (rank == end - 1) s.highest = e;
        });
        const Entry low = s.lowest, high = s.highest;
        // Closed up in place: what a step writes it has read, or earlier steps have.
        u32 kept = 0;
        for (u32 from = 0; from < count; from += THREADS) {
            const u32 i = from + thread();
            const Entry e = i < count ? b.list[i] : NO_ENTRY;
            const bool take = i < count && e >= low && e <= high;
            u32 all;
            const u32 at = scan(take, all, s);
            if (take) b.list[kept + at] = e;
            kept += all;
            barrier();
        }
        count = kept;
    }
    for (u32 i = thread(); i < count; i += THREADS) b.list[i] = Entry(entry_index(b.list[i]));
    order(b, count, 0, count, [&](u32 rank, Entry e) { write_slot(p, r, row, rank, u32(e)); });
}
