// Ordering a list of few candidates: by counting what comes before each, or by bins of their marks and
// counting within a bin; by the network where they crowd into few bins.

#import marks

var<workgroup> bin_most: atomic<u32>;

// Of one bin; counting takes its square.
const CROWDED: u32 = 192u;

// Two bins to a word: twice as many as a histogram has.
const LAST_PLACE: u32 = 2u * BINS - 1u;
const WORDS_EACH: u32 = (BINS + WG - 1u) / WG;

// No rank that results begin with: candidates stay in the list.
const STAYS: u32 = 0xffffffffu;

// What results begin with where they are by rank; by index they are ordered once more.
fn results_from(first: u32) -> u32 {
    return select(STAYS, first, p.sorted != 0u);
}

#ifdef BINNED
// Where a bin begins.
fn begin_of(bin: u32) -> u32 {
    return (atomicLoad(&bins[bin_at(bin >> 1u)]) >> ((bin & 1u) << 4u)) & 0xffffu;
}

// The rank of a candidate of a bin, the list of c being marks in the order of bins; or `need` if it is
// not among those that are needed.
fn rank_in_bin(e: vec2<u32>, bin: u32, c: u32, need: u32) -> u32 {
    var rank = begin_of(bin);
    if (rank < need) {
        var end = c;
        if (bin < LAST_PLACE) {
            end = begin_of(bin + 1u);
        }
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
    order_found(0u, c, need, STAYS, true);
}

// The same; or writes them as results from rank `first` on. Where entries are not `keyed`, there are only
// columns of the row in them, in place of the inverted index: their keys are looked up here, all of a
// thread's at once.
fn order_found(row: u32, candidates: u32, need: u32, first: u32, keyed: bool) {
    let c = uniform_of(candidates);
#ifdef BINNED
    // Nobody reads bins now.
    if (c > COUNTED) {
        clear_bins();
        if (tid == 0u) {
            atomicStore(&key_least, 0xffffffffu);
            atomicStore(&key_most, 0u);
            atomicStore(&bin_most, 0u);
        }
    }
#endif
    workgroupBarrier();
    if (c <= COUNTED) {
        var e = vec2<u32>(0u);
        var rank = 0u;
        if (tid < c) {
            e = list[tid];
#ifdef KEYED
            e.x = key_of_raw(e.x);
            list[tid].x = e.x;
#endif
        }
#ifdef KEYED
        workgroupBarrier();
#endif
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
        if (first != STAYS) {
            if (tid < c && rank >= first && rank < need) {
                emit_entry(row, rank - first, e);
            }
            return;
        }
        if (tid < c && rank < need) {
            list[rank] = e;
        }
        workgroupBarrier();
        return;
    }
#ifdef BINNED
    var least = 0xffffffffu;
    var most = 0u;
#each j LIST_EACH
    var e_$j: vec2<u32> = vec2<u32>(0u);
    if ($ju * WG + tid < c) {
        e_$j = list[$ju * WG + tid];
    }
#end
#ifdef KEYED
#each j LIST_EACH
    e_$j.x = key_of_raw(e_$j.x);
#end
#endif
    if (!keyed) {
#each j LIST_EACH
        let bits_$j: u32 = element(row, e_$j.y);
#end
#each j LIST_EACH
        e_$j = vec2<u32>(key_of(bits_$j), ~e_$j.y);
#end
    }
#each j LIST_EACH
    if ($ju * WG + tid < c) {
        least = min(least, e_$j.x);
        most = max(most, e_$j.x);
    }
#end
    let keys = range_of(least, most);
    var columns = vec2<u32>(0u - p.cols, 0xffffffffu);
    // Where all keys are the same, the columns make the order, and there may be few of the row's.
    if (is_uniform(keys.x == keys.y)) {
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
        columns = range_of(least, most);
    }
    let marking = marking_of(keys, columns);
    if (tid == 0u) {
        keep_marking(marking);
    }
    // From here on marks stand for keys. A candidate's bin, and above it how many of the bin were there.
#each j LIST_EACH
    e_$j.x = mark_of(e_$j, marking);
    var bin_$j: u32 = 0u;
    if ($ju * WG + tid < c) {
        bin_$j = bin_of(e_$j.x, marking.bins);
        let half = (bin_$j & 1u) << 4u;
        let there = (atomicAdd(&bins[bin_at(bin_$j >> 1u)], 1u << half) >> half) & 0xffffu;
        bin_$j = bin_$j | (there << 16u);
    }
#end
    workgroupBarrier();
    var sum = 0u;
    var largest = 0u;
    for (var j = 0u; j < rounds(WORDS_EACH); j += 1u) {
        let word = tid * WORDS_EACH + j;
        if (word < BINS) {
            let both = atomicLoad(&bins[bin_at(word)]);
            sum += (both & 0xffffu) + (both >> 16u);
            largest = max(largest, max(both & 0xffffu, both >> 16u));
        }
    }
    if (largest > atomicLoad(&bin_most)) {
        atomicMax(&bin_most, largest);
    }
    // Its barriers are what the crowd needs too.
    var start = scan(sum).x;
    if (is_uniform(atomicLoad(&bin_most) <= CROWDED)) {
        for (var j = 0u; j < rounds(WORDS_EACH); j += 1u) {
            let word = tid * WORDS_EACH + j;
            if (word < BINS) {
                let both = atomicLoad(&bins[bin_at(word)]);
                let second = start + (both & 0xffffu);
                atomicStore(&bins[bin_at(word)], start | (second << 16u));
                start = second + (both >> 16u);
            }
        }
        workgroupBarrier();
        // Every candidate is in a register: the list can be written over.
#each j LIST_EACH
        if ($ju * WG + tid < c) {
            list[begin_of(bin_$j & 0xffffu) + (bin_$j >> 16u)] = e_$j;
        }
#end
        workgroupBarrier();
        // Each thread takes what stands at its places now: neighbours have a bin in common mostly, and
        // what is not needed is left out by whole subgroups.
        let binning = kept_binning();
        if (first != STAYS) {
            for (var i = tid; i < c; i += WG) {
                let e = list[i];
                let rank = rank_in_bin(e, bin_of(e.x, binning), c, need);
                if (rank >= first && rank < need) {
                    emit_entry(row, rank - first, unmarked(e));
                }
            }
            return;
        }
#each j LIST_EACH
        var placed_$j: vec2<u32> = vec2<u32>(0u);
        var rank_$j: u32 = need;
        if ($ju * WG + tid < c) {
            placed_$j = list[$ju * WG + tid];
            rank_$j = rank_in_bin(placed_$j, bin_of(placed_$j.x, binning), c, need);
        }
#end
        workgroupBarrier();
#each j LIST_EACH
        if (rank_$j < need) {
            list[rank_$j] = unmarked(placed_$j);
        }
#end
        workgroupBarrier();
        return;
    }
#each j LIST_EACH
    if ($ju * WG + tid < c) {
        list[$ju * WG + tid] = unmarked(e_$j);
    }
#end
#else
    for (var i = tid; i < c; i += WG) {
        if (!keyed) {
            list[i] = entry(row, list[i].y);
        }
#ifdef KEYED
        list[i].x = key_of_raw(list[i].x);
#endif
    }
#endif
    workgroupBarrier();
    sort_list(c);
    if (first != STAYS) {
        for (var i = first + tid; i < need; i += WG) {
            emit_entry(row, i - first, list[i]);
        }
    }
}
