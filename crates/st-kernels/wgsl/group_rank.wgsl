// mk = 2, mkd = 6. A group of eight lanes for each short row, and as many rows to a workgroup as it has
// groups. What reaches the group's threshold goes to CAP places in shared memory, and each is put
// where the count of those before it says.
//
// Reads the input once. Preferred for rows of a few hundred columns and k up to 8.
#import params
#import keys
#import vectors
#import output
#import group

var<workgroup> slots: array<vec2<u32>, SLOTS>;

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
    let row = group_number(group) * (WG / GROUP) + tid / GROUP;
    let live = row < p.rows;
    let s_row = min(row, p.rows - 1u);
    let n = row_length(s_row);
    let ranks = wanted(n);
    let s = span(s_row, 0u, n);
    load(s);
    let found = find(ranks.y, n);

    let base = tid / GROUP * CAP;
    var mask = found.mask;
    var place = base + group_before(countOneBits(mask));
    while (mask != 0u) {
        let bit = firstTrailingBit(mask);
        mask = mask & (mask - 1u);
        let i = bit / PER * GROUP + own_lane;
        slots[place] = entry(s_row, column_of(s, i, of_bit(bit % PER)));
        place += 1u;
    }
    workgroupBarrier();

    var mine: array<vec2<u32>, KL>;
    var rank: array<u32, KL>;
    for (var q = 0u; q < KL; q += 1u) {
        rank[q] = 0u;
        mine[q] = vec2<u32>(0u);
        if (q * GROUP + own_lane < found.count) {
            mine[q] = slots[base + q * GROUP + own_lane];
        }
    }
    for (var i = 0u; i < found.count; i += 1u) {
        let e = slots[base + i];
        for (var q = 0u; q < KL; q += 1u) {
            rank[q] += select(0u, 1u, before(e, mine[q]));
        }
    }
    if (p.sorted == 0u) {
        // Only what is wanted remains, without keys, and is counted again.
        workgroupBarrier();
        for (var q = 0u; q < KL; q += 1u) {
            if (q * GROUP + own_lane < found.count) {
                let chosen = rank[q] >= ranks.x && rank[q] < ranks.y;
                mine[q] = select(vec2<u32>(0u), vec2<u32>(1u, mine[q].y), chosen);
                slots[base + q * GROUP + own_lane] = mine[q];
                rank[q] = select(0xffffffffu, ranks.x, chosen);
            }
        }
        workgroupBarrier();
        for (var i = 0u; i < found.count; i += 1u) {
            let e = slots[base + i];
            for (var q = 0u; q < KL; q += 1u) {
                rank[q] += select(0u, 1u, rank[q] != 0xffffffffu && before(e, mine[q]));
            }
        }
    }
    if (live) {
        for (var q = 0u; q < KL; q += 1u) {
            if (q * GROUP + own_lane < found.count && rank[q] >= ranks.x && rank[q] < ranks.y) {
                emit_entry(row, rank[q] - ranks.x, mine[q]);
            }
        }
        for (var i = ranks.y - ranks.x + own_lane; i < p.k; i += GROUP) {
            pad(row, i);
        }
    }
}
