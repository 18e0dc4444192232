// Orders each tile of a row's candidates in shared memory: whole, or (NEAR) from the steps of a
// greater network on that stay within a tile. One workgroup for each tile.
//
// A bitonic network that never turns its direction: each merge begins by comparing the ends of two
// runs with each other (Batcher 1968, in the form with a mirrored first step). What lies behind the
// last candidate is never moved.
#import params
#import keys
#import lists
#import dense
#import main

var<workgroup> tile: array<vec2<u32>, CAP>;

fn compare(a: u32, b: u32) {
    let x = tile[a];
    let y = tile[b];
    if (before(y, x)) {
        tile[a] = y;
        tile[b] = x;
    }
}

// Steps of `step` and less.
fn descend(greatest_step: u32) {
    for (var step = greatest_step; step > 0u; step = step >> 1u) {
        for (var i = tid; i < CAP / 2u; i += WG) {
            let a = ((i & ~(step - 1u)) << 1u) | (i & (step - 1u));
            compare(a, a + step);
        }
        workgroupBarrier();
    }
}

fn run(row: u32, part: u32) {
    let total = total_of(row);
    if (!can_order(row, total) || part * CAP >= padded(total)) {
        return;
    }
    let base = dense_base(row) + part * CAP;
    for (var i = tid; i < CAP; i += WG) {
        tile[i] = lists[base + i];
    }
    workgroupBarrier();
#ifdef NEAR
    descend(CAP / 2u);
#else
    for (var size = 2u; size <= CAP; size = size << 1u) {
        let half = size >> 1u;
        for (var i = tid; i < CAP / 2u; i += WG) {
            let run_start = i / half * size;
            compare(run_start + i % half, run_start + size - 1u - i % half);
        }
        workgroupBarrier();
        descend(half >> 1u);
    }
#endif
    for (var i = tid; i < CAP; i += WG) {
        lists[base + i] = tile[i];
    }
}
