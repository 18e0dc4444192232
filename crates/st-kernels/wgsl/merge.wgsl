// The second command of every kernel: one workgroup for each row gathers the parts' lists and orders
// them. If they hold more than fits, bins find which may be wanted; if too many have one key, those
// that come before the last one wanted so far are taken, list by list, and the best kept whenever
// there is no more room. If they hold less than is wanted, the sample has misled the filter, and the
// row is selected again by radix; so it is if parts came to different thresholds, which they never
// should: each draws the same sample.
//
// Reads the lists once if they fit; else twice, or three times where they have no threshold, and once more
// where too many have one key.
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

// Where each of up to WG lists goes, and where the last of them ends.
var<workgroup> starts: array<u32, WG + 1u>;

// Sets `starts` for lists of `count` entries, the first going to `at`, and says how many they have. A
// barrier must follow.
fn set_starts(at: u32, count: u32) -> u32 {
    let places = scan(count);
    starts[tid] = at + places.x;
    if (tid == 0u) {
        starts[WG] = at + places.y;
    }
    return places.y;
}

// Sets `starts` for the lists from `round` on, where it is not there for all of them already, and says
// for how many.
fn begin_round(row: u32, round: u32) -> u32 {
    if (p.list_parts > WG) {
        var at = 0u;
        if (round > 0u) {
            at = starts[WG];
        }
        var count = 0u;
        if (round + tid < p.list_parts) {
            count = about_list(row, round + tid).x;
        }
        workgroupBarrier();
        set_starts(at, count);
        workgroupBarrier();
    }
    return min(WG, p.list_parts - round);
}

// All lists, which fit.
fn gather(row: u32) {
#paste each_listed list[to + i_$j] = e_$j;
    workgroupBarrier();
}

// Takes what may be among the `need` best of all lists into the list and says how many there are, which
// may be more than fit. Bins find the boundary. If all hold what reaches `threshold`, as many for each
// doubling of what a key has more than that; if that is 0, between the least and the greatest key.
fn gather_leading(row: u32, need: u32, threshold: u32) -> u32 {
    clear_bins();
    if (tid == 0u) {
        atomicStore(&key_least, 0xffffffffu);
        atomicStore(&key_most, 0u);
        atomicStore(&appended, 0u);
    }
    workgroupBarrier();
    var least = threshold;
    var shift = DOUBLINGS;
    if (threshold == 0u) {
        var lowest = 0xffffffffu;
        var most = 0u;
#paste each_listed lowest = min(lowest, e_$j.x); most = max(most, e_$j.x);
        let range = range_of(lowest, most);
        least = range.x;
        shift = bin_shift(range.y - range.x);
    }
#paste each_listed atomicAdd(&bins[bin_at(LAST_BIN - listed_bin(e_$j.x, least, shift))], 1u);
    workgroupBarrier();
    let limit = LAST_BIN - pick(0u, need - 1u).x;
#paste each_listed if (listed_bin(e_$j.x, least, shift) >= limit) { append_listed(e_$j); }
    workgroupBarrier();
    let found = atomicLoad(&appended);
    workgroupBarrier();
    return found;
}

// In place of a shift: bins by doublings, HISTOGRAM / 32 for each.
const DOUBLINGS: u32 = 0xffu;

fn listed_bin(key: u32, least: u32, shift: u32) -> u32 {
    let above = key - min(key, least);
    if (shift != DOUBLINGS) {
        return min(above >> (shift & 31u), LAST_BIN);
    }
    let fine = HISTOGRAM_BITS - 5u;
    // The least numbers have a bin each.
    let doubling = max(32u - countLeadingZeros(above), fine) - fine;
    return (doubling << fine) + ((above >> (max(doubling, 1u) - 1u)) & ((1u << fine) - 1u));
}

// Appends an entry to the list, if there is room.
fn append_listed(e: vec2<u32>) {
    let place = atomicAdd(&appended, 1u);
    if (place < CAP) {
        list[place] = e;
    }
}

// Takes the `need` best of all lists and some more into the list, and says how many there are.
fn gather_best(row: u32, need: u32) -> u32 {
    var have = 0u;
    var last = vec2<u32>(0u);
    if (tid == 0u) {
        atomicStore(&appended, 0u);
    }
    workgroupBarrier();
    for (var part = 0u; part < p.list_parts; part += 1u) {
        let count = uniform_of(count_of(row, part));
        let base = list_base(row, part);
        for (var at = 0u; at < count; at += WG) {
            if (at + tid < count) {
                let e = lists[base + at + tid];
                if (before(e, last)) {
                    list[have + atomicAdd(&appended, 1u)] = e;
                }
            }
            workgroupBarrier();
            have = uniform_of(have + atomicLoad(&appended));
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
    return have;
}

fn run(row: u32, part: u32) {
    let n = row_length(row);
    let ranks = wanted(n);
    if (ranks.x == ranks.y) {
        pad_rest(row, 0u);
        return;
    }
    // Few threads differ from the first: all would wait for each other.
    let usual = uniform_of(about_list(row, 0u).y);
    if (tid == 0u) {
        atomicStore(&key_least, select(usual, 0xffffffffu, usual == 0u));
        atomicStore(&key_most, usual);
    }
    workgroupBarrier();
    var total = 0u;
    for (var first = 0u; first < p.list_parts; first += WG) {
        var about = vec2<u32>(0u);
        if (first + tid < p.list_parts) {
            about = about_list(row, first + tid);
            if (about.y != 0u && about.y != usual) {
                atomicMin(&key_least, about.y);
                atomicMax(&key_most, about.y);
            }
        }
        total = uniform_of(total + set_starts(total, about.x));
    }
    let agree = atomicLoad(&key_most) <= atomicLoad(&key_least);
    workgroupBarrier();
    if (total < ranks.y || !is_uniform(agree)) {
        select_span(span(row, 0u, n), ranks.x, ranks.y);
        return;
    }
    var count = total;
    if (total <= CAP) {
        gather(row);
    } else {
        count = uniform_of(gather_leading(row, ranks.y, usual));
        if (count > CAP) {
            count = gather_best(row, ranks.y);
        }
    }
    order_list(count, ranks.y);
    finish_list(row, ranks.x, ranks.y);
}
