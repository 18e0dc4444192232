// Many ranks of long rows, in one read: two elements between which the ranks wanted lie, from a sample; what lies
// between them is kept by the blocks that read, put in the order of its bins in shared memory, and written as runs of a
// list in device memory. A run knows where its bins begin, so that a block of the last kernel takes a few bins out of
// all runs, orders them in shared memory, and writes results where they belong. Where the sample misled, or the list is
// too short, the row is flagged, and done afterwards (again.cu).
//
//   memory_sample.cu   a block for each row: the two elements, and KNOTS elements at equal distances of rank between them
//   memory_filter.cu   blocks for parts: runs, the bins' counts, and how many come before the first element
//   memory_order.cu    blocks for ranks: results
//
// Elements are compared as words: the key, and below it the column. So equal keys are cut as evenly as others.
#pragma once
#include "block.cuh"

#define KNOTS 128
// Bins between two knots, and those of what comes before the first: BINS together.
#define SUB 14
#define FAR_BINS 256
static_assert(FAR_BINS + KNOTS * SUB == BINS, "bins");
// Where bins begin in a run, and its length: numbers of 16 bits; then where the run begins in the list, a word; and some
// to make them whole vectors.
#define TABLE (BINS + 8)
#define BEGIN_AT (BINS + 2)

// Key and column.
typedef Entry Word;

struct State {
    // Candidates, elements before the first of them, runs, and how much of the list they take; whether the row is to be
    // done in another way.
    u32 count, before, runs, taken, given, unused[3];
    Word first, last;
    Word knots[KNOTS + 1];
};

struct Params {
    Problem p;
    State* states;
    // For each row `room` candidates, and `runs` times TABLE numbers.
    Entry* list;
    u16* tables;
    // BINS counts for each row.
    u32* totals;
    // Set for a row that is to be done in another way, which then is among the rows of `again`: their number, two
    // counters that again.cu wants at 0, and the rows.
    u32 *flags, *again;
    u32 room, runs, parts;
    // Bits of a word below the key.
    u32 column_bits;
    // Ranks in the sample of the first element, 0 if there is none, and of the last.
    u32 first_rank, last_rank;
};

DEVICE Word word_of(const Params& p, Key key, u32 column) { return Word(key) << p.column_bits | column; }
DEVICE Key word_key(const Params& p, Word w) { return Key(w >> p.column_bits); }
DEVICE u32 word_column(const Params& p, Word w) { return u32(w & ((Word(1) << p.column_bits) - 1)); }
// The last word there may be.
DEVICE Word last_word(const Params& p) {
    const Key last = Key(~u64(0) >> (64 - WIDTH));
    return word_of(p, last, u32((u64(1) << p.column_bits) - 1));
}
