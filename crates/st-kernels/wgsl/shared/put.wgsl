// What becomes of a candidate whose rank is known: it is a result, or, by index, goes back to the lists
// to be ordered once more, without its key.

fn put(row: u32, rank: u32, ranks: vec2<u32>, e: vec2<u32>) {
    if (rank < ranks.x || rank >= ranks.y) {
        return;
    }
    let place = rank - ranks.x;
    if (p.sorted == 0u && p.again == 0u) {
        let each = share();
        lists[list_base(row, place / each) + place % each] = vec2<u32>(0u, e.y);
    } else {
        emit_entry(row, place, e);
    }
}
