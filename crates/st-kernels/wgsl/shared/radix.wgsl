// Radix selection within one workgroup (after Alabi et al. 2012): histograms of up to 11 bits of the
// key (10 with RANGE, where there are two), from the top, until the keys at both ends of the wanted ranks are known. Ties at an end are
// cut by their column, found in the same way. Then whatever lies between the ends is wanted: nothing
// depends on the order in which it is found. Any k, any input.
//
// Reads the span once for each digit (three, with RANGE four; two for 16-bit types), once more if ties
// are cut, and once to collect; only once in all if HELD.

// The first and the last wanted candidate.
struct Bounds {
    high: vec2<u32>,
    low: vec2<u32>,
}

fn is_wanted(e: vec2<u32>, b: Bounds) -> bool {
    return !before(e, b.high) && !before(b.low, e);
}

// Counts a digit of the elements that share the digits known so far: those of the last wanted in the
// first histogram, with RANGE those of the first wanted in the second.
fn count_digits(s: Span, shift: u32, digits: u32, known: u32, low: u32, high: u32, apart: bool) {
#paste walk count_vector(w_$j, valid(s, i_$j), shift, digits, known, low, high, apart);
}

fn count_vector(
    w: vec4<u32>,
    ok: u32,
    shift: u32,
    digits: u32,
    known: u32,
    low: u32,
    high: u32,
    apart: bool,
) {
    count_four(keys_of_raw(raw_evens(w)), ok, shift, digits, known, low, high, apart);
#ifdef HALF
    count_four(keys_of_raw(raw_odds(w)), ok >> 4u, shift, digits, known, low, high, apart);
#endif
}

fn count_four(
    keys: vec4<u32>,
    ok: u32,
    shift: u32,
    digits: u32,
    known: u32,
    low: u32,
    high: u32,
    apart: bool,
) {
    // Four of one bin are counted at once: where all are equal, every thread waits for every other.
    let all_bins = (keys >> vec4<u32>(shift)) & vec4<u32>(digits);
    if ((ok & 15u) == 15u && all(keys.xxx == keys.yzw)) {
        if ((keys.x & known) == low) {
            atomicAdd(&bins[bin_at(digits - all_bins.x)], 4u);
        }
#ifdef RANGE
        if (apart && (keys.x & known) == high) {
            atomicAdd(&bins[bin_at(HISTOGRAM + digits - all_bins.x)], 4u);
        }
#endif
    } else {
        for (var e = 0u; e < rounds(4u); e += 1u) {
            if (((ok >> e) & 1u) != 0u) {
                // The greatest first.
                let bin = digits - all_bins[e];
                if ((keys[e] & known) == low) {
                    atomicAdd(&bins[bin_at(bin)], 1u);
                }
#ifdef RANGE
                if (apart && (keys[e] & known) == high) {
                    atomicAdd(&bins[bin_at(HISTOGRAM + bin)], 1u);
                }
#endif
            }
        }
    }
}

// Those of a vector's elements that come before all with this key. It is the greatest of the raw keys
// that count as equal to it.
fn hits_above(w: vec4<u32>, key: u32) -> u32 {
    let above = hits(w, vec4<u32>(key + 1u));
    return select(above, 0u, key == 0xffffffffu);
}

// Counts the elements of a vector that have a key by their columns.
fn count_ties(s: Span, i: u32, w: vec4<u32>, key: u32, shift: u32) {
    var mask = hits(w, vec4<u32>(least_raw(key))) & ~hits_above(w, key) & valid(s, i);
    // A vector is of one bin as a rule.
    let place = i * PER - min(s.head, i * PER);
    if (mask != 0u && i > 0u && (place >> shift) == ((place + PER - 1u) >> shift)) {
        atomicAdd(&bins[bin_at(place >> shift)], countOneBits(mask));
        mask = 0u;
    }
    while (mask != 0u) {
        let column = column_of(s, i, of_bit(firstTrailingBit(mask)));
        mask = mask & (mask - 1u);
        atomicAdd(&bins[bin_at((column - s.begin) >> shift)], 1u);
    }
}

// The column of item `need` (from 0) of the span's elements with this key, in the order of columns.
fn column_of_tie(s: Span, key: u32, need: u32) -> u32 {
    var from_column = 0u;
    var n = s.n;
    var rest = need;
    var bits = 32u - countLeadingZeros(max(s.n, 2u) - 1u);
    loop {
        let shift = bits - min(bits, HISTOGRAM_BITS);
        clear_bins();
        workgroupBarrier();
        if (from_column == 0u && n == s.n) {
#paste walk count_ties(s, i_$j, w_$j, key, shift);
        } else {
            for (var i = tid; i < n; i += WG) {
                if (key_of(element(s.row, s.begin + from_column + i)) == key) {
                    atomicAdd(&bins[bin_at(i >> shift)], 1u);
                }
            }
        }
        workgroupBarrier();
        let bin = pick(0u, rest);
        from_column += bin.x << shift;
        rest = bin.y;
        if (shift == 0u) {
            break;
        }
        n = min(1u << shift, s.n - from_column);
        bits = shift;
    }
    return s.begin + from_column;
}

// Where ranks first..last (not empty, within the span) of a span lie.
fn bounds_of(s: Span, first: u32, last: u32) -> Bounds {
    var low = 0u;
    var high = 0u;
    var low_rest = last - 1u;
    var high_rest = first;
    var low_count = 0u;
    var known = 0u;
    var apart = false;
    var top = 32u;
    while (top > KEY_END) {
        let shift = max(top, KEY_END + HISTOGRAM_BITS) - HISTOGRAM_BITS;
        let digits = (1u << (top - shift)) - 1u;
        top = shift;
        clear_bins();
        workgroupBarrier();
        count_digits(s, shift, digits, known, low, high, apart);
        workgroupBarrier();
        let low_pick = pick(0u, low_rest);
#ifdef RANGE
        let high_pick = pick(select(0u, HISTOGRAM, apart), high_rest);
        high = high | ((digits - high_pick.x) << shift);
        high_rest = high_pick.y;
#endif
        low = low | ((digits - low_pick.x) << shift);
        low_rest = low_pick.y;
        low_count = low_pick.z;
        known = known | (digits << shift);
        apart = low != high;
    }
    var b = Bounds(vec2<u32>(0xffffffffu), vec2<u32>(low, 0u));
    if (is_uniform(low_rest + 1u < low_count)) {
        b.low.y = ~column_of_tie(s, low, low_rest);
    }
#ifdef RANGE
    b.high = vec2<u32>(high, 0xffffffffu);
    if (is_uniform(high_rest > 0u)) {
        b.high.y = ~column_of_tie(s, high, high_rest);
    }
#endif
    return b;
}

var<workgroup> collected: atomic<u32>;

// Puts what is wanted of a vector where there is room next. Ties are looked at only up to the column
// of the last one wanted.
fn collect_vector(s: Span, i: u32, w: vec4<u32>, b: Bounds, in_memory: bool, base: u32) {
    let place = s.begin + i * PER;
    var mask = 0u;
    if (place - min(s.head, place) > ~b.low.y) {
        mask = hits_above(w, b.low.x);
    } else {
        mask = hits(w, vec4<u32>(least_raw(b.low.x)));
    }
    mask = mask & valid(s, i);
    while (mask != 0u) {
        let column = column_of(s, i, of_bit(firstTrailingBit(mask)));
        mask = mask & (mask - 1u);
        let e = entry(s.row, column);
        if (is_wanted(e, b)) {
            let place = atomicAdd(&collected, 1u);
            if (in_memory) {
                lists[base + place] = e;
            } else {
                list[place] = e;
            }
        }
    }
}

// Puts what is wanted into list[0..] or lists[base..], in any order.
fn collect(s: Span, b: Bounds, in_memory: bool, base: u32) {
    if (tid == 0u) {
        atomicStore(&collected, 0u);
    }
    workgroupBarrier();
#paste walk collect_vector(s, i_$j, w_$j, b, in_memory, base);
    storageBarrier();
    workgroupBarrier();
}

// The same into lists[base..], in the order of columns.
fn collect_in_order(s: Span, b: Bounds, base: u32) {
    var found = 0u;
    for (var at = 0u; at < s.count; at += WG) {
        let i = at + tid;
        var mask = 0u;
        if (i < s.count) {
            var maybe = hits(words(s, i), vec4<u32>(least_raw(b.low.x))) & valid(s, i);
            while (group_any(maybe != 0u)) {
                let bit = firstTrailingBit(maybe);
                // As bits in the order of columns.
                if (maybe != 0u && is_wanted(entry(s.row, column_of(s, i, of_bit(bit))), b)) {
                    mask = mask | (1u << of_bit(bit));
                }
                maybe = maybe & (maybe - min(maybe, 1u));
            }
        }
        let places = scan(countOneBits(mask));
        var place = base + found + places.x;
        while (group_any(mask != 0u)) {
            if (mask != 0u) {
                lists[place] = entry(s.row, column_of(s, i, firstTrailingBit(mask)));
                mask = mask & (mask - 1u);
                place += 1u;
            }
        }
        found += places.y;
    }
    storageBarrier();
    workgroupBarrier();
}

// Selects ranks first..last of a span and writes them.
fn select_span(s: Span, first: u32, last: u32) {
    let found = last - first;
    let b = bounds_of(s, first, last);
    if (found <= CAP) {
        collect(s, b, false, 0u);
        finish_unordered(s.row, found);
        return;
    }
    let base = s.row * p.list_stride + p.sort_base;
    collect_in_order(s, b, base);
    if (p.sorted != 0u) {
        sort_memory(base, found);
    }
    for (var i = tid; i < found; i += WG) {
        emit(s.row, i, ~lists[base + i].y);
    }
    pad_rest(s.row, found);
}

// Orders list[0..found), all of which is wanted, and writes it.
fn finish_unordered(row: u32, found: u32) {
    if (p.sorted == 0u) {
        // Without keys, order is that of the index.
        for (var i = tid; i < found; i += WG) {
            list[i].x = 0u;
        }
    }
    order_found(row, found, found, 0u, true);
    pad_rest(row, found);
}
