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
// Reads the input once and the sample; twice where keys crowd, and in doubt three to five times more. Preferred for all but the
// shortest rows, while the last rank wanted is a few percent of the row at most.
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

// A tile's hits, as bits: of the thread's j-th vector from bit PER * j on.
fn tile_hits(s: Span, at: u32, least: u32) -> u32 {
    let four = vec4<u32>(least);
    var mask = 0u;
    let end = s.head + s.n;
    // Whether every element of every vector of the tile belongs to the span.
    let inner = at + TILE_V <= s.whole
        && (at > 0u || s.head == 0u)
        && (at + TILE_V < s.count || end == s.count * PER);
#ifdef RESIDENT
#unroll j VECS
    mask = mask | (select(0u, hits(held_$j, four), in_tile($ju)) << ($ju * PER));
#end
#else
#unroll j VECS
    var w_$j = vec4<u32>(0u);
#end
    if (inner) {
#unroll j VECS
        if (in_tile($ju)) {
            w_$j = vectors[s.first + at + $ju * WG + tid];
        }
#end
    } else {
#unroll j VECS
        if (in_tile($ju) && at + $ju * WG + tid < s.count) {
            w_$j = words(s, at + $ju * WG + tid);
        }
#end
    }
#ifndef DENSE
    // Hits are rare: one comparison for all.
    var top = vec4<u32>(0u);
#unroll j VECS
    top = max(top, top_raw(w_$j));
#end
    if (greatest(top) >= least) {
#endif
#unroll j VECS
        // Threads beyond a tile have no vector of it.
        mask = mask | (select(0u, hits(w_$j, four), in_tile($ju)) << ($ju * PER));
#end
#ifndef DENSE
    }
#endif
#endif
    if (!inner && mask != 0u) {
#unroll j VECS
        {
            var ok = 0u;
            if (in_tile($ju) && at + $ju * WG + tid < s.count) {
                ok = valid(s, at + $ju * WG + tid);
            }
            mask = mask & ~((PER_BITS & ~ok) << ($ju * PER));
        }
#end
    }
    return mask;
}

// Appends what reaches `least` to list[0..room) or to lists[base..base + room), and says how much
// there is, which may be more. The list's entries get their columns first and their keys when all are
// there: then every thread has as many to look up.
fn sweep(s: Span, least: u32, room: u32, base: u32) -> u32 {
    if (tid == 0u) {
        atomicStore(&appended, 0u);
    }
    workgroupBarrier();
    for (var at = 0u; at < s.count; at += TILE_V) {
        var mask = tile_hits(s, at, least);
        if (group_any(mask != 0u)) {
            var place = group_places(countOneBits(mask));
            while (mask != 0u) {
                let q = firstTrailingBit(mask);
                mask = mask & (mask - 1u);
                let column = column_of(s, at + (q / PER) * WG + tid, of_bit(q % PER));
                if (place < room) {
#ifdef TWO
                    lists[base + place] = entry(s.row, column);
#else
                    list[place].y = column;
#endif
                }
                place += 1u;
            }
            if (group_any(place > room)) {
                break;
            }
        }
    }
    workgroupBarrier();
    let count = atomicLoad(&appended);
#ifndef TWO
    for (var i = tid; i < min(count, room); i += WG) {
        list[i] = entry(s.row, list[i].y);
    }
#endif
    workgroupBarrier();
    return count;
}

#ifndef RESIDENT
// After more than `room` reached `least`, which then is the key of many, as a rule: all that come
// before that key, and of those that have it the first, so that there are `need` of them, in order but
// where they go to device memory. Or some number greater than `room`, if that cannot be.
fn sweep_apart(s: Span, sampled: Span, least: u32, need: u32, room: u32, base: u32) -> u32 {
    let key = least_sampled(sampled, key_of_raw(least));
    var above = 0u;
    if (key != 0xffffffffu) {
        above = sweep(s, key + 1u, room, base);
    }
    if (above > room) {
        return above;
    }
#ifndef TWO
    order_list(above, min(above, need));
#endif
    if (above >= need) {
        return above;
    }
    let found = above + take_ties(s, key, need - above, base + above);
    return select(room + 1u, found, found == need);
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
        while (mask != 0u && place < want) {
            let column = column_of(s, i, firstTrailingBit(mask));
            mask = mask & (mask - 1u);
#ifdef TWO
            lists[base + place] = vec2<u32>(key, ~column);
#else
            list[base + place] = vec2<u32>(key, ~column);
#endif
            place += 1u;
        }
        found += places.y;
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
#ifndef RESIDENT
    if (count > p.room) {
        storageBarrier();
        count = sweep_apart(own, whole, least, min(ranks.y, here), p.room, base);
    }
#endif
    if (count > p.room) {
        storageBarrier();
        count = min(ranks.y, here);
        let b = bounds_of(own, 0u, count);
        collect(own, b, true, base);
    }
    set_count(row, part, count);
#else
    if (ranks.x == ranks.y) {
        pad_rest(row, 0u);
        return;
    }
#ifdef RESIDENT
    hold(whole);
#endif
    let least = threshold(whole, ranks.y);
    var count = sweep(whole, least, CAP, 0u);
    var ordered = false;
#ifndef RESIDENT
    if (count > CAP) {
        count = sweep_apart(whole, whole, least, ranks.y, CAP, 0u);
        ordered = count <= CAP;
    }
#endif
    if (count > CAP || count < ranks.y) {
        let b = bounds_of(whole, 0u, ranks.y);
        collect(whole, b, false, 0u);
        count = ranks.y;
        ordered = false;
    }
    if (!ordered) {
        order_list(count, ranks.y);
    }
    finish_list(row, ranks.x, ranks.y);
#endif
}
