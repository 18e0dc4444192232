// The second command of every kernel: one workgroup for each row gathers the parts' lists and orders
// them. If they hold more than fits, bins find which may be wanted; if too many have one key, those
// that come before the last one wanted so far are taken, list by list, and the best kept whenever
// there is no more room. If they hold less than is wanted, the sample has misled the filter, and the
// row is selected again by radix; so it is if parts came to different thresholds, which they never
// should: each draws the same sample.
//
// Reads the lists once, or three times or four.
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
    for (var at = 0u; at < count; at += threads) {
        let i = at + from_thread;
        if (i < count) {
            list[to + i] = lists[base + i];
        }
    }
}

// Takes what may be among the `need` best of all lists into the list and says how many there are,
// which may be more than fit. Bins between the least and the greatest key find the boundary.
fn gather_leading(row: u32, need: u32) -> u32 {
#ifdef SUBGROUP
    let first_part = subgroup;
    let parts_on = subgroups;
    let first = lane;
    let on = lanes;
#else
    let first_part = 0u;
    let parts_on = 1u;
    let first = tid;
    let on = WG;
#endif
    clear_bins(HISTOGRAM);
    if (tid == 0u) {
        atomicStore(&key_least, 0xffffffffu);
        atomicStore(&key_most, 0u);
        atomicStore(&appended, 0u);
    }
    workgroupBarrier();
    var least = 0xffffffffu;
    var most = 0u;
    for (var part = first_part; part < p.list_parts; part += parts_on) {
        let count = count_of(row, part);
        let base = list_base(row, part);
        for (var at = 0u; at < count; at += on) {
            if (at + first < count) {
                let key = lists[base + at + first].x;
                least = min(least, key);
                most = max(most, key);
            }
        }
    }
    atomicMin(&key_least, least);
    atomicMax(&key_most, most);
    workgroupBarrier();
    least = atomicLoad(&key_least);
    let shift = bin_shift(atomicLoad(&key_most) - least);
    for (var part = first_part; part < p.list_parts; part += parts_on) {
        let count = count_of(row, part);
        let base = list_base(row, part);
        for (var at = 0u; at < count; at += on) {
            if (at + first < count) {
                atomicAdd(&bins[LAST_BIN - ((lists[base + at + first].x - least) >> shift)], 1u);
            }
        }
    }
    workgroupBarrier();
    let bin = pick(0u, need - 1u).x;
    let limit = least + ((LAST_BIN - bin) << shift);
    for (var part = first_part; part < p.list_parts; part += parts_on) {
        let count = count_of(row, part);
        let base = list_base(row, part);
        for (var at = 0u; at < count; at += on) {
            if (at + first < count) {
                let e = lists[base + at + first];
                if (e.x >= limit) {
                    let place = atomicAdd(&appended, 1u);
                    if (place < CAP) {
                        list[place] = e;
                    }
                }
            }
        }
    }
    workgroupBarrier();
    let found = atomicLoad(&appended);
    workgroupBarrier();
    return found;
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
    if (tid == 0u) {
        atomicStore(&key_least, 0xffffffffu);
        atomicStore(&key_most, 0u);
    }
    workgroupBarrier();
    var total = 0u;
    for (var first = 0u; first < p.list_parts; first += WG) {
        var count = 0u;
        if (first + tid < p.list_parts) {
            count = count_of(row, first + tid);
            let least = least_listed(row, first + tid);
            if (least != 0u) {
                atomicMin(&key_least, least);
                atomicMax(&key_most, least);
            }
        }
        total += scan(count).y;
    }
    let agree = atomicLoad(&key_most) <= atomicLoad(&key_least);
    workgroupBarrier();
    if (total < ranks.y || !agree) {
        select_span(span(row, 0u, n), ranks.x, ranks.y);
        return;
    }
    if (total <= CAP) {
        gather(row);
        order_list(total, ranks.y);
    } else {
        let found = gather_leading(row, ranks.y);
        if (found <= CAP) {
            order_list(found, ranks.y);
        } else {
            gather_best(row, ranks.y);
        }
    }
    finish_list(row, ranks.x, ranks.y);
}
