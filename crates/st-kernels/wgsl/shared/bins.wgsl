// Histograms in shared memory, and finding in them the bin that holds a given item.

// A word after every 32 bins, so that threads that each go through as many neighbouring bins do not
// meet in the same bank.
const BIN_WORDS: u32 = BINS + BINS / 32u;
var<workgroup> bins: array<atomic<u32>, BIN_WORDS>;
var<workgroup> picked: array<u32, 3>;

// Where a bin stands.
fn bin_at(bin: u32) -> u32 {
    return bin + (bin >> 5u);
}

// Sets all bins to 0; a barrier must follow.
fn clear_bins() {
    for (var at = 0u; at < rounds(BIN_WORDS); at += WG) {
        if (at + tid < BIN_WORDS) {
            atomicStore(&bins[at + tid], 0u);
        }
    }
}

// Of the histogram at `at`, filled and behind a barrier: the bin that holds item `need` of all
// (counted from 0), how many of that bin are before it, and how many the bin holds.
fn pick(at: u32, need: u32) -> vec3<u32> {
    var sum = 0u;
    for (var j = 0u; j < rounds(BINS_EACH); j += 1u) {
        let bin = tid * BINS_EACH + j;
        if (bin < HISTOGRAM) {
            sum += atomicLoad(&bins[bin_at(at + bin)]);
        }
    }
    var earlier = scan(sum).x;
    if (need >= earlier && need - earlier < sum) {
        for (var j = 0u; j < rounds(BINS_EACH); j += 1u) {
            let bin = tid * BINS_EACH + j;
            var count = 0u;
            if (bin < HISTOGRAM) {
                count = atomicLoad(&bins[bin_at(at + bin)]);
            }
            if (need >= earlier && need - earlier < count) {
                picked[0] = bin;
                picked[1] = need - earlier;
                picked[2] = count;
            }
            earlier += count;
        }
    }
    workgroupBarrier();
    // No barrier here: a sum's are before what is written next.
    return vec3<u32>(picked[0], picked[1], picked[2]);
}

// How far a range of keys must be shifted to fit the bins of one histogram.
fn bin_shift(range: u32) -> u32 {
    return 32u - HISTOGRAM_BITS - min(32u - HISTOGRAM_BITS, countLeadingZeros(range));
}
