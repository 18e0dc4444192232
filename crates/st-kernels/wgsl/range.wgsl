// The second command where more is wanted than shared memory can order: the candidates are put into
// bins in device memory (range, coarse, fine, starts, scatter) and ordered within each bin (rank,
// settle); see shared/dense.wgsl. By index: what is wanted goes back into the lists without its key,
// and all stages are run again.
//
// This stage: the range of each list's keys; clears the bins. `slices` workgroups for each list.
//
// Reads the candidates once.
#import params
#import keys
#import scan
#import votes
#import lists
#import dense
#import key_range
#import main

fn run(row: u32, part: u32) {
    for (var i = part * WG + tid; i < p.bins_stride; i += p.parts * WG) {
        // The least key and column of each coarse bin are taken from above.
        let which = (i - min(i, COUNTS)) / COARSE;
        let is_least = i >= COUNTS && (which == 1u || which == 3u);
        atomicStore(&row_bins[word_base(row) + i], select(0u, 0xffffffffu, is_least));
    }
    let list = part / p.slices;
    var count = 0u;
    if (p.again == 0u) {
        count = count_of(row, list);
    } else {
        let ranks = wanted(row_length(row));
        if (is_ordered(row, ranks.y)) {
            let found = ranks.y - ranks.x;
            count = min(found - min(found, list * share()), share());
        }
        if (part % p.slices == 0u) {
            set_count(row, list, count);
        }
    }
    let own = slice_of(part, count);
    let base = list_base(row, list);
    var range = no_keys();
    for (var at = own.x + tid; at < own.y; at += 4u * WG) {
        // Four are asked for before any is looked at.
#each j 4
        var key_$j: u32 = 0u;
        if (at + $ju * WG < own.y) {
            key_$j = lists[base + at + $ju * WG].x;
        }
#end
#each j 4
        if (at + $ju * WG < own.y) {
            range = joined(range, KeyRange(key_$j, key_$j, key_$j, 0u));
        }
#end
    }
    range.count = select(0u, own.y - min(own.x, own.y), tid == 0u);
    range = joined_by_all(range);
    if (tid == 0u) {
        let to = range_base(row) + 2u * part;
        lists[to] = vec2<u32>(range.least, range.count);
        lists[to + 1u] = vec2<u32>(range.all, range.any);
    }
}
