// Merging in device memory (range.wgsl): puts the candidates of each fine bin next to each other, in any
// order. A bin that said where it begins says where it ends when all are there. `slices` workgroups for
// each list.
//
// Moves the candidates once.
#import params
#import keys
#import lists
#import dense
#import main

var<workgroup> table: array<vec4<u32>, COARSE>;

fn run(row: u32, part: u32) {
    for (var i = tid; i < rounds(COARSE); i += WG) {
        table[i] = table_of(row, i);
    }
    workgroupBarrier();
    let scale = scale_of(row);
    let list = part / p.slices;
    let own = slice_of(part, count_of(row, list));
    let base = list_base(row, list);
    let to = dense_base(row);
    let words = word_base(row) + FINE;
    for (var at = own.x + tid; at < own.y; at += 4u * WG) {
        // Four are asked for before any is looked at, and four places before
        // any is written to: bins that begin beyond the last wanted rank need no room.
#each j 4
        var e_$j: vec2<u32> = vec2<u32>(0u);
        var place_$j: u32 = 0xffffffffu;
        if (at + $ju * WG < own.y) {
            e_$j = lists[base + at + $ju * WG];
        }
#end
#each j 4
        if (at + $ju * WG < own.y) {
            let x = scaled(e_$j.x, scale);
            let bin = table[coarse_of(x)];
            if (is_wanted_bin(bin)) {
                place_$j = atomicAdd(&row_bins[words + fine_of(bin, x, e_$j.y)], 1u);
            }
        }
#end
#each j 4
        if (place_$j < p.sort_room) {
            lists[to + place_$j] = e_$j;
        }
#end
    }
}
