// mk = 3. The key's digits are counted until the boundary is known, then the wanted ranks are
// collected and ordered. One workgroup for each part.
//
// Reads the input four or five times (three or four for 16-bit types), and once if a part is one tile
// at most (RESIDENT). Preferred for large k, ranks in the middle, and input that defeats a sample.
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
#import finish
#import radix
#import main

fn run(row: u32, part: u32) {
    let n = row_length(row);
#ifdef TWO
    // The part's leading ranks, in any order, are its list.
    let begin = min(part * p.part_cols, n);
    let here = min(p.part_cols, n - begin);
    let most = min(p.kept, here);
    if (most > 0u) {
        let own = span(row, begin, here);
#ifdef RESIDENT
        hold(own);
#endif
        let b = bounds_of(own, 0u, most);
        collect(own, b, true, list_base(row, part));
    }
    set_count(row, part, most);
#else
    let ranks = wanted(n);
    if (ranks.x == ranks.y) {
        pad_rest(row, 0u);
        return;
    }
    let own = span(row, 0u, n);
#ifdef RESIDENT
    hold(own);
#endif
    select_span(own, ranks.x, ranks.y);
#endif
}
