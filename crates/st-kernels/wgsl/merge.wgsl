// The second command of every kernel: one workgroup for each row gathers the parts' lists and orders
// them. If they hold more than fits, those that come before the last one wanted so far are taken,
// list by list, and the best kept whenever there is no more room. If they hold less than is wanted,
// the sample has misled the filter, and the row is selected again by radix.
//
// Reads the lists once.
#import params
#import keys
#import vectors
#import scan
#import votes
#import bins
#import sort
#import order
#import output
#import lists
#import finish
#import radix
#import main

var<workgroup> starts: array<u32, WG>;

// All lists, which fit.
fn gather(row: u32) {
    var done = 0u;
    for (var first = 0u; first < p.list_parts; first += WG) {
        var count = 0u;
        if (first + tid < p.list_parts) {
            count = count_of(row, first + tid);
        }
        let places = scan(count);
        starts[tid] = done + places.x;
        workgroupBarrier();
        let parts = min(WG, p.list_parts - first);
#ifdef SUBGROUP
        for (var part = subgroup; part < parts; part += subgroups) {
            copy_list(row, first + part, starts[part], lane, lanes);
        }
#else
        for (var part = 0u; part < parts; part += 1u) {
            copy_list(row, first + part, starts[part], tid, WG);
        }
#endif
        done += places.y;
        workgroupBarrier();
    }
}

fn copy_list(row: u32, part: u32, to: u32, from_thread: u32, threads: u32) {
    let count = count_of(row, part);
    let base = list_base(row, part);
    for (var i = from_thread; i < count; i += threads) {
        list[to + i] = lists[base + i];
    }
}

// The `need` best of all lists, in order.
fn gather_best(row: u32, need: u32) {
    var have = 0u;
    var last = vec2<u32>(0u);
    if (tid == 0u) {
        atomicStore(&appended, 0u);
    }
    workgroupBarrier();
    for (var part = 0u; part < p.list_parts; part += 1u) {
        let count = count_of(row, part);
        let base = list_base(row, part);
        for (var at = 0u; at < count; at += WG) {
            if (at + tid < count) {
                let e = lists[base + at + tid];
                if (before(e, last)) {
                    list[have + atomicAdd(&appended, 1u)] = e;
                }
            }
            workgroupBarrier();
            have += atomicLoad(&appended);
            workgroupBarrier();
            if (tid == 0u) {
                atomicStore(&appended, 0u);
            }
            if (have + WG > CAP) {
                order_list(have, need);
                have = need;
                last = list[need - 1u];
            }
            workgroupBarrier();
        }
    }
    order_list(have, need);
}

fn run(row: u32, part: u32) {
    let n = row_length(row);
    let ranks = wanted(n);
    if (ranks.x == ranks.y) {
        pad_rest(row, 0u);
        return;
    }
    var total = 0u;
    for (var first = 0u; first < p.list_parts; first += WG) {
        var count = 0u;
        if (first + tid < p.list_parts) {
            count = count_of(row, first + tid);
        }
        total += scan(count).y;
    }
    if (total < ranks.y) {
        select_span(span(row, 0u, n), ranks.x, ranks.y);
        return;
    }
    if (total <= CAP) {
        gather(row);
        order_list(total, ranks.y);
    } else {
        gather_best(row, ranks.y);
    }
    finish_list(row, ranks.x, ranks.y);
}
