// A short row for each group of eight lanes, in their registers: a threshold that at least as many
// elements as are wanted reach, and at most CAP.
//
// The least of the group's partial maxima is reached often enough; from there a few steps of
// interpolation do for most rows. For the others the last key wanted is one that many share, as a rule, which
// two questions tell, or is found by bisection, and its ties are cut in the order of columns: the answer is
// exact for every row.

const GROUP: u32 = 8u;
// Neighbouring keys: 16-bit ones stand in the upper half.
#ifdef HALF
const UNIT: u32 = 0x10000u;
const KEY_BITS: u32 = 0xffff0000u;
#else
const UNIT: u32 = 1u;
const KEY_BITS: u32 = 0xffffffffu;
#endif

var<private> lane: u32;
var<private> lanes: u32;
var<private> own_lane: u32; // within the group

fn group_sum(value: u32) -> u32 {
    var v = value;
    v += subgroupShuffleXor(v, 1u);
    v += subgroupShuffleXor(v, 2u);
    v += subgroupShuffleXor(v, 4u);
    return v;
}
fn group_most(value: u32) -> u32 {
    var v = value;
    v = max(v, subgroupShuffleXor(v, 1u));
    v = max(v, subgroupShuffleXor(v, 2u));
    v = max(v, subgroupShuffleXor(v, 4u));
    return v;
}
fn group_least(value: u32) -> u32 {
    return ~group_most(~value);
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

// About 16 log2(x).
fn log16(x: u32) -> u32 {
    let whole = 31u - countLeadingZeros(max(x, 1u));
    return 16u * whole + (((x << 4u) >> whole) & 15u);
}

// The lane's share of the elements of a row whose keys are `least` or greater, as bits.
fn reaching(s: Span, least: u32) -> u32 {
    let four = vec4<u32>(least_raw(least));
    var mask = 0u;
    // The bound is a parameter so that no compiler unrolls this.
    for (var j = 0u; j < p.held; j += 1u) {
        let i = j * GROUP + own_lane;
        if (i < s.count) {
            mask = mask | ((hits(words(s, i), four) & valid(s, i)) << (j * PER));
        }
    }
    return mask;
}

// The least key of the lane's share that is `least` or greater; if there is none, the greatest number.
fn least_reaching(s: Span, least: u32) -> u32 {
    let four = vec4<u32>(least);
    let none = vec4<u32>(0xffffffffu);
    var lowest = 0xffffffffu;
    for (var j = 0u; j < p.held; j += 1u) {
        let i = j * GROUP + own_lane;
        if (i < s.count) {
            let w = words(s, i);
            let ok = valid(s, i);
            let keys = keys_of_raw(raw_evens(w) & vec4<u32>(KEY_BITS)) & vec4<u32>(KEY_BITS);
            let there = (vec4<u32>(ok) & vec4<u32>(1u, 2u, 4u, 8u)) != vec4<u32>(0u);
            lowest = min(lowest, least_of_four(select(none, keys, there & (keys >= four))));
#ifdef HALF
            let odds = keys_of_raw(raw_odds(w)) & vec4<u32>(KEY_BITS);
            let others = (vec4<u32>(ok) & vec4<u32>(16u, 32u, 64u, 128u)) != vec4<u32>(0u);
            lowest = min(lowest, least_of_four(select(none, odds, others & (odds >= four))));
#endif
        }
    }
    return lowest;
}
fn least_of_four(v: vec4<u32>) -> u32 {
    return min(min(v.x, v.y), min(v.z, v.w));
}
