// Merging in device memory (range.wgsl): the rank of each candidate is where its bin begins and how many
// of the bin come before it. Crowded bins are left to settle.wgsl. Workgroups share a row's candidates.
//
// Reads the candidates once, and their bins from the cache.
#import params
#import keys
#import output
#import lists
#import dense
#import put
#import main

fn run(row: u32, part: u32) {
    let ranks = wanted_here(row);
    let base = dense_base(row);
    let scale = scale_of(row);
    let first = lists[header_base(row) + 2u].x;
    var end = 0u;
    if (ranks.x < ranks.y && is_ordered(row, ranks.y)) {
        end = lists[header_base(row) + 3u].x;
    }
    for (var i = first + part * WG + tid; i < end; i += p.parts * WG) {
        let e = lists[base + i];
        let x = scaled(e.x, scale);
        let fine = FINE + fine_of(table_of(row, coarse_of(x)), x, e.y);
        let start = word(row, fine - 1u);
        let stop = word(row, fine);
        if (start < ranks.y && stop > ranks.x && stop - start <= MOST_COUNTED) {
            var rank = start;
            for (var j = start; j < stop; j += 1u) {
                rank += select(0u, 1u, before(lists[base + j], e));
            }
            put(row, rank, ranks, e);
        }
    }
}
