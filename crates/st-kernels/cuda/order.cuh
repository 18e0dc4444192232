// Ordering a list of distinct candidates in shared memory, by key and then by column: by counting, if they are few,
// else by bins of equal width between the least and the greatest key, or number, of which crowded ones are binned again on their
// own, by keys, those that are the same by their columns. Ranges shrink by BINS each time, so that this ends. A list whose bins are
// not crowded goes through registers and back into the order of its bins (order_held); others stay where they are (order_listed).
#pragma once
#include "words.cuh"

// Candidates for which comparing all with all takes less time than bins do.
#define FEW 128
// Keys that are compared with one at a time, as one vector; threads that share a candidate's comparisons, at most.
#define AT_A_TIME (16 / sizeof(Key))
#define MOST_SHARE 8
// Candidates of a bin that are compared with one another.
#define CROWD 128
// Candidates that a thread has in hand at a time.
#define BATCH 4
// Crowded bins that wait: their candidates are not the same, so that they are no more than CAPACITY / CROWD. An even number, so
// that vectors can lie behind them.
#define WAITING ((CAPACITY / CROWD + 3) / 2 * 2)

// What ordering needs of shared memory.
struct Bench {
    Small* s;
    // CAPACITY candidates: keys, with room for what makes their number even, and columns.
    Key* keys;
    u32* columns;
    // BINS counts, and a word before and after them.
    u32* bins;
    u16 *places, *again;
    uint2* waiting;
};

DEVICE Bench bench() {
    Bench b;
    char* at = shared();
    b.keys = reinterpret_cast<Key*>(at);
    at += (CAPACITY + AT_A_TIME) * sizeof(Key);
    b.columns = reinterpret_cast<u32*>(at);
    at += CAPACITY * 4;
    b.s = reinterpret_cast<Small*>(at);
    at += (sizeof(Small) + 15) / 16 * 16;
    b.bins = reinterpret_cast<u32*>(at) + 4;
    at += (BINS + 8) * 4;
    b.waiting = reinterpret_cast<uint2*>(at);
    at += WAITING * 8;
    b.places = reinterpret_cast<u16*>(at);
    b.again = b.places + CAPACITY;
    return b;
}
// Where shared memory goes on behind it, for vectors.
DEVICE char* behind(const Bench& b) { return reinterpret_cast<char*>(b.again + CAPACITY); }
DEVICE void put(const Bench& b, u32 at, Key key, u32 column) {
    b.keys[at] = key;
    b.columns[at] = column;
}
DEVICE void put(const Bench& b, u32 at, Entry e) { put(b, at, entry_key(e), entry_index(e)); }
DEVICE Entry entry_at(const Bench& b, u32 at) { return entry_of(b.keys[at], b.columns[at]); }

DEVICE void own_bins(const Bench& b, u32 (&counts)[OWN_BINS]) {
    if constexpr (OWN_BINS % 4 == 0) {
        const Vector* const from = reinterpret_cast<const Vector*>(b.bins) + thread() * (OWN_BINS / 4);
#pragma unroll
        for (u32 j = 0; j < OWN_BINS / 4; j++) {
            const Vector v = from[j];
            counts[j * 4] = v.x;
            counts[j * 4 + 1] = v.y;
            counts[j * 4 + 2] = v.z;
            counts[j * 4 + 3] = v.w;
        }
    } else {
#pragma unroll
        for (u32 j = 0; j < OWN_BINS; j++) counts[j] = b.bins[thread() * OWN_BINS + j];
    }
}
// As pick_bin, by the counts in shared memory.
DEVICE void pick_own_bin(u32 rank, const Bench& b) {
    u32 counts[OWN_BINS];
    own_bins(b, counts);
    pick_bin(rank, *b.s, counts);
}
// Turns the bins' counts into where each begins; gives the greatest of this thread's counts.
DEVICE u32 begin_bins(const Bench& b) {
    u32 counts[OWN_BINS], sum = 0, all, greatest = 0;
    own_bins(b, counts);
#pragma unroll
    for (u32 j = 0; j < OWN_BINS; j++) {
        sum += counts[j];
        greatest = most(greatest, counts[j]);
    }
    u32 at = scan(sum, all, *b.s);
#pragma unroll
    for (u32 j = 0; j < OWN_BINS; j++) {
        b.bins[thread() * OWN_BINS + j] = at;
        at += counts[j];
    }
    return greatest;
}
DEVICE void clear_bins(const Bench& b) {
    constexpr u32 VECTORS_OF_BINS = BINS / 4;
    for (u32 i = thread(); i < VECTORS_OF_BINS; i += THREADS) reinterpret_cast<Vector*>(b.bins)[i] = Vector{0, 0, 0, 0};
}

struct alignas(16) Keys {
    Key key[AT_A_TIME];
};
DEVICE Keys keys_at(const Bench& b, u32 at) { return *reinterpret_cast<const Keys*>(b.keys + at); }

// Calls write(rank, key, column) for each of the ranks [first, end) of a list of FEW at most.
template <typename Write> DEVICE void order_few(const Bench& b, u32 count, u32 first, u32 end, Write write) {
    if (thread() < AT_A_TIME) b.keys[count + thread()] = ~Key(0);
    for (u32 i = thread(); i < count; i += THREADS) b.bins[i] = 0;
    barrier();
    u32 share = 1;
    while (share < MOST_SHARE && count * share * 2 <= THREADS) share *= 2;
    // How many keys are less; and how many have as many: more than one where keys are the same.
    const u32 part = thread() % share;
    for (u32 base = 0; base < count; base += THREADS / share) {
        const u32 i = base + thread() / share;
        const Key own = i < count ? b.keys[i] : Key(0);
        u32 less = 0;
#pragma unroll 4
        for (u32 j = part * AT_A_TIME; j < count; j += share * AT_A_TIME) {
            const Keys other = keys_at(b, j);
#pragma unroll
            for (u32 q = 0; q < AT_A_TIME; q++) less += other.key[q] < own;
        }
        for (u32 d = 1; d < share; d *= 2) less += shuffle_xor(less, d);
        if (i < count && part == 0) {
            // Those of one key have as many ranks from `less` on, and leave their places there.
            b.again[i] = u16(less);
            b.places[less + atomic_add(&b.bins[less], 1)] = u16(i);
        }
    }
    barrier();
    for (u32 i = thread(); i < count; i += THREADS) {
        const u32 less = b.again[i], column = b.columns[i], same = b.bins[less];
        u32 rank = less;
        if (same > 1) {
#pragma unroll 4
            for (u32 j = 0; j < same; j++) rank += b.columns[b.places[less + j]] < column;
        }
        if (rank >= first && rank < end) write(rank, b.keys[i], column);
    }
    barrier();
}

// Candidates of a list that a thread holds in registers, at most: it has 128 in a block that has a multiprocessor, 64 in others.
#if THREADS * GROUPS <= 512
#define MOST_HELD 16
#else
#define MOST_HELD 8
#endif
#if CAPACITY > MOST_HELD * THREADS
#define HELD MOST_HELD
#elif CAPACITY > 0
#define HELD ((CAPACITY + THREADS * BATCH - 1) / (THREADS * BATCH) * BATCH)
#else
// A file without lists.
#define HELD BATCH
#endif
// Each thread has those that are THREADS apart, from thread() on.
struct Hand {
    Key keys[HELD];
    u32 columns[HELD];
};
// Calls with(q, whether there is such a candidate) for each that this thread may have, until there are some that no thread has.
template <typename With> DEVICE void each_held(u32 count, With with) {
#pragma unroll
    for (u32 some = 0; some < HELD; some += BATCH) {
        if (some * THREADS >= count) return;
#pragma unroll
        for (u32 q = some; q < some + BATCH; q++) with(q, q * THREADS + thread() < count);
    }
}
// As order(), of a list in registers, with shared memory for it. False, and keys and columns there are as they were, where a bin is
// crowded.
template <typename Write, typename Bins>
DEVICE bool order_held(const Bench& b, const Hand& hand, u32 count, u32 n, u32 first, u32 end, Write write, Bins by) {
    clear_bins(b);
    Key low = ~Key(0), high = 0;
    each_held(count, [&](u32 q, bool in) {
        low = in ? least(low, hand.keys[q]) : low;
        high = in ? most(high, hand.keys[q]) : high;
    });
    extremes(low, high, *b.s);
    const Words w = words_of(low, high, n);
    begin_by(by, w, high);
    Key words[HELD];
    u32 within[HELD];
    each_held(count, [&](u32 q, bool) { words[q] = word_of(w, hand.keys[q], hand.columns[q]); });
    each_held(count, [&](u32 q, bool in) { within[q] = in ? atomic_add(&b.bins[bin_by(by, words[q])], 1) : 0; });
    barrier();
    const bool crowded = begin_bins(b) > CROWD;
    if (thread() == 0) b.bins[BINS] = count;
    if (barrier_or(crowded)) return false;
    each_held(count, [&](u32 q, bool in) {
        if (!in) return;
        const u32 at = b.bins[bin_by(by, words[q])] + within[q];
        b.keys[at] = words[q];
        b.columns[at] = hand.columns[q];
    });
    if (thread() < AT_A_TIME) b.keys[count + thread()] = ~Key(0);
    barrier();
    // A rank is not far from the place: others need not be looked at.
    const u32 from = first > CROWD ? first - CROWD : 0, to = least(count, end + CROWD);
#pragma unroll 2
    for (u32 i = from + thread(); i < to; i += THREADS) {
        const Key own = b.keys[i];
        const u32 column = b.columns[i], bin = bin_by(by, own), stop = b.bins[bin + 1];
        // What lies before the bin is less, and what lies behind it is not, so that whole vectors can be looked at.
        const u32 begin = b.bins[bin] / AT_A_TIME * AT_A_TIME;
        u32 rank = begin, same = 0;
        for (u32 j = begin; j < stop; j += AT_A_TIME) {
            const Keys others = keys_at(b, j);
#pragma unroll
            for (u32 q = 0; q < AT_A_TIME; q++) rank = add_less(rank, others.key[q], own);
            if (w.shift_column) {
#pragma unroll
                for (u32 q = 0; q < AT_A_TIME; q++) same += others.key[q] == own;
            }
        }
        if (same > 1) {
            for (u32 j = begin; j < stop; j++) rank += b.keys[j] == own && b.columns[j] < column;
        }
        if (rank >= first && rank < end) write(rank, key_of_word(w, own), column);
    }
    barrier();
    return true;
}

// The same of a list in shared memory, whatever its bins are like.
template <typename Write, typename Bins>
DEVICE void order_listed(const Bench& b, u32 count, u32 n, u32 first, u32 end, Write write, Bins by) {
    Small& s = *b.s;
    if (thread() == 0) s.count = 0;
    Words w = {};
    // At first all of the list as it stands, then what waits.
    for (bool whole = true;; whole = false) {
        const u32 left = whole ? 0 : s.count;
        if (!whole && left == 0) break;
        const uint2 item = whole ? uint2{0, count} : b.waiting[left - 1];
        const u32 from = item.x, many = item.y;
        u16* const places = b.places + from;
        u16* const again = b.again + from;
        const auto place_of = [&](u32 i) { return whole ? i : places[i]; };
        clear_bins(b);
        if (!whole) {
            for (u32 i = thread(); i < many; i += THREADS) places[i] = again[i];
            barrier();
        }
        Key low = ~Key(0), high = 0;
#pragma unroll 4
        for (u32 i = thread(); i < many; i += THREADS) {
            const Key key = b.keys[place_of(i)];
            low = least(low, key);
            high = most(high, key);
        }
        extremes(low, high, s);
        const bool by_column = !whole && low == high;
        if (whole) {
            w = words_of(low, high, n);
            begin_by(by, w, high);
        }
        if (by_column) {
            low = ~Key(0);
            high = 0;
            for (u32 i = thread(); i < many; i += THREADS) {
                const Key column = b.columns[place_of(i)];
                low = least(low, column);
                high = most(high, column);
            }
            extremes(low, high, s);
        }
        if (thread() == 0 && !whole) s.count = left - 1;
        const u32 shift = bin_shift(high - low);
        const auto bin_of = [&](u32 place) {
            if (whole) return bin_by(by, b.keys[place]);
            return u32(((by_column ? Key(b.columns[place]) : b.keys[place]) - low) >> shift);
        };
        // The first time each candidate remembers its place in the bin, later they take places anew.
        if (whole) {
            for (u32 base = thread(); base < many; base += THREADS * BATCH) {
                Key words[BATCH];
                u32 within[BATCH];
#pragma unroll
                for (u32 q = 0; q < BATCH; q++) {
                    const u32 i = base + q * THREADS;
                    words[q] = i < many ? word_of(w, b.keys[i], b.columns[i]) : 0;
                }
#pragma unroll
                for (u32 q = 0; q < BATCH; q++) {
                    if (base + q * THREADS < many) within[q] = atomic_add(&b.bins[bin_by(by, words[q])], 1);
                }
#pragma unroll
                for (u32 q = 0; q < BATCH; q++) {
                    const u32 i = base + q * THREADS;
                    if (i < many) {
                        b.keys[i] = words[q];
                        places[i] = u16(within[q]);
                    }
                }
            }
        } else {
            for (u32 i = thread(); i < many; i += THREADS) atomic_add(&b.bins[bin_of(places[i])], 1);
        }
        barrier();
        begin_bins(b);
        barrier();
        if (whole) {
            for (u32 base = thread(); base < many; base += THREADS * BATCH) {
                u32 at[BATCH];
#pragma unroll
                for (u32 q = 0; q < BATCH; q++) {
                    const u32 i = base + q * THREADS;
                    at[q] = i < many ? b.bins[bin_of(i)] + places[i] : 0;
                }
#pragma unroll
                for (u32 q = 0; q < BATCH; q++) {
                    const u32 i = base + q * THREADS;
                    if (i < many) again[at[q]] = u16(i);
                }
            }
        } else {
            for (u32 i = thread(); i < many; i += THREADS) {
                again[atomic_add(&b.bins[bin_of(places[i])], 1)] = places[i];
            }
        }
        // Where bins begin; those of which places were taken anew begin where the one before has come to.
        const u32* const begins = whole ? b.bins : b.bins - 1;
        if (thread() == 0) {
            b.bins[BINS] = many;
            b.bins[-1] = 0;
        }
        barrier();
        // In a bin that is not crowded a rank is not far from the place: others need not be looked at.
        const u32 begin = first > from + CROWD ? first - from - CROWD : 0;
        const u32 until = least(many, end > from ? end - from + CROWD : 0);
#pragma unroll 2
        for (u32 i = begin + thread(); i < until; i += THREADS) {
            const u32 place = again[i];
            const u32 bin = bin_of(place), start = begins[bin], stop = begins[bin + 1];
            if (stop - start > CROWD) {
                if ((i == start || i == begin) && from + start < end && from + stop > first) {
                    b.waiting[atomic_add(&s.count, 1)] = uint2{from + start, stop - start};
                }
                continue;
            }
            u32 rank = from + start;
            if (rank >= end || from + stop <= first) continue;
            const Key own = b.keys[place];
            const u32 column = b.columns[place];
            if (by_column) {
#pragma unroll 4
                for (u32 j = start; j < stop; j++) rank += b.columns[again[j]] < column;
            } else {
                u32 same = 0;
#pragma unroll 4
                for (u32 j = start; j < stop; j++) {
                    const Key other = b.keys[again[j]];
                    rank += other < own;
                    same += other == own;
                }
                if (same > 1) {
                    for (u32 j = start; j < stop; j++) rank += b.keys[again[j]] == own && b.columns[again[j]] < column;
                }
            }
            if (rank >= first && rank < end) write(rank, key_of_word(w, own), column);
        }
        barrier();
    }
}

// Calls write(rank, key, column) for each of the ranks [first, end) of the list's `count` candidates, of columns below n.
// The list's keys are not the same afterwards.
template <typename Write, typename Bins = ByWords>
DEVICE void order(const Bench& b, u32 count, u32 n, u32 first, u32 end, Write write, Bins by = {}) {
    barrier();
    if (count <= FEW) {
        order_few(b, count, first, end, write);
        return;
    }
    if (count <= HELD * THREADS) {
        Hand hand;
        each_held(count, [&](u32 q, bool in) {
            hand.keys[q] = in ? b.keys[q * THREADS + thread()] : 0;
            hand.columns[q] = in ? b.columns[q * THREADS + thread()] : 0;
        });
        if (order_held(b, hand, count, n, first, end, write, by)) return;
    }
    order_listed(b, count, n, first, end, write, by);
}

// Writes the ranks [from, to) of a row, which are all that are wanted unless results are by rank, found in a list that
// has all ranks below `to`. `skipped` ranks come before the list's first.
DEVICE void finish(const Problem& p, const Row& r, u32 row, const Bench& b, u32 count, u32 skipped, u32 from, u32 to) {
    u32 first = from - skipped, end = to - skipped;
    Index* const indices = p.indices + u64(row) * p.k;
    // By rank that is all. By index what is wanted goes to the results, comes back from there if there was more, and is
    // ordered by its columns.
    enum { TO_RESULTS, BY_INDEX, BY_RANK };
    u32 how = p.sorted ? BY_RANK : first > 0 || end < count ? TO_RESULTS : BY_INDEX;
    barrier();
    while (true) {
        if (how == BY_INDEX) {
            for (u32 i = thread(); i < count; i += THREADS) b.keys[i] = Key(b.columns[i]);
        }
        order(b, count, r.n, first, end, [&](u32 rank, Key key, u32 column) {
            if (how == BY_RANK) {
                write_key(p, r, row, rank + skipped - r.first, key, column);
            } else if (how == BY_INDEX) {
                write_slot(p, r, row, rank, column);
            } else {
                indices[rank - first] = column;
            }
        }, by_usual(p));
        if (how != TO_RESULTS) return;
        how = BY_INDEX;
        count = end - first;
        for (u32 i = thread(); i < count; i += THREADS) b.columns[i] = u32(indices[i]);
        barrier();
        first = 0;
        end = count;
    }
}

// Orders a row's candidates, which are all that are wanted and lie in the order of their columns.
DEVICE void order_collected(const Problem& p, const Entry* list, u32 row) {
    const Bench b = bench();
    const Row r = row_of(p, row);
    if (r.bad || r.first >= r.end) return;
    const u32 count = r.end - r.first;
    for (u32 i = thread(); i < count; i += THREADS) put(b, i, list[i]);
    finish(p, r, row, b, count, r.first, r.first, r.end);
}
