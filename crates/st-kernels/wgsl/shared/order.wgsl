// Ordering a list of few candidates: by counting what comes before each, or by bins of their keys
// and counting within a bin; by the network where keys crowd into few bins.

var<workgroup> key_least: atomic<u32>;
var<workgroup> key_most: atomic<u32>;
var<workgroup> bin_most: atomic<u32>;

// Of one bin; counting takes its square.
const CROWDED: u32 = 192u;

// Leaves the `need` leading ones of list[0..c) in order in list[0..need); c is at most CAP, and all
// threads have written what they have to.
fn order_list(c: u32, need: u32) {
    workgroupBarrier();
    if (c <= COUNTED) {
        var e = vec2<u32>(0u);
        var rank = 0u;
        if (tid < c) {
            e = list[tid];
            for (var i = 0u; i < c; i += 1u) {
                rank += select(0u, 1u, before(list[i], e));
            }
        }
        workgroupBarrier();
        if (tid < c && rank < need) {
            list[rank] = e;
        }
        workgroupBarrier();
        return;
    }
#ifdef BINNED
    clear_bins(HISTOGRAM);
    if (tid == 0u) {
        atomicStore(&key_least, 0xffffffffu);
        atomicStore(&key_most, 0u);
        atomicStore(&bin_most, 0u);
    }
    var e: array<vec2<u32>, LIST_EACH>;
    var least = 0xffffffffu;
    var most = 0u;
    for (var j = 0u; j < LIST_EACH; j += 1u) {
        let i = j * WG + tid;
        if (i < c) {
            e[j] = list[i];
            least = min(least, e[j].x);
            most = max(most, e[j].x);
        }
    }
    workgroupBarrier();
    let lower = group_min(least);
    let upper = group_max(most);
    if (is_first()) {
        atomicMin(&key_least, lower);
        atomicMax(&key_most, upper);
    }
    workgroupBarrier();
    least = atomicLoad(&key_least);
    let shift = bin_shift(atomicLoad(&key_most) - least);
    for (var j = 0u; j < LIST_EACH; j += 1u) {
        if (j * WG + tid < c) {
            atomicAdd(&bins[LAST_BIN - ((e[j].x - least) >> shift)], 1u);
        }
    }
    workgroupBarrier();
    var sum = 0u;
    var largest = 0u;
    for (var j = 0u; j < BINS_EACH; j += 1u) {
        let bin = tid * BINS_EACH + j;
        if (bin < HISTOGRAM) {
            let count = atomicLoad(&bins[bin]);
            sum += count;
            largest = max(largest, count);
        }
    }
    let crowd = group_max(largest);
    if (is_first()) {
        atomicMax(&bin_most, crowd);
    }
    // Its barriers are what the crowd needs too.
    var start = scan(sum).x;
    if (atomicLoad(&bin_most) <= CROWDED) {
        for (var j = 0u; j < BINS_EACH; j += 1u) {
            let bin = tid * BINS_EACH + j;
            if (bin < HISTOGRAM) {
                let count = atomicLoad(&bins[bin]);
                atomicStore(&bins[bin], start);
                start += count;
            }
        }
        workgroupBarrier();
        // Every candidate is in a register: the list can be written over. Each bin ends up as its
        // end.
        for (var j = 0u; j < LIST_EACH; j += 1u) {
            if (j * WG + tid < c) {
                list[atomicAdd(&bins[LAST_BIN - ((e[j].x - least) >> shift)], 1u)] = e[j];
            }
        }
        workgroupBarrier();
        var rank: array<u32, LIST_EACH>;
        for (var j = 0u; j < LIST_EACH; j += 1u) {
            rank[j] = need;
            if (j * WG + tid < c) {
                let bin = LAST_BIN - ((e[j].x - least) >> shift);
                var first = 0u;
                if (bin > 0u) {
                    first = atomicLoad(&bins[bin - 1u]);
                }
                if (first < need) {
                    let end = atomicLoad(&bins[bin]);
                    var earlier = first;
                    for (var i = first; i < end; i += 1u) {
                        earlier += select(0u, 1u, before(list[i], e[j]));
                    }
                    rank[j] = earlier;
                }
            }
        }
        workgroupBarrier();
        for (var j = 0u; j < LIST_EACH; j += 1u) {
            if (rank[j] < need) {
                list[rank[j]] = e[j];
            }
        }
        workgroupBarrier();
        return;
    }
#endif
    sort_list(c);
}
