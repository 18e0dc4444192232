// What a subgroup can do together; without subgroups every thread is alone.
//
// After a loop that lanes leave one by one, a driver may let them go on in several groups, although all
// are to take part in what follows: seen on an H200, even behind a barrier. Hence what is here is right
// for any such group, as long as the driver takes no other lanes' values for theirs: docs/kernels.md has a
// case, after which ranges of lists are made by each thread alone (marks.wgsl). Loops before a sum
// (scan.wgsl) go on for all lanes while any has something to do.

var<workgroup> appended: atomic<u32>;

#ifdef SUBGROUP
// The one that speaks for the lanes that are here; to be asked before what it is to say.
fn is_speaker() -> bool {
    return lane == subgroupMin(lane);
}
fn group_min(value: u32) -> u32 {
    return subgroupMin(value);
}
fn group_and(value: u32) -> u32 {
    return subgroupAnd(value);
}
fn group_or(value: u32) -> u32 {
    return subgroupOr(value);
}
fn group_any(value: bool) -> bool {
    return subgroupAny(value);
}
#else
fn is_speaker() -> bool {
    return true;
}
fn group_min(value: u32) -> u32 {
    return value;
}
fn group_and(value: u32) -> u32 {
    return value;
}
fn group_or(value: u32) -> u32 {
    return value;
}
fn group_any(value: bool) -> bool {
    return value;
}
#endif

// Adds to `appended`, and says where what is added begins.
fn own_places(count: u32) -> u32 {
    if (count == 0u) {
        return 0u;
    }
    return atomicAdd(&appended, count);
}
