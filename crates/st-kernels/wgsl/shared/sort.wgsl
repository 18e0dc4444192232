// Sorting candidates by bitonic networks (Batcher 1968): in shared memory, and in device memory by
// one workgroup. m log2(m)^2 / 4 exchanges; the greatest first.

var<workgroup> list: array<vec2<u32>, CAP>;

fn pow2_at_least(m: u32) -> u32 {
    var n = 2u;
    while (n < m) {
        n = n << 1u;
    }
    return n;
}

// Sorts list[0..m); all threads must have written what they have to. `runs` is the size of the runs
// that are sorted already, in turns descending and ascending (1: none).
fn sort_list_from(m: u32, runs: u32) {
    let n = pow2_at_least(m);
    for (var i = m + tid; i < n; i += WG) {
        list[i] = vec2<u32>(0u);
    }
    workgroupBarrier();
    for (var size = runs << 1u; size <= n; size = size << 1u) {
        for (var step = size >> 1u; step > 0u; step = step >> 1u) {
            for (var i = tid; i < (n >> 1u); i += WG) {
                let a = ((i & ~(step - 1u)) << 1u) | (i & (step - 1u));
                let b = a | step;
                let x = list[a];
                let y = list[b];
                if (before(y, x) == ((a & size) == 0u)) {
                    list[a] = y;
                    list[b] = x;
                }
            }
            workgroupBarrier();
        }
    }
}

fn sort_list(m: u32) {
    sort_list_from(m, 1u);
}

fn exchange_in_memory(a: u32, b: u32) {
    let x = lists[a];
    let y = lists[b];
    if (before(y, x)) {
        lists[a] = y;
        lists[b] = x;
    }
}

fn exchange_in_list(a: u32, b: u32) {
    let x = list[a];
    let y = list[b];
    if (before(y, x)) {
        list[a] = y;
        list[b] = x;
    }
}

// Steps of `greatest` and less within list[0..tile).
fn descend_list(greatest: u32, tile: u32) {
    for (var step = greatest; step > 0u; step = step >> 1u) {
        for (var i = tid; i < (tile >> 1u); i += WG) {
            let a = ((i & ~(step - 1u)) << 1u) | (i & (step - 1u));
            exchange_in_list(a, a | step);
        }
        workgroupBarrier();
    }
}

// Sorts lists[base..base + m) within one workgroup. Steps that stay within CAP entries are done in
// shared memory. Each merge begins by comparing the ends of two runs with each other, so that the network
// never turns its direction: what would lie behind the last candidate is never moved, and need not be
// there.
fn sort_memory(base: u32, m: u32) {
    let n = pow2_at_least(m);
    let tile = min(n, CAP);
    storageBarrier();
    workgroupBarrier();
    for (var size = tile; size <= n; size = size << 1u) {
        if (size > tile) {
            let half = size >> 1u;
            for (var i = tid; i < (n >> 1u); i += WG) {
                let a = ((i & ~(half - 1u)) << 1u) | (i & (half - 1u));
                let b = a ^ (size - 1u);
                if (b < m) {
                    exchange_in_memory(base + a, base + b);
                }
            }
            storageBarrier();
            workgroupBarrier();
            for (var step = half >> 1u; step >= tile; step = step >> 1u) {
                for (var i = tid; i < (n >> 1u); i += WG) {
                    let a = ((i & ~(step - 1u)) << 1u) | (i & (step - 1u));
                    let b = a | step;
                    if (b < m) {
                        exchange_in_memory(base + a, base + b);
                    }
                }
                storageBarrier();
                workgroupBarrier();
            }
        }
        // What is left of this size, tile by tile; for sizes up to a tile, all of them at once.
        for (var at = 0u; at < m; at += tile) {
            for (var i = tid; i < tile; i += WG) {
                var e = vec2<u32>(0u);
                if (at + i < m) {
                    e = lists[base + at + i];
                }
                list[i] = e;
            }
            workgroupBarrier();
            if (size == tile) {
                for (var local = 2u; local <= tile; local = local << 1u) {
                    let half = local >> 1u;
                    for (var i = tid; i < (tile >> 1u); i += WG) {
                        let a = ((i & ~(half - 1u)) << 1u) | (i & (half - 1u));
                        exchange_in_list(a, a ^ (local - 1u));
                    }
                    workgroupBarrier();
                    descend_list(half >> 1u, tile);
                }
            } else {
                descend_list(tile >> 1u, tile);
            }
            for (var i = tid; i < tile; i += WG) {
                if (at + i < m) {
                    lists[base + at + i] = list[i];
                }
            }
            workgroupBarrier();
        }
        storageBarrier();
        workgroupBarrier();
    }
}
