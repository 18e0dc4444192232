// From a part's candidates to its result: ranks of the row, or a list for the second command.

// list[0..last) holds the leading candidates of the row, in order. Writes the ranks first..last.
fn finish_list(row: u32, first: u32, last: u32) {
    let found = last - first;
    if (p.sorted == 0u && found > 0u) {
        // Ordered by index instead: keys are dropped, and inverted indices descend.
        for (var begin = 0u; begin < found; begin += WG) {
            let i = begin + tid;
            var index = 0u;
            if (i < found) {
                index = list[first + i].y;
            }
            workgroupBarrier();
            if (i < found) {
                list[i] = vec2<u32>(0u, index);
            }
            workgroupBarrier();
        }
        sort_list(found);
        for (var i = tid; i < found; i += WG) {
            emit(row, i, ~list[i].y);
        }
    } else {
        for (var i = tid; i < found; i += WG) {
            emit_entry(row, i, list[first + i]);
        }
    }
    pad_rest(row, found);
}

// The same of lists[base..base + m) in device memory.
fn finish_memory(row: u32, base: u32, first: u32, last: u32) {
    let found = last - first;
    if (p.sorted == 0u && found > 0u) {
        for (var begin = 0u; begin < found; begin += WG) {
            let i = begin + tid;
            var index = 0u;
            if (i < found) {
                index = lists[base + first + i].y;
            }
            storageBarrier();
            workgroupBarrier();
            if (i < found) {
                lists[base + i] = vec2<u32>(0u, index);
            }
            storageBarrier();
            workgroupBarrier();
        }
        sort_memory(base, found);
        for (var i = tid; i < found; i += WG) {
            emit(row, i, ~lists[base + i].y);
        }
    } else {
        for (var i = tid; i < found; i += WG) {
            emit_entry(row, i, lists[base + first + i]);
        }
    }
    pad_rest(row, found);
}

// Keeps list[0..m) as a part's list.
fn keep_list(row: u32, part: u32, m: u32) {
    let base = list_base(row, part);
    for (var i = tid; i < m; i += WG) {
        lists[base + i] = list[i];
    }
    set_count(row, part, m);
}
