// Collects what lies within the bounds, sorts it, and writes it.
fn output_collected(row: u32, begin: u32, n: u32, b: Bounds, found: u32) {
    // Behind the parts' lists, if there are any.
    let base = row * p.list_stride + p.sort_base;
    let in_memory = found > CAP;
    collect(row, begin, n, b, base, in_memory, found);
#ifdef FROM_LIST
    if (p.sorted == 0u) {
        // Lists may be ordered by rank: without keys, sorting orders by index.
        for (var i = tid; i < found; i += WG) {
            if (in_memory) {
                lists[base + i].x = 0u;
            } else {
                list[i].x = 0u;
            }
        }
        storageBarrier();
        workgroupBarrier();
    }
    let sort = true;
#else
    let sort = p.sorted != 0u;
#endif
    if (in_memory) {
        if (sort) {
            sort_memory(base, found);
        }
        for (var i = tid; i < found; i += WG) {
            emit(row, i, ~lists[base + i].y);
        }
    } else {
        if (sort) {
            sort_list(found);
        }
        for (var i = tid; i < found; i += WG) {
            emit(row, i, ~list[i].y);
        }
    }
    pad_rest(row, found);
}
