// Pasted where the tile that begins at vector `at` of the span `s` is to be read, of which all vectors before
// `s.outer` are whole: the thread's are `w_$j`, if `there_$j`.
#each j VECS
    let i_$j: u32 = at + $ju * WG + tid;
    // Threads beyond a tile have no vector of it.
    let there_$j: bool = in_tile($ju) && i_$j < s.outer;
    var w_$j: vec4<u32> = vec4<u32>(0u);
#end
    if (at + TILE_V <= s.outer) {
#each j VECS
        if (in_tile($ju)) {
            w_$j = vectors[s.first + i_$j];
        }
#end
    } else {
#each j VECS
        if (there_$j) {
            w_$j = vectors[s.first + i_$j];
        }
#end
    }
