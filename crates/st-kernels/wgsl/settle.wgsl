// Writes the wanted ranks of a row whose candidates are in order in device memory. One workgroup for
// each WG of them. UNKEY: drops the keys of those wanted, and all else, so that ordered once more they
// are in the order of their index.
//
// A row whose candidates could not be ordered is selected again by radix, by its first workgroup.
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
#import radix
#import main

fn run(row: u32, part: u32) {
    let ranks = wanted(row_length(row));
    let total = total_of(row);
    let i = part * WG + tid;
    let base = dense_base(row);
#ifdef UNKEY
    if (can_order(row, total) && i < padded(total)) {
        let index = lists[base + i].y;
        lists[base + i] = vec2<u32>(0u, select(0u, index, i >= ranks.x && i < ranks.y));
    }
#else
    if (!can_order(row, total)) {
        if (part == 0u) {
            select_span(span(row, 0u, row_length(row)), ranks.x, ranks.y);
        }
        return;
    }
    // Without keys, those wanted stand first.
    let found = ranks.y - ranks.x;
    let first = select(0u, ranks.x, p.sorted != 0u);
    if (i < found) {
        emit_entry(row, i, lists[base + first + i]);
    } else if (i < p.k) {
        pad(row, i);
    }
#endif
}
