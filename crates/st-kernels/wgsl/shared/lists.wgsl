// The parts' lists in device memory, by which the first command hands candidates to the second: room
// for `room` entries for each part of a row, and how many there are.

fn list_base(row: u32, part: u32) -> u32 {
    return row * p.list_stride + part * p.room;
}

fn set_count(row: u32, part: u32, count: u32) {
    if (tid == 0u) {
        lists[row * p.list_stride + p.count_base + part] = vec2<u32>(count, 0u);
    }
}

fn count_of(row: u32, part: u32) -> u32 {
    return lists[row * p.list_stride + p.count_base + part].x;
}
