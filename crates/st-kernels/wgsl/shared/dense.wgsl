// A row's candidates next to each other in device memory, as many as fit `sort_room`, in tiles of CAP
// that shared memory can order; behind the last of them nothing, which comes last.

fn dense_base(row: u32) -> u32 {
    return row * p.list_stride + p.sort_base;
}

fn set_total(row: u32, total: u32) {
    lists[row * p.list_stride + p.count_base + p.list_parts] = vec2<u32>(total, 0u);
}

fn total_of(row: u32) -> u32 {
    return lists[row * p.list_stride + p.count_base + p.list_parts].x;
}

// Whether the candidates hold what is wanted, and there is room for them.
fn can_order(row: u32, total: u32) -> bool {
    return total >= wanted(row_length(row)).y && total <= p.sort_room;
}

// Whole tiles.
fn padded(total: u32) -> u32 {
    return (total + CAP - 1u) / CAP * CAP;
}
