// Results are the input's own bits, gathered by index.

fn emit(row: u32, place: u32, column: u32) {
    let out = (p.row0 + row) * p.k + place;
    let bits = element(row, column);
#ifdef HALF
    values[out] = bits >> 16u;
#else
    values[out] = bits;
#endif
    indices[out] = column;
}

// What a short row lacks.
fn pad(row: u32, place: u32) {
    let out = (p.row0 + row) * p.k + place;
    values[out] = 0u;
    indices[out] = 0xffffffffu;
}

// Fills places `found..k` of a row.
fn pad_rest(row: u32, found: u32) {
    for (var i = found + tid; i < p.k; i += WG) {
        pad(row, i);
    }
}
