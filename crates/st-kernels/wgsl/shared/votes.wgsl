// What threads find out together.
//
// After a loop that lanes leave one by one, a driver may let them go on in several groups, although all
// are to take part in what follows: seen on an H200, even behind a barrier. There the least of a subgroup's
// values was not that of the lanes that asked, and lists were ordered by a range that did not hold them all.
// Hence no minima, maxima or sums of subgroups where such a loop may have been: each thread has its say in
// shared memory, if that would change something. Whether any lane here has something to do is asked, as the answer
// need only be right for those that ask; and loops before a sum (scan.wgsl) go on for all lanes while any has.

var<workgroup> appended: atomic<u32>;

#ifdef SUBGROUP
fn group_any(value: bool) -> bool {
    return subgroupAny(value);
}
#else
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
