// Pasted where the elements in `mask`, those of the thread's vectors `vector`, `vector` + WG and so on,
// go to the list: their columns, at `place` and behind it, if there is room.
    var place = own_places(countOneBits(mask));
    while (mask != 0u) {
        let q = firstTrailingBit(mask);
        mask = mask & (mask - 1u);
        let column = column_of(s, vector + (q / PER) * WG, of_bit(q % PER));
        if (place < room) {
#ifdef TWO
            lists[base + place] = entry(s.row, column);
#else
            list[place].y = column;
#endif
        }
        place += 1u;
    }
