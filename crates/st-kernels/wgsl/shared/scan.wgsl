// Sums over a workgroup. Cost: two barriers with subgroups, 2 log2(WG) without.

#ifdef SUBGROUP
var<workgroup> scan_sums: array<u32, SUBGROUPS>;
var<private> lane: u32;
var<private> lanes: u32;
var<private> subgroup: u32;
var<private> subgroups: u32;

// The sum of the values of threads before this one, and of all.
fn scan(value: u32) -> vec2<u32> {
    let own = subgroupInclusiveAdd(value);
    if (lane == lanes - 1u) {
        scan_sums[subgroup] = own;
    }
    workgroupBarrier();
    var earlier = 0u;
    var all = 0u;
    // Every lane reads all of them: a loop with bounds of each lane's own, and a sum over the subgroup
    // after it, went wrong on a driver.
    for (var i = 0u; i < subgroups; i += 1u) {
        let sum = scan_sums[i];
        earlier += select(0u, sum, i < subgroup);
        all += sum;
    }
    workgroupBarrier();
    return vec2<u32>(earlier + own - value, all);
}
#else
var<workgroup> scan_sums: array<u32, WG>;

// The sum of the values of threads before this one, and of all.
fn scan(value: u32) -> vec2<u32> {
    scan_sums[tid] = value;
    workgroupBarrier();
    for (var step = 1u; step < WG; step = step << 1u) {
        var earlier = 0u;
        if (tid >= step) {
            earlier = scan_sums[tid - step];
        }
        workgroupBarrier();
        scan_sums[tid] += earlier;
        workgroupBarrier();
    }
    let own = scan_sums[tid];
    let all = scan_sums[WG - 1u];
    workgroupBarrier();
    return vec2<u32>(own - value, all);
}
#endif
