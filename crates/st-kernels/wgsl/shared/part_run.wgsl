// A part, by a kernel that leaves its best sorted in shared memory.
fn run(row: u32, part: u32) {
    let n = row_length(row);
    let begin = min(part * p.part_cols, n);
    let here = min(p.part_cols, n - begin);
#ifdef TWO
    let found = select_best(row, begin, here, min(p.kept, here));
    keep_list(row, part, found);
#else
    let ranks = wanted(n);
    if (ranks.y == ranks.x) {
        pad_rest(row, 0u);
        return;
    }
    let found = select_best(row, begin, here, ranks.y);
    finish_list(row, ranks.x, ranks.y);
#endif
}
