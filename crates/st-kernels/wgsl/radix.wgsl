// mk = 3. The key's digits are counted until the boundary is known, then the wanted ranks are
// collected in the order of columns and sorted. One workgroup for each part.
//
// Reads the input PASSES + 1 times (4 + 1; 2 + 1 for 16-bit types), writes k. Preferred for large k,
// ranks in the middle, and input that defeats a running threshold.
#import params
#import keys
#import scan
#import sort
#import output
#import finish
#import radix
#import main

fn run(row: u32, part: u32) {
    let n = row_length(row);
#ifdef TWO
    // The part's leading ranks, in order of their index, are its list.
    let begin = min(part * p.part_cols, n);
    let here = min(p.part_cols, n - begin);
    let most = min(p.kept, here);
    let base = row * p.list_stride + part * p.kept;
    if (most > 0u) {
        let b = bounds_of(row, begin, here, 0u, most);
        collect(row, begin, here, b, base, true, most);
    }
    for (var i = most + tid; i < p.kept; i += WG) {
        lists[base + i] = vec2<u32>(0u);
    }
#else
    let ranks = wanted(n);
    let found = ranks.y - ranks.x;
    if (found == 0u) {
        pad_rest(row, 0u);
        return;
    }
    let b = bounds_of(row, 0u, n, ranks.x, ranks.y);
    output_collected(row, 0u, n, b, found);
#endif
}

#import collected
