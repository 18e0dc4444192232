// Ordering a list of few candidates: by counting what comes before each, or by bins of their marks (of
// their indices, where all marks are the same) and counting within a bin; by the network where they
// crowd into few bins.

#import marks

var<workgroup> bin_most: atomic<u32>;

// Of one bin; counting takes its square.
const CROWDED: u32 = 192u;

#ifdef BINNED
// The rank of a candidate, the list being in the order of bins, each of which says where it ends; or
// `need` if it is not among those that are needed.
fn rank_in_bin(e: vec2<u32>, bin: u32, need: u32) -> u32 {
    var rank = 0u;
    if (bin > 0u) {
        rank = atomicLoad(&bins[bin_at(bin - 1u)]);
    }
    if (rank < need) {
        let end = atomicLoad(&bins[bin_at(bin)]);
        for (var i = rank; i < end; i += 1u) {
            rank += select(0u, 1u, before(list[i], e));
        }
    }
    return min(rank, need);
}
#endif

// Leaves the `need` leading ones of list[0..c) in order in list[0..need); c is at most CAP, and all
// threads have written what they have to.
fn order_list(c: u32, need: u32) {
    order_found(0u, c, need, true);
}

// The same. Where entries are not `keyed`, there are only columns of the row in them, in place of the
// inverted index: their keys are looked up here, all of a thread's at once.
fn order_found(row: u32, candidates: u32, need: u32, keyed: bool) {
    let c = uniform_of(candidates);
    workgroupBarrier();
    if (c <= COUNTED) {
        var e = vec2<u32>(0u);
        var rank = 0u;
        if (tid < c) {
            e = list[tid];
        }
        if (!keyed) {
            if (tid < c) {
                e = entry(row, e.y);
                list[tid] = e;
            }
            workgroupBarrier();
        }
        if (tid < c) {
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
    clear_bins();
    if (tid == 0u) {
        atomicStore(&key_least, 0xffffffffu);
        atomicStore(&key_most, 0u);
        atomicStore(&bin_most, 0u);
    }
    var least = 0xffffffffu;
    var most = 0u;
#each j LIST_EACH
    var e_$j: vec2<u32> = vec2<u32>(0u);
    if ($ju * WG + tid < c) {
        e_$j = list[$ju * WG + tid];
    }
#end
    if (!keyed) {
#each j LIST_EACH
        let bits_$j: u32 = element(row, e_$j.y);
#end
#each j LIST_EACH
        e_$j = vec2<u32>(key_of(bits_$j), ~e_$j.y);
#end
    }
#each j LIST_EACH
    let mark_$j: u32 = mark_of(e_$j);
    if ($ju * WG + tid < c) {
        least = min(least, mark_$j);
        most = max(most, mark_$j);
    }
#end
    workgroupBarrier();
    var range = range_of(least, most);
    // Where all marks are the same, the inverted indices make the order.
    let alike = is_uniform(range.x == range.y);
    if (alike) {
        least = 0xffffffffu;
        most = 0u;
#each j LIST_EACH
        if ($ju * WG + tid < c) {
            least = min(least, e_$j.y);
            most = max(most, e_$j.y);
        }
#end
        workgroupBarrier();
        if (tid == 0u) {
            atomicStore(&key_least, 0xffffffffu);
            atomicStore(&key_most, 0u);
        }
        workgroupBarrier();
        range = range_of(least, most);
    }
    least = range.x;
    let reach = max(range.y - least, 1u);
#each j LIST_EACH
    var bin_$j: u32 = 0u;
    if ($ju * WG + tid < c) {
        bin_$j = bin_of(select(mark_$j, e_$j.y, alike) - least, reach);
        atomicAdd(&bins[bin_at(bin_$j)], 1u);
    }
#end
    workgroupBarrier();
    var sum = 0u;
    var largest = 0u;
    for (var j = 0u; j < rounds(BINS_EACH); j += 1u) {
        let bin = tid * BINS_EACH + j;
        if (bin < HISTOGRAM) {
            let count = atomicLoad(&bins[bin_at(bin)]);
            sum += count;
            largest = max(largest, count);
        }
    }
    if (largest > atomicLoad(&bin_most)) {
        atomicMax(&bin_most, largest);
    }
    // Its barriers are what the crowd needs too.
    var start = scan(sum).x;
    if (is_uniform(atomicLoad(&bin_most) <= CROWDED)) {
        for (var j = 0u; j < rounds(BINS_EACH); j += 1u) {
            let bin = tid * BINS_EACH + j;
            if (bin < HISTOGRAM) {
                let count = atomicLoad(&bins[bin_at(bin)]);
                atomicStore(&bins[bin_at(bin)], start);
                start += count;
            }
        }
        workgroupBarrier();
        // Every candidate is in a register: the list can be written over. Each bin ends up as its
        // end.
#each j LIST_EACH
        if ($ju * WG + tid < c) {
            list[atomicAdd(&bins[bin_at(bin_$j)], 1u)] = e_$j;
        }
#end
        workgroupBarrier();
        // Each thread takes what stands at its places now: neighbours have a bin in common mostly, and
        // what is not needed is left out by whole subgroups.
#each j LIST_EACH
        var placed_$j: vec2<u32> = vec2<u32>(0u);
        var rank_$j: u32 = need;
        if ($ju * WG + tid < c) {
            placed_$j = list[$ju * WG + tid];
            let above = select(mark_of(placed_$j), placed_$j.y, alike) - least;
            rank_$j = rank_in_bin(placed_$j, bin_of(above, reach), need);
        }
#end
        workgroupBarrier();
#each j LIST_EACH
        if (rank_$j < need) {
            list[rank_$j] = placed_$j;
        }
#end
        workgroupBarrier();
        return;
    }
    if (!keyed) {
#each j LIST_EACH
        if ($ju * WG + tid < c) {
            list[$ju * WG + tid] = e_$j;
        }
#end
    }
#else
    if (!keyed) {
        for (var i = tid; i < c; i += WG) {
            list[i] = entry(row, list[i].y);
        }
    }
#endif
    workgroupBarrier();
    sort_list(c);
}
