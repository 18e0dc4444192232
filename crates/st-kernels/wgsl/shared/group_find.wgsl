// Pasted where a row's elements are to be found: `needed` of them, or up to CAP, of the span `s` of n
// columns. Leaves the lane's share as bits in `found_mask`, how many the group has in `found_count`, a
// key that all of them reach in `found_least`, and the row's greatest raw key in `found_most`.
//
// No function: what is kept in registers must not be passed around.
#unroll q QUADS
    var raw_$q = vec4<u32>(0u);
#end
    var present = 0u;
#unroll j EV
    {
        let i = $ju * GROUP + own_lane;
#ifdef FULL_ROWS
        let w = vectors[s.first + i];
#else
        var w = vec4<u32>(0u);
        if (i < s.count) {
            w = words(s, i);
            present = present | (valid(s, i) << ($ju * PER));
        }
#endif
#ifdef HALF
        raw_$(j * 2) = raw_evens(w) & vec4<u32>(0xffff0000u);
        raw_$(j * 2 + 1) = raw_odds(w);
#else
        raw_$j = raw_evens(w);
#endif
    }
#end
    // Partial maxima: their least is reached by as many elements as there are maxima.
    var low = 0xffffffffu;
    var found_most = 0u;
#unroll g PARTIAL
    var four_$g = vec4<u32>(0u);
#unroll q QUADS_EACH
#ifdef FULL_ROWS
    four_$g = max(four_$g, raw_$(g * QUADS_EACH + q));
#else
    four_$g = max(four_$g, select(
        vec4<u32>(0u),
        raw_$(g * QUADS_EACH + q),
        (vec4<u32>(present >> ($(g * QUADS_EACH + q)u * 4u)) & vec4<u32>(1u, 2u, 4u, 8u)) != vec4<u32>(0u),
    ));
#endif
#end
    let maximum_$g = greatest(four_$g);
    low = min(low, maximum_$g);
    found_most = max(found_most, maximum_$g);
#end
    let neighbour = subgroupShuffleXor(low, 1u);
    // Pairs of lanes will do for few.
    low = select(min(low, neighbour), max(low, neighbour), needed <= 4u && PARTIAL == 1u);
    low = min(low, subgroupShuffleXor(low, 2u));
    low = min(low, subgroupShuffleXor(low, 4u));
    found_most = group_most(found_most);
    if (needed > GROUP * PARTIAL) {
        low = 0u;
    }
    // Where the threshold is looked for.
    var lower = low;
    var upper = found_most;
    var at = low;
    var many = GROUP * PARTIAL * 3u;
    var few = 0u;
#ifdef QUARTERS
    // Each lane's four maxima in order. About one element in eight reaches the mean of the third, and
    // one in four that of the fourth; where keys turn their sign, the fourth may be very far.
    {
        let upper_01 = max(maximum_0, maximum_1);
        let upper_23 = max(maximum_2, maximum_3);
        let lower_01 = min(maximum_0, maximum_1);
        let lower_23 = min(maximum_2, maximum_3);
        let first = max(upper_01, upper_23);
        let middle = vec2<u32>(min(upper_01, upper_23), max(lower_01, lower_23));
        let third = min(middle.x, middle.y);
        let spread = 2u * min(first - third, 0x7fffffffu);
        let fourth = max(min(lower_01, lower_23), third - min(third, spread));
        let thirds = group_sum(third / GROUP);
        let fourths = group_sum(fourth / GROUP);
        let apart = thirds - min(thirds, fourths);
        lower = fourths - min(fourths, apart);
        upper = thirds + min(apart, 0xffffffffu - thirds);
        at = fourths + apart / 2u + apart / 16u;
        many = CAP * 2u;
        few = needed / 2u;
    }
#endif
    if (n <= CAP) {
        at = 0u;
    }
    var found_mask = 0u;
    var found_count = 0u;
    var found_least = 0u;
    var done = false;
    var reach_mask = 0u;
    // The bound is a parameter so that no compiler unrolls this.
    for (var step = 0u; step < p.steps; step += 1u) {
        let reach_least = least_raw(at);
#paste group_reach
        let count = group_sum(countOneBits(reach_mask));
        if (!done) {
            done = count >= needed && count <= CAP;
            found_mask = reach_mask;
            found_count = count;
            found_least = reach_least;
            if (!done) {
                if (count > CAP) {
                    low = max(low, at);
                    lower = at;
                    many = count;
                } else {
                    upper = at;
                    few = count;
                }
                // Counts fall as those of normal numbers do: about by their logarithm.
                let from_many = log16(many);
                let range = max(from_many - min(from_many, log16(few)), 1u);
                let share = (from_many - min(from_many, log16((needed + CAP) / 2u))) * 256u / range;
                at = lower + ((max(upper, lower) - lower) >> 8u) * clamp(share, 24u, 232u);
            }
        }
        if (subgroupAll(done)) {
            break;
        }
    }
    if (subgroupAny(!done)) {
        // `low` is reached by as many as are needed: `reach`; beyond `high` are fewer: `above`. Rows are read again,
        // because what few of them need must not take registers from all.
        var high = key_of_raw(found_most) / UNIT * UNIT;
        low = min(key_of_raw(low) / UNIT * UNIT, high);
        var reach = reaching(s, low);
        var above = 0u;
        // Where too many share a key, it is the least that reaches `low`, as a rule, or one of the next, which every
        // other question asks for. The others are found by bisection: a range of 32 bits is halved 32 times.
        for (var step = 0u; step < 64u; step += 1u) {
            if (!subgroupAny(!done && low < high)) {
                break;
            }
            var middle = low + ((high - low) / UNIT + 1u) / 2u * UNIT;
            if (step % 2u == 0u) {
                low = min(group_least(least_reaching(s, low)), high);
                middle = low + min(high - low, UNIT);
            }
            let mask = reaching(s, middle);
            let count = group_sum(countOneBits(mask));
            if (!done && low < high) {
                if (count < needed) {
                    high = middle - UNIT;
                    above = mask;
                } else {
                    low = middle;
                    reach = mask;
                    if (count <= CAP) {
                        done = true;
                        found_mask = mask;
                        found_count = count;
                        found_least = middle;
                    }
                }
            }
        }
        // All that come before the ties, and of these the first.
        let ties = reach & ~above;
        var rest = needed - min(needed, group_sum(countOneBits(above)));
        var mask = above;
        for (var j = 0u; j < p.held; j += 1u) {
            if (!subgroupAny(!done && rest > 0u)) {
                break;
            }
            var mine = 0u;
            // As bits in the order of columns.
            for (var b = 0u; b < PER; b += 1u) {
                mine = mine | (((ties >> (PER * j + b)) & 1u) << of_bit(b));
            }
            let all = countOneBits(mine);
            let place = group_before(all);
            for (var b = 0u; b < PER; b += 1u) {
                let bit = PER * j + b;
                let earlier = countOneBits(mine & ((1u << of_bit(b)) - 1u));
                if (((ties >> bit) & 1u) != 0u && place + earlier < rest) {
                    mask = mask | (1u << bit);
                }
            }
            rest -= min(rest, group_sum(all));
        }
        if (!done) {
            found_mask = mask;
            found_count = needed;
            found_least = low;
        }
    }
