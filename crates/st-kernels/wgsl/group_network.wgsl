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

// A candidate of a row as a word; `behind` is 255 less its column.
fn packed(key: u32, least: u32, shift: u32, behind: u32) -> u32 {
    return (((key - least) >> shift) << 8u) | behind;
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
        // Raw keys are keys where no NaN and no zero is among the candidates.
        let meets_nan = found_most >= p.nan_low && found_least <= p.nan_high;
        let meets_zero = found_most >= p.zero_low && found_least <= p.zero_low + p.zero_step;
        if (subgroupAny(p.floats != 0u && (meets_nan || meets_zero))) {
#unroll q QUADS
            raw_$q = keys_of_raw(raw_$q);
#end
        }
        let least = key_of_raw(found_least);
        let reached = max(key_of_raw(found_most), least) - least;
        let shift = 8u - min(8u, countLeadingZeros(reached));
        var place = sb + group_before(countOneBits(found_mask)) * APART + in_block;
        // One element in six reaches the threshold: to look at each in its register takes less than to
        // read again those that do.
        let behind = 255u - column_of(s, own_lane, 0u);
#ifdef HALF
#unroll j EV
#unroll h 4
        if ((found_mask & (1u << $(j * 8 + h)u)) != 0u) {
            slots[place] = packed(raw_$(j * 2)[$h], least, shift, behind - $(j * 64)u - $(h * 2)u);
            place += APART;
        }
#end
#unroll h 4
        if ((found_mask & (1u << $(j * 8 + h + 4)u)) != 0u) {
            slots[place] = packed(raw_$(j * 2 + 1)[$h], least, shift, behind - $(j * 64)u - $(h * 2 + 1)u);
            place += APART;
        }
#end
#end
#else
#unroll j EV
#unroll h 4
        if ((found_mask & (1u << $(j * 4 + h)u)) != 0u) {
            slots[place] = packed(raw_$j[$h], least, shift, behind - $(j * 32 + h)u);
            place += APART;
        }
#end
#end
#endif
        if (own_lane == 0u) {
            least_of[block * BLOCK + in_block] = least;
            shift_of[block * BLOCK + in_block] = (found_count << 8u) | shift;
        }
    }
    workgroupBarrier();

    let shift = shift_of[tid] & 0xffu;
    let count = shift_of[tid] >> 8u;
    var v: array<u32, 32>;
#unroll i 32
    v[$i] = slots[sb + $(i * 33)u + thread];
#end
#sort32 v
#ifdef DOUBLE
    // Back to memory meanwhile: registers for both runs at once would halve the threads that a
    // multiprocessor has room for. The barrier keeps compilers from loading the second run earlier.
#unroll i 32
    slots[sb + $(i * 33)u + thread] = v[$i];
#end
    workgroupBarrier();
    var w: array<u32, 32>;
#unroll i 32
    w[$i] = slots[sb + $(i * 33 + 1056)u + thread];
#end
#sort32 w
    // The second run the other way around makes both together one that the merge orders.
#unroll i 32
    {
        let first = slots[sb + $(i * 33)u + thread];
        v[$i] = max(first, w[31 - $i]);
        w[31 - $i] = min(first, w[31 - $i]);
    }
#end
    if (shift != 0u) {
        // They may be wanted after all.
#unroll i 32
        slots[sb + $(i * 33 + 1056)u + thread] = w[$i];
#end
    }
#merge32 v
#endif
#unroll i 32
    slots[sb + $(i * 33)u + thread] = v[$i];
#end
    if (shift != 0u) {
        order_by_keys(min(first_row + thread, p.rows - 1u), sb + thread, count);
    }
    workgroupBarrier();
    // Threads in order write places in order.
    let rows_on = BLOCK / p.k;
    let places_on = BLOCK % p.k;
    var in_block = thread / p.k;
    var at = thread % p.k;
#ifdef FULL_ROWS
    let ranks = wanted(p.cols);
#endif
    for (var x = thread; x < BLOCK * p.k; x += BLOCK) {
        let row = first_row + in_block;
        if (row < p.rows) {
#ifndef FULL_ROWS
            let ranks = wanted(row_length(row));
#endif
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

// Orders by their whole keys the candidates of a row whose upper bits are alike: the first 32 stand at
// slots[base], slots[base + APART] and so on, ordered by those bits, and behind them the rest in any
// order. By insertion, one thread.
fn order_by_keys(row: u32, base: u32, count: u32) {
    for (var i = 1u; i < count; i += 1u) {
        let own = slots[base + i * APART];
        var at = min(i, 32u);
        while (at > 0u) {
            let other = slots[base + (at - 1u) * APART];
            if ((own >> 8u) != (other >> 8u)
                || !before(entry(row, 255u - (own & 255u)), entry(row, 255u - (other & 255u)))) {
                break;
            }
            if (at < 32u) {
                slots[base + at * APART] = other;
            }
            at -= 1u;
        }
        if (at < 32u) {
            slots[base + at * APART] = own;
        }
    }
}
