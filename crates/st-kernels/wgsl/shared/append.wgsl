// Pasted where the elements in `mask`, those of the thread's vectors `vector`, `vector` + WG and so on,
// go to the list: their columns, at `place` and behind it, if there is room. `turn` counts the tiles before.
#ifdef SEGMENTED
    // Another for a lane from subgroup to subgroup and from tile to tile: what comes again and again in
    // a row may come in one lane.
    let segment = (tid + tid / 32u + turn) % SEGMENTS;
    var place = 0u;
    if (mask != 0u) {
        place = atomicAdd(&segments[segment], countOneBits(mask));
    }
#else
    var place = own_places(countOneBits(mask));
#endif
    while (mask != 0u) {
        let q = firstTrailingBit(mask);
        mask = mask & (mask - 1u);
        let column = column_of(s, vector + (q / PER) * WG, of_bit(q % PER));
#ifdef SEGMENTED
        if (place < SEGMENT_ROOM) {
            list[place * SEGMENTS + segment].y = column;
        }
#else
        if (place < room) {
#ifdef TWO
            lists[base + place] = entry(s.row, column);
#else
            list[place].y = column;
#endif
        }
#endif
        place += 1u;
    }
#ifdef SEGMENTED
    let is_full = place > SEGMENT_ROOM;
#else
    let is_full = place > room;
#endif
