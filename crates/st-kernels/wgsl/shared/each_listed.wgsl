// Pasted where each entry of `parts` lists of a row from list `round` on is to be looked at: `e_$j`, to go
// to place `to + i_$j` if all are gathered; what is to be done is said behind the name. `starts` has the
// lists' places. Several entries are asked for before any is looked at, and where there are few lists,
// several subgroups share each.
    {
#ifdef SUBGROUP
        let each = max(subgroups / parts, 1u);
        let lists_on = subgroups / each;
        let first_list = subgroup / each;
        let first = subgroup % each * lanes + lane;
        let on = each * lanes;
#else
        let lists_on = 1u;
        let first_list = 0u;
        let first = tid;
        let on = WG;
#endif
        // Subgroups that are left over have none.
        for (var nth = first_list; nth < parts && first_list < lists_on; nth += lists_on) {
            let to = starts[nth];
            let count = starts[nth + 1u] - to;
            let base = list_base(row, round + nth);
            for (var at = first; at < count; at += 4u * on) {
#unroll j 4
                let i_$j = at + $ju * on;
                var e_$j = vec2<u32>(0u);
                if (i_$j < count) {
                    e_$j = lists[base + i_$j];
                }
#end
#unroll j 4
                if (i_$j < count) {
                    @
                }
#end
            }
        }
    }
