// What a subgroup can do together; without subgroups every thread is alone.

var<workgroup> appended: atomic<u32>;

#ifdef SUBGROUP
fn is_first() -> bool {
    return lane == 0u;
}
fn group_min(value: u32) -> u32 {
    return subgroupMin(value);
}
fn group_max(value: u32) -> u32 {
    return subgroupMax(value);
}
fn group_any(value: bool) -> bool {
    return subgroupAny(value);
}
fn group_and(value: u32) -> u32 {
    return subgroupAnd(value);
}
fn group_or(value: u32) -> u32 {
    return subgroupOr(value);
}
fn group_total(value: u32) -> u32 {
    return subgroupAdd(value);
}
// Adds the group's counts to `appended`, and says where this thread's begin.
fn group_places(count: u32) -> u32 {
    let earlier = subgroupExclusiveAdd(count);
    let all = subgroupAdd(count);
    // The first of those that are here: lanes may have gone different ways before.
    var base = 0u;
    if (lane == subgroupMin(lane)) {
        base = atomicAdd(&appended, all);
    }
    return subgroupBroadcastFirst(base) + earlier;
}
#else
fn is_first() -> bool {
    return true;
}
fn group_min(value: u32) -> u32 {
    return value;
}
fn group_max(value: u32) -> u32 {
    return value;
}
fn group_any(value: bool) -> bool {
    return value;
}
fn group_and(value: u32) -> u32 {
    return value;
}
fn group_or(value: u32) -> u32 {
    return value;
}
fn group_total(value: u32) -> u32 {
    return value;
}
fn group_places(count: u32) -> u32 {
    if (count == 0u) {
        return 0u;
    }
    return atomicAdd(&appended, count);
}
#endif
