// mk = 2. A subgroup for each part, no shared memory and no barrier. Every lane keeps the KL best of
// its columns sorted in registers; then the leading ones are taken off one by one (mkd = 4), or all
// lanes' candidates are sorted by a bitonic network across lanes (mkd = 5). A lane may have dropped
// one that is wanted: if the last one wanted does not come before all that was dropped, the part is
// read again for each rank.
//
// Reads the input once, or b + 1 times. Preferred for short rows and small k.
#import params
#import keys
#import output
#import lists

var<private> best: array<vec2<u32>, KL>;
var<private> lane: u32;
var<private> lanes: u32;

// The greatest of the subgroup's entries.
fn leading(e: vec2<u32>) -> vec2<u32> {
    let key = subgroupMax(e.x);
    let index = subgroupMax(select(0u, e.y, e.x == key));
    return vec2<u32>(key, index);
}

// The entry of a column, or nothing where there is no such column: all lanes go round a loop alike then, as an
// operation of the subgroup wants it that follows (votes.wgsl).
fn entry_before(row: u32, begin: u32, column: u32, end: u32) -> vec2<u32> {
    if (column < end) {
        return entry(row, begin + column);
    }
    return vec2<u32>(0u);
}

// Fills `best` with the lane's own, and says what it dropped: the best entry that may be among it,
// or nothing.
fn gather(row: u32, begin: u32, n: u32) -> vec2<u32> {
    for (var i = 0u; i < KL; i += 1u) {
        best[i] = vec2<u32>(0u);
    }
    var dropped = vec2<u32>(0u);
    for (var at = 0u; at < n; at += TILE) {
        let end = min(at + TILE, n);
        for (var first = at; first < end; first += lanes) {
            var e = entry_before(row, begin, first + lane, end);
            if (before(e, best[KL - 1u])) {
                // Sinks to its place; what falls off the end is dropped.
                for (var j = 0u; j < KL; j += 1u) {
                    let held = best[j];
                    if (before(e, held)) {
                        best[j] = e;
                        e = held;
                    }
                }
            }
            if (before(e, dropped)) {
                dropped = e;
            }
        }
    }
    return dropped;
}

// Sorts all lanes' candidates: rank i * lanes + lane is best[i].
fn sort_lanes() {
    let n = KL * lanes;
    for (var size = 2u; size <= n; size = size << 1u) {
        for (var step = size >> 1u; step > 0u; step = step >> 1u) {
            if (step >= lanes) {
                let apart = step / lanes;
                for (var i = 0u; i < KL; i += 1u) {
                    if ((i & apart) == 0u) {
                        let x = best[i];
                        let y = best[i + apart];
                        if (before(y, x) == (((i * lanes) & size) == 0u)) {
                            best[i] = y;
                            best[i + apart] = x;
                        }
                    }
                }
            } else {
                for (var i = 0u; i < KL; i += 1u) {
                    let own = best[i];
                    let other = vec2<u32>(subgroupShuffleXor(own.x, step), subgroupShuffleXor(own.y, step));
                    let place = i * lanes + lane;
                    let first = (place & step) == 0u;
                    let descending = (place & size) == 0u;
                    if (before(other, own) == (first == descending)) {
                        best[i] = other;
                    }
                }
            }
        }
    }
}

// The entry of a rank, after sort_lanes.
fn ranked(rank: u32) -> vec2<u32> {
    var e = vec2<u32>(0u);
    for (var i = 0u; i < KL; i += 1u) {
        if (i == rank / lanes) {
            e = best[i];
        }
    }
    let from_lane = rank % lanes;
    return vec2<u32>(subgroupShuffle(e.x, from_lane), subgroupShuffle(e.y, from_lane));
}

// Takes the leading one off the lanes' sorted lists.
fn take() -> vec2<u32> {
    let e = leading(best[0]);
    if (all(best[0] == e)) {
        for (var i = 0u; i + 1u < KL; i += 1u) {
            best[i] = best[i + 1u];
        }
        best[KL - 1u] = vec2<u32>(0u);
    }
    return e;
}

// The best entry of the part, or the best that comes after `previous`, by reading it again.
fn next_after(row: u32, begin: u32, n: u32, any_will_do: bool, previous: vec2<u32>) -> vec2<u32> {
    var own = vec2<u32>(0u);
    for (var at = 0u; at < n; at += lanes) {
        let e = entry_before(row, begin, at + lane, n);
        if ((any_will_do || before(previous, e)) && before(e, own)) {
            own = e;
        }
    }
    return leading(own);
}

// Where a rank's entry goes, if results are ordered by rank.
fn put(row: u32, base: u32, rank: u32, first: u32, e: vec2<u32>) {
#ifdef TWO
    lists[base + rank] = e;
#else
    if (rank >= first && p.sorted != 0u) {
        emit(row, rank - first, ~e.y);
    }
#endif
}

// The leading `held` of the part; those from rank `first` on go to their places.
fn select_ranks(row: u32, begin: u32, n: u32, base: u32, first: u32, held: u32) {
    let dropped = leading(gather(row, begin, n));
    var first_entry = vec2<u32>(0u);
    var last_entry = vec2<u32>(0u);
#ifdef NETWORK
    sort_lanes();
    first_entry = ranked(first);
    last_entry = ranked(held - 1u);
    let exact = !before(dropped, last_entry);
    if (exact) {
        for (var i = 0u; i < KL; i += 1u) {
            let rank = i * lanes + lane;
            if (rank < held) {
                put(row, base, rank, first, best[i]);
            }
        }
    }
#else
    for (var rank = 0u; rank < held; rank += 1u) {
        last_entry = take();
        if (rank == first) {
            first_entry = last_entry;
        }
        if (lane == 0u) {
            put(row, base, rank, first, last_entry);
        }
    }
    let exact = !before(dropped, last_entry);
#endif
    if (!exact) {
        for (var rank = 0u; rank < held; rank += 1u) {
            last_entry = next_after(row, begin, n, rank == 0u, last_entry);
            if (rank == first) {
                first_entry = last_entry;
            }
            if (lane == 0u) {
                put(row, base, rank, first, last_entry);
            }
        }
    }
#ifndef TWO
    if (p.sorted == 0u) {
        by_index(row, begin, n, first_entry, last_entry);
    }
#endif
}

// Writes the entries from the first to the last rank wanted in the order of their index.
fn by_index(row: u32, begin: u32, n: u32, first: vec2<u32>, last: vec2<u32>) {
    var place = 0u;
    for (var at = 0u; at < n; at += lanes) {
        var hit = false;
        if (at + lane < n) {
            let e = entry(row, begin + at + lane);
            hit = !before(e, first) && !before(last, e);
        }
        let one = select(0u, 1u, hit);
        let earlier = subgroupExclusiveAdd(one);
        if (hit) {
            emit(row, place + earlier, begin + at + lane);
        }
        place += subgroupAdd(one);
    }
}

@compute @workgroup_size(WG)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(subgroup_invocation_id) subgroup_lane: u32,
    @builtin(subgroup_size) subgroup_lanes: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(num_subgroups) subgroups: u32,
) {
    lane = subgroup_lane;
    lanes = subgroup_lanes;
    let number = group_number(group) * subgroups + subgroup;
    if (number >= p.rows * p.parts) {
        return;
    }
    let row = number / p.parts;
    let part = number % p.parts;
    let n = row_length(row);
    let begin = min(part * p.part_cols, n);
    let here = min(p.part_cols, n - begin);
#ifdef TWO
    let held = min(p.kept, here);
    if (held > 0u) {
        select_ranks(row, begin, here, list_base(row, part), 0u, held);
    }
    tid = lane;
    set_count(row, part, held);
#else
    let ranks = wanted(n);
    let found = ranks.y - ranks.x;
    if (found > 0u) {
        select_ranks(row, begin, here, 0u, ranks.x, ranks.y);
    }
    for (var i = found + lane; i < p.k; i += lanes) {
        pad(row, i);
    }
#endif
}
