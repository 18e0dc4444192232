// Radix selection within one workgroup (after Alabi et al. 2012): histograms of 8 bits of the key,
// from the top, until the keys at both ends of the wanted ranks are known; then one pass collects in
// the order of columns, ties by quota. PASSES + 1 reads. Any k, any input.
//
// Items come from the input (a part of a row) or, with FROM_LIST, from the parts' lists.

var<workgroup> digits: array<atomic<u32>, 512>;
var<workgroup> picked: array<u32, 4>;

struct Bounds {
    high: u32,  // the key of the first rank, of which `skip` are left out
    skip: u32,
    low: u32,   // the key of the last rank, of which `take` are taken
    take: u32,
}

// Item i of a part that begins at column `begin`; nothing (with FROM_LIST) is all zeros.
fn item(row: u32, begin: u32, i: u32) -> vec2<u32> {
#ifdef FROM_LIST
    return lists[row * p.list_stride + i];
#else
    return entry(row, begin + i);
#endif
}

fn is_item(e: vec2<u32>) -> bool {
#ifdef FROM_LIST
    return e.y != 0u;
#else
    return true;
#endif
}

// In the histogram at `at`: the digit of the item that has `need` before it; `need` becomes how many
// of that digit are before it.
fn pick_digit(at: u32, need: u32, slot: u32) -> vec2<u32> {
    var sum = 0u;
    for (var j = 0u; j < BINS; j += 1u) {
        let bin = tid * BINS + j;
        if (bin < 256u) {
            sum += atomicLoad(&digits[at + 255u - bin]);
        }
    }
    var earlier = scan(sum).x;
    for (var j = 0u; j < BINS; j += 1u) {
        let bin = tid * BINS + j;
        if (bin < 256u) {
            let count = atomicLoad(&digits[at + 255u - bin]);
            if (need >= earlier && need - earlier < count) {
                picked[slot] = 255u - bin;
                picked[slot + 1u] = need - earlier;
            }
            earlier += count;
        }
    }
    workgroupBarrier();
    let result = vec2<u32>(picked[slot], picked[slot + 1u]);
    workgroupBarrier();
    return result;
}

// Where ranks first..last (not empty) of n items lie.
fn bounds_of(row: u32, begin: u32, n: u32, first: u32, last: u32) -> Bounds {
    var high = 0u;
    var low = 0u;
    var high_need = first;
    var low_need = last - 1u;
    for (var pass_number = 0u; pass_number < PASSES; pass_number += 1u) {
        let shift = 24u - 8u * pass_number;
        var known = 0u;
        if (pass_number > 0u) {
            known = 0xffffffffu << (shift + 8u);
        }
        for (var i = tid; i < 512u; i += WG) {
            atomicStore(&digits[i], 0u);
        }
        workgroupBarrier();
        for (var i = tid; i < n; i += WG) {
            let e = item(row, begin, i);
            if (is_item(e)) {
                let digit = (e.x >> shift) & 255u;
                if ((e.x & known) == low) {
                    atomicAdd(&digits[digit], 1u);
                }
                if (first > 0u && (e.x & known) == high) {
                    atomicAdd(&digits[256u + digit], 1u);
                }
            }
        }
        workgroupBarrier();
        let low_pick = pick_digit(0u, low_need, 0u);
        low = low | (low_pick.x << shift);
        low_need = low_pick.y;
        if (first > 0u) {
            let high_pick = pick_digit(256u, high_need, 2u);
            high = high | (high_pick.x << shift);
            high_need = high_pick.y;
        }
    }
    if (first == 0u) {
        return Bounds(0xffffffffu, 0u, low, low_need + 1u);
    }
    return Bounds(high, high_need, low, low_need + 1u);
}

// Whether an item is wanted, the ties before it being counted.
fn is_wanted(key: u32, b: Bounds, high_ties: u32, low_ties: u32) -> bool {
    if (key > b.high || key < b.low) {
        return false;
    }
    if (key == b.high && high_ties < b.skip) {
        return false;
    }
    return key != b.low || low_ties < b.take;
}

// Puts the wanted items, in order of their index, into list[0..] or lists[base..]; at most `most`.
fn collect(row: u32, begin: u32, n: u32, b: Bounds, base: u32, in_memory: bool, most: u32) {
    var found = 0u;
    var high_ties = 0u;
    var low_ties = 0u;
    for (var at = 0u; at < n && found < most; at += WG * EACH) {
        // Each thread has EACH items in a row, so that threads in order are items in order.
        var highs = 0u;
        var lows = 0u;
        for (var j = 0u; j < EACH; j += 1u) {
            let i = at + tid * EACH + j;
            if (i < n) {
                let e = item(row, begin, i);
                if (is_item(e)) {
                    highs += select(0u, 1u, e.x == b.high);
                    lows += select(0u, 1u, e.x == b.low);
                }
            }
        }
        // Two counts of less than 2^16 in one word.
        let ties = scan(highs | (lows << 16u));
        var high = high_ties + (ties.x & 0xffffu);
        var low = low_ties + (ties.x >> 16u);
        let high_before = high;
        let low_before = low;
        var count = 0u;
        for (var j = 0u; j < EACH; j += 1u) {
            let i = at + tid * EACH + j;
            if (i < n) {
                let e = item(row, begin, i);
                if (is_item(e)) {
                    count += select(0u, 1u, is_wanted(e.x, b, high, low));
                    high += select(0u, 1u, e.x == b.high);
                    low += select(0u, 1u, e.x == b.low);
                }
            }
        }
        let places = scan(count);
        var place = found + places.x;
        high = high_before;
        low = low_before;
        for (var j = 0u; j < EACH; j += 1u) {
            let i = at + tid * EACH + j;
            if (i < n) {
                let e = item(row, begin, i);
                if (is_item(e)) {
                    if (is_wanted(e.x, b, high, low)) {
                        if (in_memory) {
                            lists[base + place] = e;
                        } else {
                            list[place] = e;
                        }
                        place += 1u;
                    }
                    high += select(0u, 1u, e.x == b.high);
                    low += select(0u, 1u, e.x == b.low);
                }
            }
        }
        found += places.y;
        high_ties += ties.y & 0xffffu;
        low_ties += ties.y >> 16u;
    }
    storageBarrier();
    workgroupBarrier();
}
