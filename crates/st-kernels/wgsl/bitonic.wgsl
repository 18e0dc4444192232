// mk = 0. A sorting network over the whole part, in device memory; steps that stay within a tile run
// in shared memory. One workgroup for each part.
//
// Reads the input once, moves n log(n / tile)^2 / 2 candidates. Runs on anything; preferred for whole
// short rows.
#import params
#import keys
#import sort
#import output
#import lists
#import finish
#import main

fn run(row: u32, part: u32) {
    let n = row_length(row);
    let begin = min(part * p.part_cols, n);
    let here = min(p.part_cols, n - begin);
    // Each part has room for a power of two, behind the lists.
    let room = p.sort_room;
    let base = row * p.list_stride + p.sort_base + part * room;
    if (here <= CAP) {
        for (var i = tid; i < here; i += WG) {
            list[i] = entry(row, begin + i);
        }
        sort_list(here);
#ifdef TWO
        keep_list(row, part, min(here, p.kept));
#else
        let ranks = wanted(n);
        finish_list(row, ranks.x, ranks.y);
#endif
        return;
    }
    for (var i = tid; i < here; i += WG) {
        lists[base + i] = entry(row, begin + i);
    }
    sort_memory(base, here);
#ifdef TWO
    let to = list_base(row, part);
    let m = min(here, p.kept);
    for (var i = tid; i < m; i += WG) {
        lists[to + i] = lists[base + i];
    }
    set_count(row, part, m);
#else
    let ranks = wanted(n);
    finish_memory(row, base, ranks.x, ranks.y);
#endif
}
