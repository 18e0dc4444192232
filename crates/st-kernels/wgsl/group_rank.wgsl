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
    let needed = ranks.y;
#paste group_find

    let base = tid / GROUP * CAP;
    var mask = found_mask;
    var place = base + group_before(countOneBits(mask));
    while (mask != 0u) {
        let bit = firstTrailingBit(mask);
        mask = mask & (mask - 1u);
        let i = bit / PER * GROUP + own_lane;
        slots[place] = entry(s_row, column_of(s, i, of_bit(bit % PER)));
        place += 1u;
    }
    workgroupBarrier();

#unroll q KL
    var rank_$q = 0u;
    var mine_$q = vec2<u32>(0u);
    if ($(q * 8)u + own_lane < found_count) {
        mine_$q = slots[base + $(q * 8)u + own_lane];
    }
#end
    for (var i = 0u; i < found_count; i += 1u) {
        let e = slots[base + i];
#unroll q KL
        rank_$q += select(0u, 1u, before(e, mine_$q));
#end
    }
    if (p.sorted == 0u) {
        // Only what is wanted remains, without keys, and is counted again.
        workgroupBarrier();
#unroll q KL
        if ($(q * 8)u + own_lane < found_count) {
            let chosen = rank_$q >= ranks.x && rank_$q < ranks.y;
            mine_$q = select(vec2<u32>(0u), vec2<u32>(1u, mine_$q.y), chosen);
            slots[base + $(q * 8)u + own_lane] = mine_$q;
            rank_$q = select(0xffffffffu, ranks.x, chosen);
        }
#end
        workgroupBarrier();
        for (var i = 0u; i < found_count; i += 1u) {
            let e = slots[base + i];
#unroll q KL
            rank_$q += select(0u, 1u, rank_$q != 0xffffffffu && before(e, mine_$q));
#end
        }
    }
    if (live) {
#unroll q KL
        if ($(q * 8)u + own_lane < found_count && rank_$q >= ranks.x && rank_$q < ranks.y) {
            emit_entry(row, rank_$q - ranks.x, mine_$q);
        }
#end
        for (var i = ranks.y - ranks.x + own_lane; i < p.k; i += GROUP) {
            pad(row, i);
        }
    }
}
