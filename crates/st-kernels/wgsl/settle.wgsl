// Merging in device memory (range.wgsl): what is left. Crowded bins, each ordered by one workgroup: in
// shared memory, or by a network in place if it does not fit. Rows whose candidates could not be ordered
// are selected again by radix, by their first workgroup. What rows lack is filled up.
#import params
#import keys
#import vectors
#import scan
#import votes
#import bins
#import sort
#import order
#import output
#import lists
#import dense
#import put
#import radix
#import main

fn run(row: u32, part: u32) {
    let n = row_length(row);
    let own = wanted(n);
    let ranks = wanted_here(row);
    // Whether results are written now, or the stages will be run again.
    let writes = p.sorted != 0u || p.again != 0u;
    if (own.x == own.y) {
        if (part == 0u) {
            pad_rest(row, 0u);
        }
    } else if (is_uniform(!is_ordered(row, ranks.y))) {
        if (part == 0u && writes) {
            select_span(span(row, 0u, n), own.x, own.y);
        }
    } else {
        let crowded = uniform_of(word(row, 0u));
        for (var i = part; i < crowded; i += p.parts) {
            let bin = lists[crowd_base(row) + i];
            let m = uniform_of(bin.y - bin.x);
            let base = dense_base(row) + bin.x;
            if (m <= CAP) {
                for (var j = tid; j < m; j += WG) {
                    list[j] = lists[base + j];
                }
                order_list(m, m);
                for (var j = tid; j < m; j += WG) {
                    put(row, bin.x + j, ranks, list[j]);
                }
                workgroupBarrier();
            } else {
                sort_memory(base, m);
                for (var j = tid; j < m; j += WG) {
                    put(row, bin.x + j, ranks, lists[base + j]);
                }
            }
        }
        if (part == 0u && writes) {
            pad_rest(row, own.y - own.x);
        }
    }
}
