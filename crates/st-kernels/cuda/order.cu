// Ordering the candidates that rank_collect left for each row, where they fit shared memory.
#include "order.cuh"

struct Params {
    Problem p;
    // p.k for each row.
    const Entry* lists;
};

KERNEL(order_block, Params) { order_collected(p.p, p.lists + u64(group()) * p.p.k, group()); }
