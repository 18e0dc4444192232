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

// Sorts lists[base..base + m), which has room up to the next power of two, within one workgroup.
// Steps that stay within CAP entries are done in shared memory.
fn sort_memory(base: u32, m: u32) {
    let n = pow2_at_least(m);
    for (var i = m + tid; i < n; i += WG) {
        lists[base + i] = vec2<u32>(0u);
    }
    storageBarrier();
    workgroupBarrier();
    let tile = min(n, CAP);
    for (var size = 2u; size <= n; size = size << 1u) {
        var step = size >> 1u;
        for (; step >= tile; step = step >> 1u) {
            for (var i = tid; i < (n >> 1u); i += WG) {
                let a = ((i & ~(step - 1u)) << 1u) | (i & (step - 1u));
                let b = a | step;
                let x = lists[base + a];
                let y = lists[base + b];
                if (before(y, x) == ((a & size) == 0u)) {
                    lists[base + a] = y;
                    lists[base + b] = x;
                }
            }
            storageBarrier();
            workgroupBarrier();
        }
        // What is left of this size, tile by tile; for sizes up to a tile, all of them at once.
        if (size < tile) {
            continue;
        }
        for (var at = 0u; at < n; at += tile) {
            for (var i = tid; i < tile; i += WG) {
                list[i] = lists[base + at + i];
            }
            workgroupBarrier();
            var first = size;
            if (size == tile) {
                first = 2u;
            }
            for (var local = first; local <= size; local = local << 1u) {
                for (var near = min(local >> 1u, tile >> 1u); near > 0u; near = near >> 1u) {
                    for (var i = tid; i < (tile >> 1u); i += WG) {
                        let a = ((i & ~(near - 1u)) << 1u) | (i & (near - 1u));
                        let b = a | near;
                        let x = list[a];
                        let y = list[b];
                        if (before(y, x) == (((at + a) & local) == 0u)) {
                            list[a] = y;
                            list[b] = x;
                        }
                    }
                    workgroupBarrier();
                }
            }
            for (var i = tid; i < tile; i += WG) {
                lists[base + at + i] = list[i];
            }
            workgroupBarrier();
        }
        storageBarrier();
        workgroupBarrier();
    }
}
