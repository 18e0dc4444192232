// Pasted where each vector of the span `s` is to be looked at: the thread's are `w_$j` at `i_$j`, and
// what is to be done is said behind the name. All of a tile is asked for before any of it is looked at.
#ifdef HELD
#each j VECS
    {
        let i_$j: u32 = $ju * WG + tid;
        let w_$j: vec4<u32> = held_$j;
        if (in_tile($ju) && i_$j < s.count) {
            @
        }
    }
#end
#else
    for (var at = 0u; at < s.count; at += WALK_V) {
#each j WALK
        let i_$j: u32 = at + $ju * WG + tid;
        let there_$j: bool = $ju * WG + tid < WALK_V && i_$j < s.count;
        var w_$j: vec4<u32> = vec4<u32>(0u);
        if (there_$j && i_$j < s.whole) {
            w_$j = vectors[s.first + i_$j];
        }
#end
        if (at + WALK_V > s.whole) {
            let last = last_words(s);
#each j WALK
            w_$j = select(w_$j, last, i_$j >= s.whole);
#end
        }
#each j WALK
        if (there_$j) {
            @
        }
#end
    }
#endif
