// A short row for each group of eight lanes, in their registers: a threshold that at least as many
// elements as are wanted reach, and at most CAP.
//
// The least of the group's partial maxima is reached often enough; from there a few steps of
// interpolation do for most rows. For the others the last key wanted is found by bisection, and its
// ties are cut in the order of columns: the answer is exact for every row.

const GROUP: u32 = 8u;
// Neighbouring keys: 16-bit ones stand in the upper half.
#ifdef HALF
const UNIT: u32 = 0x10000u;
#else
const UNIT: u32 = 1u;
#endif

var<private> lane: u32;
var<private> lanes: u32;
var<private> own_lane: u32;                         // within the group
// Raw keys, with the bits of `hits`.
#unroll q QUADS
var<private> raw_$q: vec4<u32>;
#end
var<private> present: u32;                          // elements that are there, as bits

// What was found of a row: the lane's share as bits, how many there are in the group, and a key that
// all of them reach.
struct Found {
    mask: u32,
    count: u32,
    least: u32,
    most: u32,
}

fn group_sum(value: u32) -> u32 {
    var v = value;
    v += subgroupShuffleXor(v, 1u);
    v += subgroupShuffleXor(v, 2u);
    v += subgroupShuffleXor(v, 4u);
    return v;
}
fn group_least(value: u32) -> u32 {
    var v = value;
    v = min(v, subgroupShuffleXor(v, 1u));
    v = min(v, subgroupShuffleXor(v, 2u));
    v = min(v, subgroupShuffleXor(v, 4u));
    return v;
}
fn group_most(value: u32) -> u32 {
    var v = value;
    v = max(v, subgroupShuffleXor(v, 1u));
    v = max(v, subgroupShuffleXor(v, 2u));
    v = max(v, subgroupShuffleXor(v, 4u));
    return v;
}
// The sum of the values of the group's lanes before this one.
fn group_before(value: u32) -> u32 {
    var v = value;
    for (var step = 1u; step < GROUP; step = step << 1u) {
        let other = subgroupShuffleUp(v, step);
        v += select(0u, other, own_lane >= step);
    }
    return v - value;
}

fn load(s: Span) {
    present = 0u;
#unroll j EV
    {
        let i = $ju * GROUP + own_lane;
#ifdef FULL_ROWS
        let w = vectors[s.first + i];
#else
        var w = vec4<u32>(0u);
        if (i < s.count) {
            w = words(s, i);
            present = present | (valid(s, i) << ($ju * PER));
        }
#endif
#ifdef HALF
        raw_$(j * 2) = raw_evens(w) & vec4<u32>(0xffff0000u);
        raw_$(j * 2 + 1) = raw_odds(w);
#else
        raw_$j = raw_evens(w);
#endif
    }
#end
}

// The elements that reach a raw key.
fn reach(least: u32) -> u32 {
    let four = vec4<u32>(least);
    var mask = 0u;
#unroll q QUADS
    mask = mask | (bits4(raw_$q >= four) << $(q * 4)u);
#end
#ifdef FULL_ROWS
    return mask;
#else
    return mask & present;
#endif
}

// A quad's keys, or 0 where there is no element.
fn there(keys: vec4<u32>, q: u32) -> vec4<u32> {
#ifdef FULL_ROWS
    return keys;
#else
    let ok = vec4<u32>(present >> (4u * q)) & vec4<u32>(1u, 2u, 4u, 8u);
    return select(vec4<u32>(0u), keys, ok != vec4<u32>(0u));
#endif
}

// About 16 log2(x).
fn log16(x: u32) -> u32 {
    let whole = 31u - countLeadingZeros(max(x, 1u));
    return 16u * whole + (((x << 4u) >> whole) & 15u);
}

// Finds the row's elements: `wanted` of them, or up to CAP. The greatest key is as it is found in the
// lanes, whether or not it stands for several patterns.
fn find(wanted: u32, n: u32) -> Found {
    // Partial maxima: their least is reached by as many elements as there are maxima.
    var low = 0xffffffffu;
    var top = 0u;
    var sums = 0u;
#unroll g PARTIAL
    var four_$g = vec4<u32>(0u);
#unroll q QUADS_EACH
    four_$g = max(four_$g, there(raw_$(g * QUADS_EACH + q), $(g * QUADS_EACH + q)u));
#end
    let maximum_$g = greatest(four_$g);
    low = min(low, maximum_$g);
    top = max(top, maximum_$g);
#end
    let other = subgroupShuffleXor(low, 1u);
    // Pairs of lanes will do for few.
    low = select(min(low, other), max(low, other), wanted <= 4u && PARTIAL == 1u);
    low = min(low, subgroupShuffleXor(low, 2u));
    low = min(low, subgroupShuffleXor(low, 4u));
    top = group_most(top);
    if (wanted > GROUP * PARTIAL) {
        low = 0u;
    }
    var high = top;
    var at = low;
#ifdef NETWORK
    // Three tenths of the way from the maxima's mean to their least.
#unroll g PARTIAL
    sums += (maximum_$g - min(maximum_$g, low)) / (GROUP * PARTIAL);
#end
    sums = group_sum(sums);
    at = low + sums - sums / 4u - sums / 16u;
#endif
    var found = Found(0u, 0u, 0u, top);
    var done = false;
    if (n <= CAP) {
        at = 0u;
    }
    var many = GROUP * PARTIAL * 3u;
    var few = 0u;
    // The bound is a parameter so that no compiler unrolls this.
    for (var step = 0u; step < p.steps; step += 1u) {
        let least = least_raw(at);
        let mask = reach(least);
        let count = group_sum(countOneBits(mask));
        if (!done) {
            done = count >= wanted && count <= CAP;
            if (done) {
                found = Found(mask, count, least, top);
            } else {
                if (count > CAP) {
                    low = at;
                    many = count;
                } else {
                    high = at;
                    few = count;
                }
                // Counts fall as those of normal numbers do: about by their logarithm.
                let from_many = log16(many);
                let span = max(from_many - min(from_many, log16(few)), 1u);
                let share = (from_many - min(from_many, log16((wanted + CAP) / 2u))) * 256u / span;
                at = low + ((high - low) >> 8u) * clamp(share, 24u, 232u);
            }
        }
        if (subgroupAll(done)) {
            break;
        }
    }
    if (subgroupAny(!done)) {
        let exact = find_exactly(wanted, key_of_raw(low), key_of_raw(top));
        if (!done) {
            found = exact;
        }
    }
    return found;
}

// The same by bisection: `low` is reached by as many as are wanted, and `top` is the greatest key.
fn find_exactly(wanted: u32, lowest: u32, top: u32) -> Found {
#unroll q QUADS
    raw_$q = keys_of_raw(raw_$q);
#end
    var low = min(lowest, top) / UNIT * UNIT;
    var high = top;
    // A range of 32 bits is halved 32 times.
    for (var step = 0u; step < 32u; step += 1u) {
        let more = high - low >= UNIT;
        if (!subgroupAny(more)) {
            break;
        }
        let units = (high - low) / UNIT;
        let middle = low + (units - units / 2u) * UNIT;
        let count = group_sum(countOneBits(reach(middle)));
        if (more) {
            if (count >= wanted) {
                low = middle;
            } else {
                high = middle - UNIT;
            }
        }
    }
    // All that come before the ties, and of these the first.
    var above = reach(low + UNIT);
    if (low > 0xffffffffu - UNIT) {
        above = 0u;
    }
    let ties = reach(low) & ~above;
    var rest = wanted - group_sum(countOneBits(above));
    var mask = above;
    for (var j = 0u; j < EV; j += 1u) {
        var mine = 0u;
        // As bits in the order of columns.
        for (var b = 0u; b < PER; b += 1u) {
            mine = mine | (((ties >> (PER * j + b)) & 1u) << of_bit(b));
        }
        let all = countOneBits(mine);
        var place = group_before(all);
        for (var b = 0u; b < PER; b += 1u) {
            let bit = PER * j + b;
            if (((ties >> bit) & 1u) != 0u) {
                let earlier = countOneBits(mine & ((1u << of_bit(b)) - 1u));
                if (place + earlier < rest) {
                    mask = mask | (1u << bit);
                }
            }
        }
        let taken = group_sum(all);
        rest -= min(rest, taken);
    }
    return Found(mask, wanted, low, top);
}
