// Pasted where a sample of the span `s` is wanted: a thread's vectors in `sample_0` and so on, with
// bits in `ok_0` and so on of the elements that belong to the span. `all`: the sample is the whole span.
// Neighbouring threads take NEIGHBOURS vectors that stand together: memory gives hardly less at once.
#ifdef SUBGROUP
    // What stands near each other in a sorted row goes to different subgroups.
    let dealt = (lane / NEIGHBOURS * subgroups + subgroup) * NEIGHBOURS + lane % NEIGHBOURS;
#else
    let dealt = tid;
#endif
    let places = WG * SAMPLE / NEIGHBOURS;
    let each = s.count / places;
    let rest = s.count % places;
#each j SAMPLE
    var sample_$j: vec4<u32> = vec4<u32>(0u);
#ifdef RESIDENT
    let i_$j: u32 = $ju * WG + tid;
    sample_$j = held_$j;
#else
    let nth_$j: u32 = $ju * WG + dealt;
    let place_$j: u32 = nth_$j / NEIGHBOURS;
    let spread_$j: u32 = place_$j * each + place_$j * rest / places + nth_$j % NEIGHBOURS;
    let i_$j: u32 = select(spread_$j, nth_$j, all);
    if (i_$j < s.whole) {
        sample_$j = vectors[s.first + i_$j];
    }
#endif
    let ok_$j: u32 = valid(s, i_$j);
#end
#ifndef RESIDENT
    if (s.whole < s.count) {
        let last = last_words(s);
#each j SAMPLE
        sample_$j = select(sample_$j, last, i_$j == s.whole);
#end
    }
#endif
