// The parts' lists in device memory, by which the first command hands candidates to the second: room
// for `room` entries for each part of a row, and how many there are.

fn list_base(row: u32, part: u32) -> u32 {
    return row * p.list_stride + part * p.room;
}

fn set_count(row: u32, part: u32, count: u32) {
    set_list(row, part, count, 0u);
}

// With the threshold that the list holds all above of, if it may lack some of the part's best; else 0.
// Lists of one row go together only if their thresholds are the same.
fn set_list(row: u32, part: u32, count: u32, least: u32) {
    if (tid == 0u) {
        lists[row * p.list_stride + p.count_base + part] = vec2<u32>(count, least);
    }
}

// Both: the count, and that threshold or 0.
fn about_list(row: u32, part: u32) -> vec2<u32> {
    return lists[row * p.list_stride + p.count_base + part];
}

fn count_of(row: u32, part: u32) -> u32 {
    return about_list(row, part).x;
}
