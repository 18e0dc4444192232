// Merging in device memory (range.wgsl): counts the candidates of each coarse bin, and finds its least
// and greatest key and column. `slices` workgroups for each list.
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

var<workgroup> counts: array<atomic<u32>, COARSE>;
var<workgroup> least_keys: array<atomic<u32>, COARSE>;
var<workgroup> most_keys: array<atomic<u32>, COARSE>;
var<workgroup> least_columns: array<atomic<u32>, COARSE>;
var<workgroup> most_columns: array<atomic<u32>, COARSE>;

// Most candidates change no end of their bin's ranges: looking is faster than trying.
fn count(x: u32, y: u32) {
    let bin = coarse_of(x);
    atomicAdd(&counts[bin], 1u);
    if (x < atomicLoad(&least_keys[bin])) {
        atomicMin(&least_keys[bin], x);
    }
    if (x > atomicLoad(&most_keys[bin])) {
        atomicMax(&most_keys[bin], x);
    }
    if (y < atomicLoad(&least_columns[bin])) {
        atomicMin(&least_columns[bin], y);
    }
    if (y > atomicLoad(&most_columns[bin])) {
        atomicMax(&most_columns[bin], y);
    }
}

fn run(row: u32, part: u32) {
    for (var i = tid; i < rounds(COARSE); i += WG) {
        atomicStore(&counts[i], 0u);
        atomicStore(&least_keys[i], 0xffffffffu);
        atomicStore(&most_keys[i], 0u);
        atomicStore(&least_columns[i], 0xffffffffu);
        atomicStore(&most_columns[i], 0u);
    }
    var range = no_keys();
    for (var i = tid; i < p.list_parts * p.slices; i += WG) {
        let of_slice = range_base(row) + 2u * i;
        let a = lists[of_slice];
        let b = lists[of_slice + 1u];
        range = joined(range, KeyRange(a.x, b.x, b.y, a.y));
    }
    range = joined_by_all(range);
    // Equal keys share all bits; no shift is by more than 31.
    let scale = vec2<u32>(range.least, min(countTrailingZeros(range.all ^ range.any), 31u));
    if (part == 0u) {
        var thresholds = no_keys();
        for (var i = tid; i < p.list_parts; i += WG) {
            let least = about_list(row, i).y;
            if (least != 0u) {
                thresholds = joined(thresholds, KeyRange(least, least, least, 1u));
            }
        }
        workgroupBarrier();
        thresholds = joined_by_all(thresholds);
        // Lists that do not go together count as if they held nothing.
        let agree = thresholds.count == 0u || thresholds.all == thresholds.any;
        if (tid == 0u) {
            lists[header_base(row)] = scale;
            lists[header_base(row) + 1u] = vec2<u32>(select(0u, range.count, agree), 0u);
        }
    }
#paste slice_walk count(scaled(e_$j.x, scale), e_$j.y);
    workgroupBarrier();
    let to = word_base(row) + COUNTS;
    for (var i = tid; i < rounds(COARSE); i += WG) {
        let n = atomicLoad(&counts[i]);
        if (n > 0u) {
            atomicAdd(&row_bins[to + i], n);
            atomicMin(&row_bins[to + COARSE + i], atomicLoad(&least_keys[i]));
            atomicMax(&row_bins[to + 2u * COARSE + i], atomicLoad(&most_keys[i]));
            atomicMin(&row_bins[to + 3u * COARSE + i], atomicLoad(&least_columns[i]));
            atomicMax(&row_bins[to + 4u * COARSE + i], atomicLoad(&most_columns[i]));
        }
    }
}
