// A key that some more than `most` elements of a span reach, from a sample of it.
//
// Each thread takes SAMPLE vectors; a few stand together, and these are spread evenly over the span. The
// sample's r-th key from the top is the threshold, r being so great that fewer than `most` elements reach
// it about once in ten million random spans; then the caller selects in another way. Where the sample
// is the whole span, r is `most` itself. To find it, the threads' greatest keys give a lower bound that
// at least r of the sample reach, and bins between it and the greatest key do the rest.

var<workgroup> sample_least: atomic<u32>;
var<workgroup> sample_most: atomic<u32>;

#ifdef KNOWS
// Of the sample: how many reach the threshold, 0 if that is not known.
var<private> sample_reached: u32;
// The least key that does, if it is known (1), or something else. In shared memory, because who may want it
// has no registers left.
var<workgroup> sample_key: array<u32, 2>;
#endif

// The least raw key to be kept.
fn threshold(s: Span, most: u32) -> u32 {
    let all = s.count <= WG * SAMPLE;
    // Fewer columns are sampled more densely.
    let r = select(p.sample_rank * ((p.cols + s.n - 1u) / max(s.n, 1u)), most, all);
#ifdef KNOWS
    if (tid == 0u) {
        sample_key[1] = 0u;
    }
#endif
    if (r > WG || r == 0u) {
        return 0u;
    }
#paste take_sample
    var best = 0u;
#each j SAMPLE
    best = max(best, greatest(chosen(keys_of_raw(raw_evens(sample_$j)), ok_$j)));
#ifdef HALF
    best = max(best, greatest(chosen(keys_of_raw(raw_odds(sample_$j)), ok_$j >> 4u)));
#endif
#end
    clear_bins();
#ifdef SUBGROUP
    if (tid == 0u) {
        atomicStore(&sample_least, 0xffffffffu);
        atomicStore(&sample_most, 0u);
    }
    workgroupBarrier();
    // The m-th greatest of each subgroup: at least r threads of all reach the least of them.
    let m = (r + subgroups - 1u) / subgroups;
    let sorted = sort_lanes(best);
    if (lane == m - 1u) {
        atomicMin(&sample_least, sorted);
    }
    if (lane == 0u) {
        atomicMax(&sample_most, sorted);
    }
    workgroupBarrier();
    let least = atomicLoad(&sample_least);
    let greatest_key = atomicLoad(&sample_most);
#else
    list[tid] = vec2<u32>(best, ~tid);
    sort_list(WG);
    let least = list[r - 1u].x;
    let greatest_key = list[0].x;
    workgroupBarrier();
#endif
#ifdef REFINE
    let shift = bin_shift(greatest_key - least);
#each j SAMPLE
    bin_sample(chosen(keys_of_raw(raw_evens(sample_$j)), ok_$j), least, shift);
#ifdef HALF
    bin_sample(chosen(keys_of_raw(raw_odds(sample_$j)), ok_$j >> 4u), least, shift);
#endif
#end
    workgroupBarrier();
    let bin = pick(0u, r - 1u);
    let key = least + ((LAST_BIN - bin.x) << shift);
#ifdef KNOWS
    sample_reached = r - 1u - bin.y + bin.z;
    if (tid == 0u) {
        // Known where a bin is of one key.
        sample_key[0] = key;
        sample_key[1] = select(0u, 1u, shift <= KEY_END);
    }
#endif
    return least_raw(key);
#else
    return least_raw(least);
#endif
}

#ifdef KNOWS
// Whether the sample says that far more of the span will reach the threshold than there is room for.
fn is_crowded(s: Span, room: u32) -> bool {
    return sample_reached * max(s.n / (WG * SAMPLE * PER), 1u) > 2u * room;
}
#endif

#ifndef RESIDENT
// Of a sample's keys that reach `least`, the least: where more elements reach the threshold than were
// expected, the key that many have.
fn least_sampled(s: Span, least: u32) -> u32 {
    let all = s.count <= WG * SAMPLE;
#paste take_sample
    var lowest = 0xffffffffu;
#each j SAMPLE
    lowest = min(lowest, least_of(chosen(keys_of_raw(raw_evens(sample_$j)), ok_$j), least));
#ifdef HALF
    lowest = min(lowest, least_of(chosen(keys_of_raw(raw_odds(sample_$j)), ok_$j >> 4u), least));
#endif
#end
    workgroupBarrier();
    if (tid == 0u) {
        atomicStore(&sample_least, 0xffffffffu);
    }
    workgroupBarrier();
    if (lowest < atomicLoad(&sample_least)) {
        atomicMin(&sample_least, lowest);
    }
    workgroupBarrier();
    return max(atomicLoad(&sample_least), least);
}

fn least_of(keys: vec4<u32>, least: u32) -> u32 {
    let k = select(vec4<u32>(0xffffffffu), keys, keys >= vec4<u32>(least));
    return min(min(k.x, k.y), min(k.z, k.w));
}
#endif

// Keys of elements that are not there are 0.
fn chosen(keys: vec4<u32>, ok: u32) -> vec4<u32> {
    return select(vec4<u32>(0u), keys, (vec4<u32>(ok) & vec4<u32>(1u, 2u, 4u, 8u)) != vec4<u32>(0u));
}

fn bin_sample(keys: vec4<u32>, least: u32, shift: u32) {
    for (var j = 0u; j < rounds(4u); j += 1u) {
        if (keys[j] >= least) {
            atomicAdd(&bins[bin_at(LAST_BIN - ((keys[j] - least) >> shift))], 1u);
        }
    }
}

#ifdef SUBGROUP
// The lanes' values, the greatest in lane 0.
fn sort_lanes(value: u32) -> u32 {
    // Lanes that are left out would make the threshold a bad one, though no answer wrong.
#ifdef SUBGROUP_BARRIER
    subgroupBarrier();
#endif
    var v = value;
    for (var size = 2u; size <= lanes; size = size << 1u) {
        for (var step = size >> 1u; step > 0u; step = step >> 1u) {
            let other = subgroupShuffleXor(v, step);
            let upper = ((lane & step) == 0u) == ((lane & size) == 0u);
            v = select(min(v, other), max(v, other), upper);
        }
    }
    return v;
}
#endif
