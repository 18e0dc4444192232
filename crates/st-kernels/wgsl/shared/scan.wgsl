// Sums over a workgroup. Two barriers, with subgroups or without: sums over subgroups went wrong on a
// driver (votes.wgsl), and this takes hardly longer.

#ifdef SUBGROUP
var<private> lane: u32;
var<private> lanes: u32;
var<private> subgroup: u32;
var<private> subgroups: u32;
#endif

// Values that one thread adds up, and the distance of such stretches, which keeps banks apart.
const STRETCH: u32 = 32u;
const STRETCHES: u32 = (WG + STRETCH - 1u) / STRETCH;
var<workgroup> scan_values: array<u32, STRETCHES * (STRETCH + 1u)>;
var<workgroup> scan_sums: array<u32, STRETCHES>;

// The sum of the values of threads before this one, and of all.
fn scan(value: u32) -> vec2<u32> {
    let stretch = tid / STRETCH;
    let place = tid + stretch;
    scan_values[place] = value;
    workgroupBarrier();
    if (tid < STRETCHES) {
        let first = tid * (STRETCH + 1u);
        let own = min(STRETCH, WG - tid * STRETCH);
        var sum = 0u;
        for (var i = first; i < first + own; i += 1u) {
            let value = scan_values[i];
            scan_values[i] = sum;
            sum += value;
        }
        scan_sums[tid] = sum;
    }
    workgroupBarrier();
    var earlier = scan_values[place];
    var all = 0u;
    for (var i = 0u; i < STRETCHES; i += 1u) {
        let sum = scan_sums[i];
        earlier += select(0u, sum, i < stretch);
        all += sum;
    }
    // No barrier here: what the next sum writes before its first is read by none but its own thread.
    return vec2<u32>(earlier, all);
}
