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
#each j VECS
    let i_$j: u32 = at + $ju * WG + tid;
    // Threads beyond a tile have no vector of it.
    let there_$j: bool = in_tile($ju) && i_$j < s.outer;
    var w_$j: vec4<u32> = vec4<u32>(0u);
#end
    if (at + TILE_V <= s.outer) {
#each j VECS
        if (in_tile($ju)) {
            w_$j = vectors[s.first + i_$j];
        }
#end
    } else {
#each j VECS
        if (there_$j) {
            w_$j = vectors[s.first + i_$j];
        }
#end
    }
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

// Appends what reaches `least` to list[0..room) or to lists[base..base + room), and says how much
// there is, which may be more. The list in shared memory gets columns alone.
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
        if (is_tile) {
            mask = tile_hits(s, at, least);
        } else {
            let has_last = s.count > max(s.outer, s.inner);
            vector = select(0u, s.count - min(s.count, 1u), tid != 0u);
            if ((tid == 0u && s.inner > 0u) || (tid == 1u && has_last)) {
                mask = hits(words(s, vector), vec4<u32>(least)) & valid(s, vector);
            }
        }
#paste append
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
// After more than `room` reached `least`, which then is the key of many, as a rule: all that come
// before that key, and of those that have it the first, so that there are `need` of them, in order but
// where they go to device memory. Or some number greater than `room`, if that cannot be.
fn sweep_apart(s: Span, sampled: Span, least: u32, need: u32, room: u32, base: u32) -> u32 {
    let key = uniform_of(least_sampled(sampled, key_of_raw(least)));
    var above = 0u;
    if (key != 0xffffffffu) {
        above = sweep(s, key + 1u, room, base);
    }
    if (above > room) {
        return above;
    }
#ifndef TWO
    order_found(s.row, above, min(above, need), false);
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
        count = sweep_apart(own, whole, least, min(ranks.y, here), p.room, base);
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
    var count = sweep(whole, least, CAP, 0u);
    var ordered = false;
    var keyed = false;
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
        keyed = true;
    }
    if (!ordered) {
        order_found(row, count, ranks.y, keyed);
    }
    finish_list(row, ranks.x, ranks.y);
#endif
}
