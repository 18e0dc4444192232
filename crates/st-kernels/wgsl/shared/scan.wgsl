// Sums over a workgroup. Three barriers, with subgroups or without: sums over subgroups went wrong on a
// driver (votes.wgsl), and this takes hardly longer.

#ifdef SUBGROUP
var<private> lane: u32;
var<private> lanes: u32;
var<private> subgroup: u32;
var<private> subgroups: u32;
#endif

// One thread adds up the values of a stretch; a word between stretches keeps banks apart.
var<workgroup> scan_values: array<u32, STRETCHES * (STRETCH + 1u)>;
var<workgroup> scan_sums: array<u32, STRETCHES>;
// The sums of all stretches before each, and of all.
var<workgroup> scan_starts: array<u32, STRETCHES + 1u>;

// The sum of the values of threads before this one, and of all.
fn scan(value: u32) -> vec2<u32> {
    let stretch = tid / STRETCH;
    let place = tid + stretch;
    scan_values[place] = value;
    workgroupBarrier();
    if (tid < STRETCHES) {
        // Four are read before any of them is written: one after the other would take as long again,
        // and more take registers from the whole kernel.
        let first = tid * (STRETCH + 1u);
        let end = first + min(STRETCH, WG - tid * STRETCH);
        var sum = 0u;
        for (var at = first; at < end; at += 4u) {
#unroll i 4
            let v_$i = scan_values[min(at + $iu, end - 1u)];
#end
#unroll i 4
            if (at + $iu < end) {
                scan_values[at + $iu] = sum;
                sum += v_$i;
            }
#end
        }
        scan_sums[tid] = sum;
    }
    workgroupBarrier();
    if (tid < STRETCHES) {
        var earlier = 0u;
        var all = 0u;
        for (var i = 0u; i < STRETCHES; i += 1u) {
            let sum = scan_sums[i];
            earlier += select(0u, sum, i < tid);
            all += sum;
        }
        scan_starts[tid] = earlier;
        if (tid == 0u) {
            scan_starts[STRETCHES] = all;
        }
    }
    workgroupBarrier();
    // No barrier here: what the next sum writes before its first is read by none but its own thread.
    return vec2<u32>(scan_values[place] + scan_starts[stretch], scan_starts[STRETCHES]);
}
