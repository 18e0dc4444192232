// Pasted where each entry of all lists of `row` is to be looked at: `e_$j`, to go to place `to + i_$j` if
// all are gathered; what is to be done is said behind the name. Each list has as many threads as there
// are for it, eight at least (or the whole workgroup); each thread asks for several entries before it
// looks at any.
    for (var round = 0u; round < p.list_parts; round += WG) {
        let parts = begin_round(row, round);
        let on = min(WG, max(8u, 1u << (31u - countLeadingZeros(max(WG / parts, 1u)))));
        let first = tid % on;
        // Threads that are left over have none.
        let end = select(0u, parts, tid / on < WG / on);
        for (var nth = tid / on; nth < end; nth += WG / on) {
            let to = starts[nth];
            let count = starts[nth + 1u] - to;
            let base = list_base(row, round + nth);
            for (var at = first; at < count; at += 8u * on) {
#each j 8
                let i_$j: u32 = at + $ju * on;
                var e_$j: vec2<u32> = vec2<u32>(0u);
                if (i_$j < count) {
                    e_$j = lists[base + i_$j];
                }
#end
#each j 8
                if (i_$j < count) {
                    @
                }
#end
            }
        }
    }
