// Results are the input's own bits: from the key where it stands for one pattern, else gathered by
// index.

fn write(row: u32, place: u32, bits: u32, column: u32) {
    let out = (p.row0 + row) * p.k + place;
#ifdef HALF
    values[out] = bits >> 16u;
#else
    values[out] = bits;
#endif
    indices[out] = column;
}

fn emit(row: u32, place: u32, column: u32) {
    write(row, place, element(row, column), column);
}

// A candidate; ordered by index it has no key.
fn emit_entry(row: u32, place: u32, e: vec2<u32>) {
    if (p.sorted == 0u || is_shared(e.x)) {
        emit(row, place, ~e.y);
    } else {
        write(row, place, bits_of(e.x), ~e.y);
    }
}

// What a short row lacks, and all of a bad one.
fn pad(row: u32, place: u32) {
    let out = (p.row0 + row) * p.k + place;
    values[out] = 0u;
    indices[out] = 0xffffffffu;
#ifdef RAGGED
    // One thread comes here with the first place of a row of which nothing was found.
    if (place == 0u && is_bad(row)) {
        atomicStore(&status[0], 1u);
    }
#endif
}

// Fills places `found..k` of a row.
fn pad_rest(row: u32, found: u32) {
    for (var i = found + tid; i < p.k; i += WG) {
        pad(row, i);
    }
}
