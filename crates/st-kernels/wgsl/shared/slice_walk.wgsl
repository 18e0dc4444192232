// Pasted where each candidate of the workgroup's part of a list is to be looked at: the thread's are
// `e_$j`, and what is to be done is said behind the name.
    let list = part / p.slices;
    let own = slice_of(part, count_of(row, list));
    let base = list_base(row, list);
    for (var at = own.x + tid; at < own.y; at += 4u * WG) {
        // Four are asked for before any is looked at.
#each j 4
        var e_$j: vec2<u32> = vec2<u32>(0u);
        if (at + $ju * WG < own.y) {
            e_$j = lists[base + at + $ju * WG];
        }
#end
#each j 4
        if (at + $ju * WG < own.y) {
            @
        }
#end
    }
