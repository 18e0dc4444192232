// mk = 2, mkd = 7. A group of eight lanes for each short row finds what reaches its threshold, 32 rows
// for each 32 threads, one after another; then each thread orders one row by a network in registers.
//
// A candidate is one word there, so that a compare and exchange is two instructions: the upper 24 bits
// of its key above the threshold, and the column. Where keys lie so far apart that bits are lost and
// two of a row become alike that are not, the row is ordered by its whole keys instead.
//
// Reads the input once. Preferred for rows of up to 256 columns and k up to 32.
#import params
#import keys
#import vectors
#import output
#import group

// Rows for each block of threads, and the distance of places, which keeps banks apart.
const BLOCK: u32 = 32u;
const APART: u32 = 33u;

var<workgroup> slots: array<u32, SLOTS>;
var<workgroup> least_of: array<u32, WG>;
// Bits lost, and with them how many candidates a row has: count << 8 | shift.
var<workgroup> shift_of: array<u32, WG>;

// A candidate of a row as a word.
fn packed(key: u32, column: u32, least: u32, shift: u32) -> u32 {
    return (((key - least) >> shift) << 8u) | (255u - column);
}

@compute @workgroup_size(WG)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(subgroup_invocation_id) subgroup_lane: u32,
    @builtin(subgroup_size) subgroup_lanes: u32,
    @builtin(subgroup_id) subgroup: u32,
) {
    lane = subgroup_lane;
    lanes = subgroup_lanes;
    tid = subgroup * lanes + lane;
    own_lane = tid % GROUP;
    let block = tid / BLOCK;
    let thread = tid % BLOCK;
    let sb = block * (CAP * APART);
    let first_row = group_number(group) * WG + block * BLOCK;
    for (var i = thread; i < CAP * APART; i += BLOCK) {
        slots[sb + i] = 0u;
    }
    workgroupBarrier();
    // The bound is a parameter so that no compiler unrolls this.
    for (var turn = 0u; turn < p.turns; turn += 1u) {
        let in_block = turn * (BLOCK / GROUP) + thread / GROUP;
        let row = min(first_row + in_block, p.rows - 1u);
        let n = row_length(row);
        let s = span(row, 0u, n);
        let needed = wanted(n).y;
#paste group_find
        let least = key_of_raw(found_least);
        let reached = max(key_of_raw(found_most), least) - least;
        let shift = 8u - min(8u, countLeadingZeros(reached));
        var mask = found_mask;
        var place = sb + group_before(countOneBits(mask)) * APART + in_block;
        while (mask != 0u) {
            let bit = firstTrailingBit(mask);
            mask = mask & (mask - 1u);
            let column = column_of(s, bit / PER * GROUP + own_lane, of_bit(bit % PER));
            slots[place] = packed(key_of(element(row, column)), column, least, shift);
            place += APART;
        }
        if (own_lane == 0u) {
            least_of[block * BLOCK + in_block] = least;
            shift_of[block * BLOCK + in_block] = (found_count << 8u) | shift;
        }
    }
    workgroupBarrier();

    var v: array<u32, 32>;
    // The first of what is left out.
    var left_out = 0u;
#unroll i 32
    v[$i] = slots[sb + $(i * 33)u + thread];
#end
#sort32 v
#ifdef DOUBLE
    var w: array<u32, 32>;
#unroll i 32
    w[$i] = slots[sb + $(i * 33 + 1056)u + thread];
#end
#sort32 w
    // The second run the other way around makes both together one that the merge orders.
#unroll i 16
    left_out = max(left_out, max(min(v[$i], w[31 - $i]), min(v[31 - $i], w[$i])));
    v[$i] = max(v[$i], w[31 - $i]);
    v[31 - $i] = max(v[31 - $i], w[$i]);
#end
#merge32 v
#endif
    let shift = shift_of[tid] & 0xffu;
    let count = shift_of[tid] >> 8u;
    let row = min(first_row + thread, p.rows - 1u);
    var alike = false;
    if (shift > 0u) {
#unroll i 31
        if ($iu + 1u < count && (v[$i] >> 8u) == (v[$i + 1] >> 8u)) {
            alike = alike || differ(row, v[$i], v[$i + 1]);
        }
#end
        if (count > 32u && (left_out >> 8u) == (v[31] >> 8u)) {
            alike = alike || differ(row, left_out, v[31]);
        }
    }
    if (!alike) {
#unroll i 32
        slots[sb + $(i * 33)u + thread] = v[$i];
#end
    } else {
        order_by_keys(row, sb + thread, count);
    }
    workgroupBarrier();
    // Threads in order write places in order.
    let rows_on = BLOCK / p.k;
    let places_on = BLOCK % p.k;
    var in_block = thread / p.k;
    var at = thread % p.k;
    for (var x = thread; x < BLOCK * p.k; x += BLOCK) {
        let row = first_row + in_block;
        if (row < p.rows) {
            let ranks = wanted(row_length(row));
            let rank = ranks.x + at;
            if (rank < ranks.y) {
                let e = slots[sb + rank * APART + in_block];
                let column = 255u - (e & 255u);
                let least = least_of[block * BLOCK + in_block];
                let lost = shift_of[block * BLOCK + in_block] & 0xffu;
                let key = least + (e >> 8u);
                if (lost != 0u || is_shared(key)) {
                    emit(row, at, column);
                } else {
                    write(row, at, bits_of(key), column);
                }
            } else {
                pad(row, at);
            }
        }
        in_block += rows_on;
        at += places_on;
        if (at >= p.k) {
            at -= p.k;
            in_block += 1u;
        }
    }
}

// Whether two candidates of a row have different keys.
fn differ(row: u32, a: u32, b: u32) -> bool {
    let key = key_of(element(row, 255u - (a & 255u)));
    return key != key_of(element(row, 255u - (b & 255u)));
}

// Orders the candidates of a row at slots[base], slots[base + APART] and so on by their whole keys:
// by insertion, one thread.
fn order_by_keys(row: u32, base: u32, count: u32) {
    for (var i = 1u; i < count; i += 1u) {
        let own = slots[base + i * APART];
        let e = entry(row, 255u - (own & 255u));
        var at = i;
        while (at > 0u) {
            let other = slots[base + (at - 1u) * APART];
            if (!before(e, entry(row, 255u - (other & 255u)))) {
                break;
            }
            slots[base + at * APART] = other;
            at -= 1u;
        }
        slots[base + at * APART] = own;
    }
}
