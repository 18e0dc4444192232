// Histograms in shared memory, and finding in them the bin that holds a given item.

var<workgroup> bins: array<atomic<u32>, BINS>;
var<workgroup> picked: array<u32, 3>;

// Sets the first n bins to 0; a barrier must follow.
fn clear_bins(n: u32) {
    for (var at = 0u; at < n; at += WG) {
        if (at + tid < n) {
            atomicStore(&bins[at + tid], 0u);
        }
    }
}

// Of the histogram at `at`, filled and behind a barrier: the bin that holds item `need` of all
// (counted from 0), how many of that bin are before it, and how many the bin holds.
fn pick(at: u32, need: u32) -> vec3<u32> {
    var sum = 0u;
    for (var j = 0u; j < BINS_EACH; j += 1u) {
        let bin = tid * BINS_EACH + j;
        if (bin < HISTOGRAM) {
            sum += atomicLoad(&bins[at + bin]);
        }
    }
    var earlier = scan(sum).x;
    for (var j = 0u; j < BINS_EACH; j += 1u) {
        let bin = tid * BINS_EACH + j;
        if (bin < HISTOGRAM) {
            let count = atomicLoad(&bins[at + bin]);
            if (need >= earlier && need - earlier < count) {
                picked[0] = bin;
                picked[1] = need - earlier;
                picked[2] = count;
            }
            earlier += count;
        }
    }
    workgroupBarrier();
    let result = vec3<u32>(picked[0], picked[1], picked[2]);
    workgroupBarrier();
    return result;
}

// How far a range of keys must be shifted to fit the bins of one histogram.
fn bin_shift(range: u32) -> u32 {
    return 32u - HISTOGRAM_BITS - min(32u - HISTOGRAM_BITS, countLeadingZeros(range));
}
