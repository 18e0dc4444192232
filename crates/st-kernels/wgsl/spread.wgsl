// The second command where more is wanted than shared memory can order: the parts' lists are put
// next to each other in device memory, ordered there by all workgroups together (tiles.wgsl,
// far.wgsl), and written (settle.wgsl). This stage: one workgroup for each part's list.
//
// Moves every candidate once.
#import params
#import keys
#import scan
#import lists
#import dense
#import main

fn run(row: u32, part: u32) {
    var earlier = 0u;
    var total = 0u;
    for (var first = 0u; first < p.list_parts; first += WG) {
        let i = first + tid;
        var count = 0u;
        if (i < p.list_parts) {
            count = count_of(row, i);
        }
        total += scan(count).y;
        earlier += scan(select(0u, count, i < part)).y;
    }
    if (tid == 0u && part == 0u) {
        set_total(row, total);
    }
    if (!can_order(row, total)) {
        return;
    }
    let count = count_of(row, part);
    let from_list = list_base(row, part);
    let to = dense_base(row) + earlier;
    for (var i = tid; i < count; i += WG) {
        lists[to + i] = lists[from_list + i];
    }
    if (part + 1u == p.list_parts) {
        let end = dense_base(row) + padded(total);
        for (var i = to + count + tid; i < end; i += WG) {
            lists[i] = vec2<u32>(0u);
        }
    }
}
