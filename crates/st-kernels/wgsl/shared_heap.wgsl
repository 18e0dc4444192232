// mk = 1, mkd = 1. A workgroup keeps the b best of its part in a heap in shared memory, the worst of
// them at the root. A tile's columns that beat the root are put behind the heap, and one thread
// inserts them: cheap while hits are rare.
//
// Reads the input once; b (1 + ln(n / b)) insertions of log2(b) steps each. Preferred for tiny k.
#import params
#import keys
#import sort
#import output
#import lists
#import finish
#import part_run
#import main

var<workgroup> appended: atomic<u32>;

// Puts e at the root of the heap list[0..m) and lets it sink below all that is worse.
fn sink(e: vec2<u32>, m: u32) {
    var at = 0u;
    loop {
        var child = 2u * at + 1u;
        if (child >= m) {
            break;
        }
        if (child + 1u < m && before(list[child], list[child + 1u])) {
            child += 1u;
        }
        if (!before(e, list[child])) {
            break;
        }
        list[at] = list[child];
        at = child;
    }
    list[at] = e;
}

// Leaves the b best of the part sorted in list[0..b) (all, if it has fewer), and says how many.
fn select_best(row: u32, begin: u32, n: u32, b: u32) -> u32 {
    let held = min(b, n);
    for (var i = tid; i < held; i += WG) {
        list[i] = entry(row, begin + i);
    }
    if (tid == 0u) {
        atomicStore(&appended, 0u);
    }
    workgroupBarrier();
    // Worst first is a heap with the worst at its root.
    sort_list(held);
    for (var i = tid; i < (held >> 1u); i += WG) {
        let x = list[i];
        list[i] = list[held - 1u - i];
        list[held - 1u - i] = x;
    }
    workgroupBarrier();
    for (var at = held; at < n; at += TILE) {
        let root = list[0];
        let end = min(at + TILE, n);
        for (var i = at + tid; i < end; i += WG) {
            let e = entry(row, begin + i);
            if (before(e, root)) {
                list[held + atomicAdd(&appended, 1u)] = e;
            }
        }
        workgroupBarrier();
        if (tid == 0u) {
            let new_ones = atomicLoad(&appended);
            for (var i = 0u; i < new_ones; i += 1u) {
                let e = list[held + i];
                if (before(e, list[0])) {
                    sink(e, held);
                }
            }
            atomicStore(&appended, 0u);
        }
        workgroupBarrier();
    }
    sort_list(held);
    return held;
}
