// The second command of every kernel: one workgroup for each row gathers the parts' lists and orders
// them. If they hold more than fits, bins find which may be wanted, and if the last bin is crowded, bins of
// it, or the first lists' where all of it has one key. If that does not do, those that come before the last
// one wanted so far are taken, list by list, and the best kept whenever there is no more room. If they hold
// less than is wanted, the sample has misled the filter, and the row is selected again by radix; so it is if
// parts came to different thresholds, which they never should: each draws the same sample.
//
// Reads the lists once if they fit; else twice, or three times where they have no threshold, and once or
// twice more where too many have almost one key.
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
    // A thread's that have the bin of its first are counted at once: all may be of one bin.
    var first_bin = 0u;
    var alike = 0u;
#paste each_listed let bin = listed_bin(e_$j.x, least, shift); if (alike == 0u) { first_bin = bin; } if (bin == first_bin) { alike += 1u; } else { count_listed(bin, 1u); }
    count_listed(first_bin, alike);
    workgroupBarrier();
    let last = pick(0u, need - 1u);
    let limit = LAST_BIN - last.x;
    // If those before the bin's and the bin's fit.
    if (is_uniform(need - 1u - last.y + last.z <= CAP)) {
#paste each_listed if (listed_bin(e_$j.x, least, shift) >= limit) { append_listed(e_$j); }
        return listed();
    }
    return gather_finer(row, least, shift, limit, last.y, need - 1u - last.y);
}

// Counts some more in a bin.
fn count_listed(bin: u32, more: u32) {
    if (more > 0u) {
        atomicAdd(&bins[bin_at(LAST_BIN - bin)], more);
    }
}

// The same where one bin, `limit`, holds too much, of which the item `rest` (from 0) is the last one wanted, so
// that `earlier` come before the bin: by bins of the bin's keys; if it is of one key, list by list, until
// there are enough, for lists are in the order of columns.
fn gather_finer(row: u32, least: u32, shift: u32, limit: u32, rest: u32, earlier: u32) -> u32 {
    var keys = vec2<u32>(0xffffffffu, 0u);
    clear_bins();
    if (tid == 0u) {
        atomicStore(&key_least, 0xffffffffu);
        atomicStore(&key_most, 0u);
    }
    workgroupBarrier();
    var alike = is_uniform(is_of_one_key(limit, shift));
    if (!alike) {
#paste each_listed if (listed_bin(e_$j.x, least, shift) == limit) { keys = vec2<u32>(min(keys.x, e_$j.x), max(keys.y, e_$j.x)); }
        keys = range_of(keys.x, keys.y);
        alike = is_uniform(keys.x == keys.y);
    }
    if (alike) {
        if (is_uniform(earlier > 0u)) {
#paste each_listed if (listed_bin(e_$j.x, least, shift) > limit) { append_listed(e_$j); }
        }
        var found = uniform_of(listed());
        let before_last = uniform_of(earlier + rest);
        for (var part = 0u; part < p.list_parts && found <= before_last; part += 1u) {
            let count = count_of(row, part);
            let base = list_base(row, part);
            for (var at = tid; at < count; at += WG) {
                let e = lists[base + at];
                if (listed_bin(e.x, least, shift) == limit) {
                    append_listed(e);
                }
            }
            found = uniform_of(listed());
        }
        return found;
    }
    let finer = bin_shift(keys.y - keys.x);
#paste each_listed if (listed_bin(e_$j.x, least, shift) == limit) { count_listed((e_$j.x - keys.x) >> finer, 1u); }
    workgroupBarrier();
    let within = LAST_BIN - pick(0u, rest).x;
#paste each_listed let bin = listed_bin(e_$j.x, least, shift); if (bin > limit || (bin == limit && ((e_$j.x - keys.x) >> finer) >= within)) { append_listed(e_$j); }
    return listed();
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

// Whether no two keys have this bin.
fn is_of_one_key(bin: u32, shift: u32) -> bool {
    if (shift != DOUBLINGS) {
        return shift <= KEY_END;
    }
    let doubling = bin >> (HISTOGRAM_BITS - 5u);
    return doubling <= KEY_END + 1u;
}

// How many entries have been appended.
fn listed() -> u32 {
    workgroupBarrier();
    let found = atomicLoad(&appended);
    workgroupBarrier();
    return found;
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
    order_found(row, count, ranks.y, results_from(ranks.x), true);
    if (p.sorted == 0u) {
        finish_list(row, ranks.x, ranks.y);
    } else {
        pad_rest(row, ranks.y - ranks.x);
    }
}
