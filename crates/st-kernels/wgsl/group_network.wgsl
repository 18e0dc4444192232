// mk = 2, mkd = 7. A group of eight lanes for each short row, as in group_rank.wgsl; up to CAP of what
// reaches the group's threshold are spread over its lanes, KL for each, and ordered by a bitonic network
// (Batcher 1968) within and between their registers.
//
// A candidate is one word there, so that a compare and exchange is two instructions: the upper 24 bits
// of its key above the threshold, and the column. Where keys lie so far apart that bits are lost, those
// that have become alike are ordered by their whole keys afterwards.
//
// Reads the input once. Preferred for rows of up to 256 columns and k up to 32.
#import params
#import keys
#import vectors
#import output
#import group

// Words of a row: its candidates, and some that keep the banks of neighbouring rows apart.
const APART: u32 = CAP + 8u;
const ROWS: u32 = WG / GROUP;

var<workgroup> slots: array<u32, ROWS * APART>;
// What candidates are counted from, and how many bits were lost.
var<workgroup> least_of: array<u32, ROWS>;
var<workgroup> shift_of: array<u32, ROWS>;

// A candidate of a row as a word; `behind` is 255 less its column.
fn packed(key: u32, least: u32, shift: u32, behind: u32) -> u32 {
    return (((key - least) >> shift) << 8u) | behind;
}

// Where rank r of a row stands, so that all lanes write, and all read, to banks of their own.
fn place_of(rank: u32) -> u32 {
    return rank % KL * GROUP + rank / KL;
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
    let first_row = group_number(group) * ROWS;
    let in_group = tid / GROUP;
    let row = min(first_row + in_group, p.rows - 1u);
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
    let base = in_group * APART;
    var place = base + group_before(countOneBits(found_mask));
    // One element in six reaches the threshold: to look at each in its register takes less than to
    // read again those that do.
    let behind = 255u - column_of(s, own_lane, 0u);
#ifdef HALF
#unroll j EV
#unroll h 4
    if ((found_mask & (1u << $(j * 8 + h)u)) != 0u) {
        slots[place] = packed(raw_$(j * 2)[$h], least, shift, behind - $(j * 64)u - $(h * 2)u);
        place += 1u;
    }
#end
#unroll h 4
    if ((found_mask & (1u << $(j * 8 + h + 4)u)) != 0u) {
        slots[place] = packed(raw_$(j * 2 + 1)[$h], least, shift, behind - $(j * 64)u - $(h * 2 + 1)u);
        place += 1u;
    }
#end
#end
#else
#unroll j EV
#unroll h 4
    if ((found_mask & (1u << $(j * 4 + h)u)) != 0u) {
        slots[place] = packed(raw_$j[$h], least, shift, behind - $(j * 32 + h)u);
        place += 1u;
    }
#end
#end
#endif
    if (own_lane == 0u) {
        least_of[in_group] = least;
        shift_of[in_group] = shift;
    }
    workgroupBarrier();

    // Lane l has places l * KL and so on of the order that is to be; in which of them what is there
    // begins does not matter.
#unroll i KL
    var v_$i = 0u;
    if ($iu * GROUP + own_lane < found_count) {
        v_$i = slots[base + $iu * GROUP + own_lane];
    }
#end
#sort v_ KL
    // Runs of two, four and eight lanes: their ends are compared first, so that the order never turns.
#paste group_merge 1
#paste group_merge 2
#paste group_merge 4
    workgroupBarrier();
#unroll i KL
    slots[base + $iu * GROUP + own_lane] = v_$i;
#end
    if (shift != 0u && own_lane == 0u) {
        order_by_keys(row, base, found_count);
    }
    workgroupBarrier();

    // Threads in order write places in order.
#ifdef FULL_ROWS
    let ranks = wanted(p.cols);
#endif
    let rows_on = WG / p.k;
    let places_on = WG % p.k;
    var which = tid / p.k;
    var nth = tid % p.k;
    for (var x = tid; x < ROWS * p.k; x += WG) {
        let row = first_row + which;
        if (row < p.rows) {
#ifndef FULL_ROWS
            let ranks = wanted(row_length(row));
#endif
            let rank = ranks.x + nth;
            if (rank < ranks.y) {
                let e = slots[which * APART + place_of(rank)];
                let column = 255u - (e & 255u);
                let lost = shift_of[which];
                let key = least_of[which] + (e >> 8u);
                if (lost != 0u || is_shared(key)) {
                    emit(row, nth, column);
                } else {
                    write(row, nth, bits_of(key), column);
                }
            } else {
                pad(row, nth);
            }
        }
        which += rows_on;
        nth += places_on;
        if (nth >= p.k) {
            nth -= p.k;
            which += 1u;
        }
    }
}

// Orders by their whole keys the candidates of a row whose upper bits are alike; all stand in the order
// of those bits. By insertion, one thread.
fn order_by_keys(row: u32, base: u32, count: u32) {
    for (var i = 1u; i < count; i += 1u) {
        let own = slots[base + place_of(i)];
        var at = i;
        while (at > 0u) {
            let other = slots[base + place_of(at - 1u)];
            if ((own >> 8u) != (other >> 8u)
                || !before(entry(row, 255u - (own & 255u)), entry(row, 255u - (other & 255u)))) {
                break;
            }
            slots[base + place_of(at)] = other;
            at -= 1u;
        }
        slots[base + place_of(at)] = own;
    }
}
