// Compaction: of each row, the elements with a key in lo..=hi, in the order of columns, as pairs of
// bits and column. One workgroup for each row, in tiles of CTILE columns.
//
// COUNT: only how many there are, into `indices`. APPLY: the pairs, from where `indices` says.
// Neither (one command): the pairs, each row in a place of its own, and how many there are.
#import params
#import keys
#import scan
#import main

fn run(row: u32, part: u32) {
    let n = row_length(row);
    var found = 0u;
#ifdef APPLY
    let base = indices[p.row0 + row];
#else
    let base = row * p.list_stride;
#endif
    for (var at = 0u; at < n; at += WG * EACH) {
        var count = 0u;
        for (var j = 0u; j < rounds(EACH); j += 1u) {
            let i = at + tid * EACH + j;
            if (i < n) {
                let key = key_of(element(row, i));
                count += select(0u, 1u, key >= p.lo && key <= p.hi);
            }
        }
        let places = scan(count);
#ifndef COUNT
        var place = base + found + places.x;
        for (var j = 0u; j < rounds(EACH); j += 1u) {
            let i = at + tid * EACH + j;
            if (i < n) {
                let bits = element(row, i);
                let key = key_of(bits);
                if (key >= p.lo && key <= p.hi) {
                    lists[place] = vec2<u32>(bits, i);
                    place += 1u;
                }
            }
        }
#endif
        found += places.y;
    }
#ifndef APPLY
    if (tid == 0u) {
        indices[p.row0 + row] = found;
    }
#endif
}
