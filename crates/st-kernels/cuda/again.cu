// Rows that the kernels of memory.cuh could not do, by the kernels of ranks.cuh and what orders after them, in one launch: it is nearly
// always one that finds nothing to do.
//
// What would be blocks of many launches are numbered, row by row and launch by launch. Blocks take the next number, and
// wait until all of the launches before it are done. They wait for lower numbers only, which blocks that run have taken:
// so it ends, however few of the blocks run at a time.
#include "ranks.cuh"
#include "sort.cuh"

struct Params {
    RankParams r;
    // The candidates' other place, and counts, for sorting in device memory.
    Entry* others;
    u32* counts;
    // Rows; the next number; how many are done; the rows.
    u32* again;
    u32 sort_parts, part_entries;
    // Whether candidates are sorted in device memory.
    u32 sorts;
};

#define SORT_DIGITS ((WIDTH + DIGIT_BITS - 1) / DIGIT_BITS)

// Waits until so many numbers are done, and sees what they wrote.
DEVICE void wait_for(u32* done, u32 many) {
    if (thread() == 0) {
        while (atomic_add(done, 0) < many) {}
        fence();
    }
    barrier();
}

KERNEL(select_again, Params) {
    const u32 rows = p.again[0];
    if (rows == 0) return;
    u32* const word = reinterpret_cast<u32*>(shared());
    const u32 parts = p.r.parts, pieces = p.sort_parts, of_ranks = (DIGITS + 2) * parts;
    const u32 each = of_ranks + (p.sorts ? SORT_DIGITS * (2 * pieces + 1) : 1);
    while (true) {
        barrier();
        if (thread() == 0) *word = atomic_add(&p.again[1], 1);
        barrier();
        const u32 number = *word;
        if (number / each >= rows) break;
        const u32 row = p.again[3 + number / each], begin = number / each * each;
        u32 own = number - begin;
        if (own < of_ranks) {
            const u32 launch = own / parts, block = row * parts + own % parts;
            wait_for(&p.again[2], begin + launch * parts);
            RankParams q = p.r;
            if (launch < DIGITS) {
                q.above = WIDTH - launch * DIGIT;
                q.shift = q.above > DIGIT ? q.above - DIGIT : 0;
                count_digit(q, block);
            } else if (launch == DIGITS) {
                tally_part(q, block);
            } else {
                collect_part(q, block);
            }
        } else if (!p.sorts) {
            wait_for(&p.again[2], begin + of_ranks);
            order_collected(p.r.p, p.r.lists + u64(row) * p.r.p.k, row);
        } else {
            own -= of_ranks;
            const u32 of_digit = 2 * pieces + 1, digit = own / of_digit, at = own % of_digit;
            const u32 before = begin + of_ranks + digit * of_digit;
            SortParams q;
            q.p = p.r.p;
            q.from = digit % 2 ? p.others : p.r.lists;
            q.to = digit % 2 ? p.r.lists : p.others;
            q.counts = p.counts;
            q.parts = pieces;
            q.part_entries = p.part_entries;
            q.shift = digit * DIGIT_BITS;
            q.last = digit + 1 == SORT_DIGITS;
            if (at < pieces) {
                wait_for(&p.again[2], before);
                count_entries(q, row * pieces + at);
            } else if (at == pieces) {
                wait_for(&p.again[2], before + pieces);
                scan_counts(q, row);
            } else {
                wait_for(&p.again[2], before + pieces + 1);
                scatter_entries(q, row * pieces + at - pieces - 1);
            }
        }
        barrier();
        if (thread() == 0) {
            fence();
            atomic_add(&p.again[2], 1);
        }
    }
}
