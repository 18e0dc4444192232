// Ordering the candidates that rank_collect left for each row, where they fit shared memory.
#include "order.cuh"

struct Params {
    Problem p;
    // p.k for each row.
    const Entry* lists;
    // Rows that are wanted, by a word that is not 0; null: all.
    const u32* only;
};

KERNEL(order_block, Params) {
    const Bench b = bench();
    const Row r = row_of(p.p, group());
    if (r.bad || r.first >= r.end || (p.only && !p.only[group()])) return;
    const u32 count = r.end - r.first;
    const Entry* const list = p.lists + u64(group()) * p.p.k;
    for (u32 i = thread(); i < count; i += THREADS) put(b, i, list[i]);
    finish(p.p, r, group(), b, count, r.first, r.first, r.end);
}
