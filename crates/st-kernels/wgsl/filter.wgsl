// mk = 4. Read once against a threshold that a sample of the row sets a little below the last rank
// wanted: what reaches it, some more than is wanted, goes to a list, which is ordered. Where the list
// overflows, as it does where many have the threshold's key, what comes before that key is read for
// again, and then the first of those that have it. Where that too overflows, or too few reach the
// threshold, the part is selected again by radix.
//
// One command: a workgroup for each row, the list in shared memory. Two: a workgroup for each part,
// every part with the same sample of the whole row and a list of its own in device memory. A row of
// one tile at most (RESIDENT) stays in registers, and is its own sample.
//
// Reads the input once and the sample; twice where keys crowd, and in doubt three to five times more.
// Preferred for all but the shortest rows, while the last rank wanted is a few percent of the row at
// most.
#import params
#import keys
#import vectors
#import scan
#import votes
#import bins
#import sort
#import order
#import output
#import lists
#import finish
#import radix
#import threshold
#import main

#ifdef KEYED
const LISTS_KEYS: bool = true;
#else
const LISTS_KEYS: bool = false;
#endif

#ifndef KEYED
// The hits of a tile of the span's whole vectors, as bits: of the thread's j-th vector from bit PER * j
// on.
fn tile_hits(s: Span, at: u32, least: u32) -> u32 {
    let four = vec4<u32>(least);
    var mask = 0u;
#ifdef RESIDENT
#each j VECS
    mask = mask | ((hits(held_$j, four) & valid(s, $ju * WG + tid)) << ($ju * PER));
#end
#else
#paste tile_vectors
#ifndef DENSE
    // Hits are rare: one comparison for all.
    var top = vec4<u32>(0u);
#each j VECS
    top = max(top, top_raw(w_$j));
#end
    if (greatest(top) >= least) {
#endif
#each j VECS
        mask = mask | (select(0u, hits(w_$j, four), there_$j) << ($ju * PER));
#end
#ifndef DENSE
    }
#endif
#endif
    return mask;
}
#endif

// Appends what reaches `least` to list[0..room) or to lists[base..base + room), and says how much
// there is, which may be more. The list in shared memory gets columns alone, or raw keys, too (KEYED).
fn sweep(s: Span, least: u32, room: u32, base: u32) -> u32 {
    if (tid == 0u) {
        atomicStore(&appended, 0u);
    }
    workgroupBarrier();
#ifdef RESIDENT
    var mask = tile_hits(s, 0u, least);
    var vector = tid;
#paste append
#else
    // Last what is left of the first and the last vector.
    for (var at = s.inner; ; at += TILE_V) {
        let is_tile = at < s.outer;
        var vector = at + tid;
        var mask = 0u;
#ifdef KEYED
        var place = 0u;
#endif
        if (is_tile) {
#ifdef KEYED
#paste append_keyed
#else
            mask = tile_hits(s, at, least);
#endif
        } else {
            let has_last = s.count > max(s.outer, s.inner);
            vector = select(0u, s.count - min(s.count, 1u), tid != 0u);
            if ((tid == 0u && s.inner > 0u) || (tid == 1u && has_last)) {
                mask = hits(words(s, vector), vec4<u32>(least)) & valid(s, vector);
            }
#ifdef KEYED
            place = own_places(countOneBits(mask));
            while (mask != 0u) {
                let q = firstTrailingBit(mask);
                mask = mask & (mask - 1u);
                if (place < room) {
                    list[place] = entry(s.row, column_of(s, vector, of_bit(q)));
                }
                place += 1u;
            }
#endif
        }
#ifndef KEYED
#paste append
#endif
        if (!is_tile || group_any(place > room)) {
            break;
        }
    }
#endif
    workgroupBarrier();
    let count = uniform_of(atomicLoad(&appended));
    workgroupBarrier();
    return count;
}

#ifndef RESIDENT
// After more than `room` reached `least`: the key that many have, as a rule.
fn key_of_crowd(sampled: Span, least: u32) -> u32 {
#ifdef KNOWS
    var lowest = sample_key[0];
    if (is_uniform(sample_key[1] == 0u)) {
        lowest = least_sampled(sampled, key_of_raw(least));
    }
    return uniform_of(lowest);
#else
    return uniform_of(least_sampled(sampled, key_of_raw(least)));
#endif
}

// Appends all that come before a key, and says how many there are, which may be more than `room`.
fn sweep_before(s: Span, key: u32, room: u32, base: u32) -> u32 {
    if (key == 0xffffffffu) {
        return 0u;
    }
    return sweep(s, key + 1u, room, base);
}

// Appends the first `want` elements with this key, in the order of columns, at list[base] or
// lists[base], and says how many there are.
fn take_ties(s: Span, key: u32, want: u32, base: u32) -> u32 {
    var found = 0u;
    for (var at = 0u; at < s.count && found < want; at += WG) {
        let i = at + tid;
        var mask = 0u;
        if (i < s.count) {
            let w = words(s, i);
            let ties = hits(w, vec4<u32>(least_raw(key))) & ~hits_above(w, key) & valid(s, i);
            // As bits in the order of columns.
#unroll b PER
            mask = mask | (((ties >> $bu) & 1u) << of_bit($bu));
#end
        }
        let places = scan(countOneBits(mask));
        var place = found + places.x;
        while (group_any(mask != 0u && place < want)) {
            if (mask != 0u && place < want) {
                let column = column_of(s, i, firstTrailingBit(mask));
                mask = mask & (mask - 1u);
#ifdef TWO
                lists[base + place] = vec2<u32>(key, ~column);
#else
                list[base + place] = vec2<u32>(key, ~column);
#endif
                place += 1u;
            }
        }
        found = uniform_of(found + places.y);
    }
    workgroupBarrier();
    return min(found, want);
}
#endif

fn run(row: u32, part: u32) {
    let n = row_length(row);
    let ranks = wanted(n);
    let whole = span(row, 0u, n);
#ifdef TWO
    let begin = min(part * p.part_cols, n);
    let here = min(p.part_cols, n - begin);
    let base = list_base(row, part);
    if (here == 0u || ranks.x == ranks.y) {
        set_count(row, part, 0u);
        return;
    }
    let own = span(row, begin, here);
    let least = threshold(whole, ranks.y);
    var count = sweep(own, least, p.room, base);
    var listed = least;
#ifndef RESIDENT
    if (count > p.room) {
        storageBarrier();
        let key = key_of_crowd(whole, least);
        let need = min(ranks.y, here);
        count = sweep_before(own, key, p.room, base);
        if (count < need) {
            count += take_ties(own, key, need - count, base + count);
            count = select(p.room + 1u, count, count == need);
        }
        listed = 0u;
    }
#endif
    if (count > p.room) {
        storageBarrier();
        count = min(ranks.y, here);
        let b = bounds_of(own, 0u, count);
        collect(own, b, true, base);
        listed = 0u;
    }
    set_list(row, part, count, listed);
#else
    if (ranks.x == ranks.y) {
        pad_rest(row, 0u);
        return;
    }
#ifdef RESIDENT
    hold(whole);
#endif
    let least = threshold(whole, ranks.y);
#ifndef KNOWS
    var count = sweep(whole, least, CAP, 0u);
#else
    // Where the sample knows that many share a key, nothing is read in vain. (A vote, so that compilers know
    // that no lane goes another way.)
    var count = CAP + 1u;
    if (is_uniform(!group_any(is_crowded(whole, CAP)))) {
        count = sweep(whole, least, CAP, 0u);
    } else {
        workgroupBarrier();
    }
#endif
    // Of a key that many have, so many are wanted behind what comes before it.
    var ties = 0u;
#ifndef RESIDENT
    var key = 0u;
    if (count > CAP) {
        key = key_of_crowd(whole, least);
        count = sweep_before(whole, key, CAP, 0u);
        ties = ranks.y - min(count, ranks.y);
    }
#endif
    var keyed = LISTS_KEYS;
    var misled = count > CAP || count + ties < ranks.y;
    // Once, or twice if there are not so many ties after all. (One call of each function: compilers put them
    // in place.)
    loop {
        if (misled) {
            let b = bounds_of(whole, 0u, ranks.y);
            collect(whole, b, false, 0u);
            count = ranks.y;
            ties = 0u;
            keyed = true;
        }
        let is_all = ties == 0u;
        order_found(row, count, min(count, ranks.y), select(STAYS, results_from(ranks.x), is_all), keyed);
#ifndef RESIDENT
        if (!is_all && take_ties(whole, key, ties, count) != ties) {
            misled = true;
            continue;
        }
#endif
        break;
    }
    if (ties > 0u || p.sorted == 0u) {
        finish_list(row, ranks.x, ranks.y);
    } else {
        pad_rest(row, ranks.y - ranks.x);
    }
#endif
}
