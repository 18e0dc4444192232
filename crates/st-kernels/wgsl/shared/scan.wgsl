// Sums over a workgroup. Three barriers, with subgroups or without: sums over subgroups, which take half a
// microsecond less, went wrong on a driver (votes.wgsl).

#ifdef SUBGROUP
var<private> lane: u32;
var<private> lanes: u32;
var<private> subgroup: u32;
var<private> subgroups: u32;
#endif

// Three levels: a thread adds up a stretch of values, one a stretch of those sums, and each the few that
// are left. A word between stretches keeps banks apart.
const SUMS: u32 = (WG + STRETCH - 1u) / STRETCH;
const TOPS: u32 = (SUMS + STRETCH - 1u) / STRETCH;
const MOST_values: u32 = WG;
const MOST_sums: u32 = SUMS;
var<workgroup> scan_values: array<u32, SUMS * (STRETCH + 1u)>;
var<workgroup> scan_sums: array<u32, TOPS * (STRETCH + 1u)>;
var<workgroup> scan_tops: array<u32, TOPS>;

// The sum of the values of threads before this one, and of all.
fn scan(value: u32) -> vec2<u32> {
    let stretch = tid / STRETCH;
    let place = tid + stretch;
    scan_values[place] = value;
    workgroupBarrier();
    if (tid < SUMS) {
#paste stretch values
        scan_sums[tid + tid / STRETCH] = sum;
    }
    workgroupBarrier();
    if (tid < TOPS) {
#paste stretch sums
        scan_tops[tid] = sum;
    }
    workgroupBarrier();
    let top = stretch / STRETCH;
    var earlier = 0u;
    var all = 0u;
#ifdef ROLLED
    for (var i = 0u; i < rounds(TOPS); i += 1u) {
        let t = scan_tops[i];
        earlier += select(0u, t, i < top);
        all += t;
    }
#else
    for (var at = 0u; at < TOPS; at += 4u) {
#unroll i 4
        let t_$i = scan_tops[min(at + $iu, TOPS - 1u)];
#end
#unroll i 4
        if (at + $iu < TOPS) {
            earlier += select(0u, t_$i, at + $iu < top);
            all += t_$i;
        }
#end
    }
#endif
    // No barrier here: what the next sum writes before its first is read by none but its own thread.
    return vec2<u32>(earlier + scan_sums[stretch + top] + scan_values[place], all);
}
